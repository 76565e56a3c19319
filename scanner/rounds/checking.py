"""Looks at single targets at once, because somebody asks; what is known not to come about is refused beforehand.

No name is resolved here: where only its address can tell, the round decides, as it always does before a packet.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from zoneinfo import ZoneInfo

from scanner.engine.errors import Refused
from scanner.engine.plan import PortSpec, Profile, parse_ports
from scanner.rounds.expand import expand
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import Round
from scanner.rounds.switch import current_stop
from targets.models import Target
from targets.query import RegisteredTarget, as_registered, scope_of
from targets.scope import Scope
from targets.windows import open_again, parse_windows

WIDEST = 256
"""Addresses of a network that are asked about beforehand; of a wider one the round tells."""

ANY_PORT = parse_ports("all")
"""For who wants to know whether a target may be inspected at all."""

Awake = tuple[Target, RegisteredTarget]

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
        at_rest = [(each, _at_rest(each, now)) for each in group]
        found += [hindrance for _, hindrance in at_rest if hindrance]
        awake = [(each, as_registered(each)) for each, hindrance in at_rest if hindrance is None]
        found += _of_names(awake, scope, now)
        found += _of_networks(awake, scope, ports, now)
    return found


def check_now(targets: Sequence[Target], profile: Profile, ports: str, *, by: str, now: datetime) -> Round:
    """Make a round of just these targets. Raises ``Refused`` when one of them would not be inspected."""
    if not targets:
        raise Refused("Nothing is chosen to be inspected.", "nothing-chosen")
    if current_stop() is not None:
        raise Refused("Everything is stopped; nothing is sent until that is lifted.", "all-stopped")
    if hindrances(targets, parse_ports(ports), now):
        raise Refused("Some of these would not be inspected now.", "some-hindered")
    owners = {each.organisation_id: each.organisation for each in targets}
    chosen = tuple(sorted(each.pk for each in targets))
    return make_round(RoundRequest(tuple(owners.values()), by, profile, ports, targets=chosen), now)


def _at_rest(row: Target, now: datetime) -> Hindrance | None:
    if row.retired_at is not None:
        return Hindrance(row, RETIRED)
    windows = parse_windows(row.organisation.blackouts) + parse_windows(row.blackouts)
    until = open_again(windows, now, ZoneInfo(row.organisation.time_zone))
    return None if until is None else Hindrance(row, BLACKOUT, until=until)


def _of_names(awake: Iterable[Awake], scope: Scope, now: datetime) -> Iterator[Hindrance]:
    for row, target in awake:
        decision = scope.foreseen(target.hostname, now) if target.hostname is not None else None
        if decision is not None:
            yield Hindrance(row, str(decision.reason), decision.params)


def _of_networks(awake: Iterable[Awake], scope: Scope, ports: PortSpec, now: datetime) -> Iterator[Hindrance]:
    """Yield networks of which no address may be inspected."""
    narrow = [(row, target) for row, target in awake if target.network and target.network.num_addresses <= WIDEST]
    gaps = {
        ip_address(host.target.address): host.gap
        for host in expand([target for _, target in narrow], scope, ports, now, _resolve_nothing)
    }
    for row, target in narrow:
        found = [gaps[address] for address in target.network or () if address in gaps]
        if found and found[0] is not None and all(found):
            reason, *params = shlex.split(found[0].detail)
            yield Hindrance(
                row, reason, tuple((name, value) for name, _, value in (each.partition("=") for each in params))
            )


def _resolve_nothing(hostname: str) -> list[str]:
    raise OSError(hostname)
