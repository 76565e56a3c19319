"""What lets somebody in is taken back: sessions, and links that set a password."""

from __future__ import annotations

from datetime import datetime

from allauth.usersessions.models import UserSession

from scanner.accounts.models import Invitation, User


def end_sessions(user: User, but: str | None = None) -> None:
    """End the sessions of an account, ``but`` the one with this key."""
    for each in UserSession.objects.filter(user=user).exclude(session_key=but or ""):
        each.end()


def void_links(user: User, now: datetime) -> None:
    """Let no link that was made for an account set its password any more."""
    Invitation.objects.filter(user=user, used=None).update(used=now)


def void_all_links(now: datetime) -> int:
    """Let no link at all set a password any more; return how many were open, expired ones among them."""
    return Invitation.objects.filter(used=None).update(used=now)
