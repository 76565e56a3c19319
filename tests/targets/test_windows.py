"""Blackout windows are read as operators write them and hold over midnight, week ends and both clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from targets.windows import HORIZON, WEEKDAYS, WindowError, open_again, parse_windows, spans_between

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE = timedelta(minutes=1)


def local(text: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def ends(texts: list[str], text: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> str:
    """The local time at which the blackout that holds at a local time ends; empty when none holds."""
    end = open_again(parse_windows(texts), local(text, zone, fold), zone)
    return end.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if end else ""


@pytest.mark.parametrize(
    ("window", "moment", "end"),
    [
        ("Mon-Fri 08:00-18:00", "2026-10-02T07:59", ""),
        ("Mon-Fri 08:00-18:00", "2026-10-02T08:00", "2026-10-02T18:00"),
        ("Mon-Fri 08:00-18:00", "2026-10-02T18:00", ""),
        ("Mon-Fri 08:00-18:00", "2026-10-03T12:00", ""),
        ("Fri-Mon 08:00-18:00", "2026-10-04T12:00", "2026-10-04T18:00"),
        ("daily 23:30-01:00", "2026-10-02T23:45", "2026-10-03T01:00"),
        ("daily 23:30-01:00", "2026-10-03T00:59", "2026-10-03T01:00"),
        ("Fri 23:30-01:00", "2026-10-03T00:59", "2026-10-03T01:00"),
        ("Fri 23:30-01:00", "2026-10-04T00:59", ""),
        ("Sat 22:00-Mon 06:00", "2026-10-04T12:00", "2026-10-05T06:00"),
        ("Sat 22:00-Mon 06:00", "2026-10-05T05:59", "2026-10-05T06:00"),
        ("Sat 22:00-Mon 06:00", "2026-10-03T21:59", ""),
        ("Mon 08:00-Mon 06:00", "2026-10-04T12:00", "2026-10-05T06:00"),
        ("Mon,Wed,Fri 12:00-13:00", "2026-10-01T12:30", ""),
        ("Mon,Wed,Fri 12:00-13:00", "2026-10-02T12:30", "2026-10-02T13:00"),
        ("Mon-Wed,Sat 00:00-24:00", "2026-10-03T12:30", "2026-10-04T00:00"),
        ("2026-10-01/2026-10-08", "2026-09-30T23:59", ""),
        ("2026-10-01/2026-10-08", "2026-10-01T00:00", "2026-10-08T00:00"),
        ("2026-10-01T08:00/2026-10-07T20:00", "2026-10-07T19:59", "2026-10-07T20:00"),
        ("2026-10-01T08:00/2026-10-07T20:00", "2026-10-07T20:00", ""),
    ],
)
def test_a_window_holds_from_its_begin_up_to_its_end(window: str, moment: str, end: str) -> None:
    assert ends([window], moment) == end


def test_adjoining_and_overlapping_windows_are_followed_to_the_true_end() -> None:
    windows = ["Fri 20:00-24:00", "Sat 00:00-08:00", "Sat 07:00-Sun 03:00", "2026-10-04/2026-10-05T12:00"]

    assert ends(windows, "2026-10-02T21:00") == "2026-10-05T12:00"


def test_windows_that_never_end_are_refused() -> None:
    with pytest.raises(WindowError, match="'daily 00:00-12:00', 'daily 12:00-24:00': this blackout never ends"):
        parse_windows(["daily 00:00-12:00", "daily 12:00-24:00"])
    with pytest.raises(WindowError, match="never ends"):
        parse_windows(["Mon 06:00-Mon 06:00"])


def test_what_together_never_ends_is_followed_for_a_year() -> None:
    windows = parse_windows(["daily 00:00-12:00"]) + parse_windows(["daily 12:00-24:00"])
    moment = local("2026-10-02T21:00")

    end = open_again(windows, moment, SHANGHAI)

    assert end is not None
    assert HORIZON <= end - moment <= HORIZON + timedelta(days=1)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("mon - fri  8:00 - 18:00", "Mon-Fri 08:00-18:00"),
        ("DAILY 23:30-01:00", "daily 23:30-01:00"),
        ("sat 22:00 - mon 6:00", "Sat 22:00-Mon 06:00"),
        ("Mon, Wed, Fri 12:00-13:00", "Mon,Wed,Fri 12:00-13:00"),
        ("2026-10-01 / 2026-10-08T06:00", "2026-10-01/2026-10-08T06:00"),
    ],
)
def test_a_window_has_one_form_that_reads_back_as_itself(written: str, canonical: str) -> None:
    (window,) = parse_windows([written])

    assert window.text == canonical
    assert parse_windows([window.text]) == (window,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no blackout window; write one such as 'Mon-Fri 08:00-18:00'"),
        ("at night", "is no blackout window"),
        ("Mon-Fri 08:00", "is no blackout window"),
        ("Mon-Tue-Wed 08:00-09:00", "is no blackout window"),
        ("1-5 08:00-18:00", "is no blackout window"),
        ("08:00-18:00", "is no blackout window"),
        ("daily 08:00-08:00", "a whole day is written 00:00-24:00"),
        ("daily 24:00-08:00", "write 00:00 of the next one"),
        ("daily 08:00-24:30", "a day ends at 24:00"),
        ("daily 08:60-09:00", "is no blackout window"),
        ("2026-10-08/2026-10-01", "ends before it begins"),
        ("2026-10-08/2026-10-08", "the first day, or minute, that is free again"),
        ("2026-02-30/2026-03-01", "does not exist"),
        ("2026-02-28/2026-03-01T25:00", "does not exist"),
        ("2026-10-01/9999-12-31", "years go from 2000 to 2999"),
        ("2026-10-01T08:00Z/2026-10-07T20:00Z", "is no blackout window"),
    ],
)
def test_what_is_no_window_is_refused_with_the_right_form(text: str, told: str) -> None:
    with pytest.raises(WindowError, match=told) as caught:
        parse_windows([text])

    assert repr(text) in str(caught.value)


class TestWhenClocksGoForward:
    """2026-03-29 in Berlin: 01:59:59 is followed by 03:00."""

    def test_a_window_over_the_change_ends_when_its_clock_says(self) -> None:
        assert ends(["daily 01:00-04:00"], "2026-03-29T01:30", BERLIN) == "2026-03-29T04:00"

    def test_a_window_in_the_hour_that_is_skipped_blocks_what_it_may_mean_before_and_after_the_change(self) -> None:
        window = ["daily 02:15-02:45"]

        assert ends(window, "2026-03-29T01:10", BERLIN) == ""
        assert ends(window, "2026-03-29T01:20", BERLIN) == "2026-03-29T03:45"
        assert ends(window, "2026-03-29T03:20", BERLIN) == "2026-03-29T03:45"
        assert ends(window, "2026-03-28T02:20", BERLIN) == "2026-03-28T02:45"


class TestWhenClocksGoBack:
    """2026-10-25 in Berlin: 02:59:59 is followed by 02:00."""

    @pytest.mark.parametrize("fold", [0, 1])
    def test_a_window_in_the_hour_that_exists_twice_holds_from_the_first_time_to_the_second(self, fold: int) -> None:
        end = open_again(parse_windows(["daily 02:15-02:45"]), local("2026-10-25T02:30", BERLIN, fold), BERLIN)

        assert end == local("2026-10-25T02:45", BERLIN, fold=1)

    def test_between_both_times_it_holds_as_well(self) -> None:
        assert ends(["daily 02:15-02:45"], "2026-10-25T02:50", BERLIN, fold=0) == "2026-10-25T02:45"
        assert ends(["daily 02:15-02:45"], "2026-10-25T02:50", BERLIN, fold=1) == ""


def test_a_day_that_a_country_skipped_blocks_what_it_may_mean() -> None:
    apia = ZoneInfo("Pacific/Apia")  # 2011-12-30 does not exist there

    assert ends(["2011-12-30T08:00/2011-12-30T18:00"], "2011-12-31T12:00", apia) == "2011-12-31T18:00"


clocks = st.integers(0, 24 * 4).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
weekdays = st.sampled_from(WEEKDAYS)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    first, last = draw(clocks), draw(clocks)
    match draw(st.integers(0, 3)):
        case 0:
            return f"daily {first}-{last}"
        case 1:
            return f"{draw(weekdays)} {first}-{draw(weekdays)} {last}"
        case 2:
            return f"{draw(weekdays)}-{draw(weekdays)},{draw(weekdays)} {first}-{last}"
        case _:
            begins = datetime(2026, 3, 23, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 240)))
            until = begins + timedelta(minutes=15 * draw(st.integers(1, 300)))
            return f"{begins:%Y-%m-%dT%H:%M}/{until:%Y-%m-%dT%H:%M}"


def readable(text: str) -> bool:
    try:
        parse_windows([text])
    except WindowError:
        return False
    return True


def reads_as_blocked(text: str, moment: datetime) -> bool:
    """What a person would say who looks at the wall clock: the naive oracle, for one window and one minute."""
    if "/" in text:
        first, _, last = text.partition("/")
        return first <= f"{moment:%Y-%m-%dT%H:%M}" < last
    minute = moment.weekday() * 1440 + moment.hour * 60 + moment.minute
    return any(start <= minute + week * 7 * 1440 < end for start, end in _occurrences(text) for week in (0, 1))


@cache
def _occurrences(text: str) -> list[tuple[int, int]]:
    """When the occurrences that begin in a first week begin and end, in minutes from that week's Monday."""
    days, _, hours = text.partition(" ")
    begins, _, until = hours.partition("-")
    weekday, _, until = until.rpartition(" ")
    found = []
    for day in _named(days):
        start = day * 1440 + _minutes(begins)
        if weekday:
            end = WEEKDAYS.index(weekday) * 1440 + _minutes(until)
            end += 0 if end > start else 7 * 1440
        else:
            end = day * 1440 + _minutes(until) + (0 if _minutes(until) > _minutes(begins) else 1440)
        found.append((start, end))
    return found


def _named(days: str) -> set[int]:
    if days == "daily":
        return set(range(7))
    found = set()
    for part in days.split(","):
        first, _, last = part.partition("-")
        day = WEEKDAYS.index(first)
        found.add(day)
        while last and WEEKDAYS[day] != last:
            day = (day + 1) % 7
            found.add(day)
    return found


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


texts = _texts().filter(readable)


@given(st.lists(texts, min_size=1, max_size=4), st.integers(0, 14 * 1440))
@example(["Sat 22:00-Mon 06:00", "Mon 06:00-07:00"], 6 * 1440)
def test_a_blackout_is_what_a_person_reads_minute_by_minute(chosen: list[str], minutes: int) -> None:
    moment = datetime(2026, 3, 23, tzinfo=SHANGHAI) + minutes * MINUTE
    expected = moment
    while any(reads_as_blocked(text, expected) for text in chosen) and expected < moment + 9 * timedelta(days=1):
        expected += MINUTE

    end = open_again([window for text in chosen for window in parse_windows([text])], moment, SHANGHAI)

    if expected == moment:
        assert end is None
    elif expected < moment + 9 * timedelta(days=1):
        assert end == expected
    else:
        assert end is not None
        assert end >= expected


CHANGES = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))


@given(texts, st.sampled_from(CHANGES), st.integers(-300, 300))
@example("daily 02:15-02:45", CHANGES[0], 30)
@example("daily 02:15-02:45", CHANGES[1], -10)
def test_a_change_of_clocks_never_shortens_a_blackout(text: str, change: datetime, minutes: int) -> None:
    moment = (change + minutes * MINUTE).astimezone(BERLIN)
    windows = parse_windows([text])

    end = open_again(windows, moment, BERLIN)

    if reads_as_blocked(text, moment):
        assert end is not None
    elif end is not None:
        assert abs(moment - change) < timedelta(hours=2)
    if end is not None:
        assert open_again(windows, end, BERLIN) is None
        assert not reads_as_blocked(text, end.astimezone(BERLIN))


@given(texts)
def test_the_canonical_text_means_the_same(text: str) -> None:
    (window,) = parse_windows([text])

    assert parse_windows([window.text]) == (window,)


def test_spans_between_two_moments_are_each_told_once_and_in_order() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    windows = parse_windows(["daily 23:00-01:00", "2026-12-01/2026-12-02", "Mon 08:00-09:00"])
    start = datetime(2026, 11, 29, 16, tzinfo=UTC)  # Monday, midnight in Shanghai
    told = [
        (f"{begins.astimezone(zone):%d %H:%M}", f"{ends.astimezone(zone):%d %H:%M}")
        for begins, ends, _ in spans_between(windows, start, start + timedelta(days=2), zone)
    ]
    assert told == [
        ("29 23:00", "30 01:00"),
        ("30 08:00", "30 09:00"),
        ("30 23:00", "01 01:00"),
        ("01 00:00", "02 00:00"),
        ("01 23:00", "02 01:00"),
    ]
