"""A mail as its recipient gets it: built as it is sent and taken apart again, so that no preview tells it otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import File
from scanner.delivery.reports import built, post

SECRET = frozenset({MessageKind.INVITATION})
"""Kinds whose text lets its reader in, so that nobody but the recipient is to read it on a page."""


@dataclass(frozen=True, slots=True)
class Received:
    """Both forms of the text, what goes with it, and the whole mail as bytes."""

    html: str
    text: str
    files: tuple[File, ...]
    whole: bytes


def received(message: Message) -> Received:
    """Return the mail as it is, or was, sent; nothing is written anywhere.

    Raises ``InputError`` when it can't be built: its address is none, or its content was pruned.
    """
    whole = built(message, post(keeps=False))
    mail = message_from_bytes(whole, _class=EmailMessage, policy=default)
    bodies = {form: mail.get_body((form,)) for form in ("html", "plain")}
    html, text = (body.get_content() if body is not None else "" for body in bodies.values())
    files = tuple(_file(part) for part in mail.iter_attachments())
    return Received(html, text, files, whole)


def _file(part: EmailMessage) -> File:
    content = part.get_payload(decode=True)
    return File(part.get_filename(""), part.get_content_type(), content if isinstance(content, bytes) else b"")
