"""nmap is asked about the ports that nothing else could name, and about no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import pytest

from scanner.engine.errors import RefusedByScope
from scanner.engine.model import Endpoint
from scanner.engine.probes import version_scan
from scanner.engine.probes.dial import Gate
from scanner.engine.probes.version_scan import VersionScanner, answered_name

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


def service(**attributes: str) -> Element:
    element = Element("service")
    for name, value in attributes.items():
        element.set(name, value)
    return element


QUOTES = 'SF-Port8080-TCP:V=7.93%r(GetRequest,7B,"HTTP/1\\.1\\x20404\\x20Not\\x20Found\\r\\n\\r\\n");'


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"name": "redis", "method": "probed", "conf": "10"}, "redis"),
        ({"name": "redis", "method": "table", "conf": "3"}, ""),
        ({"name": "http-proxy", "method": "probed", "conf": "10", "servicefp": QUOTES}, "http"),
        ({"name": "couchdb", "method": "table", "conf": "3", "servicefp": QUOTES}, "http"),
        (
            {"name": "ftp", "method": "probed", "conf": "10", "servicefp": 'SF-Port21%r(NULL,9,"220\\x20hi\\r\\n");'},
            "ftp",
        ),
        ({"name": "x", "method": "table", "conf": "3", "servicefp": 'SF%r(NULL,9,"see\\x20HTTP/1\\.1");'}, ""),
    ],
    ids=["matched", "by its number", "by a script's header", "by its number, speaking HTTP", "half matched", "unknown"],
)
def test_nmaps_name_counts_only_when_an_answer_gave_it(attributes: Mapping[str, str], name: str) -> None:
    assert answered_name(service(**attributes)) == name
