"""The kill switch, the doctor, and the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Sent
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.audit.models import Entry
from scanner.rounds.models import Stop
from scanner.rounds.switch import current_stop, lift_stop, stop_all
from scanner.upkeep.doctor import examine
from scanner.upkeep.health import Health

router = Router(tags=["system"])

READ = needs(Scope.SYSTEM_READ, Right.WATCH)
SWITCH_READ = needs(Scope.SWITCH_READ, Right.WATCH)
SWITCH = needs(Scope.SWITCH_WRITE, Right.OPERATE)


class SwitchRow(Schema):
    """Whether everything is stopped, and since when, by whom and why."""

    stopped: bool
    at: datetime | None
    by: str
    reason: str

    @classmethod
    def of(cls, standing: Stop | None) -> SwitchRow:
        """Show what holds everything up, or that nothing does."""
        if standing is None:
            return cls(stopped=False, at=None, by="", reason="")
        return cls(stopped=True, at=standing.at, by=standing.by, reason=standing.reason)


class Reason(Sent):
    """Why; whoever comes next reads it."""

    reason: str = Field(default="", max_length=500, pattern=NO_NUL)


class CheckRow(Schema):
    """What the doctor says of one thing, and, unless all is well, what to do about it."""

    name: str
    health: Health
    seen: str
    todo: str


class Diagnosis(Schema):
    """All of them; ``health`` is the worst."""

    health: Health
    checks: list[CheckRow]


class EntryRow(Schema):
    """One act. ``digest`` covers the other fields and ``previous``, the digest of the entry before."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    digest: str


class EntryFilter(Schema):
    """Which acts are wanted."""

    since: AwareDatetime | None = Field(default=None, description="From then on.")
    action: str = Field(default="", max_length=40, pattern=NO_NUL, description="Of exactly this kind, such as `stop`.")
    actor: str = Field(default="", max_length=200, pattern=NO_NUL, description="Done by exactly this one.")
    subject: str = Field(default="", max_length=300, pattern=NO_NUL, description="Done to exactly this.")


@router.get("/switch", response=SwitchRow, **SWITCH_READ)
def show_switch(request: ApiRequest) -> SwitchRow:
    """Tell whether everything is stopped."""
    del request
    return SwitchRow.of(current_stop())


@router.post("/switch/stop", response=SwitchRow, **SWITCH)
def stop(request: ApiRequest, why: Reason) -> SwitchRow:
    """Stop everything within five seconds, until it is resumed. Doing so twice changes nothing."""
    standing, _ = stop_all(request.visit.who, why.reason, request.now)
    return SwitchRow.of(standing)


@router.post("/switch/resume", response=SwitchRow, **SWITCH)
def resume(request: ApiRequest) -> SwitchRow:
    """Let everything go on. Doing so twice changes nothing."""
    lift_stop(request.visit.who, request.now)
    return SwitchRow.of(current_stop())


@router.get("/doctor", response=Diagnosis, **READ)
def show_doctor(request: ApiRequest) -> Diagnosis:
    """Look at everything that is needed. Asks the resolver and the mail server, so it may take some seconds."""
    checks = list(examine(request.now))
    worst = max((each.health for each in checks), key=list(Health).index)
    rows = [CheckRow(name=each.name, health=each.health, seen=each.seen, todo=each.todo) for each in checks]
    return Diagnosis(health=worst, checks=rows)


@router.get("/audit", response=Part[EntryRow], **READ)
def list_audit(request: ApiRequest, wanted: Annotated[EntryFilter, Query()], span: AskedSpan) -> Part[EntryRow]:
    """List who did what, the newest first."""
    rows = request.visit.sight.rows(Entry)
    if wanted.since is not None:
        rows = rows.filter(at__gte=_utc(wanted.since))
    for name, value in (("action", wanted.action), ("actor", wanted.actor), ("subject", wanted.subject)):
        rows = rows.filter(**{name: value}) if value else rows
    found, then = part(rows, span, newest=True)
    return Part[EntryRow](items=[_entry(each) for each in found], next=then)


def _entry(row: Entry) -> EntryRow:
    return EntryRow(
        number=row.pk,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
        previous=row.previous,
        digest=row.digest,
    )


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise Problem(409, "refused", f"{moment} lies outside of all time.") from error
