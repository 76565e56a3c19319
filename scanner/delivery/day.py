"""What the daily duties share: when a day's mail is due, and that it is told once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.db import transaction

from scanner import bulk
from scanner.delivery.mailing import Mailing
from scanner.delivery.models import MessageKind, Told
from scanner.delivery.outbox import Letter, enqueue_all
from scanner.prepared import AnyOf, Prepared
from targets.models import Organisation

MORNING = time(8)
"""Nobody is written to earlier in the day, by the clock on their wall; what is urgent doesn't wait for it."""

_KEYS = AnyOf(50)
_TOLD = Prepared(lambda: Told.objects.filter(key__in=_KEYS.places).order_by().values_list("key", flat=True))


def due_day(zone: ZoneInfo, now: datetime) -> date | None:
    """Return the local day once its morning has come, else None."""
    local = now.astimezone(zone)
    return local.date() if local.time() >= MORNING else None


def untold(keys: Iterable[str]) -> set[str]:
    """Return those of ``keys`` that were not told yet."""
    wanted = set(keys)
    return wanted.difference(*(_TOLD(**part) for part in _KEYS.parts(wanted)))


def mailing_of(kind: MessageKind, organisation: Organisation | None, day: date, now: datetime) -> Mailing:
    """Return the mailing of a day's letters."""
    return Mailing(kind, organisation, (organisation.pk if organisation else "", day), now)


def untold_today(day_key: str, keys: Iterable[str]) -> set[str]:
    """Return those of ``keys`` that were not told yet; none once the day's letters are out (:func:`tell_once`)."""
    left = untold([day_key, *keys])
    return left - {day_key} if day_key in left else set()


def tell_once(
    day_key: str,
    keys: Iterable[str],
    letters: Iterable[Letter],
    now: datetime,
    also: Callable[[], None] | None = None,
) -> int:
    """Put a day's letters into the outbox and note what they told, in one transaction; return how many there were.

    ``day_key`` is used up by it: what comes up later that day waits for the next. ``also`` is done with it.
    """
    with transaction.atomic():
        if not bulk.insert_missing([Told(key=day_key, at=now)]):
            return 0
        bulk.insert_missing([Told(key=key, at=now) for key in sorted(keys)])
        if also is not None:
            also()
        return enqueue_all(letters, now)
