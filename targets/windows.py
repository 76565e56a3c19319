"""Blackout windows: times, in a local time zone, in which hosts are left alone. Framework-free.

A window is written as ``Mon-Fri 08:00-18:00``, ``daily 23:30-01:00`` (past midnight), ``Sat 22:00-Mon 06:00`` (from
one weekday to another, past the week's end too), ``Mon,Wed,Fri 12:00-13:00``, or once as ``2026-10-01/2026-10-08`` or
``2026-10-01T08:00/2026-10-07T20:00``. The end is never part of it; ``24:00`` is the end of a day.

When clocks change, a window is never shorter than it reads. A local time that exists twice begins a window at the
first and ends it at the second; one that does not exist is read with the offset from before the change as well as with
the one from after it, and begins a window at the earlier of both moments and ends it at the later. So every moment
whose local time lies in a window is blocked, and on the day of a change up to as much more as clocks change by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from targets.wrong import WrongText

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

HORIZON = timedelta(days=366)
"""How far adjoining windows are followed; whoever waits that long asks again."""

_MONDAY = datetime.combine(date(2000, 1, 3), time())
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)
_EXAMPLES = (
    "write one such as 'Mon-Fri 08:00-18:00', 'daily 23:30-01:00', 'Sat 22:00-Mon 06:00', 'Mon,Wed,Fri 12:00-13:00', "
    "'2026-10-01/2026-10-08' or '2026-10-01T08:00/2026-10-07T20:00'"
)

_NAME = rf"(?:{'|'.join(WEEKDAYS)})"
_CLOCK = r"([01]?[0-9]|2[0-4]):([0-5][0-9])"
_DAYS = rf"{_NAME}(?:-{_NAME})?"
_BY_DAY = re.compile(rf"(daily|{_DAYS}(?:,{_DAYS})*) {_CLOCK}-{_CLOCK}", re.ASCII | re.IGNORECASE)
_BETWEEN = re.compile(rf"({_NAME}) {_CLOCK}-({_NAME}) {_CLOCK}", re.ASCII | re.IGNORECASE)
_MOMENT = r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}))?"
_ONCE = re.compile(rf"{_MOMENT}/{_MOMENT}", re.ASCII)


class WindowError(WrongText):
    """The text is no window; the message says what would be one."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window. ``text`` is its canonical form, which :func:`parse_windows` reads back.

    ``begins`` and ``ends`` are local times without a zone; they recur every week on the same weekday when ``weekly``,
    and there is a pair for each day.
    """

    text: str
    spans: tuple[tuple[datetime, datetime], ...]
    weekly: bool

    def occurrences(self, near: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the local begin and end of each occurrence that may hold at the local time ``near``, or a day off."""
        for begins, ends in self.spans:
            if not self.weekly:
                yield begins, ends
                continue
            weeks = (near - begins) // _WEEK
            for week in (weeks - 1, weeks, weeks + 1):
                yield begins + week * _WEEK, ends + week * _WEEK


def parse_windows(texts: Iterable[str]) -> tuple[Window, ...]:
    """Parse each text, in order.

    Raises ``WindowError`` for the first that is no window, or when together they leave no minute of a week free.
    """
    windows = tuple(_parse(text) for text in texts)
    if _leave_nothing(windows):
        weekly = tuple(window.text for window in windows if window.weekly)
        raise WindowError(
            f"{', '.join(map(repr, weekly))}: this blackout never ends; leave a part of the week free",
            "windows-leave-nothing",
            windows=weekly,
        )
    return windows


def open_again(windows: Iterable[Window], moment: datetime, zone: tzinfo) -> datetime | None:
    """Return when the blackout that holds at ``moment`` ends, in UTC; None when none holds.

    Windows that overlap or adjoin are followed to the end of the last, for at most ``HORIZON``: a later moment is
    returned only when a single window lasts that long. ``moment`` must be aware.
    """
    chosen = tuple(windows)
    start = moment.astimezone(UTC)
    end = start
    while end < start + HORIZON:
        later = max((until for window in chosen for until in _ends(window, end, zone)), default=None)
        if later is None:
            break
        end = later
    return None if end == start else end


def spans_between(
    windows: Iterable[Window], start: datetime, end: datetime, zone: tzinfo
) -> list[tuple[datetime, datetime, Window]]:
    """Return when each window holds between two aware moments, in UTC and in order; the spans are not cut to fit."""
    found: dict[tuple[datetime, datetime, str], Window] = {}
    near = start.astimezone(zone).replace(tzinfo=None, fold=0)
    chosen = tuple(windows)
    while near < end.astimezone(zone).replace(tzinfo=None) + _WEEK:
        for window in chosen:
            for local in window.occurrences(near):
                begins, ends = min(_readings(local[0], zone)), max(_readings(local[1], zone))
                if begins < end and ends > start:
                    found[begins, ends, window.text] = window
        near += _WEEK
    return [(begins, ends, window) for (begins, ends, _), window in sorted(found.items(), key=lambda item: item[0])]


def _ends(window: Window, moment: datetime, zone: tzinfo) -> Iterator[datetime]:
    """When each occurrence of the window that holds at the moment ends."""
    local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    for begins, ends in window.occurrences(local):
        if min(_readings(begins, zone)) <= moment < (until := max(_readings(ends, zone))):
            yield until


def _readings(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Both moments that a local time may mean; they differ only where clocks change (PEP 495)."""
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return first, second


def _parse(text: str) -> Window:
    words = " ".join(text.split())
    words = re.sub(r" ?([-,/]) ?", r"\1", words)
    if match := _BY_DAY.fullmatch(words):
        return _by_day(text, match)
    if match := _BETWEEN.fullmatch(words):
        return _between(text, match)
    if match := _ONCE.fullmatch(words):
        return _once(text, match)
    raise WindowError(f"{text!r} is no blackout window; {_EXAMPLES}", "no-window", text=text)


def _by_day(text: str, match: re.Match[str]) -> Window:
    named = match[1].title()
    days = range(7) if named == "Daily" else _days(named)
    begins, ends = _clock(text, match[2], match[3]), _clock(text, match[4], match[5])
    if begins == _DAY:
        raise WindowError(
            f"{text!r} begins at the end of a day; write 00:00 of the next one", "window-at-midnight", text=text
        )
    if begins == ends:
        raise WindowError(
            f"{text!r} ends when it begins; a whole day is written 00:00-24:00", "window-of-nothing", text=text
        )
    spans = tuple(_span(day, begins, ends if ends > begins else ends + _DAY) for day in days)
    shown = "daily" if named == "Daily" else named
    return Window(f"{shown} {_shown(begins)}-{_shown(ends)}", spans, weekly=True)


def _between(text: str, match: re.Match[str]) -> Window:
    first, last = match[1].title(), match[4].title()
    begins, ends = _clock(text, match[2], match[3]), _clock(text, match[5], match[6])
    if begins == _DAY:
        raise WindowError(
            f"{text!r} begins at the end of a day; write 00:00 of the next one", "window-at-midnight", text=text
        )
    lasts = (WEEKDAYS.index(last) - WEEKDAYS.index(first)) * _DAY + ends - begins
    if lasts % _WEEK == timedelta(0):
        raise WindowError(f"{text!r} never ends; leave a part of the week free", "window-endless", text=text)
    span = _span(WEEKDAYS.index(first), begins, begins + lasts % _WEEK)
    return Window(f"{first} {_shown(begins)}-{last} {_shown(ends)}", (span,), weekly=True)


def _once(text: str, match: re.Match[str]) -> Window:
    begins, ends = _moment(text, match[1], match[2]), _moment(text, match[3], match[4])
    if begins >= ends:
        raise WindowError(
            f"{text!r} ends before it begins; the end is the first day, or minute, that is free again",
            "window-backwards",
            text=text,
        )
    return Window(match[0], ((begins, ends),), weekly=False)


def _moment(text: str, day: str, clock: str | None) -> datetime:
    try:
        moment = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock or "00:00"))
    except ValueError as error:
        raise WindowError(
            f"{text!r} holds a date or time that does not exist: {error}", "window-no-such-time", text=text
        ) from error
    if not 2000 <= moment.year < 3000:
        raise WindowError(
            f"{text!r} holds a date out of range; years go from 2000 to 2999", "window-out-of-range", text=text
        )
    return moment


def _clock(text: str, hours: str, minutes: str) -> timedelta:
    clock = timedelta(hours=int(hours), minutes=int(minutes))
    if clock > _DAY:
        raise WindowError(
            f"{text!r} holds a time that does not exist; a day ends at 24:00", "window-no-such-time", text=text
        )
    return clock


def _shown(clock: timedelta) -> str:
    hours, minutes = divmod(int(clock.total_seconds()) // 60, 60)
    return f"{hours:02}:{minutes:02}"


def _days(named: str) -> list[int]:
    """The weekdays of a list such as ``Mon-Wed,Sat``, which may go past the week's end (``Fri-Mon``)."""
    found: dict[int, None] = {}
    for part in named.split(","):
        first, *others = (WEEKDAYS.index(name) for name in part.split("-"))
        last = others[-1] if others else first
        found.update((day % 7, None) for day in range(first, last + 1 if last >= first else last + 8))
    return sorted(found)


def _leave_nothing(windows: Iterable[Window]) -> bool:
    free = bytearray(b"1" * (_WEEK // _MINUTE))
    for begins, ends in (span for window in windows if window.weekly for span in window.spans):
        first = (begins - _MONDAY) // _MINUTE
        for minute in range(first, first + (ends - begins) // _MINUTE):
            free[minute % len(free)] = 0
    return not any(free)


def _span(weekday: int, begins: timedelta, ends: timedelta) -> tuple[datetime, datetime]:
    return _MONDAY + weekday * _DAY + begins, _MONDAY + weekday * _DAY + ends
