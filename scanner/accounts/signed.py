"""What happens when somebody signs in, or changes how: it is put on record, and old sessions are cleared away."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from allauth.account.signals import password_changed, user_logged_in
from allauth.mfa.signals import authenticator_removed
from django.conf import settings

from scanner.accounts.models import User
from scanner.audit.trail import Action, record


def connect() -> None:
    """Listen from now on; connecting twice changes nothing."""
    user_logged_in.connect(_signed_in, dispatch_uid="roundsman.signed-in")
    password_changed.connect(_changed_password, dispatch_uid="roundsman.password-changed")
    authenticator_removed.connect(_removed_factor, dispatch_uid="roundsman.factor-removed")


def _signed_in(request: Any, user: User, **_: object) -> None:
    origin = request.META.get("REMOTE_ADDR", "")
    record(Action.SIGNED_IN, f"account {user.email}", actor=user.email, at=request.now, origin=origin)
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def _changed_password(request: Any, user: User, **_: object) -> None:
    record(Action.PASSWORD_SET, f"account {user.email}", actor=user.email, at=request.now)


def _removed_factor(request: Any, user: User, **_: object) -> None:
    record(Action.SECOND_FACTOR_REMOVED, f"account {user.email}", actor=user.email, at=request.now)
