"""Puts mail into the outbox. What is put there in a transaction leaves if, and only if, the transaction commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from scanner import bulk
from scanner.audit.trail import Action, record
from scanner.delivery.mail_server import mail_domain
from scanner.delivery.models import Attachment, Message, MessageKind, MessageState
from scanner.packing import pack
from scanner.reports.models import Bulletin, Report
from targets.models import Organisation


@dataclass(frozen=True, slots=True)
class File:
    """An attachment."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one recipient. ``key`` names what it tells, to whom: a key is used once, for ever.

    ``language`` is ``zh-Hans`` or ``en``. ``organisation`` is the one that it speaks of; None for mail to operators.
    """

    key: str
    kind: MessageKind
    recipient: str
    language: str
    subject: str
    text: str
    html: str
    organisation: Organisation | None = None
    report: Report | None = None
    bulletin: Bulletin | None = None
    files: tuple[File, ...] = ()


def key_of(kind: MessageKind, recipient: str, *parts: object) -> str:
    """Return the key of a letter: its kind, whom it goes to, and what tells it from others of its kind."""
    return ":".join((kind, *map(str, parts), recipient.lower()))


def told_alike(message: Message) -> Q:
    """Return which messages tell the same, to whomever: their keys differ in the recipient alone."""
    stem = message.key.removesuffix(message.recipient.lower())
    return Q(kind=message.kind, organisation=message.organisation_id, key__startswith=stem)


def enqueue(letter: Letter, now: datetime) -> bool:
    """Put a letter into the outbox; return False when its key was used before. Belongs into a transaction."""
    message, made = Message.objects.get_or_create(key=letter.key, defaults=_columns(letter, now))
    if made and letter.files:
        Attachment.objects.bulk_create(
            Attachment(message=message, name=file.name, media_type=file.media_type, content=pack(file.content))
            for file in letter.files
        )
    return made


def enqueue_all(letters: Iterable[Letter], now: datetime) -> int:
    """Put letters into the outbox; return how many are new. Belongs into a transaction."""
    wanted = list({letter.key: letter for letter in letters}.values())
    if any(letter.files for letter in wanted):
        return sum(enqueue(letter, now) for letter in wanted)
    return bulk.insert_missing([Message(key=letter.key, **_columns(letter, now)) for letter in wanted])


def _columns(letter: Letter, now: datetime) -> dict[str, Any]:
    """Return what a letter's row holds beside its key.

    The Message-ID follows from the key and the installation, so that the same letter has it whenever it is made. That
    of another installation of the office, which has a round 1 as well, must differ: mail systems show one of the two.
    """
    digest = salted_hmac("roundsman.message-id", letter.key, algorithm="sha256").hexdigest()[:40]
    return {
        "kind": letter.kind,
        "organisation": letter.organisation,
        "recipient": letter.recipient,
        "language": letter.language,
        "message_id": f"<{digest}@{mail_domain()}>",
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "report": letter.report,
        "bulletin": letter.bulletin,
        "created": now,
        "not_before": now,
    }


def make_due(numbers: Iterable[int], by: str, now: datetime) -> list[int]:
    """Let waiting messages, and those that were given up, be sent at once; return the primary keys of those that will.

    One that was given up is tried once more for each time this is asked.
    """
    again = (MessageState.QUEUED, MessageState.DEAD)
    return _change(
        numbers, again, Action.MAIL_RETRIED, by, now, state=MessageState.QUEUED, not_before=now, finished=None
    )


def cancel(numbers: Iterable[int], by: str, now: datetime) -> list[int]:
    """Give up messages that were not sent, for good; return the primary keys of those that were."""
    unsent = (MessageState.QUEUED, MessageState.DEAD)
    return _change(numbers, unsent, Action.MAIL_CANCELLED, by, now, state=MessageState.CANCELLED, finished=now)


def _change(
    numbers: Iterable[int], which: Iterable[MessageState], action: Action, by: str, now: datetime, **values: object
) -> list[int]:
    changed = []
    with transaction.atomic():
        for each in Message.objects.filter(pk__in=list(numbers), state__in=list(which)).defer("html", "text"):
            # Asked again in the UPDATE, as a mailer may have claimed it just now.
            if Message.objects.filter(pk=each.pk, state=each.state, attempt=each.attempt).update(**values):
                record(action, f"mail {each.pk}", actor=by, at=now, kind=each.kind, recipient=each.recipient)
                changed.append(each.pk)
    return changed
