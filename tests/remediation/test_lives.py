"""Random lives of a finding: looks, claims, exemptions and reports, in any order, repeated and late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.model import Confidence, Severity
from scanner.remediation.lifecycle import (
    ALLOWED,
    EXEMPT,
    SAME_LIFE,
    Act,
    Claimed,
    Exempt,
    Fixed,
    Ground,
    Happened,
    Look,
    Observation,
    Standing,
    State,
    claim,
    end_exemption,
    exempt,
    follow,
    report,
    terms_of,
)
from tests.days import last_second

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


@dataclass(frozen=True)
class Claims:
    when: dt.datetime


@dataclass(frozen=True)
class Exempts:
    ground: Ground
    until: dt.datetime


@dataclass(frozen=True)
class Ends:
    """The exemption ends, by time or by a person."""


@dataclass(frozen=True)
class Reports:
    when: dt.datetime


Event = Look | Claims | Exempts | Ends | Reports


@dataclass(frozen=True)
class Passed:
    event: Event
    before: Standing | None
    after: Standing | None
    happened: tuple[Happened, ...]


def step(standing: Standing | None, event: Event) -> tuple[Standing | None, tuple[Happened, ...]]:
    if isinstance(event, Look):
        return follow(standing, event)
    return (None, ()) if standing is None else _act(standing, event)


def _act(standing: Standing, event: Claims | Exempts | Ends | Reports) -> Act:
    match event:
        case Claims(when=when):
            return claim(standing, when)
        case Exempts(ground=ground, until=until):
            return exempt(standing, ground, until)
        case Ends():
            return end_exemption(standing)
        case Reports(when=when):
            return report(standing, when), ()


def live(events: Sequence[Event]) -> list[Passed]:
    standing: Standing | None = None
    passed = []
    for event in events:
        after, happened = step(standing, event)
        passed.append(Passed(event, standing, after, happened))
        standing = after
    return passed


def end(events: Sequence[Event]) -> Standing | None:
    passed = live(events)
    return passed[-1].after if passed else None


_KINDS = (Look, Look, Look, Reports, Claims, Exempts, Ends)
_OBSERVED = (Observation.SEEN, *Observation)
_PAUSES = (1, 2, 20, 60, 91, 120)
_drawn = st.lists(
    st.tuples(
        st.sampled_from(_KINDS),
        st.sampled_from(_OBSERVED),
        st.sampled_from(Severity),
        st.booleans(),
        st.sampled_from(_PAUSES),
    ),
    min_size=1,
    max_size=14,
)


def histories() -> st.SearchStrategy[list[Event]]:
    """Events in the order of time, whole days apart, with pauses in which a life may end."""
    return _drawn.map(_history)


def _history(drawn: list[tuple[type, Observation, Severity, bool, int]]) -> list[Event]:
    now, events = 0, list[Event]()
    for kind, observation, severity, flag, pause in drawn:
        if kind is Look:
            confidence = Confidence.CONFIRMED if flag else Confidence.POSSIBLE
            events.append(Look(observation, day(now), severity, confidence, flag, began=day(now - 0.5)))
        elif kind is Exempts:
            events.append(Exempts(Ground.ACCEPTED if flag else Ground.FALSE_POSITIVE, day(now + 30)))
        elif kind is Ends:
            events.append(Ends())
        else:
            events.append(Reports(day(now)) if kind is Reports else Claims(day(now)))
        now += pause
    return events


@given(histories())
def test_only_a_proven_absence_closes(events: list[Event]) -> None:
    for each in live(events):
        if each.after is not None and each.before is not None and each.after.fixed and not each.before.fixed:
            proof = isinstance(each.event, Look) and each.event.observation is Observation.NOT_SEEN
            held = each.before.situation
            assert proof or (isinstance(held, Exempt) and held.gone == each.after.fixed)


@given(histories())
def test_what_is_exempt_changes_its_state_only_when_that_is_said_to_have_ended(events: list[Event]) -> None:
    for each in live(events):
        if each.before is not None and each.before.state in EXEMPT:
            assert each.after is not None
            assert (each.after.state is each.before.state) == (Happened.EXEMPTION_ENDED not in each.happened)
            assert (each.after.state is State.FIXED) == (Happened.FIXED in each.happened)


@given(histories())
def test_an_exemption_ends_as_fixed_exactly_when_the_last_look_that_could_tell_did_not_see_it(
    events: list[Event],
) -> None:
    told = [each for each in live(events) if each.before is not None]
    last = Observation.SEEN
    for each in told:
        if isinstance(each.event, Ends) and each.before is not None and each.before.state in EXEMPT:
            assert each.after is not None
            assert (each.after.state is State.FIXED) == (last is Observation.NOT_SEEN)
        if isinstance(each.event, Look) and each.event.observation is not Observation.NOT_INSPECTED:
            last = each.event.observation


@given(histories())
def test_first_seen_and_recurrences_stand_within_a_life(events: list[Event]) -> None:
    for each in live(events):
        if each.before is None or each.after is None:
            continue
        if each.after.first_seen != each.before.first_seen:
            assert isinstance(each.before.situation, Fixed)
            assert each.after.last_seen - each.before.situation.at > SAME_LIFE
            assert (each.after.recurrences, each.after.told) == (0, None)
        else:
            assert each.after.recurrences - each.before.recurrences == (Happened.REOPENED in each.happened)


@given(histories())
def test_a_claim_ends_only_by_a_look_that_began_after_it_or_by_a_decision(events: list[Event]) -> None:
    for each in live(events):
        if each.before is not None and isinstance(each.before.situation, Claimed):
            assert each.after is not None
            if each.after.state is State.OPEN:
                assert each.happened[0] is Happened.CLAIM_REFUTED
                assert isinstance(each.event, Look)
                assert each.event.began is not None
                assert each.event.began > each.before.situation.since


@given(histories())
def test_the_deadline_never_moves_earlier_but_for_what_got_worse(events: list[Event]) -> None:
    worst: tuple[dt.datetime, int, bool] | None = None
    for each in live(events):
        after = each.after
        if after is None or after.first_seen != (each.before or after).first_seen:
            worst = None
        if after is None or after.deadline is None:
            continue
        if worst is not None and after.deadline < worst[0]:
            assert after.severity.rank > worst[1] or (after.key_target and not worst[2])
        worst = after.deadline, after.severity.rank, after.key_target


@given(histories())
def test_every_deadline_leaves_at_least_what_is_allowed_from_a_report(events: list[Event]) -> None:
    reports = [each.when for each in events if isinstance(each, Reports)]
    for each in live(events):
        after = each.after
        if after is not None and after.deadline is not None:
            assert after.told is not None
            assert after.told.at in reports
            assert after.deadline - after.told.at >= ALLOWED[after.severity] / 2


@given(histories(), st.data())
def test_repeated_and_late_deliveries_change_nothing(events: list[Event], data: st.DataObject) -> None:
    delivered: list[Event] = []
    standing: Standing | None = None
    for event in events:
        standing, _ = step(standing, event)
        delivered.append(event)
        looks = [each for each in delivered if isinstance(each, Look)]
        if standing is not None and looks:
            late = data.draw(st.sampled_from(looks))
            again, happened = follow(standing, late)
            assert again == standing
            assert set(happened) <= {Happened.NOT_INSPECTED}
    assert standing == end(events)


@given(histories())
def test_every_event_twice_is_as_once(events: list[Event]) -> None:
    assert end([event for event in events for _ in range(2)]) == end(events)


@given(histories())
def test_looks_that_could_not_tell_make_no_difference_to_how_it_stands(events: list[Event]) -> None:
    def tells(event: Event) -> bool:
        return not (isinstance(event, Look) and event.observation is Observation.NOT_INSPECTED)

    assert end([event for event in events if tells(event)]) == end(events)


@given(histories(), st.integers(0, 400))
def test_what_was_missed_before_a_life_began_is_no_part_of_it(events: list[Event], number: int) -> None:
    first = next((at for at, each in enumerate(live(events)) if each.after is not None), len(events))
    unseen = Look(Observation.NOT_SEEN, day(number))
    assert end([unseen, *events[first:]]) == end(events[first:])


@given(histories())
def test_dates_never_run_backwards(events: list[Event]) -> None:
    for before, after in pairwise(each.after for each in live(events)):
        if before is not None and after is not None:
            assert before.first_seen <= after.first_seen <= after.last_seen <= after.last_inspected
            assert before.last_inspected <= after.last_inspected


def seen(number: float, severity: Severity = Severity.HIGH, *, key: bool = False) -> Look:
    return Look(Observation.SEEN, day(number), severity, Confidence.CONFIRMED, key)


def not_seen(number: float) -> Look:
    return Look(Observation.NOT_SEEN, day(number))


def due(*events: Event) -> dt.datetime | None:
    standing = end(events)
    assert standing is not None
    return standing.deadline


def test_time_to_fix_runs_from_the_first_report() -> None:
    assert due(seen(0)) is None
    assert due(seen(0), Reports(day(1)), seen(2), Reports(day(3))) == last_second(day(8))


def test_what_got_worse_is_due_sooner_but_never_before_anybody_could_know() -> None:
    assert due(seen(0, Severity.MEDIUM), Reports(day(0)), seen(10, Severity.CRITICAL)) == last_second(day(13))
    assert due(seen(0), Reports(day(0)), seen(1, key=True)) == last_second(day(4.5))


def test_what_got_worse_late_is_not_put_off() -> None:
    assert due(seen(0, Severity.MEDIUM), Reports(day(0)), seen(29, Severity.CRITICAL)) == last_second(day(30))
    assert due(seen(0, Severity.MEDIUM), Reports(day(0)), seen(40, Severity.CRITICAL)) == last_second(day(30)), (
        "overdue before"
    )


def test_what_got_better_may_take_longer() -> None:
    assert due(seen(0, Severity.HIGH), Reports(day(0)), seen(1, Severity.LOW)) == last_second(day(90))


def test_a_hint_that_became_more_is_due_from_the_report_that_says_so() -> None:
    assert due(seen(0, Severity.INFO), Reports(day(0)), seen(50, Severity.HIGH)) is None
    assert due(seen(0, Severity.INFO), Reports(day(0)), seen(50, Severity.HIGH), Reports(day(51))) == last_second(
        day(58)
    )


def test_what_came_back_is_due_from_the_report_that_says_so() -> None:
    back: list[Event] = [seen(0), Reports(day(0)), not_seen(5), seen(20)]
    assert due(*back) is None
    assert due(*back, Reports(day(21))) == last_second(day(28))


def test_a_plan_may_allow_other_times() -> None:
    terms = terms_of({"high": 2, "info": 1}, ZoneInfo("UTC"))
    standing, _ = follow(None, seen(0))
    assert standing is not None
    assert report(standing, day(0), terms).deadline == last_second(day(2))
    hint, _ = follow(None, seen(0, Severity.INFO))
    assert hint is not None
    assert report(hint, day(0), terms).deadline is None


def test_a_stricter_plan_does_not_shorten_a_time_that_runs_already() -> None:
    standing = end([seen(0, Severity.HIGH), Reports(day(0))])
    strict = terms_of({"low": 1}, ZoneInfo("UTC"))
    after, _ = follow(standing, seen(1, Severity.LOW), strict)
    assert after is not None
    assert after.deadline == last_second(day(7))
