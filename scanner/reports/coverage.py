"""What a round looked at and, more important, what it did not."""

from __future__ import annotations

from collections.abc import Sequence, Set

from scanner.engine.model import HostInspection, Outcome
from scanner.reports.model import Coverage, NotInspected, Reason
from scanner.rounds.models import HostResult


def coverage_of(inspections: Sequence[tuple[HostResult, HostInspection]], unused: Set[int]) -> Coverage:
    """Count the round's first looks. ``unused`` are the results of addresses where nothing has ever answered."""
    rows = [(row, inspection) for row, inspection in inspections if row.pk not in unused]
    inspected = sum(row.outcome == Outcome.INSPECTED for row, _ in rows)
    partial = sum(row.outcome == Outcome.PARTIAL for row, _ in rows)
    return Coverage(
        targets=len({row.target_id for row, _ in inspections}),
        hosts=len(rows),
        inspected=inspected,
        partial=partial,
        not_inspected=len(rows) - inspected - partial,
        share=(inspected + partial) / len(rows) if rows else 0,
        gaps=tuple(_gap(row, inspection) for row, inspection in rows if inspection.coverage.gaps),
        ports=sum(row.ports_asked for row, _ in rows),
        connections=sum(row.connections for row, _ in inspections),
        requests=sum(row.requests for row, _ in inspections),
        unused=len(unused),
    )


def _gap(row: HostResult, inspection: HostInspection) -> NotInspected:
    reasons = dict.fromkeys(
        Reason(gap.reason, gap.facet, gap.port, gap.transport, gap.detail) for gap in inspection.coverage.gaps
    )
    return NotInspected(row.target.display, row.host, row.address, Outcome(row.outcome), tuple(reasons))
