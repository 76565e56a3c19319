"""Hosts that a round did not inspect, or in part only, and why: as the pages of rounds and targets show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Case, Q, QuerySet, Value, When

from scanner.engine.errors import InputError
from scanner.engine.model import Outcome
from scanner.reports.coverage import not_inspected
from scanner.reports.model import NotInspected
from scanner.rounds.models import HostResult
from targets.models import Organisation, Target


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a look at a host left out, and where that is registered."""

    seen: NotInspected
    organisation: Organisation
    target: Target | None


def worst_covered_first(looks: QuerySet[HostResult]) -> QuerySet[HostResult]:
    """Return looks that saw nothing first, then those that saw a part, then the others."""
    partial, whole = When(Q(outcome=Outcome.PARTIAL), then=Value(1)), When(Q(outcome=Outcome.INSPECTED), then=Value(2))
    return looks.annotate(saw=Case(partial, whole, default=Value(0))).order_by("saw", "pk")


def left_out(looks: Iterable[HostResult]) -> Iterator[LeftOut]:
    """Yield those of the looks that left something out; what a newer Roundsman wrote is passed over."""
    for row in looks:
        try:
            seen = not_inspected(row, row.inspection())
        except InputError:
            continue
        if seen.reasons or seen.outcome is not Outcome.INSPECTED:
            yield LeftOut(seen, row.organisation, row.target)
