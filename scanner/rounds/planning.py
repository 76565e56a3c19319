"""Makes plans, pauses them and removes them; whatever a plan is asked to be is checked before it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import available_timezones

from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.engine.model import Severity
from scanner.engine.plan import Profile, parse_ports
from scanner.rounds.campaign import expand_checks, usual_ports
from scanner.rounds.clock import first_due
from scanner.rounds.models import Plan, PlanKind
from scanner.rounds.schedule import parse_schedule
from targets.models import Organisation
from targets.query import active_organisations
from targets.windows import WindowError, parse_windows

KINDS = (PlanKind.ROUTINE, PlanKind.SPOT_CHECK, PlanKind.CAMPAIGN, PlanKind.SELF_CHECK)
"""What people plan. Rounds of the other kinds follow from findings, or are asked for without a plan."""

LONGEST_JITTER = 86_400
HIGHEST_PRIORITY = 99
"""A re-inspection, which somebody waits for, has 100."""

LONGEST_DEADLINE = 366
HIGHEST_RATE = 1_000_000
DEFAULT_PORTS = "top1000"

_FIELDS = ("schedule", "time_zone", "until", "profile", "ports")
_LIMITS = ("blackouts", "share", "checks", "deadlines", "rate", "notice_from")
_CHANGEABLE = (*_FIELDS, *_LIMITS, "jitter", "priority")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan is to be; the fields are those of :class:`scanner.rounds.models.Plan`.

    ``organisations`` are slugs, none for all. Empty ``ports`` are the default: where the services of a campaign's
    checks usually are, ``top1000`` for others. ``share`` is None but for spot checks. ``checks`` are patterns.
    """

    name: str
    kind: PlanKind
    created_by: str
    organisations: tuple[str, ...] = ()
    schedule: str = ""
    time_zone: str = "UTC"
    until: datetime | None = None
    jitter: int = 0
    blackouts: tuple[str, ...] = ()
    profile: Profile = Profile.STANDARD
    ports: str = ""
    share: float | None = None
    checks: tuple[str, ...] = ()
    deadlines: Mapping[Severity, int] = field(default_factory=dict)
    rate: float = 0
    priority: int = 0
    notice_from: Severity | None = None


def make_plan(wanted: PlanRequest, now: datetime) -> Plan:
    """Check and store a plan. Raises ``Refused`` that says what is wrong, ``LookupError`` for an organisation."""
    plan, organisations = _planned(wanted, now)
    return _store(plan, organisations)


@transaction.atomic
def change_plan(wanted: PlanRequest, now: datetime) -> Plan:
    """Make the plan of that name what ``wanted`` says; a round that has begun goes on as it was made.

    Its kind stays, as do who made it and when, from which intervals count. It is due next by what it now says; what
    was due before is not caught up. Raises as :func:`make_plan` does.
    """
    plan = _locked(wanted.name)
    if plan.kind != wanted.kind:
        raise Refused(
            f"Plan {plan.name} is a {plan.kind}; add another plan for a {wanted.kind}.",
            "plan-kind-stays",
            kind=PlanKind(plan.kind),
        )
    planned, organisations = _planned(wanted, now, plan.created)
    before = _told(plan, list(plan.organisations.all()))
    for name in _CHANGEABLE:
        setattr(plan, name, getattr(planned, name))
    plan.next_due = first_due(plan, now)
    plan.save(update_fields=[*_CHANGEABLE, "next_due"])
    plan.organisations.set(organisations)
    after = _told(plan, organisations)
    changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    record(Action.PLAN_CHANGED, f"plan {plan.name}", actor=wanted.created_by, at=now, **changed)
    return plan


def _planned(wanted: PlanRequest, now: datetime, created: datetime | None = None) -> tuple[Plan, list[Organisation]]:
    """Return the plan that is wanted, checked and not stored, and the organisations that it names."""
    _check_name(wanted)
    _check_kind(wanted)
    _check_numbers(wanted)
    _check_zone(wanted.time_zone)
    organisations = active_organisations(wanted.organisations) if wanted.organisations else []
    checks = expand_checks(wanted.checks)
    plan = Plan(
        name=wanted.name,
        kind=wanted.kind,
        schedule=parse_schedule(wanted.schedule).text if wanted.schedule else "",
        time_zone=wanted.time_zone,
        until=wanted.until,
        jitter=wanted.jitter,
        blackouts=_blackouts(wanted.blackouts),
        profile=wanted.profile,
        ports=_ports(wanted, checks),
        share=wanted.share or 1.0,
        checks=list(checks),
        deadlines={str(severity): days for severity, days in wanted.deadlines.items()},
        rate=wanted.rate,
        priority=wanted.priority,
        notice_from=wanted.notice_from or "",
        created=created or now,
        created_by=wanted.created_by,
    )
    plan.next_due = first_due(plan, now)
    if plan.schedule and plan.next_due is None:
        raise Refused(
            f"The plan would never be due: it ends at {plan.until}, before {wanted.schedule!r} comes.",
            "plan-never-due",
        )
    return plan, organisations


def find_plan(name: str) -> Plan:
    """Return the plan that is in use under ``name``. Raises ``Refused`` naming those there are."""
    plans = {plan.name: plan for plan in Plan.objects.filter(retired_at=None)}
    if name not in plans:
        known = ", ".join(plans) or "none; 'roundsman plan add' makes one"
        raise Refused(f"There is no plan {name!r}. Plans: {known}.", "no-plan", name=name)
    return plans[name]


@transaction.atomic
def pause_plan(name: str, *, by: str, now: datetime) -> None:
    """Make no more rounds of the plan until it is resumed; a round that has begun goes on. Raises ``Refused``."""
    plan = _locked(name)
    if plan.paused:
        raise Refused(f"Plan {name} is paused already.", "plan-paused")
    plan.paused = True
    plan.save(update_fields=["paused"])
    record(Action.PLAN_PAUSED, f"plan {name}", actor=by, at=now)


@transaction.atomic
def resume_plan(name: str, *, by: str, now: datetime) -> Plan:
    """Let the plan go on with the next due time after ``now``; what was due meanwhile is not caught up.

    Raises ``Refused``.
    """
    plan = _locked(name)
    if not plan.paused:
        raise Refused(f"Plan {name} is not paused.", "plan-not-paused")
    plan.paused, plan.next_due = False, first_due(plan, now)
    plan.save(update_fields=["paused", "next_due"])
    record(Action.PLAN_RESUMED, f"plan {name}", actor=by, at=now)
    return plan


@transaction.atomic
def remove_plan(name: str, *, by: str, now: datetime) -> None:
    """Retire the plan: its rounds stay, one that has begun goes on, and its name is free. Raises ``Refused``."""
    plan = _locked(name)
    plan.retired_at, plan.next_due = now, None
    plan.save(update_fields=["retired_at", "next_due"])
    record(Action.PLAN_REMOVED, f"plan {name}", actor=by, at=now)


def _locked(name: str) -> Plan:
    return Plan.objects.select_for_update().get(pk=find_plan(name).pk)


@transaction.atomic
def _store(plan: Plan, organisations: list[Organisation]) -> Plan:
    if Plan.objects.filter(name=plan.name, retired_at=None).exists():
        raise Refused(
            f"There is a plan {plan.name} already; remove it first, or choose another name.",
            "plan-exists",
            name=plan.name,
        )
    plan.save()
    plan.organisations.set(organisations)
    record(
        Action.PLAN_ADDED,
        f"plan {plan.name}",
        actor=plan.created_by,
        at=plan.created,
        **_told(plan, organisations),
    )
    return plan


def _told(plan: Plan, organisations: list[Organisation]) -> dict[str, object]:
    """What the audit trail keeps of a plan."""
    slugs = [each.slug for each in organisations]
    return {"organisations": slugs, **{name: getattr(plan, name) for name in ("kind", *_CHANGEABLE)}}


def _check_name(wanted: PlanRequest) -> None:
    if not _NAME.fullmatch(wanted.name):
        raise Refused(
            f"{wanted.name!r} is no name for a plan; use a-z, 0-9 and hyphens, such as weekly-full.", "plan-name"
        )


def _check_kind(wanted: PlanRequest) -> None:
    kind = wanted.kind
    if kind not in KINDS:
        raise Refused(
            f"Rounds of the kind {kind} are made when they are needed; plan {', '.join(KINDS)}.", "plan-kind", kind=kind
        )
    if kind in (PlanKind.ROUTINE, PlanKind.SPOT_CHECK) and not wanted.schedule:
        raise Refused(
            f"A {kind} needs a schedule, such as --schedule '0 3 * * mon' or --schedule 'every 1d'.",
            "plan-without-schedule",
            kind=kind,
        )
    if kind is PlanKind.SELF_CHECK and wanted.schedule:
        raise Refused(
            "A self-check has no schedule: it runs when a unit asks, by 'roundsman plan run'.", "self-check-scheduled"
        )
    if wanted.until is not None and not wanted.schedule:
        raise Refused("Only a plan with a schedule can end by itself.", "end-without-schedule")
    if (kind is PlanKind.SPOT_CHECK) != (wanted.share is not None):
        raise Refused(
            "A spot check needs the share of targets that it draws (--share 10%), others have none.", "plan-share"
        )
    if (kind is PlanKind.CAMPAIGN) != bool(wanted.checks):
        raise Refused(
            "A campaign needs the checks that it is about (--check 'SVC-REDIS-*'), others have none.", "plan-checks"
        )


def _check_numbers(wanted: PlanRequest) -> None:
    if wanted.share is not None and not 0 < wanted.share <= 1:
        raise Refused("The share of a spot check is above 0 and at most 100%.", "share-out-of-range")
    if not 0 <= wanted.jitter <= LONGEST_JITTER:
        raise Refused("The jitter is at most a day.", "jitter-out-of-range")
    if not 0 <= wanted.rate <= HIGHEST_RATE:
        raise Refused(
            f"The rate is from 0 (no cap) to {HIGHEST_RATE} packets a second.", "rate-out-of-range", most=HIGHEST_RATE
        )
    if not -HIGHEST_PRIORITY <= wanted.priority <= HIGHEST_PRIORITY:
        raise Refused(
            f"The priority is from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}.",
            "priority-out-of-range",
            most=HIGHEST_PRIORITY,
        )
    for severity, days in wanted.deadlines.items():
        if severity is Severity.INFO or not 1 <= days <= LONGEST_DEADLINE:
            raise Refused(
                f"Hints have no deadline, others 1 to {LONGEST_DEADLINE} days; write for example high=5, not "
                f"{severity}={days}.",
                "deadline-out-of-range",
                most=LONGEST_DEADLINE,
            )


def _check_zone(name: str) -> None:
    if name not in available_timezones():
        raise Refused(f"{name!r} is no IANA time zone; an example of one is Asia/Shanghai.", "no-time-zone", text=name)


def _blackouts(texts: tuple[str, ...]) -> list[str]:
    try:
        return list(dict.fromkeys(window.text for window in parse_windows(texts)))
    except WindowError as error:
        raise Refused(f"{error}.", error.sentence.code, **error.sentence.values) from error


def _ports(wanted: PlanRequest, checks: tuple[str, ...]) -> str:
    if wanted.ports:
        parse_ports(wanted.ports)
        return wanted.ports
    if wanted.kind is not PlanKind.CAMPAIGN:
        return DEFAULT_PORTS
    ports = usual_ports(checks)
    if not ports:
        raise Refused(
            "Not all of these checks are bound to ports; say where to look, such as --ports top1000.", "checks-anywhere"
        )
    return ports
