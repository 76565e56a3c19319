"""What the daily duties share: when a day's mail is due, and that it is told once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.db import transaction

from scanner.delivery.letters import Frame, Written
from scanner.delivery.models import MessageKind, Told
from scanner.delivery.outbox import Letter, enqueue, key_of
from scanner.delivery.recipients import Recipient
from scanner.engine.catalogue.load import Language
from scanner.reports.stationery import stationery_of
from targets.models import Organisation

MORNING = time(8)
"""Nobody is written to earlier in the day, by the clock on their wall; what is urgent doesn't wait for it."""


def due_day(zone: ZoneInfo, now: datetime) -> date | None:
    """Return the local day once its morning has come, else None."""
    local = now.astimezone(zone)
    return local.date() if local.time() >= MORNING else None


def untold(keys: Iterable[str]) -> set[str]:
    """Return those of ``keys`` that were not told yet."""
    wanted = set(keys)
    return wanted - set(Told.objects.filter(key__in=wanted).values_list("key", flat=True))


def addressed(
    kind: MessageKind,
    chosen: Iterable[Recipient],
    organisation: Organisation | None,
    day: date,
    now: datetime,
    writing: Callable[[Frame], Written],
) -> list[Letter]:
    """Write a day's letter to each; those who share a language read the same words."""
    written: dict[tuple[Language, bool], Written] = {}
    letters = []
    for each in chosen:
        form = (each.language, each.instead)
        if form not in written:
            with stationery_of(organisation):
                written[form] = writing(Frame(kind, each.language, now, organisation, each.instead))
        letters.append(
            Letter(
                key=key_of(kind, each.address, organisation.pk if organisation else "", day),
                kind=kind,
                recipient=each.address,
                language=str(each.language),
                subject=written[form].subject,
                text=written[form].text,
                html=written[form].html,
                organisation=organisation,
            )
        )
    return letters


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
        _, first = Told.objects.get_or_create(key=day_key, defaults={"at": now})
        if not first:
            return 0
        Told.objects.bulk_create((Told(key=key, at=now) for key in sorted(keys)), ignore_conflicts=True)
        if also is not None:
            also()
        return sum(enqueue(letter, now) for letter in letters)
