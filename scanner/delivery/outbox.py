"""Puts mail into the outbox. What is put there in a transaction leaves if, and only if, the transaction commits."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from scanner.delivery.models import Attachment, Message, MessageKind
from scanner.reports.models import Report
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
    files: tuple[File, ...] = ()


def key_of(kind: MessageKind, recipient: str, *parts: object) -> str:
    """Return the key of a letter: its kind, whom it goes to, and what tells it from others of its kind."""
    return ":".join((kind, *map(str, parts), recipient.lower()))


def enqueue(letter: Letter, now: datetime) -> bool:
    """Put a letter into the outbox; return False when its key was used before. Belongs into a transaction.

    The Message-ID follows from the key and the installation, so that the same letter has it whenever it is made.
    """
    digest = hashlib.sha256(letter.key.encode()).hexdigest()[:40]
    message, made = Message.objects.get_or_create(
        key=letter.key,
        defaults={
            "kind": letter.kind,
            "organisation": letter.organisation,
            "recipient": letter.recipient,
            "language": letter.language,
            "message_id": f"<{digest}@{settings.MAIL_DOMAIN}>",
            "subject": letter.subject,
            "text": letter.text,
            "html": letter.html,
            "report": letter.report,
            "created": now,
            "not_before": now,
        },
    )
    if made:
        Attachment.objects.bulk_create(
            Attachment(message=message, name=file.name, media_type=file.media_type, content=zlib.compress(file.content))
            for file in letter.files
        )
    return made
