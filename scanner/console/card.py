"""An organisation's report card as it stands now: its score with the terms, what to do first, what is due and comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Case, Count, Q, Sum, When, Window

from scanner.accounts.sight import Sight
from scanner.console.ranked import worst_first
from scanner.console.standing import SERIOUS, Counts
from scanner.delivery.models import Notice
from scanner.remediation.counted import TO_BE_FIXED, overdue
from scanner.remediation.models import Finding, RoundScore
from scanner.remediation.score import OrganisationScore, compared
from scanner.remediation.scores import comparable_rounds, load_score
from scanner.reports.dates import Dates
from scanner.reports.findings import report_finding
from scanner.reports.model import Action, NextRound
from scanner.reports.priorities import fix_first
from scanner.reports.together import next_rounds
from targets.models import Organisation

READ = 500
"""Findings that the card rests on, the worst."""

DAYS = 3
"""Days on which something is due that it names, the next."""

NOTICES = 5


@dataclass(frozen=True, slots=True)
class Scored:
    """The score of the last whole round, when that ended, and how it changed since the one before (None: unknown)."""

    score: OrganisationScore
    round: int
    inspected: datetime
    change: float | None


@dataclass(frozen=True, slots=True)
class Due:
    """How many findings are to be fixed by the end of a day, by the organisation's clocks."""

    day: date
    findings: int


@dataclass(frozen=True, slots=True)
class Card:
    """All of it. ``counts`` are of all findings that are to be fixed, ``findings`` the worst of them.

    ``notices`` wait for an answer.
    """

    counts: Counts
    scored: Scored | None
    actions: tuple[Action, ...]
    findings: Sequence[Finding]
    due: tuple[Due, ...]
    next_round: NextRound | None
    notices: tuple[Notice, ...]

    @property
    def known(self) -> bool:
        """Whether numbers mean anything: a host was inspected by the last whole round, or something is to be fixed."""
        scored = self.scored is not None and self.scored.score.value is not None
        return scored or bool(self.counts.open)


def card_of(owner: Organisation, sight: Sight, dates: Dates, now: datetime) -> Card:
    """Return the card, in a fixed number of queries."""
    findings = _findings(owner, sight, now)
    first = findings[0] if findings else None
    waiting = sight.rows(Notice).filter(organisation=owner, answered=None, withdrawn=None).order_by("answer_by", "pk")
    return Card(
        counts=Counts(first.all_open, first.all_serious, first.all_overdue) if first else Counts(),
        scored=_scored(owner, sight),
        actions=fix_first(report_finding(each, {}, {}, now) for each in findings),
        findings=findings,
        due=_due(_ahead(owner, sight, findings, now), dates),
        next_round=next_rounds([owner.pk]).get(owner.pk) if owner.retired_at is None else None,
        notices=tuple(waiting[:NOTICES]),
    )


def _findings(owner: Organisation, sight: Sight, now: datetime) -> list[Any]:
    rows = worst_first(sight.rows(Finding).filter(TO_BE_FIXED, organisation=owner))
    serious = Q(severity__in=SERIOUS)
    totals = {
        "all_open": Window(Count("pk")),
        "all_serious": Window(Sum(Case(When(serious, then=1), default=0))),
        "all_overdue": Window(Sum(Case(When(overdue(now), then=1), default=0))),
    }
    # Those of all of them come with the worst, so that one question is enough.
    found = list(rows.annotate(**totals)[:READ])
    for each in found:
        each.organisation, each.params, each.exchanges = owner, [], []  # evidence, which was left unread
    return found


def _scored(owner: Organisation, sight: Sight) -> Scored | None:
    rows = sight.rows(RoundScore).filter(organisation=owner, round__in=comparable_rounds()).select_related("round")
    newest = list(rows.order_by("-round")[:2])
    if not newest:
        return None
    last, *before = newest
    score = load_score(last)
    values = compared(load_score(before[0]), score) if before else None
    change = values[1] - values[0] if values else None
    return Scored(score, last.round_id, last.round.finished or last.round.created, change)


def _ahead(owner: Organisation, sight: Sight, findings: Sequence[Finding], now: datetime) -> Iterable[datetime]:
    """Return the deadlines to come of all that is to be fixed: they are asked for only where not all was read."""
    if len(findings) < READ:
        return (each.deadline for each in findings if each.deadline is not None and each.deadline >= now)
    rows = sight.rows(Finding).filter(TO_BE_FIXED, organisation=owner, deadline__gte=now)
    return (due for due in rows.order_by("deadline").values_list("deadline", flat=True) if due is not None)


def _due(ahead: Iterable[datetime], dates: Dates) -> tuple[Due, ...]:
    counted = Counter(dates.local(moment).date() for moment in ahead)
    return tuple(Due(day, n) for day, n in sorted(counted.items())[:DAYS])
