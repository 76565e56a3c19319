"""Rounds: how each goes, and making, pausing, resuming and cancelling one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from django.conf import settings
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Number, Sent, Slug
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.problem import Problem, Wrong
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.engine.plan import Profile
from scanner.rounds import steps
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import Round, RoundState
from scanner.rounds.service import is_served
from scanner.rounds.status import RoundStatus, status_of
from targets.models import Organisation

router = Router(tags=["rounds"])

READ = needs(Scope.ROUNDS_READ, Right.WATCH)
WRITE = needs(Scope.ROUNDS_WRITE, Right.OPERATE)


class RoundRow(Schema):
    """A round. ``whole`` says that it is about everything that its organisations registered."""

    number: int
    kind: str
    state: str
    plan: str | None
    organisations: list[str]
    profile: str
    ports: str
    whole: bool
    requested_by: str
    created: datetime
    due: datetime | None
    started: datetime | None
    finished: datetime | None
    followed: datetime | None

    @classmethod
    def of(cls, row: Round) -> RoundRow:
        """Show a row."""
        return cls(
            number=row.pk,
            kind=row.kind,
            state=row.state,
            plan=row.plan.name if row.plan else None,
            organisations=[each.slug for each in row.organisations.all()],
            profile=row.profile,
            ports=row.ports,
            whole=row.is_whole,
            requested_by=row.requested_by,
            created=row.created,
            due=row.due,
            started=row.started,
            finished=row.finished,
            followed=row.followed,
        )


class LookRow(Schema):
    """How far a look has come, in hosts and domains: the first (1), and the one that confirms (2)."""

    look: int
    done: int
    left: int


class AtWorkRow(Schema):
    """A job that a worker holds."""

    kind: str
    look: int
    organisation: str
    hosts: int
    started: datetime | None


class WaitingRow(Schema):
    """Jobs that wait for the same."""

    kind: str
    organisation: str
    jobs: int
    why: str


class StatusRow(Schema):
    """How far a round has come. ``stage`` is null before it begins and when it is over."""

    number: int
    state: str
    stage: str | None
    over: bool
    looks: list[LookRow]
    at_work: list[AtWorkRow]
    waiting: list[WaitingRow]

    @classmethod
    def of(cls, status: RoundStatus) -> StatusRow:
        """Show a status."""
        return cls(
            number=status.round.pk,
            state=status.round.state,
            stage=status.stage,
            over=status.over,
            looks=[LookRow(look=each.look, done=each.done, left=each.left) for each in status.looks],
            at_work=[
                AtWorkRow(
                    kind=each.kind,
                    look=each.look,
                    organisation=each.organisation,
                    hosts=each.hosts,
                    started=each.started,
                )
                for each in status.at_work
            ],
            waiting=[
                WaitingRow(kind=each.kind, organisation=each.organisation, jobs=each.jobs, why=each.why)
                for each in status.waiting
            ],
        )


class RoundWanted(Sent):
    """A round by hand. Without organisations it is about all that are active."""

    organisations: list[Slug] = Field(default=[], max_length=10_000)
    profile: Profile = Profile.STANDARD
    ports: str = Field(default="top1000", min_length=1, max_length=1000, pattern=NO_NUL)


class RoundFilter(Schema):
    """Which rounds are wanted."""

    state: RoundState | None = Field(default=None, description="Only those in this state.")
    organisation: str = Field(
        default="", max_length=64, pattern=NO_NUL, description="Only those about this one (slug)."
    )


@router.get("/rounds", response=Part[RoundRow], **READ)
def list_rounds(request: ApiRequest, wanted: Annotated[RoundFilter, Query()], span: AskedSpan) -> Part[RoundRow]:
    """List rounds, the newest first."""
    rows = request.visit.sight.rows(Round).select_related("plan").prefetch_related("organisations")
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    if wanted.organisation:
        rows = rows.filter(organisations__slug=wanted.organisation)
    found, then = part(rows, span, newest=True)
    return Part[RoundRow](items=[RoundRow.of(each) for each in found], next=then)


@router.get("/rounds/{number}", response=RoundRow, **READ)
def show_round(request: ApiRequest, number: Number) -> RoundRow:
    """Show one round."""
    return RoundRow.of(get_object_or_404(request.visit.sight.rows(Round), pk=number))


@router.get("/rounds/{number}/status", response=StatusRow, **READ)
def show_round_status(request: ApiRequest, number: Number) -> StatusRow:
    """Show how far a round has come, what works at it, and what waits for what."""
    this = get_object_or_404(request.visit.sight.rows(Round), pk=number)
    return StatusRow.of(status_of(this.pk, request.now, served=is_served(settings.DATA_DIR)))


@router.post("/rounds", response={201: RoundRow}, **WRITE)
def make_round_now(request: ApiRequest, wanted: RoundWanted) -> Status[RoundRow]:
    """Ask for a round by hand; the service takes it up at once."""
    rows = request.visit.sight.rows(Organisation, Right.OPERATE).filter(retired_at=None)
    chosen = list(rows.filter(slug__in=wanted.organisations) if wanted.organisations else rows)
    missing = sorted(set(wanted.organisations) - {each.slug for each in chosen})
    if missing or not chosen:
        wrong = [Wrong("/organisations", f"No active organisation is called {name}.") for name in missing]
        raise Problem(409, "unknown-organisation", "There is nothing to inspect.", wrong)
    asked = RoundRequest(tuple(chosen), request.visit.who, wanted.profile, wanted.ports.strip())
    return Status(201, RoundRow.of(make_round(asked, request.now)))


@router.post("/rounds/{number}/pause", response=RoundRow, **WRITE)
def pause_round(request: ApiRequest, number: Number) -> RoundRow:
    """Let a round rest: what is in work ends within seconds."""
    return _change(request, number, steps.pause)


@router.post("/rounds/{number}/resume", response=RoundRow, **WRITE)
def resume_round(request: ApiRequest, number: Number) -> RoundRow:
    """Let a paused round go on."""
    return _change(request, number, steps.unpause)


@router.post("/rounds/{number}/cancel", response=RoundRow, **WRITE)
def cancel_round(request: ApiRequest, number: Number) -> RoundRow:
    """End a round for good; what it saw is kept."""
    return _change(request, number, steps.cancel)


def _change(request: ApiRequest, number: int, act: Callable[[int, str, datetime], object]) -> RoundRow:
    rows = request.visit.sight.rows(Round, Right.OPERATE)
    act(get_object_or_404(rows, pk=number).pk, request.visit.who, request.now)
    return RoundRow.of(get_object_or_404(rows, pk=number))
