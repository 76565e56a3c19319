"""An account takes no more tries after some wrong ones (``LOCK_OUT`` of the settings), and its owner is told of it."""

from __future__ import annotations

from typing import Any

from allauth.core.internal import ratelimit
from django.conf import settings

from scanner.accounts.models import User
from scanner.accounts.telling import letter_to
from scanner.delivery.account_news import AccountEvent, AccountNews
from scanner.delivery.outbox import enqueue


def tell_if_locked(request: Any, key: str, email: str) -> None:
    """Mail the owner of an account, once a day at most, when the wrong try that was just counted was the last one.

    ``key`` is what allauth counts it by. The mail is written for an address without an account, too, and not sent: who
    guesses at addresses would see by the time taken which have one.
    """
    rates = {"login_failed": settings.LOCK_OUT}
    if ratelimit.consume(request, app="allauth.account", action="login_failed", config=rates, key=key, dry_run=True):
        return
    address = email.strip().lower()
    user = User.objects.filter(email=address, is_active=True).first()
    news = AccountNews(AccountEvent.LOCKED, origin=str(request.META.get("REMOTE_ADDR", "")))
    letter = letter_to(user or User(email=address, name=address), news, request.now.date(), request.now)
    if user is not None:
        enqueue(letter, request.now)
