"""The life of a finding: not seen is not fixed, and the same look taken twice changes nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.model import Confidence, Severity
from scanner.remediation.lifecycle import (
    SAME_LIFE,
    Claimed,
    Exempt,
    Ground,
    Happened,
    Look,
    Observation,
    Standing,
    State,
    age,
    deadline,
    follow,
    terms_of,
)
from scanner.remediation.score import Age
from tests.days import last_second

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


def seen(number: float, severity: Severity = Severity.HIGH, confidence: Confidence = Confidence.CONFIRMED) -> Look:
    return Look(Observation.SEEN, day(number), severity, confidence)


def not_seen(number: float) -> Look:
    return Look(Observation.NOT_SEEN, day(number))


def not_inspected(number: float) -> Look:
    return Look(Observation.NOT_INSPECTED, day(number))


def live(*looks: Look) -> tuple[Standing, tuple[Happened, ...]]:
    """Follow the looks from nothing; return the end and what happened last."""
    standing: Standing | None = None
    happened: tuple[Happened, ...] = ()
    for look in looks:
        standing, happened = follow(standing, look)
    assert standing is not None
    return standing, happened


def test_a_finding_opens_when_it_is_seen() -> None:
    standing, happened = live(seen(0))
    assert (standing.state, standing.first_seen, happened) == (State.OPEN, day(0), (Happened.OPENED,))


@pytest.mark.parametrize("look", [not_seen(0), not_inspected(0)])
def test_nothing_begins_with_not_being_seen(look: Look) -> None:
    assert follow(None, look) == (None, ())


def test_a_covered_absence_fixes() -> None:
    standing, happened = live(seen(0), not_seen(1))
    assert (standing.state, standing.fixed, happened) == (State.FIXED, day(1), (Happened.FIXED,))


def test_a_round_that_could_not_look_changes_nothing() -> None:
    before, _ = live(seen(0))
    after, happened = follow(before, not_inspected(1))
    assert after == before
    assert happened == (Happened.NOT_INSPECTED,)


def test_coming_back_within_ninety_days_is_a_recurrence_of_the_same_life() -> None:
    standing, happened = live(seen(0), not_seen(10), seen(100))
    assert (standing.state, standing.first_seen, standing.recurrences) == (State.OPEN, day(0), 1)
    assert standing.fixed is None
    assert Happened.REOPENED in happened


def test_coming_back_later_begins_a_new_life() -> None:
    standing, happened = live(seen(0), not_seen(10), seen(101))
    assert (standing.state, standing.first_seen, standing.recurrences) == (State.OPEN, day(101), 0)
    assert Happened.REOPENED in happened


def test_a_claim_is_refuted_by_seeing_it_and_confirmed_by_its_absence() -> None:
    claimed = replace(live(seen(0))[0], situation=Claimed(day(0.5)))
    refuted, happened = follow(claimed, seen(1))
    assert refuted is not None
    assert (refuted.state, happened) == (State.OPEN, (Happened.CLAIM_REFUTED,))
    confirmed, _ = follow(claimed, not_seen(1))
    assert confirmed is not None
    assert confirmed.state is State.FIXED


@pytest.mark.parametrize("ground", Ground)
@pytest.mark.parametrize("look", [seen(1), not_seen(1), not_inspected(1)])
def test_what_a_person_decided_stays(ground: Ground, look: Look) -> None:
    after, _ = follow(replace(live(seen(0))[0], situation=Exempt(ground, day(100))), look)
    assert after is not None
    assert after.state is State(ground)


def test_a_changed_severity_is_an_event_of_the_same_finding() -> None:
    standing, happened = live(seen(0, Severity.MEDIUM), seen(1, Severity.HIGH, Confidence.PROBABLE))
    assert happened == (Happened.SEEN, Happened.CHANGED)
    assert (standing.severity, standing.confidence, standing.first_seen) == (
        Severity.HIGH,
        Confidence.PROBABLE,
        day(0),
    )


def test_an_older_look_that_arrives_late_changes_nothing() -> None:
    before, _ = live(seen(5))
    assert follow(before, not_seen(4)) == (before, ())


@pytest.mark.parametrize(
    ("severity", "days", "key_days"),
    [(Severity.CRITICAL, 3, 1.5), (Severity.HIGH, 7, 3.5), (Severity.MEDIUM, 30, 15), (Severity.LOW, 90, 45)],
)
def test_deadlines_run_from_the_report_and_are_halved_for_key_targets(
    severity: Severity, days: float, key_days: float
) -> None:
    assert deadline(day(0), severity, key_target=False) == last_second(day(days))
    assert deadline(day(0), severity, key_target=True) == last_second(day(key_days))


@pytest.mark.parametrize(
    ("zone", "told", "due"),
    [
        ("Asia/Shanghai", "2026-11-26T10:23:45+08:00", "2026-11-29T23:59:59+08:00"),
        ("Asia/Shanghai", "2026-11-26T23:30:00+00:00", "2026-11-30T23:59:59+08:00"),
        ("Europe/Berlin", "2026-10-22T00:00:00+02:00", "2026-10-25T23:59:59+01:00"),
        ("America/Santiago", "2026-09-02T12:00:00-04:00", "2026-09-05T23:59:59-04:00"),
        ("America/Santiago", "2027-04-01T12:00:00-03:00", "2027-04-04T23:59:59-04:00"),
    ],
)
def test_a_deadline_is_the_end_of_a_day_where_the_organisation_is(zone: str, told: str, due: str) -> None:
    """Also on days of which the clocks make more or less."""
    terms = terms_of({}, ZoneInfo(zone))
    moment = deadline(dt.datetime.fromisoformat(told), Severity.CRITICAL, key_target=False, terms=terms)
    assert moment == dt.datetime.fromisoformat(due)


def test_a_hint_has_no_deadline() -> None:
    assert deadline(day(0), Severity.INFO, key_target=False) is None


@pytest.mark.parametrize(
    ("now", "expected"), [(7, Age.IN_TIME), (7.1, Age.OVERDUE), (14, Age.OVERDUE), (14.1, Age.LONG_OVERDUE)]
)
def test_age_is_measured_against_the_deadline(now: float, expected: Age) -> None:
    assert age(day(0), day(7), day(now)) is expected
    assert age(day(0), None, day(now)) is Age.IN_TIME


looks = st.builds(
    Look,
    observation=st.sampled_from(Observation),
    when=st.integers(0, 400).map(day),
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    key_target=st.booleans(),
)
histories = st.lists(looks, max_size=25)


def states(history: list[Look]) -> list[Standing | None]:
    standing: Standing | None = None
    passed: list[Standing | None] = []
    for look in history:
        standing, _ = follow(standing, look)
        passed.append(standing)
    return passed


@given(histories)
def test_only_a_proven_absence_ever_fixes(history: list[Look]) -> None:
    before: Standing | None = None
    for look, after in zip(history, states(history), strict=True):
        newly = after is not None and after.state is State.FIXED and (before is None or before.state is not State.FIXED)
        if newly:
            assert look.observation is Observation.NOT_SEEN
            assert before is not None
            assert look.when > before.last_inspected
        before = after


@given(histories)
def test_the_same_look_twice_is_the_same_as_once(history: list[Look]) -> None:
    assert states([look for look in history for _ in range(2)])[1::2] == states(history)


@given(histories)
def test_a_finding_once_known_is_never_lost_and_its_dates_never_run_backwards(history: list[Look]) -> None:
    before: Standing | None = None
    for after in states(history):
        if before is not None:
            assert after is not None
            assert before.first_seen <= after.first_seen <= after.last_seen <= after.last_inspected
            assert before.last_seen <= after.last_seen
            assert before.recurrences <= after.recurrences or before.first_seen < after.first_seen
        before = after


@given(histories)
def test_first_seen_moves_only_when_it_was_gone_for_long(history: list[Look]) -> None:
    before: Standing | None = None
    for look, after in zip(history, states(history), strict=True):
        if before is not None and after is not None and before.first_seen != after.first_seen:
            assert before.fixed is not None
            assert look.when - before.fixed > SAME_LIFE
        before = after


@given(histories)
def test_fixed_has_a_time_exactly_while_it_is_fixed(history: list[Look]) -> None:
    assert all((each.state is State.FIXED) == (each.fixed is not None) for each in states(history) if each)
