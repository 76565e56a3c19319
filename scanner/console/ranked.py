"""The order in which lists show findings, found without reading what is not shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import overload

from django.db.models import Case, Count, F, QuerySet, Value, When

from scanner.engine.model import Severity
from scanner.remediation.models import Finding


def worst_first(rows: QuerySet[Finding]) -> QuerySet[Finding]:
    """Order by severity, then by what is due first; what has no deadline comes last. Evidence is left unread."""
    rank = Case(*(When(severity=each, then=Value(-each.rank)) for each in Severity), default=Value(0))
    return rows.defer("exchanges", "params").order_by(rank, *_DUE_FIRST)


class Numbers(Sequence[int]):
    """The primary keys of findings in the order of :func:`worst_first`, for a paginator.

    They are counted by severity in one query, so that of hundreds of thousands only those are sorted that have a
    severity of the part that is asked for.
    """

    def __init__(self, rows: QuerySet[Finding]) -> None:
        self._rows = rows.order_by()

    def __len__(self) -> int:
        return sum(self._counted.values())

    @overload
    def __getitem__(self, part: int) -> int: ...
    @overload
    def __getitem__(self, part: slice) -> list[int]: ...
    def __getitem__(self, part: int | slice) -> int | list[int]:
        """Return what stands there; a part is read in one go, without steps."""
        if isinstance(part, int):
            return self[part : part + 1][0]
        first, last, _ = part.indices(len(self))
        found: list[int] = []
        for severity in sorted(Severity, key=lambda each: each.rank, reverse=True):
            here = self._counted[severity]
            if first < min(last, here):
                mine = self._rows.filter(severity=severity).order_by(*_DUE_FIRST).values_list("pk", flat=True)
                found += mine[first : min(last, here)]
            first, last = max(first - here, 0), max(last - here, 0)
        return found

    @cached_property
    def _counted(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        # By state as well, as the index has it, so that nothing is sorted to be counted.
        for _, severity, n in self._rows.values_list("state", "severity").annotate(n=Count("pk")):
            counted[severity] += n
        return counted


def fetched(rows: QuerySet[Finding], chosen: Iterable[int]) -> list[Finding]:
    """Return the findings of these primary keys, in their order, with their organisations and without evidence."""
    ordered = list(chosen)
    found = rows.defer("exchanges", "params").select_related("organisation").in_bulk(ordered)
    return [found[number] for number in ordered if number in found]


_DUE_FIRST = (F("deadline").asc(nulls_last=True), "pk")
