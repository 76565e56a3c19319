"""The order in which lists show findings, found without reading what is not shown."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, F, QuerySet, Value, When

from scanner.engine.model import Severity
from scanner.remediation.models import Finding


def worst_first(rows: QuerySet[Finding]) -> QuerySet[Finding]:
    """Order by severity, then by what is due first; what has no deadline comes last. Evidence is left unread."""
    rank = Case(*(When(severity=each, then=Value(-each.rank)) for each in Severity), default=Value(0))
    return rows.defer("exchanges", "params").order_by(rank, F("deadline").asc(nulls_last=True), "pk")


def numbers(rows: QuerySet[Finding]) -> QuerySet[Finding, int]:
    """Return the primary keys of ordered findings: an index holds all that this needs, however many there are."""
    return rows.values_list("pk", flat=True)


def fetched(rows: QuerySet[Finding], chosen: Iterable[int]) -> list[Finding]:
    """Return the findings of these primary keys, in their order, with their organisations and without evidence."""
    ordered = list(chosen)
    found = rows.defer("exchanges", "params").select_related("organisation").in_bulk(ordered)
    return [found[number] for number in ordered if number in found]
