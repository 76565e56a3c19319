"""What happens when somebody signs in, fails to, or changes how: it is told, and what it makes void is ended.

Every command loads this, so letters are only loaded when there is one to write.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from allauth.account.signals import password_changed, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from allauth.socialaccount.signals import social_account_added
from django.conf import settings
from django.db import transaction

from scanner.accounts.models import User
from scanner.accounts.origins import is_elsewhere
from scanner.accounts.revoking import end_sessions, void_links
from scanner.audit.trail import Action, record
from scanner.delivery.account_news import AccountEvent, AccountNews

_log = logging.getLogger(__name__)

SINCE = "signed-in-since"
"""The key under which a session knows when its account signed in, in seconds of the epoch."""


def connect() -> None:
    """Listen from now on; connecting twice changes nothing."""
    user_logged_in.connect(_signed_in, dispatch_uid="roundsman.signed-in")
    password_changed.connect(_changed_password, dispatch_uid="roundsman.password-changed")
    authenticator_added.connect(_added_factor, dispatch_uid="roundsman.factor-added")
    social_account_added.connect(_linked, dispatch_uid="roundsman.sign-on-linked")
    authentication_failed.connect(_wrong_code, dispatch_uid="roundsman.wrong-code")
    authenticator_removed.connect(_removed_factor, dispatch_uid="roundsman.factor-removed")
    authenticator_reset.connect(_renewed_codes, dispatch_uid="roundsman.codes-renewed")


def _signed_in(request: Any, user: User, sociallogin: object = None, **_: object) -> None:
    from scanner.accounts.telling import tell

    how = {"by": "single sign-on"} if sociallogin is not None else {}
    with transaction.atomic():
        entry = record(
            Action.SIGNED_IN, _subject(user), actor=user.email, at=request.now, origin=_origin(request), **how
        )
        if is_elsewhere(user, _origin(request), request.now):
            tell(user, AccountNews(AccountEvent.ELSEWHERE, origin=_origin(request)), entry.pk, request.now)
    request.session[SINCE] = request.now.timestamp()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def _changed_password(request: Any, user: User, **_: object) -> None:
    with transaction.atomic():
        void_links(user, request.now)
        _note(request, user, Action.PASSWORD_SET, AccountEvent.PASSWORD)


def _removed_factor(request: Any, user: User, authenticator: Authenticator, **_: object) -> None:
    """Recovery codes go with the last factor, which is told already."""
    told = None if _is_codes(authenticator) else AccountEvent.FACTOR_REMOVED
    _note(request, user, Action.SECOND_FACTOR_REMOVED, told, factor=authenticator.type)


def _added_factor(request: Any, user: User, authenticator: Authenticator, **_: object) -> None:
    """Sessions that were begun without the factor would pass for ones with it, so they end."""
    end_sessions(user, but=request.session.session_key)
    told = None if _is_codes(authenticator) else AccountEvent.FACTOR_ADDED
    _note(request, user, Action.SECOND_FACTOR_ADDED, told, factor=authenticator.type)


def _renewed_codes(request: Any, user: User, authenticator: Authenticator, **_: object) -> None:
    _note(request, user, Action.SECOND_FACTOR_ADDED, AccountEvent.CODES_RENEWED, factor=authenticator.type)


def _linked(request: Any, sociallogin: Any, **_: object) -> None:
    _note(request, sociallogin.user, Action.SIGN_ON_LINKED, AccountEvent.LINKED)


def _wrong_code(request: Any, user: User, **_: object) -> None:
    from scanner.accounts.locking import tell_if_locked

    _log.warning("wrong second factor of %s from %s", user.email, _origin(request))
    tell_if_locked(request, f"mfa-auth-user-{user.pk}", user.email)


def _note(request: Any, user: User, action: Action, told: AccountEvent | None, **detail: object) -> None:
    """Put on record what somebody did to their own account, and tell them."""
    from scanner.accounts.telling import tell

    with transaction.atomic():
        entry = record(action, _subject(user), actor=user.email, at=request.now, **detail)
        if told is not None:
            service = settings.INSTALLATION.oidc_name
            tell(user, AccountNews(told, origin=_origin(request), service=service), entry.pk, request.now)


def _is_codes(authenticator: Authenticator) -> bool:
    return bool(authenticator.type == Authenticator.Type.RECOVERY_CODES)


def _origin(request: Any) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _subject(user: User) -> str:
    return f"account {user.email}"
