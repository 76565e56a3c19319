"""Charts put their marks where the numbers say."""

from __future__ import annotations

from dataclasses import replace

from scanner.engine.model import Severity
from scanner.reports import charts
from scanner.reports.gauges import gauges_of
from scanner.reports.places import Certificate, CertificateUse
from tests.reports.sample import DAY, NOW, UNAUTH, finding, place, trend


def test_a_line_goes_from_edge_to_edge_and_ends_where_a_value_is_missing() -> None:
    drawn = charts.line([0, 100, None, 50, 50], 100, 216, 56)
    assert [(dot.x, dot.y) for dot in drawn.dots] == [(8, 48), (58, 8), (158, 28), (208, 28)]
    assert drawn.paths == ("8.0,48.0 58.0,8.0", "158.0,28.0 208.0,28.0")
    assert [dot.last for dot in drawn.dots] == [False, False, False, True]
    assert (drawn.first, drawn.last, drawn.most) == (0, 50, 100)


def test_a_trend_of_nothing_is_no_chart_and_hints_are_in_none() -> None:
    assert charts.trend_charts(()) is None
    drawn = charts.trend_charts(trend(80))
    assert drawn is not None
    assert [severity for severity, _ in drawn.open] == [each for each in reversed(Severity) if each != "info"]
    assert len(drawn.fixing) == sum(point.fixed > 0 for point in trend(80))
    assert all(bar.whisker <= bar.y for bar in drawn.fixing)


def test_certificates_stand_on_their_day_and_the_others_are_counted() -> None:
    days = (-3, 0, 7, 7, 89, 90, 400)
    uses = [CertificateUse(Certificate(f"CN={n}", "CA", NOW + day * DAY), ()) for n, day in enumerate(days)]
    drawn = charts.timeline(uses, NOW)
    assert (drawn.expired, drawn.soon, drawn.later) == (1, 4, 2)
    assert [bar.value for bar in drawn.bars] == [1, 2, 1]
    assert drawn.bars[1].height > drawn.bars[0].height
    assert drawn.bars[1].x > drawn.marks[0][1]


def test_a_gauge_is_full_at_the_deadline_and_shows_what_is_beyond_it() -> None:
    where = place("192.0.2.1", 6379)
    half = finding(1, UNAUTH, where, reported=NOW - DAY, deadline=NOW + DAY)
    late = replace(half, number=2, reported=NOW - 4 * DAY, deadline=NOW - 3 * DAY, overdue=True)
    none = replace(half, number=3, reported=None, deadline=None)
    (gauge, *_) = gauges_of([half, none], NOW)
    assert (gauge.used, charts.gauge_length(gauge)) == (0.5, 50)
    (gauge, *_) = gauges_of([half, late], NOW)
    assert (gauge.used, gauge.overdue, charts.gauge_length(gauge)) == (4, 1, charts.GAUGE_WIDTH)
    (gauge, *others) = gauges_of([none], NOW)
    assert (gauge.open, gauge.used, charts.gauge_length(gauge)) == (1, None, 0)
    assert all(other.open == 0 for other in others)
