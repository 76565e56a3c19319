"""Plans: when what is inspected, and how deep."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Name, Sent, Slug
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.rounds import RoundRow
from scanner.api.scopes import Scope
from scanner.engine.model import Severity
from scanner.engine.plan import Profile
from scanner.rounds import planning
from scanner.rounds.clock import coming, run_plan
from scanner.rounds.models import Plan, PlanKind
from targets.registry.times import parse_end

router = Router(tags=["plans"])

READ = needs(Scope.PLANS_READ, Right.WATCH)
WRITE = needs(Scope.PLANS_WRITE, Right.OPERATE)

PlanName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class PlanRow(Schema):
    """A plan. No organisations means all. ``jitter`` is in seconds, ``deadlines`` in days, ``rate`` in packets/s.

    ``next_due`` is null for one that is not due by itself.
    """

    name: str
    kind: str
    organisations: list[str]
    schedule: str
    time_zone: str
    until: datetime | None
    jitter: int
    blackouts: list[str]
    profile: str
    ports: str
    share: float
    checks: list[str]
    deadlines: dict[str, int]
    rate: float
    priority: int
    notice_from: str
    paused: bool
    next_due: datetime | None
    created: datetime
    created_by: str

    @classmethod
    def of(cls, row: Plan) -> PlanRow:
        """Show a row."""
        return cls(
            name=row.name,
            kind=row.kind,
            organisations=[each.slug for each in row.organisations.all()],
            schedule=row.schedule,
            time_zone=row.time_zone,
            until=row.until,
            jitter=row.jitter,
            blackouts=row.blackouts,
            profile=row.profile,
            ports=row.ports,
            share=row.share,
            checks=row.checks,
            deadlines=row.deadlines,
            rate=row.rate,
            priority=row.priority,
            notice_from=row.notice_from,
            paused=row.paused,
            next_due=row.next_due,
            created=row.created,
            created_by=row.created_by,
        )


class DueRow(Schema):
    """When a plan is due, and when its round begins if nothing of it still runs then."""

    plan: str
    due: datetime
    begins: datetime


class Due(Schema):
    """What comes, the soonest first; ``more`` counts what was left out."""

    items: list[DueRow]
    more: int


class PlanWanted(Sent):
    """A plan to make. ``until`` is its last day, in its time zone; ``share`` is for spot checks, ``checks``, which are
    patterns, for campaigns."""

    name: Slug
    kind: Literal["routine", "spot-check", "campaign", "self-check"] = "routine"
    organisations: list[Slug] = Field(default=[], max_length=10_000)
    schedule: Name = ""
    time_zone: Name = ""
    until: date | None = None
    jitter: int = Field(default=0, ge=0, le=planning.LONGEST_JITTER)
    blackouts: list[Name] = Field(default=[], max_length=100)
    profile: Profile = Profile.STANDARD
    ports: str = Field(default="", max_length=1000, pattern=NO_NUL)
    share: float | None = Field(default=None, gt=0, le=1)
    checks: list[Name] = Field(default=[], max_length=100)
    deadlines: dict[Severity, int] = Field(default={}, max_length=10)
    rate: float = Field(default=0, ge=0, le=planning.HIGHEST_RATE)
    priority: int = Field(default=0, ge=-planning.HIGHEST_PRIORITY, le=planning.HIGHEST_PRIORITY)
    notice_from: Severity | None = None


class RunWanted(Sent):
    """A round of a plan now, of all its organisations or of some."""

    organisations: list[Slug] = Field(default=[], max_length=10_000)


class Ahead(Schema):
    """How far to look ahead, and how much to show."""

    days: int = Field(default=7, ge=1, le=366, description="Days to look ahead.")
    limit: int = Field(default=50, ge=1, le=1000, description="Due times at most.")


@router.get("/plans", response=Part[PlanRow], **READ)
def list_plans(request: ApiRequest, span: AskedSpan) -> Part[PlanRow]:
    """List the plans that are in use."""
    rows = request.visit.sight.rows(Plan).filter(retired_at=None).prefetch_related("organisations")
    found, then = part(rows, span)
    return Part[PlanRow](items=[PlanRow.of(each) for each in found], next=then)


@router.get("/due", response=Due, **READ)
def list_due(request: ApiRequest, ahead: Annotated[Ahead, Query()]) -> Due:
    """List when rounds are due, blackouts of their plans and what puts them off included."""
    plans = request.visit.sight.rows(Plan).filter(retired_at=None)
    found = coming(plans, request.now, request.now + timedelta(days=ahead.days))
    items = [DueRow(plan=each.plan.name, due=each.due, begins=each.begins) for each in found[: ahead.limit]]
    return Due(items=items, more=len(found) - len(items))


@router.get("/plans/{name}", response=PlanRow, **READ)
def show_plan(request: ApiRequest, name: PlanName) -> PlanRow:
    """Show one plan."""
    return PlanRow.of(_plan(request, name, Right.WATCH))


@router.post("/plans", response={201: PlanRow}, **WRITE)
def make_plan(request: ApiRequest, wanted: PlanWanted) -> Status[PlanRow]:
    """Make a plan."""
    zone = wanted.time_zone or settings.TIME_ZONE
    asked = planning.PlanRequest(
        name=wanted.name,
        kind=PlanKind(wanted.kind),
        created_by=request.visit.who,
        organisations=tuple(wanted.organisations),
        schedule=wanted.schedule,
        time_zone=zone,
        until=_end(wanted.until, zone),
        jitter=wanted.jitter,
        blackouts=tuple(wanted.blackouts),
        profile=wanted.profile,
        ports=wanted.ports,
        share=wanted.share,
        checks=tuple(wanted.checks),
        deadlines=wanted.deadlines,
        rate=wanted.rate,
        priority=wanted.priority,
        notice_from=wanted.notice_from,
    )
    try:
        return Status(201, PlanRow.of(planning.make_plan(asked, request.now)))
    except LookupError as error:
        raise Problem(409, "refused", str(error.args[0])) from error


@router.post("/plans/{name}/pause", response=PlanRow, **WRITE)
def pause_plan(request: ApiRequest, name: PlanName) -> PlanRow:
    """Make no more rounds of a plan until it is resumed; one that has begun goes on."""
    planning.pause_plan(_plan(request, name).name, by=request.visit.who, now=request.now)
    return PlanRow.of(_plan(request, name))


@router.post("/plans/{name}/resume", response=PlanRow, **WRITE)
def resume_plan(request: ApiRequest, name: PlanName) -> PlanRow:
    """Let a paused plan go on with its next due time; what was due meanwhile is not caught up."""
    planning.resume_plan(_plan(request, name).name, by=request.visit.who, now=request.now)
    return PlanRow.of(_plan(request, name))


@router.post("/plans/{name}/run", response={201: RoundRow}, **WRITE)
def run_plan_now(request: ApiRequest, name: PlanName, wanted: RunWanted) -> Status[RoundRow]:
    """Make a round of a plan now, whatever its schedule says."""
    made = run_plan(_plan(request, name), wanted.organisations, request.visit.who, request.now)
    return Status(201, RoundRow.of(made))


@router.delete("/plans/{name}", response={204: None}, **WRITE)
def remove_plan(request: ApiRequest, name: PlanName) -> Status[None]:
    """Remove a plan. Its rounds stay, and one that has begun goes on."""
    planning.remove_plan(_plan(request, name).name, by=request.visit.who, now=request.now)
    return Status(204, None)


def _plan(request: ApiRequest, name: str, right: Right = Right.OPERATE) -> Plan:
    return get_object_or_404(request.visit.sight.rows(Plan, right), name=name, retired_at=None)


def _end(day: date | None, zone: str) -> datetime | None:
    if day is None:
        return None
    try:
        return parse_end(day.isoformat(), ZoneInfo(zone))
    except (ValueError, LookupError, OSError) as error:
        raise Problem(409, "refused", f"{day} is no day in the time zone {zone!r}.") from error
