"""What to look at and how deep: ports, profile and limits of one inspection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from itertools import chain

from scanner.engine.errors import InputError, Refused
from scanner.engine.facts.domain import lies_in
from scanner.engine.hostile import remembering
from scanner.engine.model import Level, Target, Vantage, port_ranges
from scanner.engine.policy.load import TlsPolicy, default_policy
from scanner.engine.probes.dial import Limits

ALL_PORTS = "1-65535"

UDP_SHORT_LIST = (
    7, 17, 19, 53, 69, 88, 111, 123, 137, 161, 389, 427, 500, 520, 623, 1194, 1434, 1900, 3283, 3702, 5060, 5353, 5683,
    9600, 10001, 11211, 44818, 47808,
)  # fmt: skip
"""UDP ports of services that leak or amplify, and of controllers, which only the highest level asks; asked unless the
ports are listed by hand. They are asked all at once, so that the silent ones cost the same three seconds together, and
two datagrams each, three where a service may answer from another port."""

UDP_LISTED_LIMIT = 64
"""A hand-written list of at most this many bare ports is asked over UDP too: each costs a few datagrams."""


class Profile(StrEnum):
    """How deep. ``QUICK`` recognises and tests access, TLS and headers; ``STANDARD`` adds well-known web paths;
    ``DEEP`` adds the tests that need a full handshake library (sslyze)."""

    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"


class PortSet(StrEnum):
    TOP100 = "top100"
    TOP1000 = "top1000"
    ALL = "all"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class PortSpec:
    """Which ports to ask. ``tcp`` and ``udp`` are nmap-style ranges; of the top sets ``tcp`` holds only what is asked
    besides, and discovery, which knows nmap's frequencies, adds the rest."""

    which: PortSet = PortSet.TOP1000
    tcp: str = ""
    udp: tuple[int, ...] = UDP_SHORT_LIST


DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class ResolverAddress:
    """The resolver that is asked about domains: a canonical address and its port."""

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain to ask about: its name (ASCII, lower case), and the host names within it that its owner registered.

    ``label`` is what the operator wrote.
    """

    name: str
    names: tuple[str, ...] = ()
    label: str = ""

    @property
    def target(self) -> Target:
        """What its inspection is of."""
        return Target(self.label or self.name, self.name, is_domain=True)


def names_within(domain: str, hostnames: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``hostnames`` that are the domain or lie below it, sorted."""
    return tuple(sorted(name for name in set(hostnames) if lies_in(name, domain)))


@dataclass(frozen=True, order=True, slots=True)
class SitePlace:
    """Where something was found on a site on ``port``: its kind, as of ``ExposedPath``, and its path."""

    port: int
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One inspection. ``host_deadline`` bounds one address, or domain, and ``run_deadline`` everything, in seconds.

    ``policy`` decides which TLS servers are worth a second look; it changes nothing of what is asked.

    ``domains`` are looked up at ``resolver``; without one they are reported as not inspected. ``places`` are asked for
    on each target's sites whatever their first pages lead to.
    """

    targets: tuple[Target, ...] = ()
    ports: PortSpec = field(default_factory=PortSpec)
    level: Level = Level.READ
    profile: Profile = Profile.STANDARD
    vantage: Vantage = Vantage.INTERNET
    limits: Limits = field(default_factory=Limits)
    host_deadline: float = 600.0
    run_deadline: float | None = None
    policy: TlsPolicy = field(default_factory=default_policy)
    domains: tuple[Domain, ...] = ()
    resolver: ResolverAddress | None = None
    places: tuple[SitePlace, ...] = ()


def parse_ports(text: str) -> PortSpec:
    """Read ``top100``, ``top1000``, ``all``, a list such as ``22,80,8000-8100,T:443,U:161``, or one of the words with a
    list of what to ask besides: ``top1000,T:9999``.

    A bare number means TCP and, in a short list, the UDP services Roundsman knows; ``T:`` and ``U:`` switch the
    transport for what follows, as in nmap. Raises ``InputError`` naming the part that can't be read.
    """
    word, _, besides = text.strip().lower().partition(",")
    if word not in (PortSet.TOP100, PortSet.TOP1000, PortSet.ALL):
        return _listed(text)
    which = PortSet(word)
    more = _listed(besides) if besides.strip() else PortSpec(PortSet.LIST, "", ())
    udp = tuple(sorted({*UDP_SHORT_LIST, *more.udp}))
    return PortSpec(which, ALL_PORTS if which is PortSet.ALL else more.tcp, udp)


def _listed(text: str) -> PortSpec:
    tcp: list[str] = []
    udp: set[int] = set()
    bare: set[int] = set()
    transport = ""
    for item in filter(None, (part.strip() for part in text.lower().split(","))):
        if item[:2] in ("t:", "u:"):
            transport, item = item[0], item[2:]
        first, last = _range(item, text)
        if transport == "u":
            udp.update(range(first, last + 1))
            continue
        tcp.append(f"{first}-{last}" if last > first else str(first))
        if not transport:
            bare.update(range(first, last + 1))
    if not tcp and not udp:
        raise Refused(
            f"No ports in {text!r}. Write top100, top1000, all, or a list such as 22,80,8000-8100,U:161.", "no-ports"
        )
    udp.update(bare if len(bare) <= UDP_LISTED_LIMIT else bare.intersection(UDP_SHORT_LIST))
    return PortSpec(PortSet.LIST, ",".join(tcp), tuple(sorted(udp)))


def parse_resolver(text: str) -> ResolverAddress:
    """Read ``192.0.2.53``, ``192.0.2.53:5353``, ``2001:db8::53`` or ``[2001:db8::53]:5353``. Raises ``InputError``."""
    host, port = text.strip(), str(DNS_PORT)
    if host.startswith("["):
        host, _, behind = host[1:].partition("]")
        port = behind.removeprefix(":") if behind else port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    try:
        address = str(ip_address(host))
    except ValueError:
        address = ""
    if not address or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise InputError(
            f"{text!r} is no resolver; write its address, and its port if that is not 53: 192.0.2.53, "
            "127.0.0.1:5353 or [2001:db8::53]:53."
        )
    return ResolverAddress(address, int(port))


def ports_of(ranges: str) -> Iterator[int]:
    """Return every port of nmap-style ranges such as ``"22,8000-8100"``."""
    return chain.from_iterable(port_ranges(ranges))


@remembering(most=32, longest=8 * 1024)
def count_ports(ranges: str) -> int:
    """Return how many ports nmap-style ranges have."""
    return sum(map(len, port_ranges(ranges)))


def as_ranges(ports: Collection[int]) -> str:
    """Return ports as the shortest list of ascending ranges: ``{1, 2, 3, 9}`` gives ``"1-3,9"``."""
    parts: list[list[int]] = []
    for port in sorted(ports):
        if parts and parts[-1][1] == port - 1:
            parts[-1][1] = port
        else:
            parts.append([port, port])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _range(item: str, whole: str) -> tuple[int, int]:
    first, dash, last = item.partition("-")
    if first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit())):
        low, high = int(first), int(last or first)
        if 1 <= low <= high <= 65535:
            return low, high
    raise Refused(
        f"{item!r} in {whole!r} is not a port or range. Ports run from 1 to 65535; write for example 22,80,8000-8100.",
        "no-port",
        text=item,
    )
