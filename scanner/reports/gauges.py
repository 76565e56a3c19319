"""How much of the time to fix is used up, by severity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from scanner.engine.model import Severity
from scanner.reports.model import Finding, Gauge


def gauges_of(findings: Iterable[Finding], now: dt.datetime) -> tuple[Gauge, ...]:
    """Return a gauge for every severity that has a time to fix, worst first; ``findings`` are those to be fixed."""
    listed = list(findings)
    serious = [severity for severity in reversed(Severity) if severity is not Severity.INFO]
    return tuple(_gauge(severity, [each for each in listed if each.severity is severity], now) for severity in serious)


def share_used(finding: Finding, now: dt.datetime) -> float | None:
    """Return the share of its time that a finding has used up; None for one without a deadline."""
    if finding.reported is None or finding.deadline is None:
        return None
    allowed = finding.deadline - finding.reported
    return (now - finding.reported) / allowed if allowed else float(now > finding.deadline)


def _gauge(severity: Severity, findings: Sequence[Finding], now: dt.datetime) -> Gauge:
    shares = {each.number: share for each in findings if (share := share_used(each, now)) is not None}
    latest = max(
        (each for each in findings if each.number in shares),
        key=lambda each: (shares[each.number], -each.number),
        default=None,
    )
    return Gauge(
        severity=severity,
        open=len(findings),
        overdue=sum(each.overdue for each in findings),
        oldest=min((each.first_seen for each in findings), default=None),
        reported=latest.reported if latest else None,
        deadline=latest.deadline if latest else None,
        used=shares[latest.number] if latest else None,
    )
