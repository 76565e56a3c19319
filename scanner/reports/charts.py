"""Where the marks of a chart lie. Pure arithmetic: the templates draw them, and show the same as a table.

A chart has its origin at the top left; lengths are in units of its own ``viewBox``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scanner.engine.model import Severity
from scanner.reports.model import Gauge, TrendPoint
from scanner.reports.places import CertificateUse

WIDTH = 640
LINE_HEIGHT = 120
SMALL_WIDTH, SMALL_HEIGHT = 200, 56
BAR_HEIGHT = 100
DAYS_AHEAD = 90
GAUGE_WIDTH = 150
"""A gauge's length; its deadline is at 100, so that what is overdue shows up to half the time again."""

_EDGE = 8.0
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a line; ``last`` marks the newest."""

    x: float
    y: float
    last: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Values in a row. A path ends where a value is missing, and the next begins after it."""

    paths: tuple[str, ...]
    dots: tuple[Dot, ...]
    first: float | None
    last: float | None
    most: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from the bottom; ``whisker`` is where a line above it ends, at the same x."""

    x: float
    width: float
    y: float
    height: float
    whisker: float
    value: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The charts of a trend: the score, what was open of each severity, and how many days repairs took."""

    score: Line
    open: tuple[tuple[Severity, Line], ...]
    fixing: tuple[Bar, ...]
    longest: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Certificates by the day on which they expire, within :data:`DAYS_AHEAD`; the others are counted."""

    bars: tuple[Bar, ...]
    marks: tuple[tuple[int, float], ...]
    soon: int
    expired: int
    later: int


def line(values: Sequence[float | None], top: float, width: float, height: float) -> Line:
    """Return a line from left to right through ``values``, of which ``top`` reaches the upper edge."""
    step = (width - 2 * _EDGE) / max(1, len(values) - 1)
    paths: list[list[str]] = [[]]
    dots = []
    for place, value in enumerate(values):
        if value is None:
            paths.append([])
            continue
        x, y = _EDGE + place * step, _EDGE + (height - 2 * _EDGE) * (1 - (value / top if top else 0))
        paths[-1].append(f"{x:.1f},{y:.1f}")
        dots.append(Dot(x, y, last=place == len(values) - 1))
    known = [value for value in values if value is not None]
    return Line(
        tuple(" ".join(points) for points in paths if len(points) > 1),
        tuple(dots),
        values[0] if values else None,
        values[-1] if values else None,
        max(known, default=0),
    )


def trend_charts(points: Sequence[TrendPoint]) -> Trend | None:
    """Return the charts of a trend; None when there is none."""
    if not points:
        return None
    rows = {
        severity: [next(each.open for each in point.open if each.severity is severity) for point in points]
        for severity in reversed(Severity)
        if severity is not Severity.INFO
    }
    longest = max((point.longest_days or 0 for point in points), default=0)
    return Trend(
        score=line([point.score for point in points], 100, WIDTH, LINE_HEIGHT),
        open=tuple(
            (severity, line(counts, max(1, *counts), SMALL_WIDTH, SMALL_HEIGHT)) for severity, counts in rows.items()
        ),
        fixing=tuple(_fixing(points, longest)),
        longest=longest,
    )


def timeline(certificates: Iterable[CertificateUse], now: datetime) -> Timeline:
    """Return when certificates expire, counted from ``now``."""
    ends = [each.certificate.not_after for each in certificates]
    days = Counter((end - now) // _DAY for end in ends if now <= end < now + DAYS_AHEAD * _DAY)
    most = max(days.values(), default=1)
    step = WIDTH / DAYS_AHEAD
    return Timeline(
        bars=tuple(_bar(day * step + 1, step - 2, count / most, 0, count) for day, count in sorted(days.items())),
        marks=tuple((day, day * step) for day in (7, 14, 30)),
        soon=days.total(),
        expired=sum(end < now for end in ends),
        later=sum(end >= now + DAYS_AHEAD * _DAY for end in ends),
    )


def gauge_length(gauge: Gauge) -> float:
    """Return how far a gauge is filled, of :data:`GAUGE_WIDTH`."""
    return 0 if gauge.used is None else min(GAUGE_WIDTH, max(0.0, 100 * gauge.used))


def _fixing(points: Sequence[TrendPoint], longest: float) -> Iterable[Bar]:
    step = (WIDTH - 2 * _EDGE) / len(points)
    for place, point in enumerate(points):
        if point.median_days is not None and longest:
            x = _EDGE + place * step
            width = min(step * 0.6, 24)
            whisker = (point.longest_days or 0) / longest
            yield _bar(x + (step - width) / 2, width, point.median_days / longest, whisker, point.median_days)


def _bar(x: float, width: float, share: float, whisker: float, value: float) -> Bar:
    """Return a bar of ``share`` (0 to 1) of the height, never so low that it can't be seen."""
    height = max(2.0, share * (BAR_HEIGHT - 2 * _EDGE))
    bottom = BAR_HEIGHT - _EDGE
    return Bar(x, width, bottom - height, height, bottom - max(height, whisker * (BAR_HEIGHT - 2 * _EDGE)), value)
