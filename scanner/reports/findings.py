"""Findings as a report shows them, what a round changed of them, and their counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scanner.engine.model import Confidence, Exchange, Severity, Transport
from scanner.engine.plugins.load import all_checks
from scanner.remediation.counted import is_late
from scanner.remediation.lifecycle import EXEMPT, TO_FIX, Happened, State
from scanner.remediation.models import Finding as FindingRow
from scanner.reports.model import Changes, Event, Exemption, Finding, Proof, SeverityCount
from scanner.reports.places import InventoryService, Place

OPEN_STATES = TO_FIX

Events = Mapping[Happened, Mapping[str, Any]]
"""What one round recorded of one finding, each with its detail."""

_BEGUN = {Happened.OPENED, Happened.REOPENED}

_SEEN = {Happened.OPENED, Happened.SEEN, Happened.REOPENED, Happened.CLAIM_REFUTED}


Services = Mapping[tuple[str, int, Transport], InventoryService]
"""What listens at (host, port, transport)."""


@dataclass(frozen=True, slots=True)
class Past:
    """What became of findings, by their numbers: their history without what merely saw them, and their exemptions."""

    history: Mapping[int, Sequence[Event]] = field(default_factory=dict)
    exemptions: Mapping[int, Exemption] = field(default_factory=dict)


_NO_PAST = Past()

# An enum finds its member in ten times the time, and there are thousands of findings.
_SEVERITIES = {str(each): each for each in Severity}
_CONFIDENCES = {str(each): each for each in Confidence}
_TRANSPORTS = {str(each): each for each in Transport}


def report_finding(
    row: FindingRow, services: Services, events: Events, now: dt.datetime, past: Past | None = None
) -> Finding:
    """Return a stored finding for the report; ``services`` are those that the round saw."""
    check = all_checks().get(row.check_id)
    transport = _TRANSPORTS[row.transport]
    service = services.get((row.host, row.port, transport))
    past = past or _NO_PAST
    return Finding(
        number=row.pk,
        check=row.check_id,
        state=row.state,
        severity=_SEVERITIES[row.severity],
        confidence=_CONFIDENCES[row.confidence],
        place=Place(row.host, row.addresses[0] if row.addresses else "", row.port, transport),
        service=service.protocol if service else "",
        params=tuple(map(tuple, row.params)),
        exchanges=tuple([Exchange(**each) for each in row.exchanges]),
        cwe=check.cwe if check else (),
        references=check.references if check else (),
        known_exploited=row.known_exploited,
        key_target=row.key_target,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        last_inspected=row.last_inspected,
        fixed=row.fixed,
        deadline=row.deadline,
        overdue=is_late(row, now),
        recurrences=row.recurrences,
        seen_now=not _SEEN.isdisjoint(events),
        reported=row.reported,
        claimed=row.claimed,
        exemption=past.exemptions.get(row.pk),
        history=tuple(past.history.get(row.pk, ())),
        products=service.products if service else (),
    )


def changes_of(findings: Mapping[int, Finding], events: Mapping[int, Events]) -> Changes:
    """Sort the findings, by number, into what the round did to them; within each, worst first.

    What the round opened is new, even when it saw it once more before its end.
    """

    def those(*kinds: Happened, states: Container[str] = tuple(State)) -> tuple[Finding, ...]:
        chosen = (
            finding
            for number, finding in findings.items()
            if finding.state in states and not events.get(number, {}).keys().isdisjoint(kinds)
        )
        return tuple(sorted(chosen, key=worst_first))

    return Changes(
        new=those(Happened.OPENED),
        reopened=those(Happened.REOPENED),
        fixed=tuple(_proof(finding, events[finding.number][Happened.FIXED]) for finding in those(Happened.FIXED)),
        still_open=tuple(
            each
            for each in those(Happened.SEEN, Happened.CLAIM_REFUTED, states=OPEN_STATES)
            if events[each.number].keys().isdisjoint(_BEGUN)
        ),
        not_inspected=those(Happened.NOT_INSPECTED, states=OPEN_STATES),
        accepted=tuple(sorted((each for each in findings.values() if each.state in EXEMPT), key=worst_first)),
        overdue=tuple(
            sorted((each for each in findings.values() if each.overdue), key=lambda each: (each.deadline, each.number))
        ),
    )


def count(findings: Iterable[Finding]) -> tuple[SeverityCount, ...]:
    """Count open findings of every severity, worst first; severities without any are there with zero."""
    listed = list(findings)
    return tuple(
        SeverityCount(
            severity,
            open=sum(each.severity is severity for each in listed),
            overdue=sum(each.severity is severity and each.overdue for each in listed),
        )
        for severity in reversed(Severity)
    )


def worst_first(finding: Finding) -> tuple[int, int, str, int, str, str]:
    """The order in which findings are shown."""
    place = finding.place
    return (
        -finding.severity.rank,
        -finding.confidence.rank,
        place.host,
        place.port,
        place.transport,
        finding.check,
    )


def _proof(finding: Finding, detail: Mapping[str, Any]) -> Proof:
    looks = (dt.datetime.fromisoformat(detail[name]) for name in ("first_look", "second_look"))
    return Proof(finding, *looks)
