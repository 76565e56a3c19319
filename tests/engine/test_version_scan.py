"""nmap is asked about the ports that nothing else could name, and about no other."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

import pytest

from scanner.engine.errors import RefusedByScope
from scanner.engine.model import Endpoint
from scanner.engine.probes import version_scan
from scanner.engine.probes.dial import Gate
from scanner.engine.probes.version_scan import VersionScanner

Asked = set[tuple[str, int]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every (address, port) that a run of nmap would have touched."""
    touched: Asked = set()

    async def run(options: list[str], addresses: list[str], deadline: float) -> Element:
        ports = options[options.index("-p") + 1].split(",")
        touched.update((address, int(port)) for address in addresses for port in ports)
        return Element("nmaprun")

    monkeypatch.setattr(version_scan, "run_nmap", run)
    return touched


def name_all(gate: Gate, *endpoints: Endpoint) -> list[object]:
    async def run() -> list[object]:
        scanner = VersionScanner(5, gate)
        return list(await asyncio.gather(*map(scanner.name, endpoints), return_exceptions=True))

    return asyncio.run(run())


def test_a_port_of_one_host_is_not_asked_on_another(asked: Asked) -> None:
    endpoints = [Endpoint("192.0.2.1", 7001), Endpoint("192.0.2.2", 8002), Endpoint("2001:db8::1", 7001)]
    assert name_all(lambda _: None, *endpoints) == [None, None, None]
    assert asked == {(endpoint.address, endpoint.port) for endpoint in endpoints}


def test_a_port_that_is_refused_by_then_is_not_asked(asked: Asked) -> None:
    allowed, refused = Endpoint("192.0.2.1", 7001), Endpoint("192.0.2.1", 7002)
    answers = name_all(lambda endpoint: "withdrawn" if endpoint == refused else None, allowed, refused)
    assert answers[0] is None
    assert isinstance(answers[1], RefusedByScope)
    assert asked == {("192.0.2.1", 7001)}


def test_printers_and_controllers_are_never_asked(asked: Asked) -> None:
    assert name_all(lambda _: None, Endpoint("192.0.2.1", 9100), Endpoint("192.0.2.1", 502)) == [None, None]
    assert asked == set()
