"""A host that does its worst on every port: its inspection ends in time and memory, invents nothing, calls nothing
clean that broke off, and its reports hold nothing active."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.inspect import inspect
from scanner.engine.judge import judge
from scanner.engine.model import (
    Facet,
    Finding,
    GapReason,
    HostInspection,
    Outcome,
    Service,
    Severity,
    Target,
    Transport,
)
from scanner.engine.plan import Plan, parse_ports
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.port import look_at_port
from scanner.engine.serialize import load_host
from tests.lab.certificate_cases import CASES as CERTIFICATES
from tests.lab.hostile import ADDRESS, ALL_OPEN, CROWDED, HOSTS, OFF_SCOPE, OFF_SCOPE_PORT, Hostile
from tests.lab.http_answers import together
from tests.lab.scripted import hangs_up, scripted

pytestmark = pytest.mark.lab

SECONDS, MEGABYTES = 80, 48
"""What all hostile ports together may take, looked at twice, on a machine that does much else beside; an inspection
keeps its facts in memory to the end."""
NMAP_MEGABYTES = 128

OPEN_PORTS = range(9301, 9601)


@dataclass(frozen=True, slots=True)
class Looked:
    """What an inspection in a process of its own showed and cost."""

    seconds: float
    grown: float
    children: float
    inspection: HostInspection
    findings: tuple[Finding, ...]
    text: str
    html: str


def look(address: str, ports: str) -> Looked:
    command = [sys.executable, "-m", "tests.lab.hostile_look", address, ports]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    told = json.loads(printed)
    inspection = load_host(base64.b64decode(told.pop("facts")))
    return Looked(inspection=inspection, findings=judge(inspection), **told)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[socket.socket]:
    """Where a hostile redirect leads."""
    with socket.create_server((OFF_SCOPE, OFF_SCOPE_PORT)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def looked(elsewhere: socket.socket, tmp_path_factory: pytest.TempPathFactory) -> Looked:
    ports = ",".join(f"{'U' if host.udp else 'T'}:{host.port}" for host in HOSTS)
    with together(*(host.start for host in HOSTS))(ADDRESS, tmp_path_factory.mktemp("hostile")):
        return look(ADDRESS, ports)


def test_it_ends_in_bounded_time_and_memory(looked: Looked) -> None:
    assert looked.seconds < SECONDS
    assert looked.grown < MEGABYTES
    assert looked.children < NMAP_MEGABYTES
    assert GapReason.TIMED_OUT not in {gap.reason for gap in looked.inspection.coverage.gaps if gap.port is None}


@pytest.mark.parametrize("port", HOSTS, ids=lambda port: port.name)
def test_it_is_taken_for_what_it_is_and_nothing_that_broke_off_is_clean(looked: Looked, port: Hostile) -> None:
    place = (port.port, Transport.UDP if port.udp else Transport.TCP)
    seen = looked.inspection
    services = [each for each in seen.services if (each.endpoint.port, each.endpoint.transport) == place]
    assert [(each.protocol, each.tls) for each in services] == ([(port.protocol, port.tls)] if port.protocol else [])
    found = [each for each in looked.findings if (each.endpoint.port, each.endpoint.transport) == place]
    assert {each.check for each in found if each.severity is not Severity.INFO} == port.found
    covered = {facet for facet in Facet if seen.coverage.covers(facet, *place)}
    gaps = [gap for gap in seen.coverage.gaps if (gap.port, gap.transport) == place]
    assert not covered & port.open_ends
    if not port.open_ends:
        assert Facet.SERVICE in covered, gaps
    assert not {GapReason.TOOL_FAILED, GapReason.CANCELLED} & {gap.reason for gap in gaps}


def test_a_host_of_which_half_could_not_be_inspected_is_partial(looked: Looked) -> None:
    assert looked.inspection.outcome is Outcome.PARTIAL


def test_nobody_follows_a_redirect_off_the_scope(looked: Looked, elsewhere: socket.socket) -> None:
    assert looked.inspection.services
    with pytest.raises(BlockingIOError):
        elsewhere.accept()


def test_the_text_that_is_printed_can_move_no_cursor_and_the_page_runs_no_script(looked: Looked) -> None:
    controls = [char for char in looked.text if unicodedata.category(char) in ("Cc", "Cf") and char != "\n"]
    assert controls == []
    assert "alert(1)" in looked.html
    assert re.findall(r"<script|<a[^>]*dark\.test|\x1b|\x9b|\u202e|\u200b", looked.html) == []


def test_an_answer_that_breaks_a_probe_of_ours_costs_its_port_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_or_break(contact: Contact, *rest: Any) -> Service:
        if contact.endpoint.port == 7001:
            raise ValueError("not enough values to unpack")
        return await look_at_port(contact, *rest)

    monkeypatch.setattr("scanner.engine.host.look_at_port", look_or_break)
    plan = Plan((Target("x", "127.12.40.4"),), parse_ports("T:7001,7002"), host_deadline=20)
    servers = together(*(scripted(port, hangs_up, banner=b"SSH-1.5-lab\r\n") for port in (7001, 7002)))
    with servers("127.12.40.4", Path()):
        inspection = asyncio.run(_one(plan))
    assert inspection.outcome is Outcome.PARTIAL
    assert [(gap.reason, gap.port, gap.detail) for gap in inspection.coverage.gaps] == [
        (GapReason.TOOL_FAILED, 7001, "ValueError")
    ]
    assert [service.endpoint.port for service in inspection.services] == [7002]
    assert not inspection.coverage.covers(Facet.SERVICE, 7001, Transport.TCP)


async def _one(plan: Plan) -> HostInspection:
    async with contextlib.aclosing(inspect(plan, lambda endpoint: None)) as inspections:
        return await anext(inspections)


def test_a_certificate_with_ten_thousand_names_costs_no_more_than_another(tmp_path: Path) -> None:
    case = next(case for case in CERTIFICATES if case.name == "certificate-ten-thousand-names")
    with case.start(CROWDED, tmp_path):
        looked = look(CROWDED, case.ports)
    assert looked.seconds < SECONDS
    assert looked.grown < MEGABYTES
    assert looked.inspection.outcome is Outcome.INSPECTED
    found = {finding.check for finding in looked.findings if finding.severity is not Severity.INFO}
    assert found == {"CERT-UNTRUSTED"}  # by this inspection, which knows of no authority of the lab


def test_a_host_on_which_everything_is_open_is_not_looked_at() -> None:
    """Three hundred ports that all answer are a firewall's or a decoy's; what they say means nothing."""
    listening = [socket.create_server((ALL_OPEN, port)) for port in OPEN_PORTS]
    try:
        looked = look(ALL_OPEN, f"T:{OPEN_PORTS[0]}-{OPEN_PORTS[-1]}")
    finally:
        for server in listening:
            server.close()
    assert looked.seconds < SECONDS
    assert looked.grown < MEGABYTES
    assert looked.inspection.outcome is Outcome.PARTIAL
    assert [(gap.reason, gap.detail) for gap in looked.inspection.coverage.gaps] == [
        (GapReason.ALL_PORTS_ANSWER, str(len(OPEN_PORTS)))
    ]
    assert looked.inspection.services == ()
    assert looked.findings == ()
    assert not looked.inspection.coverage.covers(Facet.SERVICE, OPEN_PORTS[0], Transport.TCP)
