"""Looks at single targets at once, because somebody asks; what is known not to come about is refused beforehand.

No name is resolved here: where only its address can tell, the round decides, as it always does before a packet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scanner.engine.errors import InputError
from scanner.engine.plan import PortSpec, Profile, parse_ports
from scanner.rounds.expand import expand
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import Round
from scanner.rounds.switch import current_stop
from targets.models import Target
from targets.query import RegisteredTarget, as_registered, scope_of
from targets.scope import RefusalReason, Scope
from targets.windows import open_again, parse_windows

WIDEST = 256
"""Addresses of a network that are asked about beforehand; of a wider one the round tells."""

ANY_PORT = parse_ports("all")
"""For who wants to know whether a target may be inspected at all."""

RETIRED, BLACKOUT = "retired", "blackout"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a target would not be inspected now: a ``RefusalReason``, ``RETIRED``, or ``BLACKOUT`` up to ``until``."""

    target: Target
    reason: str
    params: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None


def hindrances(targets: Iterable[Target], ports: PortSpec, now: datetime) -> list[Hindrance]:
    """Return what stands in the way of the targets, whose zones and organisations should have been read with them."""
    groups: defaultdict[int, list[Target]] = defaultdict(list)
    for each in targets:
        groups[each.organisation_id].append(each)
    found: list[Hindrance] = []
    for group in groups.values():
        scope = scope_of(group[0].organisation)
        found += [hindrance for each in group if (hindrance := _hindrance(each, scope, ports, now))]
    return found


def check_now(targets: Sequence[Target], profile: Profile, ports: str, *, by: str, now: datetime) -> Round:
    """Make a round of just these targets. Raises ``InputError`` when one of them would not be inspected."""
    if not targets:
        raise InputError("Nothing is chosen to be inspected.")
    if current_stop() is not None:
        raise InputError("Everything is stopped; nothing is sent until that is lifted.")
    if hindrances(targets, parse_ports(ports), now):
        raise InputError("Some of these would not be inspected now.")
    owners = {each.organisation_id: each.organisation for each in targets}
    chosen = tuple(sorted(each.pk for each in targets))
    return make_round(RoundRequest(tuple(owners.values()), by, profile, ports, targets=chosen), now)


def _hindrance(row: Target, scope: Scope, ports: PortSpec, now: datetime) -> Hindrance | None:
    if row.retired_at is not None:
        return Hindrance(row, RETIRED)
    windows = parse_windows([*row.organisation.blackouts]) + parse_windows(row.blackouts)
    until = open_again(windows, now, ZoneInfo(row.organisation.time_zone))
    if until is not None:
        return Hindrance(row, BLACKOUT, until=until)
    target = as_registered(row)
    if target.hostname is not None:
        decision = scope.foreseen(target.hostname, now)
        return Hindrance(row, str(decision.reason), decision.params) if decision else None
    return _hindrance_of_network(row, target, scope, ports, now)


def _hindrance_of_network(
    row: Target, target: RegisteredTarget, scope: Scope, ports: PortSpec, now: datetime
) -> Hindrance | None:
    """Nothing, where at least one address may be inspected."""
    if target.network is None or target.network.num_addresses > WIDEST:
        return None
    hosts = expand([target], scope, ports, now, _resolve_nothing)
    if not hosts or any(host.gap is None for host in hosts):
        return None
    address = hosts[0].target.address
    decision = scope.decide(address, 443 if target.url_port is None else target.url_port, "tcp", now)
    return Hindrance(row, str(decision.reason or RefusalReason.PORT_NOT_AUTHORISED), decision.params)


def _resolve_nothing(hostname: str) -> list[str]:
    raise OSError(hostname)
