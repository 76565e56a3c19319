"""Findings: those in sight by a filter, their evidence and history, and what people do to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Name, Number, Sent, Text
from scanner.api.lists import LARGEST, AskedSpan, Part, part
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Severity
from scanner.remediation import acts
from scanner.remediation.lifecycle import TO_FIX, Happened, State
from scanner.remediation.models import Exemption, ExemptionKind, ExemptionState, Finding, FindingEvent
from scanner.remediation.part import in_register
from scanner.remediation.reinspection import request_reinspection
from scanner.reports import texts
from targets.registry.times import parse_end

router = Router(tags=["findings"])

READ = needs(Scope.FINDINGS_READ, Right.READ)
_MERELY_SEEN = (Happened.SEEN, Happened.NOT_INSPECTED)


def may(right: Right) -> dict[str, Any]:
    """Return who may do something to findings."""
    return needs(Scope.FINDINGS_WRITE, right)


class FindingRow(Schema):
    """A finding. ``overdue`` says that it is to be fixed and its deadline has passed."""

    number: int
    organisation: str
    host: str
    port: int
    transport: str
    check: str
    addresses: list[str]
    state: str
    severity: str
    confidence: str
    key_target: bool
    known_exploited: bool
    first_seen: datetime
    last_seen: datetime
    last_inspected: datetime
    reported: datetime | None
    deadline: datetime | None
    overdue: bool
    claimed: datetime | None
    fixed: datetime | None
    exempt_until: datetime | None
    recurrences: int

    @classmethod
    def of(cls, row: Finding, now: datetime) -> FindingRow:
        """Show a row as it stands."""
        return cls(
            number=row.pk,
            organisation=row.organisation.slug,
            host=row.host,
            port=row.port,
            transport=row.transport,
            check=row.check_id,
            addresses=row.addresses,
            state=row.state,
            severity=row.severity,
            confidence=row.confidence,
            key_target=row.key_target,
            known_exploited=row.known_exploited,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            last_inspected=row.last_inspected,
            reported=row.reported,
            deadline=row.deadline,
            overdue=row.state in TO_FIX and row.deadline is not None and row.deadline < now,
            claimed=row.claimed,
            fixed=row.fixed,
            exempt_until=row.exempt_until,
            recurrences=row.recurrences,
        )


class WordsRow(Schema):
    """What a finding means, in one language."""

    title: str
    impact: str
    fix: str
    evidence: str


class ExemptionRow(Schema):
    """What was asked for or granted: up to, not including, ``until``."""

    number: int
    kind: str
    state: str
    owner: str
    reason: str
    proof: str
    until: datetime
    requested_by: str
    decided_by: str


class EventRow(Schema):
    """Something that happened to a finding; ``round`` is the one that tells it, ``actor`` who did it."""

    number: int
    kind: str
    at: datetime
    round: int | None
    actor: str
    detail: dict[str, str]


class Exchange(Schema):
    """What was sent, and the beginning of what came back, made printable."""

    sent: str
    received: str


class WholeFinding(FindingRow):
    """A finding with its evidence. ``registered`` says whether its host still is."""

    registered: bool
    params: dict[str, str]
    exchanges: list[Exchange]
    exemption: ExemptionRow | None
    en: WordsRow
    zh: WordsRow


class FindingFilter(Schema):
    """Which findings are wanted; those of retired organisations never are."""

    organisation: str = Field(default="", max_length=64, pattern=NO_NUL, description="Slug of their organisation.")
    state: State | None = Field(default=None, description="In this state. Default: all but fixed.")
    severity: Severity = Field(default=Severity.INFO, description="At least so severe.")
    check: str = Field(default="", max_length=64, pattern=NO_NUL, description="Of exactly this check.")
    host: str = Field(default="", max_length=253, pattern=NO_NUL, description="Of exactly this host.")
    overdue: bool = Field(default=False, description="Only those whose deadline has passed.")
    requests: bool = Field(default=False, description="Only those with a request that is not decided yet.")


class Claim(Sent):
    """Says that a finding is fixed."""

    note: Text = ""


class Asked(Sent):
    """Asks to accept a risk, or to call a finding wrong. ``until`` is its last day, a year from now when left out."""

    kind: Literal["accepted", "false-positive"]
    owner: Name
    reason: Text
    proof: Text = ""
    until: date | None = None


class Accepted(Sent):
    """Accepts a risk, or calls a finding wrong, up to and including ``until``; more than a year only when ``long``."""

    kind: Literal["accepted", "false-positive"] = "accepted"
    owner: Name
    reason: Text
    proof: Text = ""
    until: date
    long: bool = False


class Decision(Sent):
    """Grants or refuses what was asked for; ``until`` replaces the last day that was asked for.

    ``exemption`` is the number of the request that is meant: with it, none that was made since is decided unread.
    """

    grant: bool
    exemption: int | None = Field(default=None, ge=1, le=LARGEST)
    note: Text = ""
    until: date | None = None
    long: bool = False


class Note(Sent):
    """What to keep with an act."""

    note: Text = ""


@router.get("/findings", response=Part[FindingRow], **READ)
def list_findings(request: ApiRequest, wanted: Annotated[FindingFilter, Query()], span: AskedSpan) -> Part[FindingRow]:
    """List findings, the oldest first."""
    rows = request.visit.sight.rows(Finding).filter(organisation__retired_at=None)
    rows = rows.filter(state=wanted.state) if wanted.state else rows.exclude(state=State.FIXED)
    rows = rows.filter(severity__in=[each for each in Severity if each.at_least(wanted.severity)])
    if wanted.overdue:
        rows = rows.filter(state__in=TO_FIX, deadline__lt=request.now)
    if wanted.requests:
        rows = rows.filter(exemptions__state=ExemptionState.REQUESTED)
    exact = (("organisation__slug", wanted.organisation), ("check_id", wanted.check), ("host", wanted.host))
    for name, value in exact:
        rows = rows.filter(**{name: value}) if value else rows
    found, then = part(rows.select_related("organisation").defer("exchanges", "params"), span)
    return Part[FindingRow](items=[FindingRow.of(each, request.now) for each in found], next=then)


@router.get("/findings/{number}", response=WholeFinding, **READ)
def show_finding(request: ApiRequest, number: Number) -> WholeFinding:
    """Show one finding with its evidence, and what it means in both languages."""
    return _whole(request, _finding(request, number))


@router.get("/findings/{number}/events", response=Part[EventRow], **READ)
def list_events(request: ApiRequest, number: Number, span: AskedSpan) -> Part[EventRow]:
    """List what happened to a finding, the newest first; merely seen again, or not inspected, is left out."""
    rows = request.visit.sight.rows(FindingEvent).filter(finding=_finding(request, number))
    found, then = part(rows.exclude(kind__in=_MERELY_SEEN), span, newest=True)
    return Part[EventRow](items=[_event(each) for each in found], next=then)


@router.post("/findings/{number}/claim", response=FindingRow, **may(Right.CLAIM))
def claim_finding(request: ApiRequest, number: Number, said: Claim) -> FindingRow:
    """Say that a finding is fixed, and have it looked at again. Doing so twice changes nothing."""
    finding = _finding(request, number, Right.CLAIM)
    with transaction.atomic():
        if acts.claim(finding, request.visit.who, said.note, request.now):
            request_reinspection([finding], by=request.visit.who, now=request.now)
    return FindingRow.of(finding, request.now)


@router.post("/findings/{number}/dispute", response=FindingRow, **may(Right.ASK))
def dispute_finding(request: ApiRequest, number: Number, asked: Asked) -> FindingRow:
    """Ask to accept the risk, or to call the finding wrong; it stays as it is until the office has decided."""
    finding = _finding(request, number, Right.ASK)
    kind, until = ExemptionKind(asked.kind), _end(asked.until, finding)
    who, now = request.visit.who, request.now
    acts.request_exemption(finding, kind, asked.owner, asked.reason, asked.proof, until, who, now)
    return FindingRow.of(finding, now)


@router.post("/findings/{number}/accept", response=FindingRow, **may(Right.OPERATE))
def accept_finding(request: ApiRequest, number: Number, given: Accepted) -> FindingRow:
    """Accept the risk, or call the finding wrong, up to and including a day."""
    finding = _finding(request, number, Right.OPERATE)
    kind, until = ExemptionKind(given.kind), _end(given.until, finding) or request.now
    who, now = request.visit.who, request.now
    acts.grant(finding, kind, given.owner, given.reason, given.proof, until, who, now, long=given.long)
    return FindingRow.of(finding, now)


@router.post("/findings/{number}/decide", response=FindingRow, **may(Right.OPERATE))
def decide_request(request: ApiRequest, number: Number, decision: Decision) -> FindingRow:
    """Grant or refuse what the organisation asked for."""
    finding = _finding(request, number, Right.OPERATE)
    held = request.visit.sight.rows(Exemption, Right.OPERATE).filter(finding=finding)
    meant = {"pk": decision.exemption} if decision.exemption else {"state": ExemptionState.REQUESTED}
    asked = held.filter(**meant).first()
    if asked is None:
        raise Problem(409, "nothing-asked", f"Nothing was asked about finding {number} that is not decided.")
    acts.decide(
        asked,
        decision.grant,
        request.visit.who,
        request.now,
        until=_end(decision.until, finding),
        note=decision.note,
        long=decision.long,
    )
    finding.refresh_from_db()
    return FindingRow.of(finding, request.now)


@router.post("/findings/{number}/reopen", response=FindingRow, **may(Right.OPERATE))
def reopen_finding(request: ApiRequest, number: Number, said: Note) -> FindingRow:
    """End an exemption before its time."""
    finding = _finding(request, number, Right.OPERATE)
    acts.end_exemption(finding, request.visit.who, said.note, request.now)
    return FindingRow.of(finding, request.now)


def _finding(request: ApiRequest, number: int, right: Right = Right.READ) -> Finding:
    """Return a finding to which ``right`` may be done; one of somebody else does not exist."""
    return get_object_or_404(request.visit.sight.rows(Finding, right).select_related("organisation"), pk=number)


def _end(day: date | None, finding: Finding) -> datetime | None:
    """Return when a day is over where the organisation is."""
    if day is None:
        return None
    try:
        return parse_end(day.isoformat(), ZoneInfo(finding.organisation.time_zone))
    except ValueError as error:
        raise Problem(409, "refused", f"{day} lies too far ahead.") from error


def _whole(request: ApiRequest, row: Finding) -> WholeFinding:
    params = {str(name): str(value) for name, value in row.params}
    standing = (ExemptionState.REQUESTED, ExemptionState.GRANTED)
    held = request.visit.sight.rows(Exemption).filter(finding=row, state__in=standing).first()
    return WholeFinding(
        **FindingRow.of(row, request.now).model_dump(),
        registered=bool(in_register([row])),
        params=params,
        exchanges=[Exchange(sent=each["sent"], received=each["received"]) for each in row.exchanges],
        exemption=_exemption(held) if held else None,
        en=_words(row.check_id, params, Language.EN),
        zh=_words(row.check_id, params, Language.ZH_HANS),
    )


def _words(check: str, params: dict[str, str], language: Language) -> WordsRow:
    said = texts.text(check, language)
    evidence = texts.evidence(check, params, language)
    return WordsRow(title=said.title, impact=said.impact, fix=said.fix, evidence=evidence)


def _exemption(row: Exemption) -> ExemptionRow:
    return ExemptionRow(
        number=row.pk,
        kind=row.kind,
        state=row.state,
        owner=row.owner,
        reason=row.reason,
        proof=row.proof,
        until=row.until,
        requested_by=row.requested_by,
        decided_by=row.decided_by,
    )


def _event(row: FindingEvent) -> EventRow:
    detail = {str(name): str(value) for name, value in row.detail.items()}
    return EventRow(number=row.pk, kind=row.kind, at=row.at, round=row.round_id, actor=row.actor, detail=detail)
