"""Builds the report model of one organisation after one round, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, cast

from django.db.models import Q, QuerySet

from scanner.engine.errors import Refused
from scanner.engine.model import Level, Severity, Vantage
from scanner.remediation.lifecycle import MERELY_SEEN, Happened
from scanner.remediation.models import Exemption, ExemptionState, FindingEvent, RoundScore
from scanner.remediation.models import Finding as FindingRow
from scanner.remediation.part import Register
from scanner.remediation.score import OrganisationScore, compared
from scanner.remediation.scores import load_score, never_answered
from scanner.reports import model
from scanner.reports.coverage import coverage_of
from scanner.reports.findings import OPEN_STATES, Events, Past, changes_of, count, report_finding, worst_first
from scanner.reports.gauges import gauges_of
from scanner.reports.inventory import Seen, certificates_of, inventory_of, products_of, seen
from scanner.reports.priorities import fix_first
from scanner.reports.risky import risky_services
from scanner.reports.trend import trend_of
from scanner.rounds.models import HostResult, LookNumber, Plan, PlanKind, Round, RoundState, whole
from targets.models import Authorisation, Contact, Organisation

_SHOWN = (
    "address",
    "connections",
    "facts",
    "hostname",
    "key_target",
    "label",
    "ports_open",
    "requests",
    "silent",
    "target__display",
)
"""What of a look at a host a report is made of."""

_TOLD = (
    "pk",
    "addresses",
    "check_id",
    "claimed",
    "confidence",
    "deadline",
    "exchanges",
    "first_seen",
    "fixed",
    "host",
    "key_target",
    "known_exploited",
    "last_inspected",
    "last_seen",
    "params",
    "port",
    "recurrences",
    "reported",
    "severity",
    "state",
    "transport",
)
"""What of a finding it is told from."""


def latest_round(organisation: Organisation) -> Round | None:
    """Return the organisation's newest whole round that ran to its end and was followed, or None."""
    newest = _finished_scores(organisation).select_related("round").first()
    return newest.round if newest else None


def report_model(organisation: Organisation, this: Round, now: dt.datetime) -> model.ReportModel:
    """Return all that the report says. Findings stand as they do at ``now``; what changed is what the round changed.

    Findings of hosts that are not registered any more are left out, unless they are fixed.
    Raises ``Refused`` when the round does not cover the organisation, its findings were not followed yet, or what
    it saw was pruned.
    """
    this.need_facts()
    score = _score(organisation, this)
    register = Register(organisation)
    rows = HostResult.objects.filter(round=this, organisation=organisation, look=LookNumber.FIRST)
    looks = [seen(row, now.date()) for row in rows.only(*_SHOWN).select_related("target").iterator(chunk_size=100)]
    events = _events(organisation, this)
    past = Past(_history(organisation), _exemptions(organisation))
    services = {  # of several behind one port, the first: it is the one with TLS
        (look.row.host, service.port, service.transport): service
        for look in looks
        for service in reversed(look.services)
    }
    findings = {
        row.pk: report_finding(row, services, events.get(row.pk, {}), now, past)
        for row in _findings(organisation)
        if row.fixed is not None or register.holds(row)
    }
    open_ones = tuple(sorted((each for each in findings.values() if each.state in OPEN_STATES), key=worst_first))
    changes = changes_of(findings, events)
    listed = tuple(sorted((*open_ones, *changes.accepted), key=worst_first))
    inventory = inventory_of(looks, open_ones, score)
    return model.ReportModel(
        organisation=organisation_of(organisation),
        round=_round(this, looks),
        generated=now,
        authorisations=authorisations_during(organisation, this),
        score=score,
        score_change=_score_change(organisation, this, score),
        counts=count(open_ones),
        fix_first=fix_first(open_ones),
        changes=changes,
        coverage=coverage_of(looks, _unused(organisation, this, looks)),
        findings=listed,
        inventory=inventory,
        method=_method(this, looks),
        gauges=gauges_of(open_ones, now),
        risky=risky_services(listed, {each.number for each in (*changes.new, *changes.reopened)}),
        next_round=next_round_of(organisation),
        trend=_trend(organisation, this, findings.values(), past),
        contacts=_contacts(organisation),
        certificates=certificates_of(inventory),
        products=products_of(looks),
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
        raise Refused(
            f"Round {this.pk} has nothing to report on {organisation.slug}: it does not cover it, or it was not "
            f"finished. 'roundsman round show {this.pk}' tells which.",
            "nothing-to-report",
            number=this.pk,
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


def _findings(organisation: Organisation) -> Sequence[FindingRow]:
    """Return the findings as rows that read like them, but can't be saved: there may be thousands."""
    rows = FindingRow.objects.filter(organisation=organisation).order_by().values_list(*_TOLD, named=True)
    return cast("Sequence[FindingRow]", rows)


def _events(organisation: Organisation, this: Round) -> Mapping[int, Events]:
    events: dict[int, dict[Happened, Mapping[str, Any]]] = defaultdict(dict)
    rows = FindingEvent.objects.filter(round=this, finding__organisation=organisation).order_by()
    for number, kind, detail in rows.values_list("finding", "kind", "detail"):
        events[number][Happened(kind)] = detail
    return events


def _history(organisation: Organisation) -> Mapping[int, Sequence[model.Event]]:
    """Return what happened to each finding, the oldest first."""
    rows = FindingEvent.objects.filter(finding__organisation=organisation).exclude(kind__in=MERELY_SEEN)
    history: dict[int, list[model.Event]] = defaultdict(list)
    for number, kind, at, told_by, detail in rows.order_by("at", "pk").values_list(
        "finding", "kind", "at", "round", "detail"
    ):
        before, after = (_severity(detail.get(name)) for name in ("severity_before", "severity"))
        history[number].append(model.Event(kind, at, told_by, before, after))
    return history


def _severity(value: str | None) -> Severity | None:
    return Severity(value) if value else None


def _exemptions(organisation: Organisation) -> Mapping[int, model.Exemption]:
    """Return the exemption of each finding that holds or is asked for."""
    alive = (ExemptionState.GRANTED, ExemptionState.REQUESTED)
    return {
        row.finding_id: model.Exemption(
            kind=row.kind,
            state=row.state,
            owner=row.owner,
            reason=row.reason,
            proof=row.proof,
            until=row.until,
            requested=row.requested_at,
            decided=row.decided_at,
        )
        for row in Exemption.objects.filter(finding__organisation=organisation, state__in=alive)
    }


def _trend(
    organisation: Organisation, this: Round, findings: Iterable[model.Finding], past: Past
) -> tuple[model.TrendPoint, ...]:
    """A round about a part is in no trend, nor is one that was broken off."""
    if not this.is_whole or this.state == RoundState.CANCELLED:
        return ()
    return trend_of(_finished_scores(organisation).filter(round__lte=this.pk), findings, past.history)


def next_round_of(organisation: Organisation) -> model.NextRound | None:
    """Return the next round of a routine plan that covers the organisation; None when none is planned."""
    ours = Q(organisations=organisation) | Q(organisations=None)
    plans = Plan.objects.filter(ours, kind=PlanKind.ROUTINE, retired_at=None, paused=False, next_due__isnull=False)
    plan = plans.order_by("next_due", "pk").first()
    return model.NextRound(plan.name, plan.next_due) if plan and plan.next_due else None


def _contacts(organisation: Organisation) -> tuple[model.Contact, ...]:
    rows = Contact.objects.filter(organisation=organisation, retired_at=None).order_by("role", "name", "pk")
    return tuple(model.Contact(row.name, row.role) for row in rows)


def organisation_of(row: Organisation) -> model.Organisation:
    """Return a registered organisation as reports and bulletins name it."""
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


def _unused(organisation: Organisation, this: Round, looks: Iterable[Seen]) -> Set[int]:
    """Return the looks at addresses that nobody uses; earlier rounds are asked only where one was silent."""
    return never_answered(this, organisation) if any(look.row.silent for look in looks) else frozenset()


def _method(this: Round, looks: list[Seen]) -> model.Method:
    scans = {scan.method for look in looks for scan in look.inspection.coverage.scans}
    looked = {look.inspection.level for look in looks if look.inspection.coverage.scans}
    return model.Method(
        tools=tuple(model.Tool(name, version) for name, version in sorted(this.tools.items())),
        discovery=tuple(sorted(scans)),
        levels=tuple(sorted(looked, key=lambda level: level.rank)),
    )
