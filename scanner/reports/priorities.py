"""What to fix first: the few actions that do most, the same check everywhere being one action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from scanner.engine.model import Confidence, Severity
from scanner.reports.model import Action, Finding

ACTIONS = 5


def fix_first(findings: Iterable[Finding]) -> tuple[Action, ...]:
    """Return at most five actions, the most urgent first.

    Urgency goes by severity, then known exploitation, certainty, key targets, overdue, how many places, and the
    nearest deadline. Hints are no actions.
    """
    by_check: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.severity is not Severity.INFO:
            by_check[finding.check].append(finding)
    groups = sorted(by_check.values(), key=_urgency)
    return tuple(_action(group) for group in groups[:ACTIONS])


def _urgency(group: Sequence[Finding]) -> tuple[object, ...]:
    worst = max(finding.severity.rank for finding in group)
    at_worst = [finding for finding in group if finding.severity.rank == worst]
    deadlines = [finding.deadline.timestamp() for finding in group if finding.deadline]
    return (
        -worst,
        not any(finding.known_exploited for finding in at_worst),
        all(finding.confidence is Confidence.POSSIBLE for finding in at_worst),
        not any(finding.key_target for finding in at_worst),
        not any(finding.overdue for finding in group),
        -len(group),
        min(deadlines, default=float("inf")),
        group[0].check,
    )


def _action(group: Sequence[Finding]) -> Action:
    deadlines = [finding.deadline for finding in group if finding.deadline]
    return Action(
        check=group[0].check,
        severity=max((finding.severity for finding in group), key=lambda severity: severity.rank),
        places=tuple(sorted((finding.place for finding in group), key=lambda place: (place.host, place.port))),
        deadline=min(deadlines, default=None),
        overdue=any(finding.overdue for finding in group),
    )
