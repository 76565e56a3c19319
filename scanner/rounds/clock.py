"""Makes the rounds of plans that are due, each due time once, whatever clocks and processes do.

A plan's ``next_due`` is the next time by its schedule. Whoever finds it passed makes the round and moves it on in one
transaction: of two clocks the second finds it moved, a clock that was killed in between has done neither, and a clock
that is set back finds the next due time further ahead. Due times that passed unused, while the machine was off or
asleep, or the clock jumped ahead, are caught up by one round for the last of them, which counts the others as missed.
A clock that was wrong by more than a week, and was mended, would leave plans silent for that long: they are taken back.

A plan whose time has come is put off, by its jitter, by its blackouts, and while its former round is unfinished; it
stays due, and what comes due meanwhile is caught up in the same way.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from zoneinfo import ZoneInfo

from django.db import close_old_connections, transaction
from django.db.models import QuerySet

from scanner.engine.errors import InputError, Refused
from scanner.engine.plan import Profile
from scanner.rounds.drawing import draw
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import ENDED, Plan, PlanKind, Round
from scanner.rounds.schedule import COUNTED, parse_schedule, put_off
from scanner.rounds.tools import tool_versions
from targets.models import Organisation, Target
from targets.windows import open_again, parse_windows

_log = logging.getLogger(__name__)

BEAT = 10.0
"""Seconds between two looks at what is due."""

WRONG = timedelta(weeks=1)
"""By how much a plan's next due time must be too late to have been written by a clock that was wrong."""


BY_PLAN = "plan {name}"
"""Who asked for what a plan does by itself."""


def keep_time(
    look: Callable[[datetime], object], clock: Callable[[], datetime], stop: Event, beat: float = BEAT
) -> None:
    """Call ``look`` with the time every ``beat`` seconds until ``stop`` is set. An error is logged, and it goes on.

    The wait is monotonic. A scheduler that sleeps until a time of the wall clock, as APScheduler's do, would be silent
    for two hours when the clock is set back by two hours.
    """
    while not stop.is_set():
        try:
            look(clock())
        except Exception:  # noqa: BLE001 - whatever went wrong, the next look may find it mended
            _log.exception("the clock could not do what was due; it tries again in %s s", beat)
        close_old_connections()
        stop.wait(beat)


def tick(now: datetime) -> list[Round]:
    """Make the rounds of all plans that are due at ``now``, most urgent first, and return them.

    A plan whose round can't be made is logged, holds up no other, and stays due. Raises ``ToolError`` when nmap is
    missing.
    """
    _take_back(now)
    tools: dict[str, str] = {}
    made: list[Round] = []
    for plan in _due(now).order_by("-priority", "next_due", "pk"):
        try:
            if _whats_due(plan, now) is None:
                continue
            tools = tools or tool_versions()
            this = _claim(plan.pk, now, tools)
        except (InputError, ValueError, LookupError):
            _log.exception("plan %s is due, but its round could not be made", plan)
            continue
        if this is not None:
            _log.info("%s begins, by plan %s", this, plan)
            made.append(this)
    return made


def first_due(plan: Plan, after: datetime) -> datetime | None:
    """Return the plan's first due time after ``after``; None when it has none, or none before its end."""
    if not plan.schedule:
        return None
    due = parse_schedule(plan.schedule).next_due(after, ZoneInfo(plan.time_zone), plan.created)
    return None if plan.until is not None and due >= plan.until else due


@dataclass(frozen=True, slots=True)
class Coming:
    """A due time of a plan, and when its round begins if nothing of the plan still runs then."""

    plan: Plan
    due: datetime
    begins: datetime


def coming(plans: Iterable[Plan], now: datetime, until: datetime, most: int = COUNTED) -> list[Coming]:
    """Return the due times up to ``until`` of plans that are neither paused nor removed, by when they begin.

    Due times of a plan that would begin together are caught up by one round, that of the last of them. Of each plan
    at most the first ``most`` due times are looked at.
    """
    found: dict[tuple[str, datetime], Coming] = {}
    for plan in plans:
        if plan.next_due is None or plan.paused or plan.retired_at is not None:
            continue
        due: datetime | None = plan.next_due
        for _ in range(most):
            if due is None or due > until:
                break
            begun = begins(plan, due, now)
            found[plan.name, begun] = Coming(plan, due, begun)
            due = first_due(plan, due)
    return sorted(found.values(), key=lambda each: (each.begins, each.due, each.plan.name))


def begins(plan: Plan, due: datetime, now: datetime) -> datetime:
    """Return when the round of a due time begins, seen from ``now``, if nothing of the plan still runs then."""
    ready = max(now, due + put_off(plan.pk, due, plan.jitter))
    return open_again(parse_windows(plan.blackouts), ready, ZoneInfo(plan.time_zone)) or ready


def run_plan(plan: Plan, organisations: Iterable[str], requested_by: str, now: datetime) -> Round:
    """Make a round of the plan at once, whatever its schedule says; only of some organisations if any are named.

    Raises ``Refused`` when the plan's former round is unfinished, an organisation is not of the plan, or nothing is
    registered to inspect.
    """
    tools = tool_versions()
    with transaction.atomic():
        plan = Plan.objects.select_for_update().get(pk=plan.pk)
        running = unfinished(plan)
        if running is not None:
            raise Refused(
                f"Round {running.pk} of plan {plan.name} is not finished; see 'roundsman round list'.",
                "plan-running",
                number=running.pk,
            )
        ours = {each.slug: each for each in organisations_of(plan)}
        unknown = sorted(set(organisations) - ours.keys())
        if unknown:
            raise Refused(
                f"Plan {plan.name} is not about {', '.join(unknown)}, but about {', '.join(ours)}.",
                "plan-about-others",
                names=tuple(unknown),
            )
        chosen = [ours[slug] for slug in sorted(set(organisations))] or list(ours.values())
        wanted = _request(plan, chosen, requested_by)
        if wanted is None:
            raise Refused(f"Nothing is registered for plan {plan.name} to inspect.", "plan-without-targets")
        return make_round(wanted, now, tools)


def organisations_of(plan: Plan) -> list[Organisation]:
    """Return the active organisations that the plan is about, by slug: those it names, or all when it names none."""
    named = plan.organisations.exists()
    found = plan.organisations.all() if named else Organisation.objects.all()
    return list(found.filter(retired_at=None).order_by("slug"))


def unfinished(plan: Plan) -> Round | None:
    """Return the plan's round that has not ended yet, or None; one whose findings were followed only has to be told."""
    return plan.rounds.filter(followed=None).exclude(state__in=ENDED).order_by("pk").first()


@transaction.atomic
def _claim(number: int, now: datetime, tools: Mapping[str, str]) -> Round | None:
    """Make the round of one plan and move its next due time on; None when another clock did, or it is put off."""
    plan = _due(now).select_for_update().filter(pk=number).first()
    found = _whats_due(plan, now) if plan else None
    if plan is None or found is None:
        return None
    due, passed = found
    plan.next_due = first_due(plan, due)
    plan.save(update_fields=["next_due"])
    wanted = _request(plan, organisations_of(plan), BY_PLAN.format(name=plan.name), due, passed - 1)
    if wanted is None or plan.rounds.filter(due=due).exists():
        _log.warning("plan %s was due at %s: nothing is registered, or its round was made before", plan, due)
        return None
    this = make_round(wanted, now, tools)
    if this.missed:
        _log.warning("plan %s missed %s due times; %s stands for them as well", plan, this.missed, this)
    return this


def _take_back(now: datetime) -> None:
    """Give plans that a clock put off which was far ahead their next due time as it is seen now."""
    for plan in Plan.objects.filter(retired_at=None, paused=False, next_due__gt=now + WRONG):
        try:
            due = first_due(plan, now)
        except (InputError, ValueError, LookupError):
            _log.exception("nobody can tell when plan %s is due", plan)
            continue
        if plan.next_due is None or due is None or plan.next_due <= due + WRONG:
            continue
        if Plan.objects.filter(pk=plan.pk, next_due=plan.next_due, paused=False).update(next_due=due):
            _log.warning("plan %s was not due before %s, by a clock that was wrong: now %s", plan, plan.next_due, due)


def _due(now: datetime) -> QuerySet[Plan]:
    return Plan.objects.filter(retired_at=None, paused=False, next_due__lte=now)


def _whats_due(plan: Plan, now: datetime) -> tuple[datetime, int] | None:
    """The plan's last due time that has passed, jitter included, and how many passed since its last round.

    None while it is put off.
    """
    zone = ZoneInfo(plan.time_zone)
    if plan.next_due is None or open_again(parse_windows(plan.blackouts), now, zone) or unfinished(plan):
        return None
    schedule, before = parse_schedule(plan.schedule), plan.next_due - timedelta(microseconds=1)
    until = now if plan.until is None else min(now, plan.until - timedelta(microseconds=1))
    found = schedule.last_due(plan.next_due, until, zone, plan.created)
    last, count = (found[0], found[1] + 1) if found else (plan.next_due, 1)
    while last > before and last + put_off(plan.pk, last, plan.jitter) > now:
        earlier = schedule.last_due(before, last - timedelta(microseconds=1), zone, plan.created)
        if earlier is None:
            return None
        last, count = earlier
    return last, count


def _request(
    plan: Plan, organisations: list[Organisation], by: str, due: datetime | None = None, missed: int = 0
) -> RoundRequest | None:
    """What the plan's round is to be; None when nothing is registered to inspect."""
    targets: tuple[int, ...] | None = None
    seed = ""
    if plan.kind == PlanKind.SPOT_CHECK:
        seed = secrets.token_hex(16)
        drawn = {each: draw(each, plan.share, seed) for each in organisations}
        organisations = [each for each in organisations if drawn[each]]
        targets = tuple(number for each in organisations for number in drawn[each])
    if not _anything_registered(organisations):
        return None
    return RoundRequest(
        organisations=tuple(organisations),
        requested_by=by,
        profile=Profile(plan.profile),
        ports=plan.ports,
        kind=PlanKind(plan.kind),
        plan=plan,
        due=due,
        missed=missed,
        seed=seed,
        targets=targets,
        checks=tuple(plan.checks),
        rate=plan.rate,
        priority=plan.priority,
    )


def _anything_registered(organisations: list[Organisation]) -> bool:
    targets = Target.objects.filter(organisation__in=organisations, retired_at=None)
    return any(each.domains for each in organisations) or targets.exists()
