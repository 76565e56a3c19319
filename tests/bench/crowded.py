"""A register of any number of units of 100 hosts, and an engine that finds those hosts without sending a packet.

What a host shows is put together from stored facts (:mod:`tests.bench.living`) when it is looked at, and follows from
its place and its unit alone. So no process has to hold a world, whose size would be taken for that of the product.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from random import Random

from scanner.engine.inspect import Observer
from scanner.engine.model import Coverage, Endpoint, Gap, GapReason, HostInspection, Outcome, Target, port_in
from scanner.engine.plan import Plan, PortSet
from scanner.engine.probes.dial import Gate
from tests.bench.living import KINDS, START, YEAR, Host, inspection, sample

SEED = 22
HOSTS = 100
"""Hosts of a unit."""

FIRST = int(IPv4Address("10.0.0.0"))
APART = 256
"""Addresses from one unit to the next: the first ones of each /24 are its hosts."""

GONE, LOST = 0.03, 0.01
"""The parts of all ports that are shut since the first round, and of all first looks that run out of time."""

_PORTS = "1-65535"
_NEVER = Random(SEED)


def unit_network(unit: int) -> str:
    """Return the network in which all hosts of a unit are."""
    return f"{IPv4Address(FIRST + unit * APART)}/24"


@lru_cache(maxsize=4096)
def host(unit: int, place: int) -> Host:
    """Return a host as it is in the first round. At the same place of other units are such as it, with other keys."""
    random = Random(f"{SEED} {place}")
    _, _, samples = random.choices(KINDS, [share for _, share, _ in KINDS])[0]
    name = f"h{place}.unit{unit}.example" if random.random() < 0.5 else ""
    since = START - YEAR * random.random() * (1.5 if "shop:443" in samples else 0.9)
    address = str(IPv4Address(FIRST + unit * APART + place + 1))
    number = unit * HOSTS + place
    return Host(number, unit, name, address, samples, _NEVER, valid_from=since, valid_until=since + YEAR)


def at(address: str) -> Host:
    """Return the host that has an address."""
    offset = int(IPv4Address(address)) - FIRST
    return host(offset // APART, offset % APART - 1)


def resolve(name: str) -> list[str]:
    """Return the address of a host's name."""
    place, unit = name.split(".")[:2]
    return [host(int(unit.removeprefix("unit")), int(place.removeprefix("h"))).address]


@dataclass(slots=True)
class Replay:
    """An engine that finds the hosts as they are in the first round, or ``later``; a stand-in for the real one.

    ``seconds`` is the processor time that it took itself, to be left out of what the product takes.
    """

    now: dt.datetime
    later: bool
    seconds: float = 0.0

    async def __call__(self, plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        for target in plan.targets:
            if gate(Endpoint(target.address, 22)) is not None:
                raise AssertionError(f"{target} was not to be touched.")
            began = time.thread_time()
            seen = self._seen(target, plan)
            self.seconds += time.thread_time() - began
            yield seen

    def _seen(self, target: Target, plan: Plan) -> HostInspection:
        found, again = at(target.address), plan.ports.which is PortSet.LIST
        chance = Random(f"{SEED} {found.number}")
        if self.later and not again and chance.random() < LOST:
            coverage = Coverage(gaps=(Gap(GapReason.TIMED_OUT),))
            ended = Outcome.UNREACHABLE
            return HostInspection(target, ended, self.now, self.now, plan.vantage, plan.level, coverage=coverage)
        there = sorted(sample_port for sample_port in found.ports if not (self.later and chance.random() < GONE))
        asked = plan.ports.tcp if again else _PORTS
        ports = {each for each in there if port_in(asked, each)}
        return inspection(found, target, asked, ports, plan.vantage, plan.level, self.now)


def warm() -> None:
    """Read the stored facts, which is no part of what is measured."""
    for _, _, samples in KINDS:
        for name in samples:
            sample(name)
