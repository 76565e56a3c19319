"""Tells people by mail what was done to their account, or tried, so that they notice what they did not do."""

from __future__ import annotations

from datetime import datetime

from scanner.accounts.models import User
from scanner.delivery.account_letter import account_letter
from scanner.delivery.account_news import AccountNews
from scanner.delivery.letters import Frame, own_language
from scanner.delivery.models import MessageKind
from scanner.delivery.outbox import Letter, enqueue, key_of
from scanner.engine.catalogue.load import Language


def tell(user: User, news: AccountNews, once: object, now: datetime) -> None:
    """Put a mail to the account's owner, in their language, into the outbox. Belongs into the act's transaction.

    ``once`` tells it from others of its kind: what has the same is told once, for ever.
    """
    enqueue(letter_to(user, news, once, now), now)


def letter_to(user: User, news: AccountNews, once: object, now: datetime) -> Letter:
    """Return that mail. ``user`` needs no row: who guesses at accounts must not see by the time taken which exist."""
    language = Language(user.language) if user.language else own_language()
    written = account_letter(user.name, news, Frame(MessageKind.ACCOUNT, language, now))
    key = key_of(MessageKind.ACCOUNT, user.email, news.event, once)
    return Letter(key, MessageKind.ACCOUNT, user.email, language, written.subject, written.text, written.html)
