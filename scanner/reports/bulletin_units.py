"""Compares units: how each stands, who may be ranked, and in which order. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner.engine.model import Confidence
from scanner.remediation.score import (
    CONFIDENCE_FACTOR,
    HostScore,
    OrganisationScore,
    compared,
    score_organisation,
)
from scanner.reports.bulletin_history import SERIOUS, Passage, progress_of
from scanner.reports.bulletin_model import Period, Unit, UnitRow, Unranked
from scanner.reports.bulletin_reads import Hosts, Scored, Subtree
from targets.models import Organisation


@dataclass(frozen=True, slots=True)
class Standings:
    """What is known of every unit, by its primary key: its newest scores in the period, those before it, its hosts."""

    those: Subtree
    period: Period
    newest: Mapping[int, Scored]
    before: Mapping[int, Scored]
    scores: Mapping[int, OrganisationScore]
    hosts: Mapping[int, Hosts]
    passages: Mapping[int, Sequence[Passage]]

    def score(self, owner: int) -> OrganisationScore | None:
        """Return the unit's newest score in the period, if there is any."""
        return self.scores[self.newest[owner].number] if owner in self.newest else None

    def score_before(self, owner: int) -> OrganisationScore | None:
        """Return the unit's last score before the period, if there is any."""
        return self.scores[self.before[owner].number] if owner in self.before else None


def unit_of(organisation: Organisation) -> Unit:
    """Return how a unit is named."""
    return Unit(organisation.slug, organisation.name_zh, organisation.name_en)


def is_adequate(score: OrganisationScore | None) -> bool:
    """Tell whether enough was inspected for a comparison: a score with a grade that is not provisional."""
    return score is not None and score.value is not None and score.grade is not None and not score.provisional


def unit_rows(known: Standings) -> list[UnitRow]:
    """Return every unit, not ranked yet."""
    return [_row(known, owner) for owner in known.those.units]


def ranked(rows: Iterable[UnitRow]) -> tuple[UnitRow, ...]:
    """Return those that may be ranked, best first; equal scores, as shown with one decimal, share a rank."""
    comparable = (row for row in rows if row.unranked is None)
    ordered = sorted(comparable, key=lambda row: (-_shown(row.ranked_by), row.unit.slug))
    better = Counter(_shown(row.ranked_by) for row in ordered)
    places: dict[float, int] = {}
    for value in sorted(better, reverse=True):
        places[value] = 1 + sum(number for other, number in better.items() if other > value)
    return tuple(replace(row, rank=places[_shown(row.ranked_by)]) for row in ordered)


def others(rows: Iterable[UnitRow]) -> tuple[UnitRow, ...]:
    """Return those that can't be ranked, by reason and name."""
    reasons = list(Unranked)
    listed = [(row.unranked, row) for row in rows if row.unranked is not None]
    listed.sort(key=lambda pair: (reasons.index(pair[0]), pair[1].unit.slug))
    return tuple(row for _, row in listed)


def without_possible(score: OrganisationScore) -> float | None:
    """Return the score as it would be without what is merely possible, which never sets a ceiling."""
    hint = CONFIDENCE_FACTOR[Confidence.POSSIBLE]
    hosts = [host if all(term.confidence != hint for term in host.terms) else _sure(host) for host in score.hosts]
    return score_organisation(hosts, score.coverage).value


def _sure(host: HostScore) -> HostScore:
    hint = CONFIDENCE_FACTOR[Confidence.POSSIBLE]
    product = 100 * math.prod(1 - term.points / 100 for term in host.terms if term.confidence != hint)
    return replace(host, value=min(product, host.cap.limit) if host.cap else product)


def _row(known: Standings, owner: int) -> UnitRow:
    score, before = known.score(owner), known.score_before(owner)
    passages = [each for each in known.passages.get(owner, ()) if each.life.counts()]
    still_open = [each for each in passages if each.is_open]
    both = compared(before, score) if score and before else None
    hosts = known.hosts.get(owner)
    return UnitRow(
        unit=unit_of(known.those.units[owner]),
        rank=None,
        unranked=_why_not(known, owner, score),
        score=score.value if score else None,
        ranked_by=without_possible(score) if score else None,
        grade=score.grade if score else None,
        change=both[1] - both[0] if both else None,
        inspected=known.newest[owner].finished if owner in known.newest else None,
        coverage=score.coverage if score else None,
        hosts=hosts.all if hosts else None,
        open=len(still_open),
        serious=sum(each.life.severity in SERIOUS for each in still_open),
        overdue=sum(each.overdue for each in still_open),
        progress=progress_of(passages),
    )


def _why_not(known: Standings, owner: int, score: OrganisationScore | None) -> Unranked | None:
    if score is None:
        return Unranked.NOT_INSPECTED if owner in known.those.authorised else Unranked.UNAUTHORISED
    if owner not in known.those.authorised:
        return Unranked.UNAUTHORISED
    if score.value is None:
        return Unranked.NOTHING_SEEN
    if score.provisional:
        return Unranked.LOW_COVERAGE
    return None if is_adequate(score) else Unranked.FEW_HOSTS


def _shown(value: float | None) -> float:
    return round(value or 0.0, 1)
