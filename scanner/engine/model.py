"""What one inspection asks, sees and concludes, as immutable values.

Facts (``Service`` and what hangs on it) are kept apart from judgement (``Finding``): rules can be replayed
on stored facts without a packet. All times are timezone-aware UTC. All text that came from a scanned host
has passed through :mod:`scanner.engine.hostile` and holds no control characters.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import accumulate

from scanner.engine.facts.domain import DomainFacts
from scanner.engine.facts.http import HttpFacts
from scanner.engine.facts.service import Exchange, ServiceFacts
from scanner.engine.facts.ssh import SshFacts
from scanner.engine.facts.tls import TlsFacts
from scanner.engine.hostile import remembering

__all__ = [
    "Confidence",
    "Coverage",
    "Endpoint",
    "Exchange",
    "Facet",
    "Finding",
    "Gap",
    "GapReason",
    "HostInspection",
    "Level",
    "Look",
    "Outcome",
    "PortScan",
    "Service",
    "Severity",
    "Target",
    "Transport",
    "Vantage",
    "where",
]


class _Ranked(StrEnum):
    """A string enum whose members are declared from least to most, and compare in that order."""

    @property
    def rank(self) -> int:
        return _ranks(type(self))[self]

    def at_least(self, other: _Ranked) -> bool:
        return self.rank >= other.rank


@cache
def _ranks(kind: type[_Ranked]) -> dict[_Ranked, int]:
    return {member: rank for rank, member in enumerate(kind)}


class Severity(_Ranked):
    """How bad, in the four levels of GB/T 30279-2020 and a hint level below them."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Confidence(_Ranked):
    """How sure: the ladder of the catalogue.

    ``CONFIRMED`` was observed in protocol and observed again on a second connection; ``PROBABLE`` is strongly
    implied; ``POSSIBLE`` rests on a banner or on a single observation.
    """

    POSSIBLE = "possible"
    PROBABLE = "probable"
    CONFIRMED = "confirmed"


class Transport(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    DNS = "dns"
    """No port at all: what the DNS says of a domain. Its endpoint is the domain's name and :data:`NO_PORT`."""


class Level(_Ranked):
    """What an authorisation lets a probe send.

    ``GREETING`` (0): connect, read a banner, say hello. ``READ`` (1): one safe unauthenticated read.
    ``CREDENTIAL`` (2): default communities, anonymous log-in, relay and zone-transfer tests, one question
    to a controller or medical system.
    """

    GREETING = "0"
    READ = "1"
    CREDENTIAL = "2"


class Vantage(StrEnum):
    """From where the inspection looks; the same open port weighs less from inside."""

    INTERNET = "internet"
    GOVERNMENT = "government"
    INTERNAL = "internal"
    ISOLATED = "isolated"


class Outcome(StrEnum):
    """How the inspection of one address ended. Only the facets in its coverage were really looked at."""

    INSPECTED = "inspected"
    PARTIAL = "partial"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    ERROR = "error"


class Facet(StrEnum):
    """A way of looking at a port; coverage is kept per facet, and each check names the one it needs."""

    PORT = "port"
    """Is the port open?"""
    SERVICE = "service"
    """What speaks there, and does it serve strangers?"""
    TLS = "tls"
    """Which versions, suites and parameters are accepted?"""
    CERTIFICATE = "certificate"
    """Which certificate chain is presented?"""
    HTTP = "http"
    """What do the first page and its headers say?"""
    CONTENT = "content"
    """Are well-known paths exposed?"""
    DOMAIN = "domain"
    """What does the DNS say of a domain?"""


class GapReason(StrEnum):
    """Why something was not inspected. A gap closes no finding and is no sign of health."""

    HOST_SILENT = "host-silent"
    TCP_SILENT = "tcp-silent"
    UDP_SILENT = "udp-silent"
    TIMED_OUT = "timed-out"
    REFUSED_BY_SCOPE = "refused-by-scope"
    FRAGILE_PORT = "fragile-port"
    UNNAMED_INSIDE_TLS = "unnamed-inside-tls"
    NEEDS_LEVEL = "needs-level"
    NEEDS_NAME = "needs-name"
    CLIENT_CERTIFICATE = "client-certificate"
    CONNECTION_LIMITED = "connection-limited"
    WOULD_BLOCK_US = "would-block-us"
    CONNECTION_BROKEN = "connection-broken"
    CLOSES_AT_ONCE = "closes-at-once"
    PROTOCOL_ERROR = "protocol-error"
    NOT_IDENTIFIED = "not-identified"
    ALL_PORTS_ANSWER = "all-ports-answer"
    PROBE_BLOCKED = "probe-blocked"
    PAGE_UNSEEN = "page-unseen"
    CANCELLED = "cancelled"
    TOOL_FAILED = "tool-failed"
    NAME_NOT_RESOLVED = "name-not-resolved"
    NO_RESOLVER = "no-resolver"
    SET_ASIDE = "set-aside"
    BLACKOUT = "blackout"


@dataclass(frozen=True, slots=True)
class Target:
    """One address to inspect, as it was asked for.

    ``label`` is what the operator wrote; ``address`` the canonical literal it was resolved to, pinned for the
    whole inspection; ``hostname`` the registered name or None when asked by address. A domain is only looked up: its
    name stands in place of the address, and it has no host name.

    Whatever form a name is given in, it is kept as it is sent (ASCII, IDNA 2008). Raises ``ValueError`` for none.
    """

    label: str
    address: str
    hostname: str | None = None
    is_domain: bool = False

    def __post_init__(self) -> None:
        if self.hostname is not None and not self.hostname.isascii():
            import idna  # here, because few names need it, and commands that inspect nothing begin sooner

            object.__setattr__(self, "hostname", idna.encode(self.hostname, uts46=True).decode("ascii"))


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where a service listens: canonical address, port 1-65535, transport. See :func:`domain_endpoint` for domains."""

    address: str
    port: int
    transport: Transport = Transport.TCP


NO_PORT = 0
"""The port of what is no port: a domain's records."""


def domain_endpoint(name: str) -> Endpoint:
    """Return where the findings of a domain live: they belong to no address and no port."""
    return Endpoint(name, NO_PORT, Transport.DNS)


def where(host: str, port: int, transport: str) -> str:
    """Return a place as lists write it: ``192.0.2.1 443/tcp``, or the name of a domain alone."""
    return host if transport == Transport.DNS else f"{host} {port}/{transport}"


@dataclass(frozen=True, slots=True)
class Service:
    """An open port and everything seen there; or a domain, when ``domain`` is set.

    ``protocol`` is what was recognised by what it said (``redis``, ``http``, ``ssh``, …) or ``unknown``;
    ``tls`` tells whether it speaks inside TLS from the first byte. ``product`` and ``version`` are empty
    when nothing authoritative named them. ``http2`` tells that of HTTP it speaks version 2 alone.
    """

    endpoint: Endpoint
    protocol: str
    tls: bool = False
    product: str = ""
    version: str = ""
    cpe: tuple[str, ...] = ()
    banner: str = ""
    facts: ServiceFacts | None = None
    tls_facts: TlsFacts | None = None
    http: tuple[HttpFacts, ...] = ()
    ssh: SshFacts | None = None
    domain: DomainFacts | None = None
    http2: bool = False


@dataclass(frozen=True, slots=True)
class PortScan:
    """One finished port discovery: which ports were asked (nmap range syntax), which answered how.

    ``filtered`` counts the ports that dropped what they were sent, ``filtered_ports`` names them (empty in facts of
    form 1, which only counted). ``still_filtered`` are those of them that a connection of our own, made later, did not
    reach either, while another port of the host still answered.
    """

    transport: Transport
    ports: str
    open: tuple[int, ...]
    filtered: int
    method: str
    filtered_ports: str = ""
    still_filtered: str = ""

    def dropped(self, port: int) -> bool:
        """Tell whether nothing came back from this port; where only a count is known, any port may be meant."""
        if port in self.open:
            return False
        return port_in(self.filtered_ports, port) if self.filtered_ports else self.filtered > 0

    @property
    def answered(self) -> bool:
        """Whether any port answered: an open one, or one that refused."""
        asked = sum(map(len, port_ranges(self.ports)))
        return bool(self.open) or self.filtered < asked

    def shut(self, port: int) -> bool:
        """Tell whether nothing can be reached at this port: it refused, or it drops everything, tried twice.

        A port that was filtered in the scan alone is not: a firewall or a limiter of connections may have dropped our
        packets only then.
        """
        return port not in self.open and (not self.dropped(port) or port_in(self.still_filtered, port))


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """A facet of an open port that was really inspected to its end."""

    port: int
    transport: Transport
    facet: Facet


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not inspected, and why. ``port`` None means the whole host.

    With ``check`` the facet was inspected, and this check alone could not be told from what was seen.

    A gap of a domain's facet without a port is a single question that was not answered: which checks rest on it is
    known from the facts.
    """

    reason: GapReason
    facet: Facet | None = None
    port: int | None = None
    transport: Transport = Transport.TCP
    detail: str = ""
    check: str = ""


_LIMITS = frozenset({GapReason.CONNECTION_LIMITED, GapReason.TIMED_OUT, GapReason.ALL_PORTS_ANSWER})
"""Signs that a host limits what we may connect to: its silence then means nothing."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an inspection of one address really looked at.

    ``connections`` (TCP), ``datagrams`` (UDP) and ``requests`` (HTTP, over those connections) are what our own probes
    sent, and the connections of sslyze. On top, uncounted, come nmap's: at most three packets for each port of a scan,
    and the connections by which it tries to name a port that answered and that nothing else recognised.

    ``silent_udp`` are the UDP ports, as ranges, that left every question of their services unanswered.
    """

    scans: tuple[PortScan, ...] = ()
    looks: tuple[Look, ...] = ()
    gaps: tuple[Gap, ...] = ()
    connections: int = 0
    requests: int = 0
    datagrams: int = 0
    silent_udp: str = ""

    def covers(self, facet: Facet, port: int, transport: Transport) -> bool:
        """Tell whether ``facet`` of this port was inspected, so that "not seen" means "not there".

        A port that a completed discovery found shut counts as inspected for every facet: nothing can be reached.
        A whole-host gap without a facet, or a gap of the port or of all ports of its transport, means it was not.
        """
        if self._has_gap(facet, port, transport):
            return False
        if Look(port, transport, facet) in self.looks:
            return True
        scanned = [scan for scan in self.scans if scan.transport is transport and port_in(scan.ports, port)]
        return bool(scanned) and all(scan.shut(port) for scan in scanned)

    def seems_filtered(self, port: int, transport: Transport) -> bool:
        """Tell whether the port dropped our packets while the host answered plainly and limited nothing.

        It is a reason to look at the port again, and no more.
        """
        limited = any(gap.reason in _LIMITS for gap in self.gaps)
        if limited or self._has_gap(Facet.PORT, port, transport):
            return False
        scanned = [scan for scan in self.scans if scan.transport is transport and port_in(scan.ports, port)]
        return bool(scanned) and all(scan.dropped(port) for scan in scanned)

    def kept_silent(self, port: int, transport: Transport) -> bool:
        """Tell whether a UDP port left all questions unanswered while a TCP port of the host answered plainly.

        A firewall may drop what it is sent, a host limits how often it calls a port unreachable (RFC 1812 section
        4.3.2.8), and a service may be at a standstill: by itself it is a reason to look again, and no more.
        """
        if transport is not Transport.UDP or not port_in(self.silent_udp, port):
            return False
        ended_early = any(gap.reason is GapReason.TIMED_OUT and gap.port is None for gap in self.gaps)
        limited = ended_early or any(gap.reason in _LIMITS - {GapReason.TIMED_OUT} for gap in self.gaps)
        answered = any(scan.transport is Transport.TCP and scan.answered for scan in self.scans)
        return answered and not limited and not self._has_gap(Facet.SERVICE, port, transport)

    def _has_gap(self, facet: Facet, port: int, transport: Transport) -> bool:
        for gap in self.gaps:
            if gap.check:
                continue
            all_ports = gap.facet is Facet.PORT and gap.transport is transport
            whole_host = gap.port is None and (gap.facet is None or all_ports)
            this_port = gap.port == port and gap.transport is transport
            if (whole_host or this_port) and gap.facet in (None, Facet.PORT, facet):
                return True
        return False


@dataclass(frozen=True, slots=True)
class HostInspection:
    """One address, inspected once: facts and coverage, no judgement.

    ``second_looks`` holds the endpoints that were looked at again to confirm what the first look showed. ``plugins``
    are the names of those that took part.
    """

    target: Target
    outcome: Outcome
    started: datetime
    finished: datetime
    vantage: Vantage
    level: Level
    services: tuple[Service, ...] = ()
    second_looks: tuple[Service, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    plugins: tuple[str, ...] = ()

    @property
    def ports(self) -> tuple[Service, ...]:
        """The services that listen on a port: all but a domain."""
        return tuple(service for service in self.services if service.domain is None)

    @property
    def open_ports(self) -> frozenset[tuple[int, Transport]]:
        """The ports that answered, also where a scan found them open and nobody could look at what listens there."""
        named = {(each.endpoint.port, each.endpoint.transport) for each in self.ports}
        return frozenset(named | {(port, scan.transport) for scan in self.coverage.scans for port in scan.open})


@dataclass(frozen=True, slots=True)
class Finding:
    """A judged fact. Its identity for life is (host, port, transport, check).

    ``params`` fill the catalogue's evidence and verify texts; they hold data (names, numbers, suites), never
    sentences, so that every language can be rendered from them. ``known_exploited`` tells that what was found is
    being exploited, by the imported list, and that the match is more than possible.
    """

    check: str
    severity: Severity
    confidence: Confidence
    endpoint: Endpoint
    params: tuple[tuple[str, str], ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    known_exploited: bool = False


_RANGES = 8 * 1024
"""Characters of ranges up to which they are kept ready once they were read."""


def port_in(ranges: str, port: int) -> bool:
    """Tell whether ``port`` lies in nmap-style ranges such as ``"22,80,8000-8100"``."""
    starts, ends = _bounds(ranges)
    at = bisect_right(starts, port)
    return at > 0 and port < ends[at - 1]


@remembering(most=32, longest=_RANGES)
def _bounds(ranges: str) -> tuple[list[int], list[int]]:
    """Return where each range starts, in ascending order, and the end up to which it and those before it reach."""
    ascending = sorted(port_ranges(ranges), key=lambda each: each.start)
    return [each.start for each in ascending], list(accumulate((each.stop for each in ascending), max))


@remembering(most=32, longest=_RANGES)
def port_ranges(ranges: str) -> tuple[range, ...]:
    """Return each part of nmap-style ranges, in the order written. Raises ``ValueError``."""
    parts = (part.partition("-") for part in ranges.split(",") if part)
    return tuple(range(int(first), int(last or first) + 1) for first, _, last in parts)
