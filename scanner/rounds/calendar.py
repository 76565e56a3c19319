"""What will run, day by day: the due times of plans, and the blackouts in which none of their rounds begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

from scanner.rounds.clock import Coming, coming
from scanner.rounds.models import Plan
from targets.windows import parse_windows, spans_between

MOST_EACH = 500
"""Due times of a plan that are looked at; one that is due every minute would fill the calendar by itself."""


@dataclass(frozen=True, slots=True)
class Blackout:
    """A part of a day in which no round of a plan begins."""

    plan: Plan
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """One day in the calendar's time zone; moments are in that zone."""

    day: date
    coming: tuple[Coming, ...]
    blackouts: tuple[Blackout, ...]


def calendar(plans: Iterable[Plan], now: datetime, days: int, zone: tzinfo) -> list[Day]:
    """Return the next ``days`` days, today first. The same code makes the rounds; see :mod:`scanner.rounds.clock`."""
    chosen = list(plans)
    today = now.astimezone(zone).date()
    borders = [datetime.combine(today + timedelta(days=number), time(), zone) for number in range(days + 1)]
    begun: defaultdict[date, list[Coming]] = defaultdict(list)
    for each in coming(chosen, now, borders[-1], MOST_EACH):
        begun[each.begins.astimezone(zone).date()].append(each)
    spans = [
        (plan, begins, ends)
        for plan in chosen
        if plan.blackouts and not plan.paused
        for begins, ends, _ in spans_between(
            parse_windows(plan.blackouts), borders[0], borders[-1], ZoneInfo(plan.time_zone)
        )
    ]
    return [
        Day(
            first.date(),
            tuple(begun[first.date()]),
            tuple(
                Blackout(plan, max(begins, first).astimezone(zone), min(ends, last).astimezone(zone))
                for plan, begins, ends in spans
                if begins < last and ends > first
            ),
        )
        for first, last in pairwise(borders)
    ]
