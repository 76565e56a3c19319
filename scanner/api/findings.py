"""Findings: those in sight by a filter, their evidence and history, and what people do to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.shortcuts import get_object_or_404
from ninja import Query, Router

from scanner.accounts.assigning import assign, colleagues
from scanner.accounts.models import Assignment
from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import Number
from scanner.api.finding_rows import (
    Accepted,
    Asked,
    AssignedFinding,
    Assignee,
    Claim,
    CommentRow,
    Decision,
    EventRow,
    Exchange,
    ExemptionRow,
    FindingFilter,
    FindingRow,
    Note,
    Said,
    WholeFinding,
    WordsRow,
)
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Severity
from scanner.remediation import acts
from scanner.remediation.counted import LISTED, overdue
from scanner.remediation.lifecycle import TO_FIX, Happened, State
from scanner.remediation.models import (
    Exemption,
    ExemptionKind,
    ExemptionState,
    Finding,
    FindingEvent,
    Remark,
    RemarkKind,
)
from scanner.remediation.reinspection import request_reinspection
from scanner.remediation.remarks import comment
from scanner.reports import texts
from targets.registry.times import parse_end

router = Router(tags=["findings"])

READ = needs(Scope.FINDINGS_READ, Right.READ)
COMMENTS = 100
"""Comments that come with a finding, the newest."""

NOBODY = "nobody"

_MERELY_SEEN = (Happened.SEEN, Happened.NOT_INSPECTED)


def may(right: Right) -> dict[str, Any]:
    """Return who may do something to findings."""
    return needs(Scope.FINDINGS_WRITE, right)


@router.get("/findings", response=Part[AssignedFinding], **READ)
def list_findings(
    request: ApiRequest, wanted: Annotated[FindingFilter, Query()], span: AskedSpan
) -> Part[AssignedFinding]:
    """List findings, the oldest first."""
    rows = request.visit.sight.rows(Finding).filter(organisation__retired_at=None)
    rows = rows.filter(state=wanted.state) if wanted.state else rows.exclude(state=State.FIXED)
    rows = rows.filter(severity__in=[each for each in Severity if each.at_least(wanted.severity)])
    if not wanted.unregistered:
        rows = rows.filter(LISTED)
    if wanted.overdue:
        rows = rows.filter(overdue(request.now))
    if wanted.requests:
        rows = rows.filter(state__in=TO_FIX, exemptions__state=ExemptionState.REQUESTED)
    exact = (("organisation__slug", wanted.organisation), ("check_id", wanted.check), ("host", wanted.host))
    for name, value in exact:
        rows = rows.filter(**{name: value}) if value else rows
    if wanted.assignee:
        given = request.visit.sight.rows(Assignment)
        theirs = given.filter(user__email=wanted.assignee.lower()).values("finding")
        nobodys = wanted.assignee == NOBODY
        rows = rows.exclude(pk__in=given.values("finding")) if nobodys else rows.filter(pk__in=theirs)
    found, then = part(rows.select_related("organisation").defer("exchanges", "params"), span)
    return Part[AssignedFinding](items=_rows(request, found), next=then)


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


@router.put("/findings/{number}/assignee", response=AssignedFinding, **may(Right.CLAIM))
def assign_finding(request: ApiRequest, number: Number, wanted: Assignee) -> AssignedFinding:
    """Give a finding to a colleague, or to nobody. Doing so twice changes nothing."""
    finding, visit = _finding(request, number, Right.CLAIM), request.visit
    to = None
    if wanted.assignee is not None:
        there = colleagues(finding.organisation_id, office=visit.sight.may(Right.OPERATE))
        to = there.filter(email=wanted.assignee.lower()).first()
        if to is None:
            raise Problem(409, "refused", "There is no such account to which this finding can be given.")
    assign(finding, to, visit.who, request.now)
    return _row(request, finding)


@router.post("/findings/{number}/comments", response=CommentRow, **may(Right.CLAIM))
def comment_finding(request: ApiRequest, number: Number, said: Said) -> CommentRow:
    """Add a comment, which can't be changed or taken back, and stands in no report, mail or notice."""
    return _comment(comment(_finding(request, number, Right.CLAIM), said.text, request.visit.who, request.now))


@router.post("/findings/{number}/claim", response=AssignedFinding, **may(Right.CLAIM))
def claim_finding(request: ApiRequest, number: Number, said: Claim) -> AssignedFinding:
    """Say that a finding is fixed, and have it looked at again. Doing so twice changes nothing."""
    finding = _finding(request, number, Right.CLAIM)
    with transaction.atomic():
        if acts.claim(finding, request.visit.who, said.note, request.now):
            request_reinspection([finding], by=request.visit.who, now=request.now)
    return _row(request, finding)


@router.post("/findings/{number}/dispute", response=AssignedFinding, **may(Right.ASK))
def dispute_finding(request: ApiRequest, number: Number, asked: Asked) -> AssignedFinding:
    """Ask to accept the risk, or to call the finding wrong; it stays as it is until the office has decided."""
    finding = _finding(request, number, Right.ASK)
    kind, until = ExemptionKind(asked.kind), _end(asked.until, finding)
    who, now = request.visit.who, request.now
    acts.request_exemption(finding, kind, asked.owner, asked.reason, asked.proof, until, who, now)
    return _row(request, finding)


@router.post("/findings/{number}/accept", response=AssignedFinding, **may(Right.OPERATE))
def accept_finding(request: ApiRequest, number: Number, given: Accepted) -> AssignedFinding:
    """Accept the risk, or call the finding wrong, up to and including a day."""
    finding = _finding(request, number, Right.OPERATE)
    kind, until = ExemptionKind(given.kind), _end(given.until, finding) or request.now
    who, now = request.visit.who, request.now
    acts.grant(finding, kind, given.owner, given.reason, given.proof, until, who, now, long=given.long)
    return _row(request, finding)


@router.post("/findings/{number}/decide", response=AssignedFinding, **may(Right.OPERATE))
def decide_request(request: ApiRequest, number: Number, decision: Decision) -> AssignedFinding:
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
    return _row(request, finding)


@router.post("/findings/{number}/reopen", response=AssignedFinding, **may(Right.OPERATE))
def reopen_finding(request: ApiRequest, number: Number, said: Note) -> AssignedFinding:
    """End an exemption before its time."""
    finding = _finding(request, number, Right.OPERATE)
    acts.end_exemption(finding, request.visit.who, said.note, request.now)
    return _row(request, finding)


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


def _row(request: ApiRequest, row: Finding) -> AssignedFinding:
    (shown,) = _rows(request, [row])
    return shown


def _rows(request: ApiRequest, found: list[Finding]) -> list[AssignedFinding]:
    given = request.visit.sight.rows(Assignment).filter(finding__in=found)
    who: dict[int, str] = dict(given.values_list("finding", "user__email"))
    return [
        AssignedFinding(**FindingRow.of(each, request.now).model_dump(), assignee=who.get(each.pk)) for each in found
    ]


def _comment(row: Remark) -> CommentRow:
    return CommentRow(number=row.pk, at=row.at, actor=row.actor, text=row.text)


def _whole(request: ApiRequest, row: Finding) -> WholeFinding:
    params = {str(name): str(value) for name, value in row.params}
    standing = (ExemptionState.REQUESTED, ExemptionState.GRANTED)
    held = request.visit.sight.rows(Exemption).filter(finding=row, state__in=standing).first()
    comments = request.visit.sight.rows(Remark).filter(finding=row, kind=RemarkKind.COMMENT).order_by("-pk")
    return WholeFinding(
        **_row(request, row).model_dump(),
        params=params,
        exchanges=[Exchange(sent=each["sent"], received=each["received"]) for each in row.exchanges],
        exemption=_exemption(held) if held else None,
        comments=[_comment(each) for each in comments[:COMMENTS]],
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
