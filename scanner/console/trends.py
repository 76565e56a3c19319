"""How scores and coverage went over the last rounds, in one query however many organisations there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Avg, Count, Exists, Max, OuterRef, Q
from django.db.models.functions import Coalesce

from scanner.accounts.sight import Sight
from scanner.remediation.models import RoundScore
from scanner.remediation.scores import comparable_rounds
from scanner.reports.charts import LINE_HEIGHT, WIDTH, Line, line
from targets.models import Organisation

READ = 24
"""Rounds that are looked at, the newest."""

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Point:
    """A round: the mean score (0 to 100; None when no organisation was covered well enough) and coverage (in percent).

    ``organisations`` is how many of those in sight it was about.
    """

    round: int
    at: datetime
    score: float | None
    coverage: float
    organisations: int


@dataclass(frozen=True, slots=True)
class Trend:
    """The points, the oldest first, and their two lines."""

    points: tuple[Point, ...]
    score: Line
    coverage: Line


def trend(sight: Sight, within: int, organisation: Organisation | None = None) -> Trend | None:
    """Return how organisations in sight went, or one of them; None when there is nothing to compare.

    ``within`` is how many organisations there are. Only rounds count that are about half of them at least: the mean of
    a few says nothing of all. As for rankings, scores of less than adequate coverage are left out of the mean.
    """
    rows = sight.rows(RoundScore)
    if organisation is not None:
        rows = rows.filter(organisation=organisation)
    rounds = comparable_rounds().filter(Exists(rows.filter(round=OuterRef("pk")))).order_by("-pk")[:READ]
    found = (
        rows.filter(round__in=rounds.values("pk"))
        .order_by("-round")
        .values("round")
        .annotate(
            at=Coalesce(Max("round__finished"), Max("round__created")),
            score=Avg("value", filter=Q(provisional=False)),
            covered=Avg("coverage"),
            n=Count("pk"),
        )
    )
    whole = [row for row in found if 2 * row["n"] >= within][:SHOWN]
    drawn = [Point(row["round"], row["at"], row["score"], 100 * row["covered"], row["n"]) for row in whole]
    points = tuple(sorted(drawn, key=lambda each: (each.at, each.round)))
    if len(points) < 2:
        return None
    lines = [line([each.score for each in points], 100, WIDTH, LINE_HEIGHT)]
    lines.append(line([each.coverage for each in points], 100, WIDTH, LINE_HEIGHT))
    return Trend(points, *lines)
