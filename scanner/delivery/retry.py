"""When a mail that could not be sent is tried again, and when it is given up. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=4)
LONGEST_URGENT_WAIT = timedelta(minutes=15)

GIVE_UP_AFTER = timedelta(hours=72)
"""From when the mail was made. RFC 5321 section 4.5.4.1 asks for four to five days of a relay; people act sooner."""

TRIES_AT_LEAST = 8
"""Tries before a mail is given up, however old it is: a clock that was set forward, or a machine that was off, must
not cost a mail."""

JITTER = 0.25
"""Part of a wait by which it is longer or shorter, so that mails that failed together don't come back together."""


def wait(key: str, attempt: int, *, urgent: bool = False) -> timedelta:
    """Return how long to wait after the try number ``attempt`` (from 1): doubling, and the same for the same mail."""
    longest = LONGEST_URGENT_WAIT if urgent else LONGEST_WAIT
    plain = min(FIRST_WAIT * float(2 ** min(attempt - 1, 20)), longest)
    draw = int.from_bytes(hashlib.sha256(f"{key}:{attempt}".encode()).digest()[:4]) / 2**32
    return plain * (1 - JITTER + 2 * JITTER * draw)


def is_over(created: datetime, attempt: int, now: datetime) -> bool:
    """Tell whether a mail that failed in its try number ``attempt`` is given up."""
    return attempt >= TRIES_AT_LEAST and now - created >= GIVE_UP_AFTER
