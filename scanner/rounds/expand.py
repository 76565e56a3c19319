"""From registered targets to hosts that may be inspected: networks expanded, names resolved and pinned, scope asked.

Registered domains come along as hosts that have no address and no ports.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from ipaddress import ip_network
from itertools import chain

from scanner.engine.model import Gap, GapReason, Level, Target, Transport, Vantage
from scanner.engine.plan import (
    Domain,
    PortSet,
    PortSpec,
    ResolverAddress,
    SitePlace,
    as_ranges,
    names_within,
    parse_ports,
    ports_of,
)
from scanner.engine.probes.discovery import tcp_ranges
from scanner.rounds.gate import one_of_each, port_borders, refusal
from targets.addresses import Network
from targets.names import why_unresolved
from targets.query import RegisteredDomain, RegisteredTarget
from targets.scope import Reach, Scope

HOSTS_PER_TARGET = 65_536
"""Addresses that one registered network may stand for in a round."""

Resolve = Callable[[str], list[str]]
"""Every address of a name, canonical and without repetition; raises ``OSError`` when there is none."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a round, permitted at planning time when ``gap`` is None; ``gap`` says why it is not.

    ``places`` are asked for on its sites whatever their first pages lead to.
    """

    registered: RegisteredTarget | RegisteredDomain
    target: Target
    ports: PortSpec
    level: Level = Level.GREETING
    gap: Gap | None = None
    places: tuple[SitePlace, ...] = ()

    @property
    def vantage(self) -> Vantage:
        return Vantage(self.registered.vantage)


def look_up(
    registered: Iterable[RegisteredDomain], scope: Scope, resolver: ResolverAddress | None, now: dt.datetime
) -> list[Host]:
    """Return the registered domains; those not to be looked up, at least for want of a resolver, carry the reason."""
    return [_domain(each, scope, resolver, now) for each in registered]


def _domain(registered: RegisteredDomain, scope: Scope, resolver: ResolverAddress | None, now: dt.datetime) -> Host:
    gap = None if resolver else Gap(GapReason.NO_RESOLVER, transport=Transport.DNS)
    decision = scope.decide_domain(registered.value, now)
    if not decision.allowed:
        gap = Gap(GapReason.REFUSED_BY_SCOPE, transport=Transport.DNS, detail=refusal(decision))
    return Host(registered, domain_of(registered).target, PortSpec(PortSet.LIST), gap=gap)


def domain_of(registered: RegisteredDomain) -> Domain:
    """Return what the engine is asked to look up."""
    return Domain(registered.value, names_within(registered.value, registered.hostnames))


def expand(
    registered: Iterable[RegisteredTarget], scope: Scope, ports: PortSpec, now: dt.datetime, resolve: Resolve
) -> list[Host]:
    """Return every host that the targets stand for, once each; those not to be inspected carry the reason.

    A host that several targets name is inspected once, on all their ports, as a key target if any of them is.
    Raises ``ToolError`` when nmap, which knows the most frequent ports, is missing.
    """
    hosts: dict[tuple[str, str | None], Host] = {}
    for host in chain.from_iterable(_hosts_of(target, ports, resolve) for target in registered):
        key = (host.target.address, host.target.hostname)
        hosts[key] = _merged(hosts[key], host) if key in hosts else host
    return permit(hosts.values(), scope, now)


def as_registered_key(hosts: Iterable[Host], registered: Iterable[RegisteredTarget]) -> list[Host]:
    """Return the hosts, as key ones where any of the ``registered`` targets that name them is key: hosts may have been
    listed for some targets only, such as a network that was drawn."""
    key = [target for target in registered if target.is_key]
    names = {target.hostname for target in key if target.hostname is not None}
    reach = Reach(frozenset(target.network for target in key if target.network is not None))

    def is_key(host: Host) -> bool:
        target = host.target
        return target.hostname in names if target.hostname else reach.includes(ip_network(target.address))

    return [_as_key(host) if is_key(host) else host for host in hosts]


def _as_key(host: Host) -> Host:
    return replace(host, registered=replace(host.registered, is_key=True))


def permit(hosts: Iterable[Host], scope: Scope, now: dt.datetime) -> list[Host]:
    """Ask the scope about each host: it gets the level it may be inspected at, or the gap that says why not."""
    samples = cache(partial(_samples, port_borders(scope)))
    return [host if host.gap else _permitted(host, scope, samples(host.ports), now) for host in hosts]


def _hosts_of(registered: RegisteredTarget, ports: PortSpec, resolve: Resolve) -> Iterator[Host]:
    ports = _ports_of(registered, ports)
    if registered.network is not None:
        yield from _in_network(registered, registered.network, ports)
    elif registered.hostname is not None:
        try:
            addresses = resolve(registered.hostname)
        except OSError as error:
            gap = Gap(GapReason.NAME_NOT_RESOLVED, detail=why_unresolved(registered.hostname, error))
            yield Host(registered, Target(registered.value, "", registered.hostname), ports, gap=gap)
            return
        for address in addresses:
            yield Host(registered, Target(registered.value, address, registered.hostname), ports)


def _in_network(registered: RegisteredTarget, network: Network, ports: PortSpec) -> Iterator[Host]:
    if network.num_addresses > HOSTS_PER_TARGET:
        gap = Gap(GapReason.REFUSED_BY_SCOPE, detail=f"too-wide addresses={network.num_addresses}")
        yield Host(registered, Target(registered.value, str(network)), ports, gap=gap)
        return
    for address in [network.network_address] if network.num_addresses == 1 else network.hosts():
        yield Host(registered, Target(registered.value, str(address)), ports)


def _ports_of(registered: RegisteredTarget, ports: PortSpec) -> PortSpec:
    if registered.ports:
        own = parse_ports(registered.ports)
        return union(own, PortSpec(PortSet.LIST, str(registered.url_port), ())) if registered.url_port else own
    if registered.url_port is not None:
        return PortSpec(PortSet.LIST, str(registered.url_port), ())
    return ports


def union(one: PortSpec, other: PortSpec) -> PortSpec:
    """Return a specification that asks at least what both ask, the same one when that is enough."""
    first, second = set(ports_of(tcp_ranges(one))), set(ports_of(tcp_ranges(other)))
    if second <= first and set(other.udp) <= set(one.udp):
        return one
    if first <= second and set(one.udp) <= set(other.udp):
        return other
    return PortSpec(PortSet.LIST, as_ranges(first | second), tuple(sorted({*one.udp, *other.udp})))


def _merged(known: Host, again: Host) -> Host:
    first, second = sorted((known, again), key=lambda host: not host.registered.is_key)
    return replace(first, ports=union(first.ports, second.ports))


def _samples(borders: tuple[int, ...], ports: PortSpec) -> list[tuple[int, Transport]]:
    """Return enough of the ports to learn what the scope says of all of them."""
    tcp = one_of_each(ports_of(tcp_ranges(ports)), borders)
    udp = one_of_each(ports.udp, borders)
    return [*((port, Transport.TCP) for port in tcp), *((port, Transport.UDP) for port in udp)]


def _permitted(host: Host, scope: Scope, asked: list[tuple[int, Transport]], now: dt.datetime) -> Host:
    """Ask the scope. The level is the lowest of all permitted ports, so that none is probed deeper than allowed."""
    target = host.target
    decisions = [
        scope.decide(target.address, port, transport, now, hostname=target.hostname) for port, transport in asked
    ]
    levels = [decision.level for decision in decisions if decision.level is not None]
    if levels:
        return replace(host, level=Level(str(min(levels))))
    return replace(host, gap=Gap(GapReason.REFUSED_BY_SCOPE, detail=refusal(decisions[0])))
