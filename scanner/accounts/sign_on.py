"""Single sign-on: whom it lets in. It makes no accounts: who has none here, or one that was ended, stays out.

Somebody is known by a link between their account and the provider's. It is made while signed in, or by itself when the
provider says that it has verified the mail address of an account that has no link yet.
"""

from __future__ import annotations

import logging
import ssl
from functools import partial
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.stages import AuthenticateStage
from allauth.socialaccount import app_settings
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from requests import Session

from scanner.accounts.linked import SIGN_ON, is_linked
from scanner.accounts.models import User
from scanner.accounts.oidc import SignOn
from scanner.engine.hostile import line

_log = logging.getLogger(__name__)


class SignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc] # allauth ships no types
    """How allauth's sign-on behaves here."""

    def get_provider(self, request: Any, provider: Any = SIGN_ON, client_id: Any = None) -> SignOn:
        """Return the provider of the settings. Raises ``SocialApp.DoesNotExist`` when there is none."""
        return SignOn(request, app=self.get_app(request, provider, client_id))

    def list_apps(self, request: Any, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return the provider of the settings, if there is one; none comes from the database."""
        set_up = settings.INSTALLATION
        if not set_up.oidc_issuer or set_up.oidc_client_secret is None or provider not in (None, SIGN_ON):
            return []
        return [
            SocialApp(
                provider=SIGN_ON,
                name=set_up.oidc_name[:40] or SIGN_ON,
                client_id=set_up.oidc_client_id,
                secret=set_up.oidc_client_secret.get_secret_value(),
                settings={"issuer": set_up.oidc_issuer},
            )
        ]

    def get_requests_session(self) -> Session:
        """Ask without following redirects, by the machine's roots or those that the settings name."""
        session = Session()
        session.max_redirects = 0
        session.verify = str(settings.INSTALLATION.oidc_ca_file or ssl.get_default_verify_paths().cafile or True)
        # requests has no time-out for a whole session; mypy takes a method that is replaced for a mistake.
        session.request = partial(session.request, timeout=app_settings.REQUESTS_TIMEOUT)  # type: ignore[method-assign]
        return session

    def is_open_for_signup(self, request: Any, sociallogin: Any) -> bool:
        """Nobody makes an account for themselves."""
        _log.warning("single sign-on of somebody without an account from %s", request.META.get("REMOTE_ADDR", ""))
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Link somebody to the account with their address, unless that is linked to somebody already."""
        if sociallogin.is_existing or sociallogin.state.get("process") != AuthProcess.LOGIN:
            return
        addresses = [each.email.lower() for each in sociallogin.email_addresses if each.verified]
        user = User.objects.filter(email__in=addresses, is_active=True).first()
        if user is not None and not is_linked(user):
            sociallogin.connect(request, user)

    def authenticate_by_email(self, sociallogin: Any) -> None:
        """Leave that to :meth:`pre_social_login`; allauth's own way would take passwords away."""

    def on_authentication_error(self, request: HttpRequest, provider: Any, **kwargs: Any) -> None:
        """Log what went wrong."""
        what = kwargs.get("exception") or kwargs.get("error")
        _log.warning("single sign-on failed from %s: %s", request.META.get("REMOTE_ADDR", ""), line(str(what), 300))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        """Lead back to one's account after a link was made."""
        return reverse("account")


class SecondFactorStage(AuthenticateStage):  # type: ignore[misc] # allauth ships no types
    """Asks for the second factor, unless the provider is trusted to have asked for one."""

    def _should_handle(self, request: HttpRequest) -> bool:
        return bool(super()._should_handle(request)) and not is_vouched_for(request, self.login.user)


def is_vouched_for(request: HttpRequest, user: User) -> bool:
    """Tell whether somebody came by the single sign-on, and the settings say that it asks for a second factor."""
    records = get_authentication_records(request, user)
    return bool(settings.INSTALLATION.oidc_second_factor) and any(each["method"] == "socialaccount" for each in records)
