"""What a round looked at and, more important, what it did not."""

from __future__ import annotations

from collections.abc import Sequence, Set

from scanner.engine.model import Gap, HostInspection, Outcome
from scanner.reports.inventory import Seen
from scanner.reports.model import Coverage, NotInspected, Reason
from scanner.rounds.models import HostResult


def coverage_of(looks: Sequence[Seen], unused: Set[int]) -> Coverage:
    """Count the round's first looks. ``unused`` are the results of addresses where nothing has ever answered."""
    hosts = [look for look in looks if look.row.pk not in unused]
    inspected = sum(look.inspection.outcome is Outcome.INSPECTED for look in hosts)
    partial = sum(look.inspection.outcome is Outcome.PARTIAL for look in hosts)
    return Coverage(
        targets=len({(look.row.target_id, look.row.label) for look in looks}),
        hosts=len(hosts),
        inspected=inspected,
        partial=partial,
        not_inspected=len(hosts) - inspected - partial,
        share=(inspected + partial) / len(hosts) if hosts else 0,
        gaps=tuple(not_inspected(look.row, look.inspection) for look in hosts if _left_out(look.inspection)),
        ports=sum(look.row.ports_open for look in hosts),
        connections=sum(look.row.connections for look in looks),
        requests=sum(look.row.requests for look in looks),
        datagrams=sum(look.inspection.coverage.datagrams for look in looks),
        busiest=max((look.row.connections for look in looks), default=0),
        unused=len(unused),
    )


def _left_out(inspection: HostInspection) -> bool:
    return bool(inspection.coverage.gaps) or inspection.outcome is not Outcome.INSPECTED


def not_inspected(row: HostResult, inspection: HostInspection) -> NotInspected:
    """Return what one look, and its facts, left out, each reason once."""
    reasons = dict.fromkeys(map(reason_of, inspection.coverage.gaps))
    return NotInspected(row.display, row.host, row.address, inspection.outcome, tuple(reasons))


def reason_of(gap: Gap) -> Reason:
    """Return a gap as reports and letters hold it."""
    return Reason(gap.reason, gap.facet, gap.port, gap.transport, gap.detail, gap.check)
