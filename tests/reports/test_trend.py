"""A trend tells the same, whether or not it is given what was fixed before its first round."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.remediation.lifecycle import Happened, State
from scanner.reports.model import Event, Finding
from scanner.reports.trend import ROUNDS, Scored, told_since, trend_of
from tests.reports.sample import DAY, NOW, UNAUTH, finding, place


def a_finding(number: int, hours: list[int]) -> Finding:
    """A finding that was opened, fixed, reopened, … at these hours before now."""
    moments = [NOW - dt.timedelta(hours=each) for each in sorted(hours, reverse=True)]
    kinds = [Happened.OPENED, *([Happened.FIXED, Happened.REOPENED] * len(moments))]
    events = tuple(Event(kind, at, number, None, None) for kind, at in zip(kinds, moments, strict=False))
    is_fixed = events[-1].kind == Happened.FIXED
    seen = finding(number, UNAUTH, place("192.0.2.10", 6379))
    return replace(
        seen,
        state=State.FIXED if is_fixed else State.OPEN,
        fixed=moments[-1] if is_fixed else None,
        first_seen=moments[0],
        history=events,
    )


def a_round(number: int, late: int) -> Scored:
    """The round of the day so many days ago, followed so many hours late."""
    finished = NOW - number * DAY
    return Scored(1000 - number, finished, finished + dt.timedelta(hours=late), finished, 80.0, 1.0)


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=ROUNDS + 5),
    st.lists(st.lists(st.integers(0, 24 * 40), min_size=1, max_size=5, unique=True), max_size=8),
)
@settings(max_examples=60)
def test_what_was_fixed_before_the_first_round_of_a_trend_changes_nothing_of_it(
    late: list[int], lives: list[list[int]]
) -> None:
    scored = [a_round(number, hours) for number, hours in enumerate(late)]
    findings = [a_finding(number, hours) for number, hours in enumerate(lives, 1)]
    since = told_since(scored)
    told = [each for each in findings if each.fixed is None or each.fixed >= since]
    history = {each.number: each.history for each in findings}
    assert trend_of(scored, told, history) == trend_of(scored, findings, history)
