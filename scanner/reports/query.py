"""Builds the report model of one organisation after one round, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping

from django.db.models import QuerySet

from scanner.engine.errors import InputError
from scanner.engine.model import Level, Vantage
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding as FindingRow
from scanner.remediation.models import FindingEvent, RoundScore
from scanner.remediation.part import Register
from scanner.remediation.score import OrganisationScore, compared
from scanner.remediation.scores import load_score, never_answered
from scanner.reports import model
from scanner.reports.coverage import coverage_of
from scanner.reports.findings import OPEN_STATES, changes_of, count, report_finding, worst_first
from scanner.reports.inventory import Seen, inventory_of, seen
from scanner.reports.priorities import fix_first
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState, whole
from targets.models import Authorisation, Organisation


def latest_round(organisation: Organisation) -> Round | None:
    """Return the organisation's newest whole round that ran to its end and was followed, or None."""
    newest = _finished_scores(organisation).select_related("round").first()
    return newest.round if newest else None


def report_model(organisation: Organisation, this: Round, now: dt.datetime) -> model.ReportModel:
    """Return all that the report says. Findings stand as they do at ``now``; what changed is what the round changed.

    Findings of hosts that are not registered any more are left out, unless they are fixed.
    Raises ``InputError`` when the round does not cover the organisation, its findings were not followed yet, or what
    it saw was pruned.
    """
    this.need_facts()
    score = _score(organisation, this)
    register = Register(organisation)
    rows = HostResult.objects.filter(round=this, organisation=organisation, look=LookNumber.FIRST)
    looks = [seen(row) for row in rows.select_related("target").iterator(chunk_size=100)]
    events = _events(organisation, this)
    services = {
        (look.row.host, service.port, service.transport): service.protocol
        for look in looks
        for service in look.services
    }
    findings = {
        row.pk: report_finding(row, services, events.get(row.pk, {}), now)
        for row in FindingRow.objects.filter(organisation=organisation)
        if row.fixed is not None or register.holds(row)
    }
    open_ones = tuple(sorted((each for each in findings.values() if each.state in OPEN_STATES), key=worst_first))
    changes = changes_of(findings, events)
    return model.ReportModel(
        organisation=_organisation(organisation),
        round=_round(this, looks),
        generated=now,
        authorisations=authorisations_during(organisation, this),
        score=score,
        score_change=_score_change(organisation, this, score),
        counts=count(open_ones),
        fix_first=fix_first(open_ones),
        changes=changes,
        coverage=coverage_of(looks, never_answered(this, organisation)),
        findings=tuple(sorted((*open_ones, *changes.accepted), key=worst_first)),
        inventory=inventory_of(looks, open_ones, score),
        method=_method(this, looks),
    )


def _finished_scores(organisation: Organisation) -> QuerySet[RoundScore]:
    """The organisation's scores after whole rounds that ran to their end, newest first.

    That of a part (a cadence round, a campaign, a spot check) says nothing of the whole.
    """
    followed = RoundScore.objects.filter(whole("round__"), organisation=organisation, round__followed__isnull=False)
    finished = followed.exclude(round__state=RoundState.CANCELLED)
    return finished.order_by("-round")


def _score(organisation: Organisation, this: Round) -> OrganisationScore:
    row = RoundScore.objects.filter(organisation=organisation, round=this).first()
    if row is None:
        raise InputError(
            f"Round {this.pk} has nothing to report on {organisation.slug}: it does not cover it, or it was not "
            f"finished. 'roundsman round show {this.pk}' tells which."
        )
    return load_score(row)


def _score_change(organisation: Organisation, this: Round, now: OrganisationScore) -> model.ScoreChange | None:
    if not this.is_whole:
        return None
    before = _finished_scores(organisation).filter(round__lt=this.pk).first()
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


def _round(this: Round, looks: list[Seen]) -> model.RoundInfo:
    return model.RoundInfo(
        serial=this.pk,
        started=this.started or this.created,
        finished=this.finished if this.state != RoundState.CANCELLED else None,
        profile=this.profile,
        ports=this.ports,
        vantages=tuple(sorted({look.inspection.vantage for look in looks}, key=list(Vantage).index)),
    )


def authorisations_during(organisation: Organisation, this: Round) -> tuple[model.Authorisation, ...]:
    """Return the authorisations that were valid at any time of the round, retired since or not."""
    begun, ended = this.started or this.created, this.finished or this.created
    rows = Authorisation.objects.filter(organisation=organisation, valid_from__lte=ended, valid_until__gt=begun)
    return tuple(
        model.Authorisation(row.document, row.allowed_by, Level(str(row.level)), row.valid_from, row.valid_until)
        for row in rows
        if row.retired_at is None or row.retired_at > begun
    )


def _method(this: Round, looks: list[Seen]) -> model.Method:
    scans = {scan.method for look in looks for scan in look.inspection.coverage.scans}
    looked = {look.inspection.level for look in looks if look.inspection.coverage.scans}
    return model.Method(
        tools=tuple(model.Tool(name, version) for name, version in sorted(this.tools.items())),
        discovery=tuple(sorted(scans)),
        levels=tuple(sorted(looked, key=lambda level: level.rank)),
    )
