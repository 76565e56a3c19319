"""A port that drops packets is no closed port until a later connection of our own has found it silent too."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.inspect import inspect
from scanner.engine.judge import judge
from scanner.engine.model import Coverage, Facet, Gap, GapReason, HostInspection, Outcome, PortScan, Target, Transport
from scanner.engine.plan import Plan, parse_ports
from scanner.engine.probes.discovery import discover
from scanner.engine.probes.nmap import is_privileged
from tests.engine.test_inspect import listener
from tests.lab.case import program
from tests.lab.discovery_cases import bind_of_old
from tests.lab.http_answers import GO_NOT_FOUND, answers, page
from tests.lab.udp import scripted_udp

TCP = Transport.TCP

SCAN_ONLY = ("--syn", "-m", "length", "--length", "0:44")
"""Matches the bare SYNs of a port scan, 44 bytes, and not those of a connection, which carry more options."""


@contextlib.contextmanager
def firewall(address: str, *match: str, does: tuple[str, ...] = ("DROP",), protocol: str = "tcp") -> Iterator[None]:
    """Drop what comes to ``address`` and matches, or as it ``does``; only in the network namespace of the tests."""
    rule = ["INPUT", "-d", address, "-p", protocol, *match, "-j", *does]
    subprocess.run([program("iptables"), "-w", "-I", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run([program("iptables"), "-w", "-D", *rule], check=True)


def look(address: str, ports: str) -> HostInspection:
    async def run() -> HostInspection:
        plan = Plan((Target(address, address),), parse_ports(ports), host_deadline=60)
        async with contextlib.aclosing(inspect(plan, lambda _: None)) as inspections:
            return await anext(inspections)

    return asyncio.run(run())


real = pytest.mark.skipif(not is_privileged(), reason="a firewall needs CAP_NET_ADMIN")


@real
@pytest.mark.lab
def test_a_dropped_port_counts_as_shut_when_it_stays_silent_while_another_answers() -> None:
    with (
        listener("127.31.0.1", 7001, answer=b"SSH-2.0-OpenSSH_9.2\r\n"),
        listener("127.31.0.1", 7002),
        firewall("127.31.0.1", "--dport", "7002"),
    ):
        coverage = look("127.31.0.1", "T:7001-7003").coverage
    (scan,) = coverage.scans
    assert (scan.open, scan.filtered, scan.filtered_ports) == ((7001,), 1, "7002")
    assert scan.still_filtered == "7002"
    assert coverage.covers(Facet.SERVICE, 7002, TCP)


@real
@pytest.mark.lab
def test_a_service_over_udp_is_found_behind_a_firewall_that_drops_all_of_tcp() -> None:
    address = "127.31.0.11"
    with (
        scripted_udp(53, bind_of_old)(address, Path()),
        firewall(address),
    ):
        inspection = look(address, "T:22,80,U:53,123")
    assert inspection.outcome is Outcome.PARTIAL
    assert [gap.reason for gap in inspection.coverage.gaps] == [GapReason.TCP_SILENT]
    assert [(service.endpoint.port, service.protocol) for service in inspection.services] == [(53, "dns")]
    assert inspection.coverage.covers(Facet.SERVICE, 53, Transport.UDP)
    assert inspection.coverage.covers(Facet.SERVICE, 123, Transport.UDP), "the host itself says that nothing is there"
    assert not inspection.coverage.covers(Facet.PORT, 22, TCP)
    assert {finding.check for finding in judge(inspection)} == {"DNS-AMP-ANY"}


@real
@pytest.mark.lab
def test_a_host_of_which_no_service_answers_is_not_inspected_though_it_calls_ports_closed() -> None:
    address = "127.31.0.12"
    with firewall(address):
        inspection = look(address, "T:22,80,U:53")
    assert inspection.outcome is Outcome.UNREACHABLE
    assert [gap.reason for gap in inspection.coverage.gaps] == [GapReason.HOST_SILENT]
    assert not inspection.coverage.covers(Facet.SERVICE, 53, Transport.UDP)


@real
@pytest.mark.lab
def test_a_limiter_that_dropped_only_the_scan_closes_nothing() -> None:
    with (
        listener("127.31.0.2", 7001, answer=b"SSH-2.0-OpenSSH_9.2\r\n"),
        listener("127.31.0.2", 7002) as seen,
        firewall("127.31.0.2", "--dport", "7002", *SCAN_ONLY),
    ):
        inspection = look("127.31.0.2", "T:7001-7003")
    assert inspection.coverage.scans[0].filtered_ports == "7002"
    assert len(seen) == 1
    assert not inspection.coverage.covers(Facet.SERVICE, 7002, TCP)
    gap = Gap(GapReason.CONNECTION_LIMITED, Facet.PORT, 7002)
    assert gap in inspection.coverage.gaps


@real
@pytest.mark.lab
def test_a_host_that_answers_only_so_many_packets_a_second_is_not_inspected_whole() -> None:
    limit = [
        "--syn",
        "-m",
        "hashlimit",
        "--hashlimit-above",
        "40/second",
        "--hashlimit-burst",
        "40",
        "--hashlimit-name",
        "lab",
    ]
    with firewall("127.31.0.13", *limit):
        inspection = look("127.31.0.13", "T:7001-7400")
    assert inspection.coverage.scans[0].filtered > 16
    assert inspection.outcome is Outcome.PARTIAL
    assert {(gap.reason, gap.facet) for gap in inspection.coverage.gaps} == {(GapReason.CONNECTION_LIMITED, Facet.PORT)}


@real
@pytest.mark.lab
@pytest.mark.parametrize("does", [("DROP",), ("REJECT",), ("REJECT", "--reject-with", "icmp-host-prohibited")])
def test_a_firewall_before_most_ports_is_no_limit(does: tuple[str, ...]) -> None:
    with listener("127.31.0.14", 7001), firewall("127.31.0.14", "--dport", "7100:7400", does=does):
        inspection = look("127.31.0.14", "T:7001-7002,7100-7400")
    assert inspection.coverage.scans[0].filtered == 301
    assert GapReason.CONNECTION_LIMITED not in {gap.reason for gap in inspection.coverage.gaps}


@real
@pytest.mark.lab
def test_many_dropped_ports_are_named_though_nmap_folds_them() -> None:
    with listener("127.31.0.3", 7001), firewall("127.31.0.3", "--dport", "7100:7199"):
        found = asyncio.run(discover(["127.31.0.3"], "7001,7050-7199", rate=0, host_deadline=60))["127.31.0.3"]
    assert found.scan is not None
    assert (found.scan.filtered, found.scan.filtered_ports) == (100, "7100-7199")


@real
@pytest.mark.lab
@pytest.mark.parametrize(("refuses", "found"), [(SCAN_ONLY, set()), ((), {"WEB-HTTP-ONLY"})], ids=["once", "always"])
def test_https_is_missing_only_where_its_port_refuses_a_connection_too(
    tmp_path: Path, refuses: tuple[str, ...], found: set[str]
) -> None:
    site = answers(80, {"GET /": page("Portal")}, GO_NOT_FOUND)
    refusal = ("REJECT", "--reject-with", "tcp-reset")
    with (
        site("127.31.0.4", tmp_path),
        listener("127.31.0.4", 443),
        firewall("127.31.0.4", "--dport", "443", *refuses, does=refusal),
    ):
        inspection = look("127.31.0.4", "T:80,443")
    assert inspection.coverage.scans[0].open == (80,)
    assert {each.check for each in judge(inspection)} & {"WEB-HTTP-ONLY"} == found
    assert inspection.coverage.covers(Facet.PORT, 443, TCP) == bool(found)


def test_a_filtered_port_is_a_reason_to_look_again_but_not_where_the_host_limits_us() -> None:
    scan = PortScan(TCP, "22,80", (80,), 1, "syn", "22")
    assert Coverage((scan,)).seems_filtered(22, TCP)
    assert not Coverage((scan,)).seems_filtered(80, TCP)
    assert not Coverage((scan,)).covers(Facet.SERVICE, 22, TCP)
    limited = Gap(GapReason.CONNECTION_LIMITED, Facet.TLS, 80)
    assert not Coverage((scan,), gaps=(limited,)).seems_filtered(22, TCP)


@real
@pytest.mark.lab
@pytest.mark.parametrize(
    "does", [("DROP",), ("REJECT", "--reject-with", "icmp-admin-prohibited")], ids=["drops", "prohibits"]
)
def test_a_udp_service_that_a_firewall_hides_is_silent_on_a_host_that_answers(does: tuple[str, ...]) -> None:
    with (
        listener("127.31.0.9", 7001, answer=b"SSH-2.0-OpenSSH_9.2\r\n"),
        scripted_udp(53, bind_of_old)("127.31.0.9", Path()),
        firewall("127.31.0.9", "--dport", "53", does=does, protocol="udp"),
    ):
        coverage = look("127.31.0.9", "T:7001,U:53").coverage
    assert coverage.kept_silent(53, Transport.UDP)
    assert not coverage.covers(Facet.SERVICE, 53, Transport.UDP)


@real
@pytest.mark.lab
def test_a_udp_port_that_a_firewall_calls_unreachable_is_shut() -> None:
    with (
        listener("127.31.0.10", 7001, answer=b"SSH-2.0-OpenSSH_9.2\r\n"),
        scripted_udp(53, bind_of_old)("127.31.0.10", Path()),
        firewall("127.31.0.10", "--dport", "53", does=("REJECT",), protocol="udp"),
    ):
        coverage = look("127.31.0.10", "T:7001,U:53").coverage
    assert coverage.covers(Facet.SERVICE, 53, Transport.UDP)
    assert not coverage.kept_silent(53, Transport.UDP)
