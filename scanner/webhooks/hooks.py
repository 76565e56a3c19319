"""Webhooks are made, revoked, and their calls tried again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max

from scanner.accounts.models import User
from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.engine.hostile import line
from scanner.remediation.models import FindingEvent
from scanner.sealing import box
from scanner.webhooks.models import Call, CallState, Event, Webhook
from scanner.webhooks.post import parse_address

BEGINS = "rms_"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


def add(
    user: User, name: str, url: str, events: Iterable[str], by: str, now: datetime, *, private: bool = False
) -> tuple[Webhook, str]:
    """Make a webhook that is told what the account sees from now on; return it, and the secret that signs."""
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name for a webhook; use a-z, 0-9 and hyphens, such as tickets.", "hook-name")
    wanted = set(events)
    unknown = sorted(wanted - set(Event.values))
    if unknown or not wanted:
        raise Refused(
            f"{', '.join(unknown) or 'Nothing'} is no event; the events are {', '.join(Event.values)}.", "no-event"
        )
    parse_address(url, private=private)
    if not user.is_active:
        raise Refused(f"The account {user.email} was ended.", "account-ended", email=user.email)
    secret = _new_secret()
    chosen = [each for each in Event.values if each in wanted]
    made = Webhook(
        user=user,
        name=name,
        url=url,
        sealed=_sealed(secret),
        events=chosen,
        private=private,
        seen=FindingEvent.objects.aggregate(last=Max("pk"))["last"] or 0,
        created=now,
        created_by=line(by, 200),
    )
    try:
        with transaction.atomic():
            made.save()
            told = {"account": user.email, "url": url, "events": chosen, "private": private}
            record(Action.WEBHOOK_ADDED, f"webhook {name}", actor=by, at=now, **told)
    except IntegrityError as error:
        raise Refused(
            f"There is a webhook {name} already; revoke it first, or choose another name.", "hook-exists", name=name
        ) from error
    return made, secret


def secret_of(hook: Webhook) -> bytes:
    """Return the secret that signs. Raises ``InvalidToken`` when the installation's secret key is another one."""
    return box("webhook").decrypt(hook.sealed)


def rotate(name: str, by: str, now: datetime) -> str:
    """Give a webhook another secret, and return it: calls are signed by it from now on. Raises ``Refused``."""
    secret = _new_secret()
    with transaction.atomic():
        if not Webhook.objects.filter(name=name, revoked=None).update(sealed=_sealed(secret)):
            raise Refused(f"There is no webhook {name}; 'roundsman webhook list' shows them.", "no-hook", name=name)
        record(Action.WEBHOOK_SECRET_CHANGED, f"webhook {name}", actor=by, at=now)
    return secret


def revoke(name: str, by: str, now: datetime) -> None:
    """Call a webhook no more. Raises ``Refused``."""
    with transaction.atomic():
        if not Webhook.objects.filter(name=name, revoked=None).update(revoked=now):
            raise Refused(f"There is no webhook {name}; 'roundsman webhook list' shows them.", "no-hook", name=name)
        record(Action.WEBHOOK_REVOKED, f"webhook {name}", actor=by, at=now)


def revoke_all(by: str, now: datetime) -> int:
    """Call no webhook any more; return how many were called until now."""
    with transaction.atomic():
        names = list(Webhook.objects.filter(revoked=None).values_list("name", flat=True))
        for name in names:
            revoke(name, by, now)
    return len(names)


def retry(name: str, by: str, now: datetime) -> int:
    """Have the calls of a webhook that wait, or were given up, made at once; return how many. Raises ``Refused``."""
    hook = Webhook.objects.filter(name=name, revoked=None).first()
    if hook is None:
        raise Refused(f"There is no webhook {name}; 'roundsman webhook list' shows them.", "no-hook", name=name)
    with transaction.atomic():
        again = Call.objects.filter(webhook=hook, state__in=(CallState.QUEUED, CallState.DEAD))
        count = again.update(state=CallState.QUEUED, not_before=now, finished=None)
        if count:
            record(Action.WEBHOOK_RETRIED, f"webhook {name}", actor=by, at=now, calls=count)
    return count


def _new_secret() -> str:
    return BEGINS + secrets.token_urlsafe(32)


def _sealed(secret: str) -> str:
    return box("webhook").encrypt(secret.encode()).decode("ascii")
