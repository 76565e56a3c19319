"""How organisations stand: their last score and coverage, and what is open, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from scanner.accounts.sight import Sight
from scanner.engine.model import Severity
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Finding, RoundScore
from scanner.rounds.models import RoundState, whole
from targets.models import Organisation

SERIOUS = (Severity.CRITICAL, Severity.HIGH)


@dataclass(frozen=True, slots=True)
class Standing:
    """One organisation: what its last whole round scored (0 to 100) and covered (0 to 1), None without one.

    ``open``, ``serious`` (critical and high) and ``overdue`` count findings that are to be fixed now.
    """

    organisation: Organisation
    score: float | None
    grade: str
    coverage: float | None
    inspected: datetime | None
    round: int | None
    open: int
    serious: int
    overdue: int


def standings(sight: Sight, now: datetime, only: Iterable[Organisation] | None = None) -> list[Standing]:
    """Return how the active organisations in sight stand, or ``only`` these, the worst first."""
    chosen = list(sight.rows(Organisation).filter(retired_at=None)) if only is None else list(only)
    within = None if only is None else [each.pk for each in chosen]
    scores = {row.organisation_id: row for row in last_scores(sight, within)}
    counts = _counts(sight, now, within)
    rows = [_standing(each, scores.get(each.pk), counts.get(each.pk, (0, 0, 0))) for each in chosen]
    return sorted(rows, key=_worst_first)


def last_scores(sight: Sight, within: list[int] | None = None) -> QuerySet[RoundScore]:
    """Return the score of each organisation after its last whole round that ran to its end and was followed."""
    rows = sight.rows(RoundScore).filter(whole("round__"), round__followed__isnull=False)
    rows = rows.exclude(round__state=RoundState.CANCELLED)
    if within is not None:
        rows = rows.filter(organisation__in=within)
    newest = rows.order_by().values("organisation").annotate(last=Max("pk")).values("last")
    return sight.rows(RoundScore).filter(pk__in=newest).select_related("round")


def _counts(sight: Sight, now: datetime, within: list[int] | None) -> dict[int, tuple[int, int, int]]:
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
        )
    )
    return {row["organisation"]: (row["open"], row["serious"], row["overdue"]) for row in counted}


def _standing(organisation: Organisation, row: RoundScore | None, counts: tuple[int, int, int]) -> Standing:
    score = row.score if row else {}
    return Standing(
        organisation,
        score.get("value"),
        score.get("grade") or "",
        score.get("coverage"),
        (row.round.finished or row.round.created) if row else None,
        row.round_id if row else None,
        *counts,
    )


def _worst_first(standing: Standing) -> tuple[int, int, int, str]:
    return (-standing.overdue, -standing.serious, -standing.open, standing.organisation.slug)
