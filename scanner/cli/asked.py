"""From what a person typed to what may be inspected: parsed, resolved, expanded, or refused with a reason."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from scanner.engine.errors import InputError
from scanner.engine.model import GapReason, Target
from scanner.engine.plan import Domain, PortSet, PortSpec, names_within
from targets.addresses import Address, AddressError, ParsedTarget, parse_target
from targets.domains import parse_domain
from targets.names import resolve_name, why_unresolved
from targets.special import special_range

ASK_ABOVE = 256
"""Addresses of one argument above which a person is asked."""

REFUSE_ABOVE = 65_536
"""Addresses of one argument above which nothing is started: register the hosts and run a round instead."""

_NEVER = ("multicast", "broadcast", "unspecified")


@dataclass(frozen=True, slots=True)
class Asked:
    """One argument: the hosts it stands for, the ports it implies, or why nothing of it will be inspected.

    ``refusal`` is set where nothing will be sent; ``detail`` then says more, as a gap's detail.
    """

    label: str
    targets: tuple[Target, ...] = ()
    ports: PortSpec | None = None
    refusal: GapReason | None = None
    detail: str = ""


def read_addresses(arguments: Iterable[str]) -> tuple[list[ParsedTarget], list[str]]:
    """Parse every argument. Raises ``InputError`` that lists all that can't be read; nothing is resolved yet."""
    parsed: dict[str, tuple[str, ParsedTarget]] = {}
    wrong: list[str] = []
    for argument in arguments:
        try:
            target = parse_target(argument)
        except AddressError as error:
            wrong.append(f"{argument!r}: {error}")
            continue
        if target.network is not None and target.network.num_addresses > REFUSE_ABOVE:
            wrong.append(
                f"{argument!r} holds {target.network.num_addresses} addresses; one inspection takes at most "
                f"{REFUSE_ABOVE}. Name smaller networks, or register the hosts and run a round."
            )
            continue
        parsed.setdefault(target.value, (argument, target))
    if wrong:
        raise InputError("These addresses can't be inspected; nothing was sent.\n  " + "\n  ".join(wrong))
    return [target for _, target in parsed.values()], [argument for argument, _ in parsed.values()]


def read_domains(arguments: Iterable[str], registered: Iterable[ParsedTarget]) -> tuple[Domain, ...]:
    """Parse every domain. ``registered`` are the targets of the same run: host names among them are looked up too.

    Raises ``InputError`` that lists all that are none.
    """
    hostnames = {target.hostname for target in registered if target.hostname}
    found: dict[str, Domain] = {}
    wrong: list[str] = []
    for argument in arguments:
        try:
            parsed = parse_domain(argument)
        except AddressError as error:
            wrong.append(f"{argument!r}: {error}")
            continue
        label = f"{argument} (DNS)"  # the same name may be a host's, too
        found.setdefault(parsed.name, Domain(parsed.name, names_within(parsed.name, hostnames), label))
    if wrong:
        raise InputError("These domains can't be looked up; nothing was sent.\n  " + "\n  ".join(wrong))
    return tuple(found.values())


def count_addresses(parsed: Iterable[ParsedTarget]) -> int:
    """Return how many addresses the largest network among them holds."""
    return max((target.network.num_addresses for target in parsed if target.network is not None), default=1)


def resolve(label: str, parsed: ParsedTarget) -> Asked:
    """Turn one parsed argument into the hosts to inspect. Names are resolved once, here, and pinned."""
    ports = PortSpec(PortSet.LIST, str(parsed.port), ()) if parsed.port is not None else None
    if parsed.hostname is not None:
        return _resolve_name(label, parsed.hostname, ports)
    if parsed.network is None:
        raise AssertionError("A parsed target is a name or a network.")
    network = parsed.network
    addresses: list[Address] = [network.network_address] if network.num_addresses == 1 else list(network.hosts())
    refusal = _refused_for_good(addresses[0])
    if refusal:
        return Asked(label, refusal=GapReason.REFUSED_BY_SCOPE, detail=refusal)
    return Asked(label, tuple(Target(label, str(address)) for address in addresses), ports)


def _resolve_name(label: str, hostname: str, ports: PortSpec | None) -> Asked:
    try:
        addresses = resolve_name(hostname)
    except OSError as error:
        return Asked(label, refusal=GapReason.NAME_NOT_RESOLVED, detail=why_unresolved(hostname, error))
    for address in addresses:
        if special_range(ip_address(address)) and not _is_localhost(hostname):
            detail = shlex.join(["name-leads-to-special", f"hostname={hostname}", f"address={address}"])
            return Asked(label, refusal=GapReason.REFUSED_BY_SCOPE, detail=detail)
    return Asked(label, tuple(Target(label, address, hostname) for address in addresses), ports)


def _is_localhost(hostname: str) -> bool:
    """RFC 6761 section 6.3: these names mean the loopback interface and nothing else."""
    return hostname == "localhost" or hostname.endswith(".localhost")


def _refused_for_good(address: Address) -> str:
    special = special_range(address)
    if special is not None and any(word in special[0].lower() for word in _NEVER):
        return f"never-one-host address={address}"
    return ""
