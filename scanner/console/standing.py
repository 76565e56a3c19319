"""How organisations stand: their last score and coverage, and what is open, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from scanner.accounts.sight import Sight
from scanner.engine.model import Severity
from scanner.remediation.counted import TO_BE_FIXED, overdue
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


@dataclass(frozen=True, slots=True)
class Overall:
    """How the worst organisations stand, how many there are, and the findings of all of them together."""

    worst: tuple[Standing, ...]
    organisations: int
    findings: Counts


def standings(sight: Sight, now: datetime, chosen: Sequence[Organisation]) -> list[Standing]:
    """Return how these organisations stand, in their order."""
    within = [each.pk for each in chosen]
    return _standings(sight, chosen, _counts(sight, now, within))


def overall(sight: Sight, now: datetime, shown: int) -> Overall:
    """Return how the active organisations in sight stand; of the worst, ``shown`` of them, all that is known."""
    rows = sight.rows(Organisation).filter(retired_at=None).order_by()
    counts, told = _counts(sight, now, rows), list(rows.values("pk", "slug", "name_zh", "name_en", "is_key"))
    active = [counts.get(each["pk"], Counts()) for each in told]
    ranked = sorted(zip(active, told, strict=True), key=lambda each: _worst_first(each[0], each[1]["slug"]))
    worst = _standings(sight, [Organisation(**each) for _, each in ranked[:shown]], counts)
    return Overall(tuple(worst), len(told), _sum(active))


def _standings(sight: Sight, chosen: Sequence[Organisation], counts: Mapping[int, Counts]) -> list[Standing]:
    scores = _scores(sight, [each.pk for each in chosen])
    return [Standing(each, scores.get(each.pk, Scored()), counts.get(each.pk, Counts())) for each in chosen]


def _scores(sight: Sight, within: list[int]) -> dict[int, Scored]:
    """Return how each organisation scored in its last whole round that ran to its end and was followed.

    The last is the newest one, as for reports, even where an older one was followed after it.
    """
    last = sight.rows(RoundScore).filter(round__in=comparable_rounds(), organisation=OuterRef("pk"))
    newest = sight.rows(Organisation).filter(pk__in=within).order_by()
    newest = newest.values_list(Subquery(last.order_by("-round").values("pk")[:1]))
    told = ("organisation", "value", "grade", "coverage", "round__finished", "round__created")
    found = sight.rows(RoundScore).filter(pk__in=newest).order_by().values_list(*told)
    return {
        owner: Scored(value, grade, coverage, finished or created)
        for owner, value, grade, coverage, finished, created in found
    }


def _counts(sight: Sight, now: datetime, within: list[int] | QuerySet[Organisation]) -> dict[int, Counts]:
    """Count within these organisations. They are named even if they are all, for then the rows come sorted by them."""
    rows = sight.rows(Finding).filter(TO_BE_FIXED, organisation__in=within)
    counted = (
        rows.order_by()
        .values("organisation")
        .annotate(
            open=Count("pk"),
            serious=Count("pk", filter=Q(severity__in=SERIOUS)),
            overdue=Count("pk", filter=overdue(now)),
            new=Count("pk", filter=Q(severity=Severity.CRITICAL, first_seen__gt=now - NEW)),
        )
    )
    return {row["organisation"]: Counts(row["open"], row["serious"], row["overdue"], row["new"]) for row in counted}


def _sum(counted: Iterable[Counts]) -> Counts:
    rows = [(each.open, each.serious, each.overdue, each.new) for each in counted]
    return Counts(*map(sum, zip(*rows, strict=True))) if rows else Counts()


def _worst_first(found: Counts, slug: str) -> tuple[int, int, int, str]:
    return (-found.overdue, -found.serious, -found.open, slug)
