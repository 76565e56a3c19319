"""Dates as an organisation reads them: in its language and its time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date

from scanner.engine.catalogue.load import Language
from scanner.reports.words import words

# Day first and month in letters: no reader takes 3/4 for April when March was meant.
_PATTERNS = {Language.EN: ("en_GB", "d MMM y"), Language.ZH_HANS: ("zh_Hans", "y年M月d日")}

_BEIJING = "Asia/Shanghai"
"""The zone that Chinese readers know by another name."""


@lru_cache(maxsize=4096)
def _written(day: date, pattern: str, locale: str) -> str:
    return format_date(day, pattern, locale=locale)


def written(day: date, language: Language) -> str:
    """Return a date that belongs to no time zone, written out."""
    locale, pattern = _PATTERNS[language]
    return _written(day, pattern, locale)


@lru_cache(maxsize=4096)
def utc(moment: datetime) -> str:
    """Return the moment as programs read it: UTC, ISO 8601, to the second."""
    there = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return there.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


class Dates:
    """Writes moments for one reader. ``now`` is when the report was made: nothing here reads a clock. ``zone`` is the
    name of the time zone as the reader calls it.
    """

    def __init__(self, language: Language, zone: str, now: datetime) -> None:
        t = words(language)
        self.zone = t("zone.beijing") if zone == _BEIJING else t("zone.named", name=zone)
        self._zone = ZoneInfo(zone)
        self._language = language
        self._today = self._local(now)

    def local(self, moment: datetime) -> datetime:
        """Return the moment in the reader's time zone.

        One at either end of the calendar stays in UTC: certificates without an end say 9999-12-31T23:59:59Z (RFC 5280
        section 4.1.2.5), which has no later time of day.
        """
        try:
            return moment.astimezone(self._zone)
        except OverflowError:
            return moment.astimezone(UTC)

    def day(self, moment: datetime) -> str:
        """Return the local date, written out."""
        return self.on(self._local(moment))

    def on(self, day: date) -> str:
        """Return a date that belongs to no time zone, written out."""
        return written(day, self._language)

    def last_day(self, end: datetime) -> str:
        """Return the local date of the last moment before ``end``, written out."""
        return self.day(end - timedelta(microseconds=1))

    def moment(self, moment: datetime) -> str:
        """Return the local date and time to the minute."""
        return f"{self.day(moment)} {self.local(moment):%H:%M}"

    def days_until(self, moment: datetime) -> int:
        """Return how many calendar days remain; 0 means today, less is past."""
        return (self._local(moment) - self._today).days

    def days_left(self, end: datetime) -> int:
        """Return how many calendar days remain until the day of the last moment before ``end``."""
        return self.days_until(end - timedelta(microseconds=1))

    def days_since(self, moment: datetime) -> int:
        """Return how many calendar days have passed."""
        return -self.days_until(moment)

    def _local(self, moment: datetime) -> date:
        return self.local(moment).date()
