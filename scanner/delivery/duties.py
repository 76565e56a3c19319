"""What is due every day: reminders, escalations, announcements of what ends, notices that were left behind, the digest.

Each duty is told once for each day and thing, so that running it often, twice at once, or after a crash changes
nothing. What went wrong at one organisation is logged and keeps nobody else from being told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from threading import Event
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from scanner.delivery.bulletins import send_due_bulletin, with_bulletins
from scanner.delivery.day import due_day
from scanner.delivery.digest import Space, send_digest
from scanner.delivery.endings import announce_authorisations, announce_exemptions, with_authorisations_ending
from scanner.delivery.models import Notice
from scanner.delivery.posting import post_waiting
from scanner.delivery.reminders import escalate, pressing, remind
from scanner.delivery.replies import all_answered, settle
from targets.models import Organisation
from targets.query import active_organisations

AT_ONCE = 50
"""Organisations that one question is about, so that memory holds the findings of no more."""

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_Duty = Callable[[Organisation, datetime], int]


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
        due = [(each, today) for each in active_organisations() if (today := self._day_of(each, now))]
        for first in range(0, len(due), AT_ONCE):
            part = due[first : first + AT_ONCE]
            concerned = _concerned([each for each, _ in part], now)
            for organisation, today in part:
                if self.stop.is_set():
                    return told
                told += self._of(organisation, today, concerned, now)
        if self.stop.is_set():
            return told
        told += _done("announce exemptions", partial(announce_exemptions, now)) or 0
        return told + (_done("send the digest", lambda: send_digest(now, self.space())) or 0)

    def _day_of(self, organisation: Organisation, now: datetime) -> date | None:
        """Return the organisation's day when its duties are due; None before its morning, and once they were done."""
        name = f"tell the day of {organisation.slug}"
        today = _done(name, lambda: due_day(ZoneInfo(organisation.time_zone), now))
        return None if self._looked_at.get(organisation.pk) == today else today

    def _of(
        self, organisation: Organisation, today: date, concerned: Sequence[tuple[_Duty, Container[int]]], now: datetime
    ) -> int:
        duties = [duty for duty, whom in concerned if organisation.pk in whom]
        done = [_done(f"{each.__name__} {organisation.slug}", partial(each, organisation, now)) for each in duties]
        if None not in done:
            self._looked_at[organisation.pk] = today
        return sum(each or 0 for each in done)


def settle_notices(organisation: Organisation, now: datetime) -> int:
    """Mark the notices that have been answered otherwise than by a form."""
    for notice in all_answered(_waiting_notices([organisation])):
        settle(notice, now)
    return 0


def _concerned(due: Sequence[Organisation], now: datetime) -> list[tuple[_Duty, Container[int]]]:
    """Return the duties in their order, each with whom it may concern; that is asked of all at once, as few are."""
    everybody = {each.pk for each in due}
    pressed = _done("find pressing findings", partial(pressing, due, now))
    to_remind, to_escalate = pressed or (everybody, everybody)
    answered = _done("find answered notices", partial(_with_answered_notices, due))
    ending = _done("find authorisations that end", partial(with_authorisations_ending, due, now))
    supervising = _done("find whom bulletins go to", partial(with_bulletins, due))
    return [
        (settle_notices, everybody if answered is None else answered),
        (remind, to_remind),
        (escalate, to_escalate),
        (announce_authorisations, everybody if ending is None else ending),
        (send_due_bulletin, everybody if supervising is None else supervising),
    ]


def _waiting_notices(organisations: Iterable[Organisation]) -> QuerySet[Notice]:
    return Notice.objects.filter(organisation__in=organisations, answered=None, withdrawn=None)


def _with_answered_notices(organisations: Iterable[Organisation]) -> set[int]:
    rows = all_answered(_waiting_notices(organisations)).order_by()
    return set(rows.values_list("organisation", flat=True))


def _done(name: str, duty: Callable[[], _Result]) -> _Result | None:
    """Return what the duty told, or None when it failed."""
    try:
        return duty()
    except Exception:  # noqa: BLE001 - whatever it was, the others are told
        _log.exception("could not %s; it is tried again at the next run", name)
        return None
