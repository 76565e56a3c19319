"""The order in which lists show findings."""

from __future__ import annotations

from django.db.models import Case, F, QuerySet, Value, When

from scanner.engine.model import Severity
from scanner.remediation.models import Finding


def worst_first(rows: QuerySet[Finding]) -> QuerySet[Finding]:
    """Order by severity, then by what is due first; what has no deadline comes last. Evidence is not read."""
    rank = Case(*(When(severity=each, then=Value(-each.rank)) for each in Severity), default=Value(0))
    return rows.defer("exchanges", "params").order_by(rank, F("deadline").asc(nulls_last=True), "pk")
