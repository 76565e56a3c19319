"""Looks again, between the rounds of plans, at hosts that earned it by what is open there.

A host's interval is one of ``LADDER``, by its worst open finding: critical, or known to be exploited, 12 h; high 24 h;
medium 4 d; low 6 d; clean 7 d, or 6 d where a part was not inspected, which is not clean. Worse is immediate, better is
one step a round, so that a host that flaps stays in sight. A host that no longer answers, or may no longer be touched,
goes up a step with every round as well: 14 d, then twice as long each time, up to 90 d. (After CISA's Cyber Hygiene
service, which scans by these intervals.)

An address that never answered earns nothing: rounds of whole networks look for it.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Event
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from scanner import bulk
from scanner.engine.errors import InputError
from scanner.engine.model import Outcome, Severity
from scanner.engine.plan import parse_ports, ports_of
from scanner.engine.probes.discovery import tcp_ranges
from scanner.prepared import Given, Prepared
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Attention, Finding
from scanner.remediation.part import Register
from scanner.remediation.reinspection import listed_ports, ports_rested_on
from scanner.rounds.clock import begins
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import ENDED, HostResult, LookNumber, Plan, PlanKind, Round, RoundState, whole
from scanner.rounds.tools import tool_versions
from targets.models import Organisation
from targets.windows import open_again, parse_windows

_log = logging.getLogger(__name__)

BY_SEVERITY: Final = {
    Severity.CRITICAL: 12,
    Severity.HIGH: 24,
    Severity.MEDIUM: 4 * 24,
    Severity.LOW: 6 * 24,
    Severity.INFO: 7 * 24,
}
"""Hours by the worst open finding; hints leave a host clean."""

BY_CADENCE: Final = "cadence"
"""Who asked for a round between rounds."""

CLEAN: Final = BY_SEVERITY[Severity.INFO]
UNPROVEN: Final = BY_SEVERITY[Severity.LOW]
"""What a host earns at best of which something was not inspected."""

SILENT: Final = 14 * 24
LONGEST: Final = 90 * 24
LADDER: Final = (*BY_SEVERITY.values(), SILENT, 2 * SILENT, 4 * SILENT, LONGEST)
"""Every interval there is, in hours, the shortest first."""

PATIENCE = 0.25
"""The part of its interval that a due host still waits when a routine round comes within it."""

PRIORITY: Final = dict(zip(BY_SEVERITY.values(), (50, 40, 30, 20, 10), strict=True))
"""Of a cadence round, by the shortest interval of its hosts: before plans of usual priority, after re-inspections."""

AT_ONCE = 500
"""Rows in one statement."""

DEFAULT_PORTS = "top1000"
_IN_SIGHT = (State.OPEN, State.CLAIMED)


class Seen(StrEnum):
    """What a round learned about a host, the least first. ``NOTHING``: it ran out of time or broke off; ``PARTLY``: it
    answered, and something of it was not inspected."""

    GONE = "gone"
    NOTHING = "nothing"
    PARTLY = "partly"
    ANSWERED = "answered"


def interval(worst: Severity | None, *, known_exploited: bool = False) -> int:
    """Return the hours that a host is given by its worst open finding; None for a clean one."""
    return BY_SEVERITY[Severity.CRITICAL] if known_exploited else BY_SEVERITY[worst or Severity.INFO]


def next_hours(before: int | None, seen: Seen, earned: int) -> int:
    """Return a host's next interval: ``before`` is its present one (None for a new host), ``earned`` that of its
    worst open finding.

    Worse is immediate, better is one step up the ladder. None is clean that was not inspected to its end.
    """
    if seen is Seen.PARTLY or (seen is Seen.NOTHING and before is None):
        earned = min(earned, UNPROVEN)
    if before is None:
        return SILENT if seen is Seen.GONE else earned
    if seen is Seen.NOTHING:
        return min(before, earned)
    aim = LONGEST if seen is Seen.GONE else earned
    return aim if aim <= before else next(step for step in LADDER if step > before)


def attend(organisation: Organisation, this: Round, now: datetime) -> None:
    """Give each host that the round is about its next due time; belongs into the transaction that follows the round.

    A round about some checks or findings only can make a host due sooner, never later: it did not look at the rest.
    """
    seen = _seen(organisation, this)
    earned = _earned(organisation, seen)
    rows = {row.host: row for row in _ATTENDED(organisation=organisation) if row.host in seen}
    new: list[Attention] = []
    for host, what in seen.items():
        row = rows.get(host)
        if row is None and what is Seen.GONE:
            continue
        if row is None:
            hours = next_hours(None, what, earned[host])
            new.append(Attention(organisation=organisation, host=host, hours=hours, due=now + timedelta(hours=hours)))
        elif this.checks or this.findings:
            row.hours = min(row.hours, earned[host])
            row.due = min(row.due, now + timedelta(hours=row.hours))
        else:
            row.hours = next_hours(row.hours, what, earned[host])
            row.silent = row.silent + 1 if what is Seen.GONE else 0
            row.due = now + timedelta(hours=row.hours)
    Attention.objects.bulk_create(new, batch_size=AT_ONCE)
    _store(rows.values())


_ATTENDED = Prepared(lambda: Attention.objects.filter(organisation=Given("organisation")))


def make_cadence_rounds(now: datetime, stop: Event | None = None) -> list[Round]:
    """Make a round for each organisation that has hosts due, and return them; none while cadence is switched off.

    Not in the organisation's blackouts, not while a round of it is unfinished, and not for hosts that its next routine
    round reaches within their patience. Hosts that are no longer registered are forgotten. ``stop`` set, the others
    wait for another time. Raises ``ToolError`` when nmap is missing.
    """
    if not settings.CADENCE:
        return []
    tools: dict[str, str] = {}
    made: list[Round] = []
    routine = _Routine(now)
    for organisation in _with_hosts_due(routine, now):
        if stop is not None and stop.is_set():
            break
        try:
            tools = tools or tool_versions()
            this = _make_round(organisation, routine, now, tools)
        except (InputError, ValueError, LookupError):
            _log.exception("hosts of %s are due for a look, but the round could not be made", organisation)
            continue
        if this is not None:
            made.append(this)
    return made


class _Routine:
    """When the next routine round that is about an organisation begins, as it is planned at this moment."""

    def __init__(self, now: datetime) -> None:
        plans = Plan.objects.filter(kind=PlanKind.ROUTINE, retired_at=None, paused=False, next_due__isnull=False)
        self._of: dict[int, datetime] = {}
        self._of_all: list[datetime] = []
        for plan in plans:
            try:
                begun = begins(plan, plan.next_due or now, now)
            except (InputError, ValueError, LookupError):
                _log.exception("nobody can tell when the next round of plan %s begins", plan)
                continue
            named = list(plan.organisations.values_list("pk", flat=True))
            for each in named:
                self._of[each] = min(begun, self._of.get(each, begun))
            if not named:
                self._of_all.append(begun)

    def reaches(self, organisation: int, due: datetime, hours: int) -> bool:
        """Tell whether one begins within the patience of a host that was due then, by its interval."""
        ahead = [*self._of_all, *([self._of[organisation]] if organisation in self._of else [])]
        return bool(ahead) and min(ahead) <= due + timedelta(hours=hours * PATIENCE)


def _with_hosts_due(routine: _Routine, now: datetime) -> list[Organisation]:
    """Return the organisations of which hosts need a round by themselves that may begin now.

    That is asked of all at once: hosts may be due for days, in which nothing is to be done about them.
    """
    rows = Attention.objects.filter(due__lte=now).order_by().values_list("organisation", "due", "hours")
    due = {organisation for organisation, at, hours in rows if not routine.reaches(organisation, at, hours)}
    if not due:
        return []
    unfinished = Round.objects.filter(followed=None).exclude(state__in=ENDED)
    busy = set(unfinished.filter(organisations__isnull=False).values_list("organisations", flat=True))
    active = Organisation.objects.filter(retired_at=None).order_by("slug")
    return [each for each in active if each.pk in due - busy and not _is_held_up(each, now)]


@transaction.atomic
def _make_round(organisation: Organisation, routine: _Routine, now: datetime, tools: Mapping[str, str]) -> Round | None:
    running = _RUNNING(organisation=organisation)
    wanted = None if running else _request(organisation, routine, now)
    return make_round(wanted, now, tools) if wanted is not None else None


_RUNNING = Prepared(
    lambda: (
        Round.objects.filter(organisations=Given("organisation"), followed=None)
        .exclude(state__in=ENDED)
        .values_list("pk", flat=True)[:1]
    )
)


def _store(rows: Iterable[Attention]) -> None:
    bulk.update(list(rows), ("hours", "silent", "due"))


def _seen(organisation: Organisation, this: Round) -> dict[str, Seen]:
    """What the round learned about each host, the best of all its addresses."""
    found: dict[str, Seen] = {}
    for hostname, address, outcome, silent in _LOOKS.each(2000, round=this, organisation=organisation):
        host = hostname or address
        gone = silent or outcome == Outcome.REFUSED
        what = _LEARNED.get(Outcome(outcome)) or (Seen.GONE if gone else Seen.NOTHING)
        found[host] = max(what, found.get(host, what), key=list(Seen).index)
    return found


_LEARNED = {Outcome.INSPECTED: Seen.ANSWERED, Outcome.PARTIAL: Seen.PARTLY}
_LOOKS = Prepared(
    lambda: HostResult.objects.filter(
        round=Given("round"), organisation=Given("organisation"), look=LookNumber.FIRST
    ).values_list("hostname", "address", "outcome", "silent")
)
_IN_SIGHT_OF = Prepared(
    lambda: Finding.objects.filter(organisation=Given("organisation"), state__in=_IN_SIGHT).values_list(
        "host", "severity", "known_exploited"
    )
)


def _earned(organisation: Organisation, hosts: Iterable[str]) -> dict[str, int]:
    """The interval that the open findings of each host earn it."""
    earned = dict.fromkeys(hosts, CLEAN)
    for host, severity, exploited in _IN_SIGHT_OF(organisation=organisation):
        if host in earned:
            earned[host] = min(earned[host], interval(Severity(severity), known_exploited=exploited))
    return earned


def _is_held_up(organisation: Organisation, now: datetime) -> bool:
    """Tell whether it is in a blackout. What can't be read holds it up too, and is logged."""
    try:
        windows = parse_windows(organisation.blackouts)
        return open_again(windows, now, ZoneInfo(organisation.time_zone)) is not None
    except (InputError, ValueError, LookupError):
        _log.exception("hosts of %s are due for a look, but its blackouts can't be read", organisation)
        return True


def _request(organisation: Organisation, routine: _Routine, now: datetime) -> RoundRequest | None:
    """What the organisation's cadence round is to be; None when no host needs one. Its hosts are given a later time."""
    due = _DUE(organisation=organisation, now=now)
    register = Register(organisation)
    gone = [row.pk for row in due if not register.names(row.host)]
    for first in range(0, len(gone), AT_ONCE):
        Attention.objects.filter(pk__in=gone[first : first + AT_ONCE]).delete()
    forgotten = set(gone)
    chosen = [
        row for row in due if row.pk not in forgotten and not routine.reaches(organisation.pk, row.due, row.hours)
    ]
    if not chosen:
        return None
    for row in chosen:
        row.due = now + timedelta(hours=row.hours)
    _store(chosen)
    hosts = {row.host for row in chosen}
    return RoundRequest(
        organisations=(organisation,),
        requested_by=BY_CADENCE,
        ports=_ports(organisation, hosts),
        kind=PlanKind.CADENCE,
        hosts=tuple(sorted(hosts)),
        priority=max(PRIORITY.get(row.hours, 0) for row in chosen),
    )


_DUE = Prepared(
    lambda: Attention.objects.select_for_update().filter(organisation=Given("organisation"), due__lte=Given("now"))
)


def _ports(organisation: Organisation, hosts: Container[str]) -> str:
    """The ports of the last whole round, a routine one if there is any: one by hand may be narrow. Beside them, those
    of what is open on the hosts, which may have been found elsewhere: that is what they are due for."""
    usual = _ROUTINE_PORTS.first(organisation=organisation) or _PORTS.first(organisation=organisation) or DEFAULT_PORTS
    spec = parse_ports(usual)
    tcp, udp = ports_rested_on(each for each in _OPEN_OF(organisation=organisation) if each.host in hosts)
    besides = listed_ports(tcp.difference(ports_of(tcp_ranges(spec))), udp.difference(spec.udp))
    return f"{usual},{besides}" if besides else usual


_OPEN_OF = Prepared(
    lambda: (
        Finding.objects.filter(organisation=Given("organisation"), state__in=_IN_SIGHT)
        .only("host", "port", "transport", "check_id", "params")
        .order_by()
    )
)


def _whole_rounds() -> QuerySet[Round]:
    rounds = Round.objects.filter(whole(), organisations=Given("organisation"), state=RoundState.DONE)
    return rounds.order_by("-pk")


_ROUTINE_PORTS = Prepared(lambda: _whole_rounds().filter(kind=PlanKind.ROUTINE).values_list("ports", flat=True)[:1])
_PORTS = Prepared(lambda: _whole_rounds().values_list("ports", flat=True)[:1])
