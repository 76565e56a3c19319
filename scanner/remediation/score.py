"""The score and its terms: pure, explainable, and the same numbers wherever they are shown.

Points of a finding are ``severity × confidence × exposure × exploited × age``, at most 60. The score of a host is
``min(100 × Π(1 − points/100), cap)``; the product gives diminishing returns and does not depend on order. The
score of an organisation is ``0.6 × weighted mean + 0.4 × weighted mean of the worst tenth``, capped, because many
clean hosts must not hide one that is wide open. Adding a finding or raising its severity never raises a score.

The numbers are an internal supervisory index of this product, not the result of a classified-protection
(GB/T 28448) assessment, which has not been scored since 2025.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scanner.engine.model import Confidence, Severity, Vantage

SEVERITY_POINTS: Mapping[Severity, float] = {
    Severity.CRITICAL: 45,
    Severity.HIGH: 20,
    Severity.MEDIUM: 6,
    Severity.LOW: 1.5,
    Severity.INFO: 0,
}
CONFIDENCE_FACTOR: Mapping[Confidence, float] = {
    Confidence.CONFIRMED: 1,
    Confidence.PROBABLE: 0.7,
    Confidence.POSSIBLE: 0.35,
}
EXPOSURE_FACTOR: Mapping[Vantage, float] = {
    Vantage.INTERNET: 1,
    Vantage.GOVERNMENT: 0.85,
    Vantage.INTERNAL: 0.7,
    Vantage.ISOLATED: 0.5,
}
EXPLOITED_FACTOR = 1.25
POINTS_LIMIT = 60.0
EXTRA_INSTANCE = 0.25
EXTRA_INSTANCES_LIMIT = 0.75

HOST_CAP: Mapping[Severity, float] = {
    Severity.CRITICAL: 59,
    Severity.HIGH: 79,
    Severity.MEDIUM: 89,
    Severity.LOW: 99,
    Severity.INFO: 100,
}
HOST_CAP_EXPLOITED = 39.0
ORGANISATION_CAP: Mapping[Severity, tuple[float, float]] = {Severity.CRITICAL: (69, 59), Severity.HIGH: (89, 79)}
"""Cap by the worst confirmed severity: otherwise, and where the host is a key one or the finding overdue."""
KEY_WEIGHT = 2.0
"""Hosts of at least this weight count as key for the organisation's caps."""

WORST_SHARE = 0.1
MEAN_PART, WORST_PART = 0.6, 0.4
ENOUGH_COVERAGE = 0.8
ENOUGH_HOSTS = 3


class Age(StrEnum):
    """Where a finding stands against its deadline."""

    IN_TIME = "in-time"
    OVERDUE = "overdue"
    LONG_OVERDUE = "long-overdue"
    """More than twice the time that was allowed."""


AGE_FACTOR: Mapping[Age, float] = {Age.IN_TIME: 1, Age.OVERDUE: 1.25, Age.LONG_OVERDUE: 1.5}


class Grade(StrEnum):
    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


@dataclass(frozen=True, slots=True)
class Scored:
    """An open finding as it enters the score. Accepted risks and false positives do not enter."""

    check: str
    severity: Severity
    confidence: Confidence
    exposure: Vantage = Vantage.INTERNET
    known_exploited: bool = False
    age: Age = Age.IN_TIME


@dataclass(frozen=True, slots=True)
class Terms:
    """The points of one check on one host, unfolded. The factors are those of its worst instance."""

    check: str
    severity: float
    confidence: float
    exposure: float
    exploited: float
    age: float
    instances: int
    repeated: float
    points: float


@dataclass(frozen=True, slots=True)
class Cap:
    """The highest score that the worst finding allows, and the check and severity that set it."""

    limit: float
    check: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class HostScore:
    """One inspected host: 0 (worst) to 100, its terms (heaviest first) and what the organisation's caps need."""

    host: str
    value: float
    weight: float
    terms: tuple[Terms, ...]
    product: float
    cap: Cap | None
    worst_confirmed: Severity | None
    worst_confirmed_overdue: bool


@dataclass(frozen=True, slots=True)
class OrganisationScore:
    """0 (worst) to 100, None when no host was inspected; with its terms.

    ``grade`` is None for fewer than three hosts. ``provisional`` marks coverage under 80 %. ``coverage`` is the
    share of registered hosts that was inspected, 0 to 1.
    """

    value: float | None
    grade: Grade | None
    provisional: bool
    coverage: float
    mean: float
    worst_mean: float
    cap: float
    hosts: tuple[HostScore, ...]


def outweighs(graver: Scored, lesser: Scored) -> bool:
    """Tell whether a finding weighs as much as one that it is told in place of, in every way but how late that is.

    So nothing scores higher for having got worse: what is less certain doesn't outweigh what was confirmed.
    """
    return (
        graver.severity.rank >= lesser.severity.rank
        and graver.confidence.at_least(lesser.confidence)
        and graver.known_exploited >= lesser.known_exploited
        and _points(replace(graver, age=lesser.age)) >= _points(lesser)
    )


def score_host(host: str, findings: Iterable[Scored], weight: float = 1) -> HostScore:
    """Score one inspected host. ``weight`` is its criticality, at least 1."""
    counted = [finding for finding in findings if finding.severity is not Severity.INFO]
    by_check: dict[str, list[Scored]] = defaultdict(list)
    for finding in counted:
        by_check[finding.check].append(finding)
    terms = sorted((_terms(group) for group in by_check.values()), key=lambda each: (-each.points, each.check))
    product = 100 * math.prod(1 - each.points / 100 for each in terms)
    cap = min((_cap(finding) for finding in counted if _caps(finding)), key=lambda each: each.limit, default=None)
    confirmed = [finding for finding in counted if finding.confidence is Confidence.CONFIRMED]
    worst = max((finding.severity for finding in confirmed), key=lambda severity: severity.rank, default=None)
    return HostScore(
        host=host,
        value=min(product, cap.limit) if cap else product,
        weight=weight,
        terms=tuple(terms),
        product=product,
        cap=cap,
        worst_confirmed=worst,
        worst_confirmed_overdue=any(
            finding.severity is worst and finding.age is not Age.IN_TIME for finding in confirmed
        ),
    )


def score_organisation(hosts: Sequence[HostScore], coverage: float) -> OrganisationScore:
    """Score an organisation from its inspected hosts; hosts that were not inspected are left out and lower
    ``coverage`` (0 to 1) instead."""
    if not hosts:
        return OrganisationScore(None, None, coverage < ENOUGH_COVERAGE, coverage, 0, 0, 100, ())
    ordered = tuple(sorted(hosts, key=lambda host: (host.value, host.host)))
    total = sum(host.weight for host in ordered)
    mean = sum(host.value * host.weight for host in ordered) / total
    worst_mean = _mean_of_worst(ordered, total * WORST_SHARE)
    cap = min((_organisation_cap(host) for host in ordered), default=100.0)
    value = min(MEAN_PART * mean + WORST_PART * worst_mean, cap)
    return OrganisationScore(
        value=value,
        grade=grade_of(value) if len(ordered) >= ENOUGH_HOSTS else None,
        provisional=coverage < ENOUGH_COVERAGE,
        coverage=coverage,
        mean=mean,
        worst_mean=worst_mean,
        cap=cap,
        hosts=ordered,
    )


def compared(before: OrganisationScore, now: OrganisationScore) -> tuple[float, float, int] | None:
    """Return both scores over the hosts inspected in both rounds and how many those are; None when there are none."""
    common = {host.host for host in before.hosts} & {host.host for host in now.hosts}
    old, new = (score_organisation([h for h in each.hosts if h.host in common], 1).value for each in (before, now))
    return None if old is None or new is None else (old, new, len(common))


def grade_of(value: float) -> Grade:
    """Return the letter of a score; it is taken from the score as shown, with one decimal."""
    shown = round(value, 1)
    return next(
        (grade for floor, grade in ((90, Grade.A), (80, Grade.B), (70, Grade.C), (60, Grade.D)) if shown >= floor),
        Grade.F,
    )


def _points(finding: Scored) -> float:
    return min(
        POINTS_LIMIT,
        SEVERITY_POINTS[finding.severity]
        * CONFIDENCE_FACTOR[finding.confidence]
        * EXPOSURE_FACTOR[finding.exposure]
        * (EXPLOITED_FACTOR if finding.known_exploited else 1)
        * AGE_FACTOR[finding.age],
    )


def _terms(group: Sequence[Scored]) -> Terms:
    """Count the same check on several ports once, at its worst, and a quarter more for each further instance."""
    worst = max(group, key=_points)
    repeated = 1 + min(EXTRA_INSTANCES_LIMIT, EXTRA_INSTANCE * (len(group) - 1))
    return Terms(
        check=worst.check,
        severity=SEVERITY_POINTS[worst.severity],
        confidence=CONFIDENCE_FACTOR[worst.confidence],
        exposure=EXPOSURE_FACTOR[worst.exposure],
        exploited=EXPLOITED_FACTOR if worst.known_exploited else 1,
        age=AGE_FACTOR[worst.age],
        instances=len(group),
        repeated=repeated,
        points=min(POINTS_LIMIT, _points(worst) * repeated),
    )


def _caps(finding: Scored) -> bool:
    return finding.confidence.at_least(Confidence.PROBABLE)


def _cap(finding: Scored) -> Cap:
    exploited_now = (
        finding.severity is Severity.CRITICAL and finding.confidence is Confidence.CONFIRMED and finding.known_exploited
    )
    limit = HOST_CAP_EXPLOITED if exploited_now else HOST_CAP[finding.severity]
    return Cap(limit, finding.check, finding.severity)


def _mean_of_worst(ordered: Sequence[HostScore], mass: float) -> float:
    """Mean over the lowest ``mass`` of weight; a host that only partly fits counts with the part that does."""
    left, total = mass, 0.0
    for host in ordered:
        part = min(host.weight, left)
        total += part * host.value
        left -= part
        if left <= 0:
            break
    return total / (mass - left)


def _organisation_cap(host: HostScore) -> float:
    if host.worst_confirmed is None or host.worst_confirmed not in ORGANISATION_CAP:
        return 100
    plain, strict = ORGANISATION_CAP[host.worst_confirmed]
    return strict if host.weight >= KEY_WEIGHT or host.worst_confirmed_overdue else plain
