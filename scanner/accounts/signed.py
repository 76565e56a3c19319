"""What happens when somebody signs in, fails to, or changes how: it is told, and what it makes void is ended."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from allauth.account.signals import password_changed, user_logged_in
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed
from django.conf import settings

from scanner.accounts.models import User
from scanner.accounts.revoking import end_sessions, void_links
from scanner.audit.trail import Action, record

_log = logging.getLogger(__name__)

SINCE = "signed-in-since"
"""The key under which a session knows when its account signed in, in seconds of the epoch."""


def connect() -> None:
    """Listen from now on; connecting twice changes nothing."""
    user_logged_in.connect(_signed_in, dispatch_uid="roundsman.signed-in")
    password_changed.connect(_changed_password, dispatch_uid="roundsman.password-changed")
    authenticator_added.connect(_added_factor, dispatch_uid="roundsman.factor-added")
    authentication_failed.connect(_wrong_code, dispatch_uid="roundsman.wrong-code")
    authenticator_removed.connect(_removed_factor, dispatch_uid="roundsman.factor-removed")


def _signed_in(request: Any, user: User, **_: object) -> None:
    origin = request.META.get("REMOTE_ADDR", "")
    record(Action.SIGNED_IN, f"account {user.email}", actor=user.email, at=request.now, origin=origin)
    request.session[SINCE] = request.now.timestamp()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def _changed_password(request: Any, user: User, **_: object) -> None:
    void_links(user, request.now)
    record(Action.PASSWORD_SET, f"account {user.email}", actor=user.email, at=request.now)


def _removed_factor(request: Any, user: User, **_: object) -> None:
    record(Action.SECOND_FACTOR_REMOVED, f"account {user.email}", actor=user.email, at=request.now)


def _added_factor(request: Any, user: User, **_: object) -> None:
    """Sessions that were begun without the factor would pass for ones with it, so they end."""
    end_sessions(user, but=request.session.session_key)
    record(Action.SECOND_FACTOR_ADDED, f"account {user.email}", actor=user.email, at=request.now)


def _wrong_code(request: Any, user: User, **_: object) -> None:
    _log.warning("wrong second factor of %s from %s", user.email, request.META.get("REMOTE_ADDR", ""))
