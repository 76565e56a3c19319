"""The pipeline: it touches what it may, ends when it must, and says what it did not see."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scanner.engine.inspect import Progress, Stage, inspect
from scanner.engine.judge import judge
from scanner.engine.model import Confidence, Endpoint, Facet, GapReason, HostInspection, Outcome, Target, Transport
from scanner.engine.plan import Plan, PortSpec, parse_ports
from scanner.engine.probes import nmap
from scanner.engine.probes.dial import Gate
from scanner.engine.probes.http_session import REQUEST_LIMIT
from scanner.engine.probes.services.version_control import CVS_LINE
from tests.lab.scripted import listening
from tests.lab.web_servers import nginx

pytestmark = pytest.mark.lab


def anywhere(endpoint: Endpoint) -> str | None:
    return None


def look(plan: Plan, gate: Gate = anywhere, seen: list[Progress] | None = None) -> list[HostInspection]:
    async def run() -> list[HostInspection]:
        observer = seen.append if seen is not None else None
        async with contextlib.aclosing(inspect(plan, gate, observer)) as inspections:
            return [inspection async for inspection in inspections]

    return asyncio.run(run())


def plan_for(*addresses: str, ports: str = "7001", deadline: float = 30, run: float | None = None) -> Plan:
    targets = tuple(Target(address, address) for address in addresses)
    return Plan(targets, parse_ports(ports), host_deadline=deadline, run_deadline=run)


@contextlib.contextmanager
def listener(address: str, port: int, *, answer: bytes = b"") -> Iterator[list[str]]:
    """A TCP server that notes who connected and says ``answer`` (nothing by default) without ever closing."""
    seen: list[str] = []
    held: list[socket.socket] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, port), family=family)
    server.settimeout(0.1)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, peer = server.accept()
                seen.append(str(peer))
                held.append(connection)
                if answer:
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
        for connection in (*held, server):
            connection.close()


def test_a_host_without_open_ports_is_inspected_and_its_ports_are_covered() -> None:
    [inspection] = look(plan_for("127.11.0.1"))
    assert inspection.outcome is Outcome.INSPECTED
    assert inspection.coverage.covers(Facet.SERVICE, 7001, Transport.TCP)
    assert not inspection.coverage.covers(Facet.SERVICE, 7002, Transport.TCP)


def test_a_refused_address_gets_no_packet_and_is_reported_as_refused() -> None:
    def gate(endpoint: Endpoint) -> str | None:
        return "not authorised" if endpoint.address == "127.11.0.2" else None

    with listener("127.11.0.2", 7001) as seen:
        refused, allowed = sorted(look(plan_for("127.11.0.2", "127.11.0.3"), gate), key=lambda i: i.target.address)
    assert refused.outcome is Outcome.REFUSED
    assert refused.coverage.gaps[0].reason is GapReason.REFUSED_BY_SCOPE
    assert refused.coverage.gaps[0].detail == "not authorised"
    assert allowed.outcome is Outcome.INSPECTED
    assert seen == []


def test_a_refused_port_gets_no_packet_while_the_others_are_inspected() -> None:
    def gate(endpoint: Endpoint) -> str | None:
        return "excluded" if endpoint.port == 7002 else None

    with listener("127.11.0.4", 7002) as seen:
        [inspection] = look(plan_for("127.11.0.4", ports="7001-7003"), gate)
    assert seen == []
    assert inspection.outcome is Outcome.INSPECTED
    assert inspection.coverage.covers(Facet.PORT, 7001, Transport.TCP)
    assert not inspection.coverage.covers(Facet.PORT, 7002, Transport.TCP)
    assert [(gap.reason, gap.port, gap.detail) for gap in inspection.coverage.gaps] == [
        (GapReason.REFUSED_BY_SCOPE, 7002, "excluded")
    ]


def test_permission_withdrawn_in_mid_inspection_stops_the_host() -> None:
    calls = 0

    def gate(endpoint: Endpoint) -> str | None:
        nonlocal calls
        calls += 1
        return "stopped" if calls > 1 else None

    with listener("127.11.0.5", 7001) as seen:
        [inspection] = look(plan_for("127.11.0.5", ports="T:7001"), gate)
    assert inspection.outcome is Outcome.REFUSED
    assert len(seen) <= 1  # the port scan may have completed its handshake; nothing after it was sent


def test_a_port_that_never_says_a_word_ends_within_its_time_and_is_no_pass() -> None:
    started = time.monotonic()
    with listener("127.11.0.6", 7001):
        [inspection] = look(plan_for("127.11.0.6", ports="T:7001"))
    assert time.monotonic() - started < 20
    assert inspection.outcome is Outcome.PARTIAL
    assert not inspection.coverage.covers(Facet.SERVICE, 7001, Transport.TCP)


def test_an_endless_banner_ends_within_its_time() -> None:
    with listener("127.11.0.7", 7001, answer=b"\x00junk" * 20_000):
        [inspection] = look(plan_for("127.11.0.7", ports="T:7001", deadline=25))
    assert inspection.outcome is Outcome.PARTIAL
    assert len(inspection.services[0].banner) <= 512


def test_more_than_fifty_ports_that_answer_alike_are_a_decoy_and_expose_nothing() -> None:
    with contextlib.ExitStack() as decoys:
        for port in range(7101, 7153):
            decoys.enter_context(listener("127.21.0.21", port, answer=b"-NOAUTH Authentication required.\r\n"))
        [inspection] = look(plan_for("127.21.0.21", ports="T:7101-7152", deadline=60))
    assert [service.protocol for service in inspection.services] == ["redis"] * 52
    assert judge(inspection) == ()
    assert inspection.outcome is Outcome.PARTIAL
    assert [(gap.reason, gap.detail) for gap in inspection.coverage.gaps] == [(GapReason.ALL_PORTS_ANSWER, "52")]
    assert not inspection.coverage.covers(Facet.SERVICE, 7101, Transport.TCP)


def test_the_run_deadline_reports_what_was_not_reached() -> None:
    with listener("127.11.0.8", 7001):
        started = time.monotonic()
        [inspection] = look(plan_for("127.11.0.8", ports="T:7001", run=2.5))
    assert time.monotonic() - started < 5
    assert inspection.outcome is Outcome.PARTIAL
    assert GapReason.TIMED_OUT in {gap.reason for gap in inspection.coverage.gaps}


def test_every_host_is_announced_and_finished_exactly_once() -> None:
    seen: list[Progress] = []
    addresses = [f"127.11.1.{number}" for number in range(1, 80)]
    inspections = look(plan_for(*addresses), seen=seen)
    assert sorted(i.target.address for i in inspections) == sorted(addresses)
    done = [progress.target.address for progress in seen if progress.stage is Stage.DONE]
    assert sorted(done) == sorted(addresses)


def test_an_ipv6_host_is_inspected_like_any_other() -> None:
    with listener("::1", 7001, answer=b"SSH-2.0-OpenSSH_9.2\r\n"):
        [inspection] = look(plan_for("::1", ports="T:7001"))
    assert [service.protocol for service in inspection.services] == ["ssh"]


def test_closing_the_iterator_leaves_no_child_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_nmap(tmp_path, monkeypatch, "sleep 60")
    before = set(psutil.Process().children(recursive=True))  # what other tests keep for the whole session

    def left() -> set[psutil.Process]:
        return set(psutil.Process().children(recursive=True)) - before

    async def start_and_leave() -> None:
        task = asyncio.create_task(_first(plan_for("127.11.0.9")))
        await asyncio.sleep(1)
        assert left()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(start_and_leave())
    assert not left()


def test_an_nmap_that_hangs_is_ended_and_the_host_is_not_inspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_nmap(tmp_path, monkeypatch, "sleep 60")
    [inspection] = look(plan_for("127.11.0.10", run=2))
    assert inspection.outcome is Outcome.UNREACHABLE
    assert not inspection.coverage.covers(Facet.PORT, 7001, Transport.TCP)


@pytest.mark.parametrize(
    ("does", "outcome"),
    [
        ("exit 3", Outcome.ERROR),
        ("kill -SEGV $$", Outcome.ERROR),
        ("""printf '<nmaprun><host><address addr="127' > "$report" """, Outcome.ERROR),
        ("""printf '<nmaprun></nmaprun>' > "$report" """, Outcome.UNREACHABLE),
    ],
    ids=["it fails", "it crashes", "it prints half a document", "it forgets the host"],
)
def test_an_nmap_that_breaks_is_never_taken_for_no_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, outcome: Outcome
) -> None:
    _pretend_nmap(tmp_path, monkeypatch, does)
    [inspection] = look(plan_for("127.11.0.11"))
    assert inspection.outcome is outcome
    assert not inspection.coverage.covers(Facet.PORT, 7001, Transport.TCP)


def test_a_host_that_nmap_gave_up_on_is_not_a_host_without_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = '<host timedout="true"><status state="up"/><address addr="127.11.0.12" addrtype="ipv4"/></host>'
    _pretend_nmap(tmp_path, monkeypatch, f"printf '<nmaprun>{host}</nmaprun>' > \"$report\"")
    [inspection] = look(plan_for("127.11.0.12"))
    assert inspection.outcome is Outcome.UNREACHABLE
    assert inspection.coverage.gaps[0].reason is GapReason.TIMED_OUT
    assert not inspection.coverage.covers(Facet.PORT, 7001, Transport.TCP)


@contextlib.contextmanager
def recorder(address: str, port: int) -> Iterator[list[bytes]]:
    """A TCP server that keeps what it is sent and says nothing."""
    received: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            received.append(data)

    with listening(address, port, keep):
        yield received


def test_a_service_away_from_home_is_confirmed_by_asking_it_again() -> None:
    received: list[bytes] = []

    def cvs(connection: socket.socket) -> None:
        received.append(request := connection.recv(4096))
        connection.sendall(b"cvs [pserver aborted]: bad auth protocol start: " + request)

    with listening("127.11.0.24", 7002, cvs):
        [inspection] = look(plan_for("127.11.0.24", ports="T:7002"))
    [finding] = [each for each in judge(inspection) if each.check == "SVC-CVS-EXPOSED"]
    assert finding.confidence is Confidence.CONFIRMED
    assert received.count(CVS_LINE) == 2


def test_a_controller_is_sent_nothing_and_the_report_says_so() -> None:
    with recorder("127.11.0.20", 502) as received:
        [inspection] = look(plan_for("127.11.0.20", ports="T:502"))
    assert received == []
    assert [gap.reason for gap in inspection.coverage.gaps] == [GapReason.FRAGILE_PORT]
    assert not inspection.coverage.covers(Facet.SERVICE, 502, Transport.TCP)


def test_a_print_port_gets_one_http_request_unless_the_host_is_a_printer() -> None:
    with recorder("127.11.0.21", 9100) as alone:
        look(plan_for("127.11.0.21", ports="T:9100"))
    with recorder("127.11.0.22", 9100) as beside, listener("127.11.0.22", 515):
        look(plan_for("127.11.0.22", ports="T:515,9100"))
    assert [request.split(b" ")[0] for request in alone] == [b"GET"]
    assert beside == []


def test_udp_alone_is_inspected_without_a_port_scan() -> None:
    [inspection] = look(Plan((Target("x", "127.11.0.13"),), PortSpec(parse_ports("U:161").which, "", (161,))))
    assert inspection.services == ()


def test_a_host_with_one_https_site_costs_less_than_200_connections(tmp_path: Path) -> None:
    address = "127.11.0.30"
    (tmp_path / "run").mkdir()
    site = nginx("server { listen @address@:443 ssl; root @folder@/www; }", port=443)
    with site(address, tmp_path / "run"):
        [inspection] = look(plan_for(address, ports="T:443", deadline=60))
    assert inspection.outcome is Outcome.INSPECTED
    coverage = inspection.coverage
    assert 0 < coverage.connections < 200
    assert 0 < coverage.requests <= 2 * REQUEST_LIMIT
    assert coverage.datagrams == 0


def test_datagrams_are_counted_apart_from_connections() -> None:
    [inspection] = look(plan_for("127.11.0.31", ports="U:53,123"))
    assert inspection.coverage.connections == 0
    assert inspection.coverage.datagrams > 0


async def _first(plan: Plan) -> None:
    async with contextlib.aclosing(inspect(plan, anywhere)) as inspections:
        async for _ in inspections:
            return


def _pretend_nmap(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Put a program in nmap's place that names its version and then does what the test says."""
    program = folder / "nmap"
    program.write_text(
        "#!/bin/bash\n"
        '[ "$1" = --version ] && { echo "Nmap version 7.93"; exit; }\n'
        'while [ $# -gt 0 ]; do [ "$1" = -oX ] && report="$2"; shift; done\n'
        "cat >/dev/null\n"
        f"{does}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    nmap.find_nmap.cache_clear()


@pytest.fixture(autouse=True)
def _forget_nmap() -> Iterator[None]:
    yield
    nmap.find_nmap.cache_clear()
