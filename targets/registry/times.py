"""Dates and times as people write them in files, in an organisation's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from targets.wrong import WrongText


def parse_begin(text: str, zone: ZoneInfo) -> datetime:
    """The moment ``text`` begins: a date means its first moment. Raises ``WrongText``."""
    return _parse(text, zone, days=0)


def parse_end(text: str, zone: ZoneInfo) -> datetime:
    """The moment ``text`` is over: a date means its last moment, so the next midnight. Raises ``WrongText``."""
    return _parse(text, zone, days=1)


def format_begin(when: datetime, zone: ZoneInfo) -> str:
    """What :func:`parse_begin` reads back as ``when``, as a date if possible."""
    return _format(when, zone, days=0)


def format_end(when: datetime, zone: ZoneInfo) -> str:
    """What :func:`parse_end` reads back as ``when``, as a date if possible."""
    return _format(when, zone, days=1)


def _parse(text: str, zone: ZoneInfo, days: int) -> datetime:
    try:
        if "T" not in text and " " not in text:
            return _midnight(date.fromisoformat(text) + timedelta(days=days), zone)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise WrongText(
            f"{text!r} is no date or time; write 2026-12-31 or 2026-12-31T18:00 (in the organisation's time zone)",
            "no-time",
            text=text,
        ) from error


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """When a local day ends: the first moment, in UTC, that no longer belongs to it."""
    return _midnight(day + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _format(when: datetime, zone: ZoneInfo, days: int) -> str:
    local = when.astimezone(zone)
    if _midnight(local.date(), zone) == when:
        return (local.date() - timedelta(days=days)).isoformat()
    return local.isoformat()
