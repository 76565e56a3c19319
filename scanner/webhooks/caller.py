"""Makes the calls that are due, one after the other, and records what became of each.

A call is claimed, made outside of any transaction, and recorded, each by an UPDATE that must touch one row. One service
at most runs, so what is found claimed when it begins was left behind by one that ended: nobody knows whether the call
was taken, and it is made again, with the same key.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event

from cryptography.fernet import InvalidToken
from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.delivery import retry
from scanner.webhooks.hooks import secret_of
from scanner.webhooks.models import Call, CallState, Webhook
from scanner.webhooks.post import Told, call, signature
from scanner.webhooks.tell import gather

BATCH = 100
"""Calls of one pass."""

AGAIN = 15 * 60.0
"""Seconds between two looks at all of the last weeks: some deadline may have been moved into the past."""

BEFORE = timedelta(minutes=5)
"""What is looked at again of the time before the last look: who ends a round writes that down a while later."""

TEST = "test"
"""The event of a call that is made to see whether it is taken."""

Post = Callable[..., Told]

_log = logging.getLogger(__name__)


class Caller:
    """Tells and calls. ``post`` makes one call; ``stop`` set, the others wait for another time.

    It remembers when it looked last, by ``monotonic`` whether that is long ago, only to save looking at it all again;
    the database knows what was told.
    """

    def __init__(
        self, post: Post = call, *, stop: Event | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._post = post
        self._stop = stop or Event()
        self._monotonic = monotonic
        self._begun = False
        self._last: datetime | None = None
        self._whole = 0.0

    def look(self, now: datetime) -> None:
        """Make the calls that are owed, and those that are due."""
        if not self._begun:
            Call.objects.filter(state=CallState.SENDING).update(state=CallState.QUEUED, not_before=now)
            self._begun = True
        self._gather(now)
        failed: set[int] = set()
        due = Call.objects.filter(
            state=CallState.QUEUED, not_before__lte=now, webhook__revoked=None, webhook__user__is_active=True
        )
        for each in list(due.select_related("webhook").order_by("not_before", "pk")[:BATCH]):
            if self._stop.is_set():
                return
            # One that does not answer keeps its own calls waiting, and no other's.
            if each.webhook_id not in failed and not self._make(each, now):
                failed.add(each.webhook_id)

    def _gather(self, now: datetime) -> None:
        moment = self._monotonic()
        if self._last is None or now < self._last or moment - self._whole >= AGAIN:  # or the clock was set back
            gather(now)
            self._whole = moment
        else:
            gather(now, self._last - BEFORE)
        self._last = now

    def _make(self, each: Call, now: datetime) -> bool:
        """Make one call; return whether it was taken."""
        attempt = each.attempt + 1
        claimed = Call.objects.filter(pk=each.pk, state=CallState.QUEUED, attempt=each.attempt)
        if not claimed.update(state=CallState.SENDING, attempt=attempt):
            return True
        told = _call(each.webhook, each.event, each.key, each.body, now, self._post)
        state, later = CallState.SENT, now
        if not told.taken:
            over = retry.is_over(each.created, attempt, now)
            state = CallState.DEAD if over else CallState.QUEUED
            later = now + retry.wait(f"{each.webhook_id}:{each.key}", attempt)
        finished = None if state is CallState.QUEUED else now
        with transaction.atomic():
            mine = Call.objects.filter(pk=each.pk, state=CallState.SENDING, attempt=attempt)
            written = mine.update(state=state, not_before=later, finished=finished, reply=told.reply)
            if written and state is CallState.DEAD:
                said = {"event": each.event, "key": each.key, "reply": told.reply}
                record(Action.WEBHOOK_DEAD, f"webhook {each.webhook.name}", actor="caller", at=now, **said)
        _log.info("call %s of webhook %s is %s: %s", each.pk, each.webhook.name, state, told.reply)
        return told.taken


def try_out(hook: Webhook, by: str, now: datetime, post: Post = call) -> Told:
    """Call a webhook once, at once, with an event that tells nothing, and return how that went."""
    key = f"{TEST}:{now.isoformat()}"
    told = _call(hook, TEST, key, json.dumps({"at": now.isoformat(), "event": TEST, "key": key}), now, post)
    record(Action.WEBHOOK_TESTED, f"webhook {hook.name}", actor=by, at=now, taken=told.taken, reply=told.reply)
    return told


def _call(hook: Webhook, event: str, key: str, text: str, now: datetime, post: Post) -> Told:
    try:
        secret = secret_of(hook)
    except InvalidToken:
        return Told(False, "not called: its secret was sealed by another secret key; make the webhook anew")
    body = text.encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Roundsman",
        "Roundsman-Event": event,
        "Roundsman-Key": key,
        "Roundsman-Signature": signature(secret, int(now.timestamp()), body),
    }
    return post(hook.url, body, headers, private=hook.private)
