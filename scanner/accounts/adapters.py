"""How allauth behaves here: nobody signs up, nothing is mailed past the outbox, second factors are kept sealed."""

from __future__ import annotations

import logging
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from scanner.accounts.locking import tell_if_locked
from scanner.engine.hostile import line
from scanner.sealing import box

_log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth ships no types
    """Accounts come from administrators, and links from :func:`scanner.accounts.people.invite`."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody makes an account for themselves."""
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send nothing: what we tell people is in our own letters."""

    def get_login_stages(self) -> list[str]:
        """Ask for a second factor in our own way."""
        ours = {"allauth.mfa.stages.AuthenticateStage": "scanner.accounts.sign_on.SecondFactorStage"}
        return [ours.get(each, each) for each in super().get_login_stages()]

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask once more who it is before an account is changed, unless that was just shown, be it by signing in."""
        shown = [record["at"] for record in get_authentication_records(self.request, self.request.user)]
        is_long_ago = time.time() - max(shown, default=0.0) > settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
        if is_long_ago and not get_reauthentication_flows(self.request.user):
            raise ReauthenticationRequired  # allauth would let pass who has nothing but the single sign-on
        return is_long_ago

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Offer the single sign-on to who has nothing else."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or not user.is_authenticated:
            return methods
        return [{"id": "sign-on", "url": reverse("sign-on-again")}]

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Log it, with whom it was tried for; not in the audit trail, which a stranger could fill so."""
        super().authentication_failed(request, **credentials)
        tried = str(credentials.get("email") or "")
        _log.warning("sign-in failed for %s from %s", line(tried, 200), request.META.get("REMOTE_ADDR", ""))
        tell_if_locked(request, self._get_login_attempts_cache_key(request, **credentials), tried)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth ships no types
    """Keeps the secrets of authenticator apps and recovery codes under a key that is not in the database."""

    def encrypt(self, text: str) -> str:
        """Seal a secret for the database."""
        return _box().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """Open what :meth:`encrypt` sealed. Raises ``InvalidToken`` when the secret key is another one."""
        return _box().decrypt(encrypted_text).decode()


def _box() -> Fernet:
    return box("second-factor")
