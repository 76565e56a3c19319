"""What to fix first: the few actions that do most, the same check everywhere being one action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from scanner.engine.model import Confidence, Severity
from scanner.engine.plugins.load import all_checks
from scanner.reports.model import Action, Finding
from scanner.reports.risky import kind_of

ACTIONS = 5

_MAIL = ("smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s")
_BY_FAMILY = {"web": "web", "domain": "dns", "mail": "mail", "network": "network", "databases": "database"}
_BY_KIND = {"database": "database", "mail": "mail", "amplifier": "network", "access": "network"}


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
        who=_who(group),
    )


def _who(group: Sequence[Finding]) -> str:
    """Return whose work it usually is, by what the check is about, or by what speaks TLS."""
    check = all_checks().get(group[0].check)
    family = check.family if check else ""
    if family in ("tls", "certificates"):
        spoken = {finding.service for finding in group}
        if spoken & set(_MAIL):
            return "mail"
        return "web" if spoken & {"http", "https"} else "system"
    return _BY_FAMILY.get(family) or _BY_KIND.get(kind_of(group[0].check) or "", "system")
