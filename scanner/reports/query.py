"""Builds the report model of one organisation after one round, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from scanner.engine.errors import InputError
from scanner.engine.model import HostInspection, Level, Vantage
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding as FindingRow
from scanner.remediation.models import FindingEvent, RoundScore
from scanner.remediation.score import OrganisationScore, compared
from scanner.remediation.scores import load_score, never_answered
from scanner.reports import model
from scanner.reports.coverage import coverage_of
from scanner.reports.findings import OPEN_STATES, changes_of, count, report_finding, worst_first
from scanner.reports.inventory import inventory_of
from scanner.reports.priorities import fix_first
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Authorisation, Organisation


@dataclass(frozen=True, slots=True)
class Stored:
    """A first look of the round: its row and its facts."""

    row: HostResult
    inspection: HostInspection


def latest_round(organisation: Organisation) -> Round | None:
    """Return the newest followed round of the organisation, or None when there is none."""
    newest = RoundScore.objects.filter(organisation=organisation).order_by("-round").select_related("round").first()
    return newest.round if newest else None


def report_model(organisation: Organisation, this: Round, now: dt.datetime) -> model.ReportModel:
    """Return all that the report says. Findings stand as they do at ``now``; what changed is what the round changed.

    Raises ``InputError`` when the round does not cover the organisation or its findings were not followed yet.
    """
    score = _score(organisation, this)
    rows = HostResult.objects.filter(round=this, organisation=organisation, look=LookNumber.FIRST)
    stored = [Stored(row, row.inspection()) for row in rows.select_related("target").iterator(chunk_size=100)]
    events = _events(organisation, this)
    services = {
        (each.row.host, service.endpoint.port, service.endpoint.transport): service.protocol
        for each in stored
        for service in each.inspection.services
    }
    findings = {
        row.pk: report_finding(row, services, events.get(row.pk, {}), now)
        for row in FindingRow.objects.filter(organisation=organisation)
    }
    open_ones = tuple(sorted((each for each in findings.values() if each.state in OPEN_STATES), key=worst_first))
    changes = changes_of(findings, events)
    inspections = [(each.row, each.inspection) for each in stored]
    return model.ReportModel(
        organisation=_organisation(organisation),
        round=_round(this, inspections),
        generated=now,
        authorisations=_authorisations(organisation, this),
        score=score,
        score_change=_score_change(organisation, this, score),
        counts=count(open_ones),
        fix_first=fix_first(open_ones),
        changes=changes,
        coverage=coverage_of(inspections, never_answered(this, organisation)),
        findings=tuple(sorted((*open_ones, *changes.accepted), key=worst_first)),
        inventory=inventory_of(inspections, open_ones, score),
        method=_method(this, inspections),
    )


def _score(organisation: Organisation, this: Round) -> OrganisationScore:
    row = RoundScore.objects.filter(organisation=organisation, round=this).first()
    if row is None:
        raise InputError(
            f"Round {this.pk} has nothing to report on {organisation.slug}: it does not cover it, or it was not "
            f"finished. 'roundsman round show {this.pk}' tells which."
        )
    return load_score(row)


def _score_change(organisation: Organisation, this: Round, now: OrganisationScore) -> model.ScoreChange | None:
    before = RoundScore.objects.filter(organisation=organisation, round__lt=this.pk).order_by("-round").first()
    values = compared(load_score(before), now) if before else None
    if before is None or values is None:
        return None
    return model.ScoreChange(before=values[0], now=values[1], hosts=values[2], previous_round=before.round_id)


def _events(organisation: Organisation, this: Round) -> Mapping[int, Mapping[Happened, FindingEvent]]:
    events: dict[int, dict[Happened, FindingEvent]] = defaultdict(dict)
    for event in FindingEvent.objects.filter(round=this, finding__organisation=organisation):
        events[event.finding_id][Happened(event.kind)] = event
    return events


def _organisation(row: Organisation) -> model.Organisation:
    above = row.parent
    return model.Organisation(
        slug=row.slug,
        name=model.Name(row.name_zh, row.name_en),
        language=row.language,
        time_zone=row.time_zone,
        supervisor=model.Name(above.name_zh, above.name_en) if above else None,
    )


def _round(this: Round, inspections: list[tuple[HostResult, HostInspection]]) -> model.RoundInfo:
    return model.RoundInfo(
        serial=this.pk,
        started=this.started or this.created,
        finished=this.finished,
        profile=this.profile,
        ports=this.ports,
        vantages=tuple(sorted({each.vantage for _, each in inspections}, key=list(Vantage).index)),
    )


def _authorisations(organisation: Organisation, this: Round) -> tuple[model.Authorisation, ...]:
    """The authorisations that were valid at any time of the round, retired since or not."""
    begun, ended = this.started or this.created, this.finished or this.created
    rows = Authorisation.objects.filter(organisation=organisation, valid_from__lte=ended, valid_until__gt=begun)
    return tuple(
        model.Authorisation(row.document, row.allowed_by, Level(str(row.level)), row.valid_from, row.valid_until)
        for row in rows
        if row.retired_at is None or row.retired_at > begun
    )


def _method(this: Round, inspections: list[tuple[HostResult, HostInspection]]) -> model.Method:
    scans = {scan.method for _, each in inspections for scan in each.coverage.scans}
    looked = {each.level for _, each in inspections if each.coverage.scans}
    return model.Method(
        tools=tuple(model.Tool(name, version) for name, version in sorted(this.tools.items())),
        discovery=tuple(sorted(scans)),
        levels=tuple(sorted(looked, key=lambda level: level.rank)),
    )
