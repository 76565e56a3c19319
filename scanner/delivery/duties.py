"""What is due every day: reminders, escalations, announcements of what ends, notices that were left behind, the digest.

Each duty is told once for each day and thing, so that running it every hour, twice at once, or after a crash changes
nothing. What went wrong at one organisation is logged and keeps nobody else from being told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from scanner.delivery.digest import Space, send_digest
from scanner.delivery.endings import announce_authorisations, announce_exemptions
from scanner.delivery.models import Notice
from scanner.delivery.posting import post_waiting
from scanner.delivery.reminders import escalate, remind
from scanner.delivery.replies import settle
from targets.query import active_organisations

_log = logging.getLogger(__name__)


def daily(now: datetime, space: Callable[[], Space]) -> int:
    """Do what is due at ``now``; return how many letters were put into the outbox. To be run at least every hour.

    ``space`` tells how full the disk with the data directory is.
    """
    told = _done("post notices", partial(post_waiting, now)) + _done("settle notices", partial(_settle, now))
    for organisation in active_organisations():
        for duty in (remind, escalate, announce_authorisations):
            told += _done(f"{duty.__name__} {organisation.slug}", partial(duty, organisation, now))
    told += _done("announce exemptions", partial(announce_exemptions, now))
    return told + _done("send the digest", lambda: send_digest(now, space()))


def _settle(now: datetime) -> int:
    """Mark the notices that have been answered otherwise than by a form."""
    for notice in Notice.objects.filter(answered=None, withdrawn=None):
        settle(notice, now)
    return 0


def _done(name: str, duty: Callable[[], int]) -> int:
    try:
        return duty()
    except Exception:  # noqa: BLE001 - whatever it was, the others are told
        _log.exception("could not %s; it is tried again within the hour", name)
        return 0
