"""Which TCP ports are open: one nmap process per group of hosts (a process per host costs eight times as much)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from xml.etree.ElementTree import Element

from scanner.engine.errors import ToolError
from scanner.engine.model import Facet, Gap, GapReason, PortScan, Transport
from scanner.engine.plan import PortSet, PortSpec, as_ranges, ports_of
from scanner.engine.plugins.load import plugin_probes
from scanner.engine.probes.nmap import is_privileged, run_nmap, top_ports
from scanner.engine.probes.services.devices.registry import DEVICE_PROBES
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.probes.services.web.registry import WEB_PROBES

_NO_RESPONSE = "no-response"
"""nmap's reason for ports from which nothing came back; its plural is another word in some versions."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What discovery says of one address: the finished scan, or the gap where it should be.

    ``excluded`` are gaps of single ports that were wanted but must not be touched. ``unanswered`` are the filtered
    ports from which nothing came back, not even an ICMP error, as ranges.
    """

    address: str
    scan: PortScan | None
    gap: Gap | None = None
    excluded: tuple[Gap, ...] = ()
    unanswered: str = ""


def tcp_ranges(spec: PortSpec) -> str:
    """Return the TCP ports to ask as ranges: nmap's most frequent ones, those of every service we know, and what is
    asked besides.

    nmap's first thousand leave out Redis, MongoDB, Docker and most others that must not be exposed.
    """
    if spec.which in (PortSet.LIST, PortSet.ALL):
        return spec.tcp
    count = 100 if spec.which is PortSet.TOP100 else 1000
    known = {port for probe in (*PROBES, *plugin_probes()) if probe.transport is Transport.TCP for port in probe.ports}
    known.update(port for probe in WEB_PROBES for port in probe.ports)
    known.update(port for probe in DEVICE_PROBES if probe.transport is Transport.TCP for port in probe.ports)
    return _frequent(frozenset({*top_ports(count), *known, *ports_of(spec.tcp)}))


@lru_cache(maxsize=4)
def _frequent(ports: frozenset[int]) -> str:
    return as_ranges(ports)


RATE_PER_HOST, RATE_IN_ALL = 400, 4000
"""Packets a second that discovery keeps up even where nothing answers, per host and for all groups at once.

Without a floor nmap takes a filtering host for a congested network and spends minutes on it; a SYN is 60 bytes, so
this is at most 2 Mbit/s in all.
"""


async def discover(
    addresses: list[str], ranges: str, *, rate: float, host_deadline: float, at_once: int = 1
) -> dict[str, Discovered]:
    """Scan ``addresses`` (all of one IP version) and return what was found, for each of them.

    ``rate`` caps what is sent a second, half of which is the scan's (0: nmap's own pace); ``host_deadline`` in seconds
    ends a slow host alone. ``at_once`` groups share what is sent where nothing answers.
    A host that nmap gave up on, or that answered nothing at all, has a gap and no scan: it isn't "no ports".
    """
    options = ["-n", "-Pn", "-T4", "--max-retries", "2", "-p", ranges]
    options += ["-sS", "--privileged"] if is_privileged() else ["-sT", "--unprivileged"]
    options += ["--host-timeout", f"{max(1, int(host_deadline))}s", "--min-hostgroup", str(min(64, len(addresses)))]
    floor = min(RATE_PER_HOST * len(addresses), RATE_IN_ALL // at_once)
    options += ["--max-rate", f"{rate / 2:g}"] if rate > 0 else ["--min-rate", str(floor)]
    if ":" in addresses[0]:
        options.append("-6")
    deadline = host_deadline * (1 + len(addresses) // 64) + 30
    try:
        document = await run_nmap(options, addresses, deadline)
    except ToolError as error:
        failed = Gap(GapReason.TOOL_FAILED, detail=str(error))
        return {address: Discovered(address, None, failed) for address in addresses}
    found = {result.address: result for result in (_host(host, ranges) for host in document.iter("host"))}
    silent = Gap(GapReason.HOST_SILENT)
    return {address: found.get(address, Discovered(address, None, silent)) for address in addresses}


def _host(host: Element, ranges: str) -> Discovered:
    address = next(item.get("addr", "") for item in host.iter("address") if item.get("addrtype") in ("ipv4", "ipv6"))
    if host.get("timedout") == "true":
        return Discovered(address, None, Gap(GapReason.TIMED_OUT, Facet.PORT))
    states = {
        int(port.get("portid", "0")): state.get("state", "")
        for port in host.iter("port")
        for state in port.iter("state")
    }
    hidden = {extra.get("state", ""): int(extra.get("count", "0")) for extra in host.iter("extraports")}
    opened = tuple(sorted(port for port, state in states.items() if state == "open"))
    closed = sum(state == "closed" for state in states.values()) + hidden.get("closed", 0)
    filtered = sum("filtered" in state for state in states.values()) + hidden.get("filtered", 0)
    if not opened and not closed:
        return Discovered(address, None, Gap(GapReason.HOST_SILENT))
    method = "syn" if is_privileged() else "connect"
    dropped = _filtered_ports(host, ranges, states) if filtered else ""
    scan = PortScan(Transport.TCP, ranges, opened, filtered, method, dropped)
    return Discovered(address, scan, unanswered=_unanswered_ports(host))


def _filtered_ports(host: Element, ranges: str, states: dict[int, str]) -> str:
    """Return which ports answered nothing, as ranges.

    nmap folds many ports of one state into ``extraports``. It names them in ``extrareasons`` from 7.90 on; what an
    older one leaves unnamed counts as filtered unless all folded ports were closed.
    """
    named = {port for port, state in states.items() if "filtered" in state}
    unnamed = set(ports_of(ranges)).difference(states)
    for extra in host.iter("extraports"):
        listed = {port for reason in extra.iter("extrareasons") for port in ports_of(reason.get("ports", ""))}
        unnamed -= listed
        if "filtered" in extra.get("state", ""):
            named |= listed
    return as_ranges(named | unnamed)


def _unanswered_ports(host: Element) -> str:
    silent = {
        int(port.get("portid", "0"))
        for port in host.iter("port")
        for state in port.iter("state")
        if state.get("reason", "").startswith(_NO_RESPONSE)
    }
    for reason in host.iter("extrareasons"):
        if reason.get("reason", "").startswith(_NO_RESPONSE):
            silent.update(ports_of(reason.get("ports", "")))
    return as_ranges(silent)
