"""What is told: looks into the database for what happened since, and makes a call of each, once for ever.

It may be late, fail, or be killed: what it made and how far it looked commit together, and each call has a key. Only
of what was not told yet more is read than the key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Max

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.api.finding_rows import FindingRow
from scanner.api.rounds import RoundRow
from scanner.engine.model import Severity
from scanner.remediation.counted import overdue
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding, FindingEvent
from scanner.rounds.models import Round
from scanner.webhooks.models import Call, Event, Webhook

OLDEST = timedelta(days=14)
"""What happened longer ago is not told any more; calls are kept for longer than that, see :data:`KEPT`."""

KEPT = timedelta(days=30)
"""How long a call that is over is kept."""

OVERLAP = 1000
"""Events before the newest that are looked at again: transactions need not commit in the order of their numbers."""

_OF_FINDINGS: Mapping[str, Event] = {
    Happened.OPENED: Event.OPENED,
    Happened.FIXED: Event.FIXED,
    Happened.REOPENED: Event.RECURRING,
}


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell; ``about`` reads what the interface for programs shows of it."""

    key: str
    event: Event
    at: datetime
    about: Callable[[], Mapping[str, object]]


def gather(now: datetime, after: datetime | None = None) -> int:
    """Make the calls that every webhook is owed; return how many. Calls that are over and old are removed.

    With ``after``, deadlines that passed and rounds that ended before that are known to have been looked for.
    """
    over = Call.objects.filter(finished__lt=now - KEPT)
    if over.exists():
        over.delete()
    numbers = list(Webhook.objects.filter(revoked=None, user__is_active=True).values_list("pk", flat=True))
    return sum(_gather_for(number, now, after) for number in numbers)


def _gather_for(number: int, now: datetime, after: datetime | None) -> int:
    hooks = Webhook.objects.select_related("user")
    hook = hooks.get(pk=number)
    before = hook.seen
    if not _untold(hook, now, after) and hook.seen == before:
        return 0  # as nearly always: nothing to write, so nobody is kept from writing
    with transaction.atomic():
        hook = hooks.select_for_update(of=("self",)).get(pk=number)
        made = [_call(hook, each, now) for each in _untold(hook, now, after)]
        Call.objects.bulk_create(made)
        hook.save(update_fields=["seen"])
    return len(made)


def _untold(hook: Webhook, now: datetime, after: datetime | None) -> list[News]:
    """Return what the webhook was not told yet, and move ``hook.seen`` on."""
    news = {each.key: each for each in _news(hook, now, after) if each.event in hook.events}
    known = set(Call.objects.filter(webhook=hook, key__in=news).values_list("key", flat=True)) if news else set()
    return [each for key, each in news.items() if key not in known]


def _call(hook: Webhook, news: News, now: datetime) -> Call:
    told = {"key": news.key, "event": news.event, "at": news.at, **news.about()}
    body = json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)
    return Call(webhook=hook, key=news.key, event=news.event, body=body, created=now, not_before=now)


def _news(hook: Webhook, now: datetime, after: datetime | None) -> Iterator[News]:
    """Yield what happened since ``hook`` was made, of what its account sees now; move ``hook.seen`` on."""
    sight, since = Sight.of(hook.user), max(hook.created, now - OLDEST)
    yield from _events(hook, sight, since, now)
    since = max(since, after or since)
    # The severities are named so that the index, in which they come first, is used.
    late = sight.rows(Finding).filter(overdue(now), severity__in=list(Severity), deadline__gte=since)
    for number, deadline in late.order_by("pk").values_list("pk", "deadline"):
        passed = deadline or now
        about = partial(_finding, number, now)
        yield News(f"{Event.OVERDUE}:{number}:{passed.isoformat()}", Event.OVERDUE, passed, about)
    if sight.may(Right.WATCH):
        ended = sight.rows(Round).filter(followed__gte=since).order_by("followed", "pk")
        for number, followed in ended.values_list("pk", "followed"):
            yield News(
                f"{Event.ROUND_FINISHED}:{number}", Event.ROUND_FINISHED, followed or now, partial(_round, number)
            )


def _events(hook: Webhook, sight: Sight, since: datetime, now: datetime) -> Iterator[News]:
    last = FindingEvent.objects.aggregate(last=Max("pk"))["last"] or 0
    rows = sight.rows(FindingEvent).filter(pk__gt=hook.seen - OVERLAP, pk__lte=last, kind__in=list(_OF_FINDINGS))
    found = rows.filter(at__gte=since).order_by("pk").values_list("pk", "kind", "at", "finding")
    for number, kind, at, finding in found:
        yield News(f"{_OF_FINDINGS[kind]}:{number}", _OF_FINDINGS[kind], at, partial(_finding, finding, now))
    hook.seen = last


def _finding(number: int, now: datetime) -> Mapping[str, object]:
    row = Finding.objects.select_related("organisation").get(pk=number)
    return {"finding": FindingRow.of(row, now).model_dump()}


def _round(number: int) -> Mapping[str, object]:
    return {"round": RoundRow.of(Round.objects.get(pk=number)).model_dump()}
