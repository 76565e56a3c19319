"""How organisations stand: their last score and coverage, and what is open, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from scanner.accounts.sight import Sight
from scanner.engine.model import Severity
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Finding, RoundScore
from scanner.remediation.scores import comparable_rounds
from targets.models import Organisation

NEW = timedelta(days=7)
"""How long something that appeared is called new."""

SERIOUS = (Severity.CRITICAL, Severity.HIGH)


@dataclass(frozen=True, slots=True)
class Scored:
    """What the last whole round said of an organisation: its score (0 to 100) and coverage (0 to 1), None for none."""

    score: float | None = None
    grade: str = ""
    coverage: float | None = None
    inspected: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Findings of an organisation that are to be fixed now: all, critical and high ones, overdue ones, and those that
    are critical and were first seen within :data:`NEW`.
    """

    open: int = 0
    serious: int = 0
    overdue: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How one organisation stands."""

    organisation: Organisation
    last: Scored
    findings: Counts


def standings(sight: Sight, now: datetime, only: Iterable[Organisation] | None = None) -> list[Standing]:
    """Return how the active organisations in sight stand, the worst first; or ``only`` these, in their order."""
    active = sight.rows(Organisation).filter(retired_at=None).only("slug", "name_zh", "name_en", "is_key")
    chosen = list(active if only is None else only)
    within = None if only is None else [each.pk for each in chosen]
    scores, counts = _scores(sight, within), _counts(sight, now, within)
    rows = [Standing(each, scores.get(each.pk, Scored()), counts.get(each.pk, Counts())) for each in chosen]
    return sorted(rows, key=_worst_first) if only is None else rows


def _scores(sight: Sight, within: list[int] | None) -> dict[int, Scored]:
    """Return how each organisation scored in its last whole round that ran to its end and was followed."""
    rows = sight.rows(RoundScore).filter(round__in=comparable_rounds())
    if within is not None:
        rows = rows.filter(organisation__in=within)
    newest = rows.order_by().values("organisation").annotate(last=Max("pk")).values("last")
    told = ("organisation", "score__value", "score__grade", "score__coverage", "round__finished", "round__created")
    found = sight.rows(RoundScore).filter(pk__in=newest).order_by().values_list(*told)
    return {
        owner: Scored(value, grade or "", coverage, finished or created)
        for owner, value, grade, coverage, finished, created in found
    }


def _counts(sight: Sight, now: datetime, within: list[int] | None) -> dict[int, Counts]:
    rows = sight.rows(Finding).filter(state__in=TO_FIX)
    if within is not None:
        rows = rows.filter(organisation__in=within)
    counted = (
        rows.order_by()
        .values("organisation")
        .annotate(
            open=Count("pk"),
            serious=Count("pk", filter=Q(severity__in=SERIOUS)),
            overdue=Count("pk", filter=Q(deadline__lt=now)),
            new=Count("pk", filter=Q(severity=Severity.CRITICAL, first_seen__gt=now - NEW)),
        )
    )
    return {row["organisation"]: Counts(row["open"], row["serious"], row["overdue"], row["new"]) for row in counted}


def _worst_first(standing: Standing) -> tuple[int, int, int, str]:
    found = standing.findings
    return (-found.overdue, -found.serious, -found.open, standing.organisation.slug)
