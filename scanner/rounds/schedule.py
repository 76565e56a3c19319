"""When plans are due: cron expressions and intervals, read in a time zone. Pure, but for the time zone data.

A schedule is ``every 6h`` (``m``, ``h``, ``d`` or ``w``; counted from when the plan was made, whatever clocks do) or
five fields of cron: minute, hour, day of the month, month, weekday. Fields are ``*``, numbers, names (``jan``,
``mon``), ranges, steps and lists of these; 0 and 7 are Sunday, as in crontab(5). Beyond cron, ``L`` is the last day of
the month and ``mon#1`` the first Monday of it (``mon#L`` the last).

What cron programs disagree about is refused: crontab(5) is due when *either* the day of the month or the weekday fits,
others when *both* do; so only one of them may be given. What never comes (the 31st of February) is refused too.

Cron times are wall-clock times. One that exists twice, when clocks go back, is due once, at the first. One that does
not exist, when they go forward, is due at the first moment after the gap; several in one gap are due there once.

APScheduler's ``CronTrigger`` is asked for the next wall-clock time, in UTC, where no clock ever changes. In a zone that
changes, it fires twice in the hour that comes twice (and goes round in that hour when asked with local times), names
moments that do not exist, and leaves out a midnight that is skipped (3.11.3; ``tests/rounds/test_schedule.py``). Names
and numbers are turned into lists of plain values before, as its weekdays begin on Monday and its ranges don't wrap.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import islice

from apscheduler.triggers.cron import CronTrigger

from scanner.engine.errors import Refused

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=366)
"""Limits of an interval."""

COUNTED = 10_000
"""Due times that are counted at most; whoever missed more has a clock that is wrong."""

_SECOND = timedelta(seconds=1)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_EVERY = re.compile(r"every ([0-9]{1,6}) ?([mhdw])", re.ASCII)
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ORDINALS = {"1": "1st", "2": "2nd", "3": "3rd", "4": "4th", "5": "5th", "l": "last"}
_EXAMPLES = "write five fields of cron such as '0 3 * * mon' or '30 2 1 * *', or an interval such as 'every 6h'"
_BACK = tuple(timedelta(days=days) for days in (1, 31, 366, 3660))


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    wraps: bool = False


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("weekday", 0, 7, _WEEKDAYS, wraps=True)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something recurs. ``every`` is set for an interval, ``cron`` holds minute, hour, day, month and weekday
    otherwise, as ``CronTrigger`` reads them. ``text`` is what was parsed."""

    text: str
    every: timedelta | None = None
    cron: tuple[str, str, str, str, str] = ("*", "*", "*", "*", "*")

    def next_due(self, after: datetime, zone: tzinfo, start: datetime) -> datetime:
        """Return the first due time after ``after``, in UTC. Intervals count from ``start``, which is not due itself.

        Both moments must be aware.
        """
        if self.every is not None:
            passed = max(0, (after - start) // self.every)
            return start.astimezone(UTC) + (passed + 1) * self.every
        wall = after.astimezone(zone).replace(tzinfo=UTC, fold=0)
        while True:
            wall = self._next_wall(wall)
            due = _moment(wall.replace(tzinfo=None), zone)
            if due > after:
                return due

    def due_times(self, after: datetime, until: datetime, zone: tzinfo, start: datetime) -> Iterator[datetime]:
        """Yield the due times after ``after`` up to and including ``until``, in order, each once."""
        due = self.next_due(after, zone, start)
        while due <= until:
            yield due
            due = self.next_due(due, zone, start)

    def last_due(self, after: datetime, until: datetime, zone: tzinfo, start: datetime) -> tuple[datetime, int] | None:
        """Return the last due time after ``after`` up to ``until``, and how many there are; at most ``COUNTED``.

        None when there is none.
        """
        found = list(islice(self.due_times(after, until, zone, start), COUNTED))
        if not found:
            return None
        if len(found) < COUNTED:
            return found[-1], len(found)
        nearer = (max(found[-1] - _SECOND, until - back) for back in _BACK)
        spans = ([*self.due_times(since, until, zone, start)] for since in nearer)
        return next((span[-1] for span in spans if span), found[-1]), COUNTED

    def _next_wall(self, wall: datetime) -> datetime:
        found: datetime | None = _trigger(self.cron).get_next_fire_time(None, wall + timedelta(microseconds=1))
        if found is None:
            raise AssertionError("A schedule that never comes is refused when it is read.")
        return found


def parse_schedule(text: str) -> Schedule:
    """Read a schedule. Raises ``Refused`` that says what is wrong with it and what would be right."""
    words = " ".join(text.casefold().split())
    if match := _EVERY.fullmatch(words):
        interval = int(match[1]) * _UNITS[match[2]]
        if not SHORTEST <= interval <= LONGEST:
            raise Refused(
                f"The interval {text!r} is out of range; write one from 'every 1m' to 'every 366d'.",
                "schedule-interval",
                text=text,
            )
        return Schedule(words, interval)
    fields = words.split(" ")
    if len(fields) != 5:
        raise Refused(f"{text!r} is no schedule; {_EXAMPLES}.", "no-schedule", text=text)
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise Refused(
            f"{text!r} gives a day of the month and a weekday. Programs disagree whether both must fit or either: "
            "write one of them and '*' for the other, a weekday's place in the month such as 'mon#1', or two plans.",
            "schedule-of-two-days",
            text=text,
        )
    on_day, on_weekday = _days(day, weekday, text)
    schedule = Schedule(
        words,
        cron=(
            _values(minute, _MINUTE, text),
            _values(hour, _HOUR, text),
            on_day,
            _values(month, _MONTH, text),
            on_weekday,
        ),
    )
    if _trigger(schedule.cron).get_next_fire_time(None, datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise Refused(f"{text!r} never comes: no such month has such a day.", "schedule-never", text=text)
    return schedule


def put_off(plan: int, due: datetime, jitter: int) -> timedelta:
    """Return by how much a plan's due time is put off: 0 to ``jitter`` seconds, the same whenever it is asked for."""
    digest = hashlib.sha256(f"{plan} {due.astimezone(UTC).isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8]) % (jitter + 1))


@cache
def _trigger(cron: tuple[str, str, str, str, str]) -> CronTrigger:
    minute, hour, day, month, weekday = cron
    return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=UTC)


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    """The moment of a wall-clock time: the first of two, or the first after the gap that it lies in (PEP 495)."""
    before = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if before.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return before
    earlier, later = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), before
    offset = later.astimezone(zone).utcoffset()
    while later - earlier > _SECOND:
        middle = (earlier + (later - earlier) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            later = middle
        else:
            earlier = middle
    return later


def _days(day: str, weekday: str, text: str) -> tuple[str, str]:
    """The day of the month and the weekday as ``CronTrigger`` reads them."""
    if day == "l":
        return "last", "*"
    if "#" in weekday:
        name, _, place = weekday.partition("#")
        if name not in _WEEKDAYS or place not in _ORDINALS:
            raise Refused(
                f"{weekday!r} in {text!r} is no weekday of a month; write for example mon#1 or fri#L.",
                "schedule-weekday",
                part=weekday,
            )
        return f"{_ORDINALS[place]} {name}", "*"
    if weekday == "*":
        return _values(day, _DAY, text), "*"
    numbers = _numbers(weekday, _WEEKDAY, text)
    return "*", ",".join(dict.fromkeys(_WEEKDAYS[number % 7] for number in numbers))


def _values(expression: str, field: _Field, text: str) -> str:
    return "*" if expression == "*" else ",".join(map(str, _numbers(expression, field, text)))


def _numbers(expression: str, field: _Field, text: str) -> list[int]:
    """Every value that a field's expression names, sorted."""
    found: set[int] = set()
    for part in expression.split(","):
        extent, slash, step = part.partition("/")
        every = int(step) if step.isascii() and step.isdigit() else 0
        if slash and (not every or not ("-" in extent or extent == "*")):
            raise Refused(
                f"{part!r} in {text!r} is no step of the {field.name}; write for example */2 or 8-18/2.",
                "schedule-step",
                part=part,
            )
        found.update(_extent(extent, field, text)[:: every or 1])
    return sorted(found)


def _extent(extent: str, field: _Field, text: str) -> list[int]:
    if extent == "*":
        return list(range(field.least, field.most + (0 if field.wraps else 1)))
    first, dash, last = extent.partition("-")
    low, high = _number(first, field, text), _number(last if dash else first, field, text)
    if low <= high:
        return list(range(low, high + 1))
    if field.wraps:
        return [*range(low, field.most), *range(high + 1)]
    right = f"{first}-{field.most},{field.least}-{last}"
    raise Refused(
        f"{extent!r} in {text!r} ends before it begins; write {right} if that is meant.",
        "schedule-backwards",
        part=extent,
        right=right,
    )


def _number(value: str, field: _Field, text: str) -> int:
    if value in field.names:
        return field.names.index(value) + field.least
    if value.isascii() and value.isdigit() and field.least <= int(value) <= field.most:
        return int(value)
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    raise Refused(
        f"{value!r} in {text!r} is no {field.name}; it goes from {field.least} to {field.most}{names}. "
        f"Else {_EXAMPLES}.",
        "schedule-value",
        part=value,
        least=field.least,
        most=field.most,
    )
