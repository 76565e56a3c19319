"""How an organisation did over its last rounds: its score, what was open, and how long repairs took.

Everything comes from stored scores and the history of findings.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from scanner.engine.model import Severity
from scanner.remediation.lifecycle import Happened
from scanner.reports.model import Event, Finding, SeverityCount, TrendPoint

ROUNDS = 30
"""Rounds that a trend shows at most."""

_DAY = dt.timedelta(days=1)


class Scored(NamedTuple):
    """A round after which an organisation was scored: the columns :data:`SCORED`."""

    round: int
    finished: dt.datetime | None
    followed: dt.datetime | None
    created: dt.datetime
    value: float | None
    coverage: float

    @property
    def end(self) -> dt.datetime:
        """When what the round saw was known."""
        return self.followed or self.finished or self.created


SCORED = ("round_id", "round__finished", "round__followed", "round__created", "value", "coverage")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time in which a finding was to be fixed; ``end`` None: it still is. ``fixed`` tells that a proof ended it."""

    begin: dt.datetime
    end: dt.datetime | None
    fixed: bool


@dataclass(slots=True)
class _Life:
    """A finding's stretches, and its severity from each moment on."""

    stretches: list[_Stretch] = field(default_factory=list)
    severities: list[tuple[dt.datetime, Severity]] = field(default_factory=list)

    def severity_at(self, moment: dt.datetime) -> Severity:
        return next((weight for at, weight in reversed(self.severities) if at <= moment), self.severities[0][1])


def told_since(scored: Sequence[Scored]) -> dt.datetime:
    """Return the moment from which a trend of these rounds (newest first) tells of repairs.

    The round before the first that is shown only tells what came before; where there is none, all repairs are told of.
    """
    if len(scored) <= ROUNDS:
        return dt.datetime.fromtimestamp(0, dt.UTC)
    return min(each.end for each in scored[: ROUNDS + 1])


def trend_of(
    scored: Sequence[Scored], findings: Iterable[Finding], history: Mapping[int, Sequence[Event]]
) -> tuple[TrendPoint, ...]:
    """Return the last rounds of ``scored`` (newest first), the oldest first; none when there is only one.

    ``history`` holds all events of each finding but those that merely saw it, oldest first.
    """
    if len(scored) < 2:
        return ()
    lives = [_life(each, history.get(each.number, ())) for each in findings]
    rows = scored[ROUNDS::-1]
    ends = [each.end for each in rows]
    points = []
    for row, counts, days in zip(rows, _open(lives, ends), _days(lives, ends), strict=True):
        points.append(
            TrendPoint(
                round=row.round,
                at=row.finished or row.created,
                score=row.value,
                coverage=row.coverage,
                open=counts,
                fixed=len(days),
                median_days=median(days) if days else None,
                longest_days=max(days, default=None),
            )
        )
    return tuple(points[-ROUNDS:])


def _life(finding: Finding, events: Sequence[Event]) -> _Life:
    life = _Life()
    weight = next((each.before for each in events if each.before is not None), finding.severity)
    life.severities.append((finding.first_seen, weight))
    begin: dt.datetime | None = None
    for event in events:
        if event.after is not None:
            life.severities.append((event.at, event.after))
        if event.kind in (Happened.OPENED, Happened.REOPENED, Happened.EXEMPTION_ENDED):
            begin = begin or event.at
        elif begin is not None and event.kind in (Happened.FIXED, Happened.EXEMPTED):
            if event.at > begin:
                life.stretches.append(_Stretch(begin, event.at, event.kind == Happened.FIXED))
            begin = None
    if begin is not None:
        life.stretches.append(_Stretch(begin, None, fixed=False))
    return life


def _open(lives: Iterable[_Life], moments: Sequence[dt.datetime]) -> list[tuple[SeverityCount, ...]]:
    """Return what was open at each of the moments: most of what is open is so at many of them."""
    order = sorted(range(len(moments)), key=moments.__getitem__)
    ordered = [moments[place] for place in order]
    counts = {severity: [0] * len(moments) for severity in reversed(Severity)}
    for life in lives:
        constant = counts[life.severities[0][1]] if len(life.severities) == 1 else None
        for stretch in life.stretches:
            last = len(order) if stretch.end is None else bisect_left(ordered, stretch.end)
            for place in order[bisect_left(ordered, stretch.begin) : last]:
                (constant or counts[life.severity_at(moments[place])])[place] += 1
    return [
        tuple(SeverityCount(severity, each[place], 0) for severity, each in counts.items())
        for place in range(len(moments))
    ]


def _days(lives: Iterable[_Life], moments: Sequence[dt.datetime]) -> list[list[float]]:
    """Return how many days each repair took that was proven up to each of the moments, but not up to the one before.

    Hints are no work.
    """
    since = (dt.datetime.min.replace(tzinfo=dt.UTC), *moments)
    days: list[list[float]] = [[] for _ in moments]
    for life in lives:
        for each in life.stretches:
            if each.fixed and each.end is not None and life.severity_at(each.end) is not Severity.INFO:
                for place, until in enumerate(moments):
                    if since[place] < each.end <= until:
                        days[place].append((each.end - each.begin) / _DAY)
    return days
