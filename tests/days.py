"""Days as people count them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def last_second(moment: dt.datetime, zone: str = "UTC") -> dt.datetime:
    """The last second of the day that a moment falls on."""
    return moment.astimezone(ZoneInfo(zone)).replace(hour=23, minute=59, second=59, microsecond=0)
