"""What is due every day: reminders, escalations, announcements of what ends, notices that were left behind, the digest.

Each duty is told once for each day and thing, so that running it often, twice at once, or after a crash changes
nothing. What went wrong at one organisation is logged and keeps nobody else from being told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from threading import Event
from zoneinfo import ZoneInfo

from scanner.delivery.bulletins import send_due_bulletin
from scanner.delivery.day import due_day
from scanner.delivery.digest import Space, send_digest
from scanner.delivery.endings import announce_authorisations, announce_exemptions
from scanner.delivery.models import Notice
from scanner.delivery.posting import post_waiting
from scanner.delivery.reminders import escalate, remind
from scanner.delivery.replies import settle
from targets.models import Organisation
from targets.query import active_organisations

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Duties:
    """The daily duties of one process. ``space`` tells how full the disk with the data directory is.

    It remembers for which day it has looked at an organisation, only to save looking again; the database knows what was
    told. ``stop`` set, the others wait for another time.
    """

    space: Callable[[], Space]
    stop: Event = field(default_factory=Event)
    _looked_at: dict[int, date] = field(default_factory=dict)

    def run(self, now: datetime) -> int:
        """Do what is due at ``now``; return how many letters that put into the outbox. To be run often."""
        told = _done("post notices", partial(post_waiting, now)) or 0
        for organisation in active_organisations():
            if self.stop.is_set():
                return told
            told += _done(f"do the duties of {organisation.slug}", partial(self._of, organisation, now)) or 0
        told += _done("announce exemptions", partial(announce_exemptions, now)) or 0
        return told + (_done("send the digest", lambda: send_digest(now, self.space())) or 0)

    def _of(self, organisation: Organisation, now: datetime) -> int:
        today = due_day(ZoneInfo(organisation.time_zone), now)
        if today is None or self._looked_at.get(organisation.pk) == today:
            return 0
        duties = (settle_notices, remind, escalate, announce_authorisations, send_due_bulletin)
        done = [_done(f"{each.__name__} {organisation.slug}", partial(each, organisation, now)) for each in duties]
        if None not in done:
            self._looked_at[organisation.pk] = today
        return sum(each or 0 for each in done)


def settle_notices(organisation: Organisation, now: datetime) -> int:
    """Mark the notices that have been answered otherwise than by a form."""
    for notice in Notice.objects.filter(organisation=organisation, answered=None, withdrawn=None):
        settle(notice, now)
    return 0


def _done(name: str, duty: Callable[[], int]) -> int | None:
    """Return what the duty told, or None when it failed."""
    try:
        return duty()
    except Exception:  # noqa: BLE001 - whatever it was, the others are told
        _log.exception("could not %s; it is tried again at the next run", name)
        return None
