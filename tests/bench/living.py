"""A world of hosts that live: what an engine sees of them is put together from real inspections, stored as facts.

The world follows from its seed alone, so that several processes know the same one: each walks its own copy to the step
that the clock shows. ``facts`` holds looks at hosts of ``make demo`` and of the fleet of ``make bench``.

Every host has keys of its own. Its ports close and open again, its certificate runs out and is renewed, it goes dark,
a registered name moves to another address; and some looks at it fail, or miss a port that is open.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from scanner.engine.inspect import Observer
from scanner.engine.judge import judge
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Gap,
    GapReason,
    HostInspection,
    Level,
    Look,
    Outcome,
    PortScan,
    Service,
    Target,
    Transport,
    Vantage,
    port_in,
)
from scanner.engine.plan import Plan, PortSet
from scanner.engine.probes.dial import Gate
from scanner.engine.serialize import load_host

FACTS = Path(__file__).with_name("facts")
START = dt.datetime(2026, 3, 2, 2, 5, tzinfo=dt.UTC)
STEPS = 2
"""Steps of the world in a day."""

YEAR = dt.timedelta(days=365)

KINDS = (
    ("gate", 40, ("fleet:22",)),
    ("site", 22, ("site:80", "site:443")),
    ("quiet", 12, ()),
    ("shop", 4, ("shop:443",)),
    ("page", 4, ("fleet:80", "fleet:443")),
    ("portal", 1, ("portal:80", "portal:443")),
    ("store", 5, ("fleet:22", "store:6379")),
    ("cache", 3, ("fleet:22", "store:11211")),
    ("files", 4, ("files:21", "files:22")),
    ("copies", 3, ("fleet:22", "tickets:873")),
    ("bus", 2, ("bus:1883",)),
)
"""Kinds of hosts: how many of a hundred, and which stored service listens there (sample and port)."""

EXPOSED = frozenset({6379, 11211, 873, 1883, 21, 8080})

UNTOLD = frozenset({"CERT-WILDCARD", "SSH-SAMEKEY", "TLS-DROWN-X", "CERT-EXPIRING"})
"""Checks that rest on the keys of other hosts, or on how long a certificate still lasts."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A service as it was really seen, at its first look and, if there was one, its second."""

    first: Service
    second: Service | None
    looks: tuple[Look, ...]
    connections: int
    requests: int


@dataclass(slots=True)
class Host:
    """One host. ``number`` is its own over all units; ``gone`` are ports that are shut now."""

    number: int
    unit: int
    name: str
    address: str
    samples: tuple[str, ...]
    random: Random
    gone: set[int] = field(default_factory=set)
    dark: int = 0
    moves: int = 0
    renewals: int = 0
    valid_from: dt.datetime = START
    valid_until: dt.datetime = START

    @property
    def known_as(self) -> str:
        return self.name or self.address

    @property
    def ports(self) -> frozenset[int]:
        """The ports that are open now."""
        return frozenset(port for port in map(_port, self.samples) if port not in self.gone)


@dataclass(frozen=True, slots=True)
class Moment:
    """How an engine finds a host in one look: ``silent`` when it is dark, ``lost`` when the look runs out of time.

    ``missed`` is a port that is open and does not answer this time.
    """

    silent: bool
    lost: bool
    missed: int | None


class World:
    """``units`` organisations that share ``hosts`` hosts, as they are at ``step``: half days since ``START``."""

    def __init__(self, seed: int, units: int, hosts: int) -> None:
        self.seed = seed
        self.units = units
        self.step = 0
        self.hosts = [self._born(number, number % units) for number in range(hosts)]
        self._by_address = {host.address: host for host in self.hosts}
        self._by_name = {host.name: host for host in self.hosts if host.name}

    def walk_to(self, step: int) -> None:
        """Let time pass."""
        while self.step < step:
            self.step += 1
            for host in self.hosts:
                self._live(host)

    def of_unit(self, unit: int) -> list[Host]:
        return self.hosts[unit :: self.units]

    def find(self, address: str, name: str | None) -> Host:
        """Return the host that a target means."""
        return self._by_name[name] if name else self._by_address[address]

    def resolve(self, name: str) -> list[str]:
        return [self._by_name[name].address]

    def moment(self, host: Host, *, again: bool) -> Moment:
        """Return how the first look, or the one ``again``, finds the host in this step."""
        chance = Random(f"{self.seed} {host.number} {self.step} {again}")
        lost = chance.random() < (0.02 if again else 0.004)
        misses = not again and chance.random() < 0.004 and len(host.ports) > 1
        return Moment(host.dark > 0, lost, chance.choice(sorted(host.ports)) if misses else None)

    def _born(self, number: int, unit: int) -> Host:
        random = Random(f"{self.seed} {number}")
        _, _, samples = random.choices(KINDS, [share for _, share, _ in KINDS])[0]
        place = number // self.units
        host = Host(
            number,
            unit,
            f"h{place}.unit{unit:02}.example" if random.random() < 0.5 else "",
            str(IPv4Address("10.0.0.0") + unit * 65536 + place * 16 + 1),
            samples,
            random,
        )
        host.valid_from = START - YEAR * random.random()
        if "shop:443" in samples:
            host.valid_from -= YEAR
        host.valid_until = host.valid_from + YEAR
        return host

    def _live(self, host: Host) -> None:
        random = host.random
        chance = random.random()
        host.dark = max(0, host.dark - 1)
        if chance < 0.002:
            host.dark = random.randrange(1, 14)
        elif chance > 0.9996 and host.name:
            host.moves += 1
            host.address = str(IPv4Address(host.address) + (1 if host.moves % 14 else -13))
        for port in map(_port, host.samples):
            chance = random.random()
            if port in host.gone:
                if chance < (0.004 if port in EXPOSED else 0.1):
                    host.gone.discard(port)
            elif chance < (0.03 if port in EXPOSED else 0.001):
                host.gone.add(port)
        if self.now > host.valid_until and random.random() < 0.05:
            host.renewals += 1
            host.valid_from = self.now - dt.timedelta(hours=1)
            host.valid_until = host.valid_from + YEAR

    @property
    def now(self) -> dt.datetime:
        return START + dt.timedelta(days=self.step / STEPS)


@dataclass(slots=True)
class Replay:
    """An engine that finds the world as it is at the step that ``walk`` leads to; a stand-in for the real one."""

    world: World
    walk: Callable[[], None]
    now: Callable[[], dt.datetime]

    async def __call__(self, plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        self.walk()
        for target in plan.targets:
            if gate(Endpoint(target.address, 22)) is not None:
                raise AssertionError(f"{target} was not to be touched.")
            yield self._seen(target, plan)

    def _seen(self, target: Target, plan: Plan) -> HostInspection:
        host, now = self.world.find(target.address, target.hostname), self.now()
        again = plan.ports.which is PortSet.LIST
        found = self.world.moment(host, again=again)
        gap = GapReason.HOST_SILENT if found.silent else GapReason.TIMED_OUT if found.lost else None
        if gap is not None or host.address != target.address:
            coverage = Coverage(gaps=(Gap(gap or GapReason.HOST_SILENT),))
            return HostInspection(target, Outcome.UNREACHABLE, now, now, plan.vantage, plan.level, coverage=coverage)
        ranges = plan.ports.tcp if again else _all_ports()
        ports = {port for port in host.ports - {found.missed} if port_in(ranges, port)}
        return inspection(host, target, ranges, ports, plan.vantage, plan.level, now)


def inspection(
    host: Host, target: Target, ranges: str, ports: set[int], vantage: Vantage, level: Level, now: dt.datetime
) -> HostInspection:
    """Return a whole inspection of these ports of ``host``."""
    names = [name for name in host.samples if _port(name) in ports]
    parts = [sample(name) for name in names]
    own = (target.address, host.number, host.renewals, host.valid_from)
    scan = PortScan(Transport.TCP, ranges, tuple(sorted(ports)), 0, "syn")
    coverage = Coverage(
        (scan,),
        tuple(look for part in parts for look in part.looks),
        connections=sum(part.connections for part in parts),
        requests=sum(part.requests for part in parts),
    )
    return HostInspection(
        target,
        Outcome.INSPECTED,
        now,
        now,
        vantage,
        level,
        tuple(each for name in names if (each := _owned(name, False, *own)) is not None),
        tuple(each for name in names if (each := _owned(name, True, *own)) is not None),
        coverage,
    )


def truth(host: Host, ports: frozenset[int], at: dt.datetime) -> frozenset[tuple[int, str]]:
    """Return what is to be found on these ports of the host at that time: port and check."""
    lasting = _lasting(tuple(name for name in host.samples if _port(name) in ports))
    expired = {(443, "CERT-EXPIRED")} if 443 in ports and at > host.valid_until else set()
    return lasting | expired


def told_of(check: str) -> bool:
    """Tell whether :func:`truth` knows about a check: not of what rests on other hosts, or on the day it is."""
    return check not in UNTOLD and (check == "CERT-EXPIRED" or check not in _dated())


@cache
def _lasting(samples: tuple[str, ...]) -> frozenset[tuple[int, str]]:
    """What the rules say of these services alone, whenever they are asked."""
    return frozenset(each for each in _judged(samples, START) if told_of(each[1]) and each[1] != "CERT-EXPIRED")


@cache
def _dated() -> frozenset[str]:
    """The checks about which the rules say something else at the end of the world than at its beginning."""
    found: set[str] = set()
    for _, _, samples in KINDS:
        found.update(check for _, check in _judged(samples, START) ^ _judged(samples, START + YEAR * 1.1))
    return frozenset(found)


def _judged(samples: tuple[str, ...], at: dt.datetime) -> frozenset[tuple[int, str]]:
    host = Host(0, 0, "", "10.0.0.1", samples, Random(0), valid_from=START - YEAR / 2, valid_until=START + YEAR / 2)
    ports, target = {_port(name) for name in samples}, Target("10.0.0.1", "10.0.0.1")
    judged = judge(inspection(host, target, _all_ports(), ports, Vantage.INTERNET, Level.READ, at))
    return frozenset((each.endpoint.port, each.check) for each in judged)


@cache
def sample(name: str) -> Sample:
    """Return a stored service, as ``site:443``."""
    stored, port = _stored(name.partition(":")[0]), _port(name)
    coverage = stored.coverage
    share = max(1, len(stored.services))
    return Sample(
        next(each for each in stored.services if each.endpoint.port == port),
        next((each for each in stored.second_looks if each.endpoint.port == port), None),
        tuple(look for look in coverage.looks if look.port == port and look.transport is Transport.TCP),
        coverage.connections // share,
        coverage.requests // share,
    )


@cache
def _stored(name: str) -> HostInspection:
    return load_host((FACTS / f"{name}.json.z").read_bytes())


@cache
def _all_ports() -> str:
    return _stored("quiet").coverage.scans[0].ports


def _port(name: str) -> int:
    return int(name.partition(":")[2])


@lru_cache(maxsize=20_000)
def _owned(name: str, again: bool, address: str, host: int, renewals: int, since: dt.datetime) -> Service | None:
    """Return a stored service as a host's, at its address, with its keys; ``again`` as the second look saw it."""
    service = sample(name).second if again else sample(name).first
    if service is None:
        return None
    tls, ssh = service.tls_facts, service.ssh
    if tls is not None and tls.chains:
        tls = replace(tls, chains=((_certificate(host, renewals, since),),))
    if ssh is not None:
        keys = (replace(key, fingerprint=_hashed(f"ssh {host} {key.algorithm}")) for key in ssh.host_keys)
        ssh = replace(ssh, host_keys=tuple(keys))
    return replace(service, endpoint=replace(service.endpoint, address=address), tls_facts=tls, ssh=ssh)


def _hashed(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@lru_cache(maxsize=4096)
def _certificate(host: int, renewals: int, since: dt.datetime) -> str:
    """A self-signed certificate with a key of the host's own, base64."""
    number = int.from_bytes(hashlib.sha256(f"key {host} {renewals}".encode()).digest()) % 2**250 + 1
    key = ec.derive_private_key(number, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site.example.org")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = builder.serial_number(number >> 100).not_valid_before(since).not_valid_after(since + YEAR)
    return b64encode(made.sign(key, SHA256()).public_bytes(Encoding.DER)).decode()
