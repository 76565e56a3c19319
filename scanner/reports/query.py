"""Builds the report model of one organisation after one round, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, cast

from django.db.models import Q, QuerySet

from scanner.engine.errors import Refused
from scanner.engine.model import Severity, Vantage
from scanner.prepared import Given, Prepared
from scanner.remediation.lifecycle import Happened, State
from scanner.remediation.models import TELLING, FindingEvent, RoundScore
from scanner.remediation.models import Finding as FindingRow
from scanner.remediation.score import OrganisationScore, compared
from scanner.remediation.scores import load_score, never_answered
from scanner.reports import model
from scanner.reports.coverage import coverage_of
from scanner.reports.findings import OPEN_STATES, Events, Past, changes_of, count, report_finding, worst_first
from scanner.reports.gauges import gauges_of
from scanner.reports.inventory import Seen, certificates_of, inventory_of, products_of, seen
from scanner.reports.priorities import fix_first
from scanner.reports.risky import risky_services
from scanner.reports.together import Together
from scanner.reports.trend import ROUNDS, SCORED, Scored, told_since, trend_of
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState, whole
from targets.models import Organisation

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


_LOOKS = Prepared(
    lambda: (
        HostResult.objects.filter(round=Given("round"), organisation=Given("organisation"), look=LookNumber.FIRST)
        .order_by("hostname", "address")
        .only(*_SHOWN)
        .select_related("target")
    )
)
_TRAIL = Prepared(
    lambda: _finished_scores(Given("organisation")).filter(round__lte=Given("round")).values_list(*SCORED)[: ROUNDS + 1]
)
_EVENTS = Prepared(
    lambda: (
        FindingEvent.objects.filter(round=Given("round"), finding__organisation=Given("organisation"))
        .order_by()
        .values_list("finding", "kind", "detail")
    )
)
_HISTORY = Prepared(
    lambda: (
        FindingEvent.objects.filter(_told("finding__"), TELLING, finding__organisation=Given("organisation"))
        .order_by("at", "pk")
        .values_list("finding", "kind", "at", "round", "detail")
    )
)
_FINDINGS = Prepared(
    lambda: (
        FindingRow.objects.filter(_told(), organisation=Given("organisation"))
        .order_by()
        .values_list(*_TOLD, named=True)
    )
)
_SCORES = Prepared(
    lambda: RoundScore.objects.filter(
        Q(round=Given("round")) | Q(round=Given("before")), organisation=Given("organisation")
    ).order_by()
)


def latest_round(organisation: Organisation) -> Round | None:
    """Return the organisation's newest whole round that ran to its end and was followed, or None."""
    newest = _finished_scores(organisation).select_related("round").first()
    return newest.round if newest else None


def report_model(
    organisation: Organisation, this: Round, now: dt.datetime, together: Together | None = None
) -> model.ReportModel:
    """Return all that the report says. Findings stand as they do at ``now``; what changed is what the round changed.

    ``together`` reads for several organisations of the round, for a caller who reports on more than one.

    Findings of hosts that are not registered any more are left out, unless they are fixed.
    Raises ``Refused`` when the round does not cover the organisation, its findings were not followed yet, or what
    it saw was pruned.
    """
    this.need_facts()
    together = together or Together((organisation,), this)
    trail = _scored(organisation, this) if this.is_whole else ()
    score, score_change = _scores(organisation, this, trail)
    register = together.register(organisation)
    looks = [seen(row, now.date()) for row in _LOOKS.each(100, round=this, organisation=organisation)]
    events = _events(organisation, this)
    since = told_since(trail)
    past = Past(_history(organisation, since), together.exemptions)
    services = {  # of several behind one port, the first: it is the one with TLS
        (look.row.host, service.port, service.transport): service
        for look in looks
        for service in reversed(look.services)
    }
    findings = {
        row.pk: report_finding(row, services, events.get(row.pk, {}), now, past)
        for row in _findings(organisation, since)
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
        authorisations=together.authorisations(organisation),
        score=score,
        score_change=score_change,
        counts=count(open_ones),
        fix_first=fix_first(open_ones),
        changes=changes,
        coverage=coverage_of(looks, _unused(organisation, this, looks)),
        findings=listed,
        inventory=inventory,
        method=_method(this, looks),
        gauges=gauges_of(open_ones, now),
        risky=risky_services(listed, {each.number for each in (*changes.new, *changes.reopened)}),
        next_round=together.next_round(organisation),
        trend=() if this.state == RoundState.CANCELLED else trend_of(trail, findings.values(), past.history),
        contacts=together.contacts(organisation),
        certificates=certificates_of(inventory),
        products=products_of(looks),
    )


def _finished_scores(organisation: Organisation | Given) -> QuerySet[RoundScore]:
    """The organisation's scores after whole rounds that ran to their end, newest first.

    That of a part (a cadence round, a campaign, a spot check) says nothing of the whole.
    """
    followed = RoundScore.objects.filter(whole("round__"), organisation=organisation, round__followed__isnull=False)
    finished = followed.exclude(round__state=RoundState.CANCELLED)
    return finished.order_by("-round")


def _scored(organisation: Organisation, this: Round) -> list[Scored]:
    """Return the last whole rounds up to ``this`` that ran to their end, newest first, as far as a trend shows them."""
    return [Scored(*row) for row in _TRAIL(organisation=organisation, round=this)]


def _scores(
    organisation: Organisation, this: Round, trail: Iterable[Scored]
) -> tuple[OrganisationScore, model.ScoreChange | None]:
    """Return the score after the round, and how it compares with that of the whole one before."""
    before = next((each.round for each in trail if each.round < this.pk), None)
    asked = _SCORES(organisation=organisation, round=this, before=this.pk if before is None else before)
    rows = {row.round_id: load_score(row) for row in asked}
    if this.pk not in rows:
        raise Refused(
            f"Round {this.pk} has nothing to report on {organisation.slug}: it does not cover it, or it was not "
            f"finished. 'roundsman round show {this.pk}' tells which.",
            "nothing-to-report",
            number=this.pk,
        )
    values = compared(rows[before], rows[this.pk]) if before is not None else None
    if before is None or values is None:
        return rows[this.pk], None
    return rows[this.pk], model.ScoreChange(before=values[0], now=values[1], hosts=values[2], previous_round=before)


def _told(finding: str = "") -> Q:
    """What of all findings a report may tell of: not what was fixed before its trend begins, which only grows."""
    return ~Q((f"{finding}state", State.FIXED)) | Q((f"{finding}fixed__gte", Given("since")))


def _findings(organisation: Organisation, since: dt.datetime) -> Sequence[FindingRow]:
    """Return the findings as rows that read like them, but can't be saved: there may be thousands."""
    return cast("Sequence[FindingRow]", _FINDINGS(organisation=organisation, since=since))


def _events(organisation: Organisation, this: Round) -> Mapping[int, Events]:
    events: dict[int, dict[Happened, Mapping[str, Any]]] = defaultdict(dict)
    for number, kind, detail in _EVENTS(round=this, organisation=organisation):
        events[number][Happened(kind)] = detail
    return events


def _history(organisation: Organisation, since: dt.datetime) -> Mapping[int, Sequence[model.Event]]:
    """Return what happened to each finding, the oldest first."""
    history: dict[int, list[model.Event]] = defaultdict(list)
    for number, kind, at, told_by, detail in _HISTORY(organisation=organisation, since=since):
        before, after = _severity(detail.get("severity_before")), _severity(detail.get("severity"))
        history[number].append(model.Event(kind, at, told_by, before, after))
    return history


def _severity(value: str | None) -> Severity | None:
    return Severity(value) if value else None


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
        part="" if this.is_whole else this.kind,
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
