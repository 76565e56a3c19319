"""The provider of the single sign-on, by OpenID Connect: the code flow with PKCE.

Stricter than allauth's own: the provider's answers are checked against the issuer that the settings name, the signature
of the ID token is always verified, and nothing of the answers is kept but whom they are about.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import jwt
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialToken
from allauth.socialaccount.providers.base import ProviderAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from django.urls import reverse

from scanner.accounts.linked import SIGN_ON
from scanner.installation import is_safe_origin

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures of ID tokens that count: those by a key that only the provider has (RFC 7518, RFC 8037)."""

LEEWAY = 60
"""Seconds that the provider's clock may differ from ours."""

KNOWN_FOR = 600
"""Seconds for which what the provider says of itself is taken as known, so that strangers can't have it asked often."""

_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_known: dict[str, tuple[float, dict[str, Any]]] = {}


class SignOnClient(OpenIDConnectOAuth2Adapter):  # type: ignore[misc] # allauth ships no types
    """Talks to the provider."""

    def __init__(self, request: HttpRequest, provider_id: str = SIGN_ON) -> None:
        super().__init__(request, provider_id)

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0, 4). Raises ``OAuth2Error``."""
        issuer = str(self.get_provider().app.settings["issuer"])
        known = _known.get(issuer)
        if known is None or time.monotonic() - known[0] > KNOWN_FOR:
            said = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if str(said.get("issuer")).rstrip("/") != issuer.rstrip("/"):  # section 4.3
                raise OAuth2Error("The provider says that it is another issuer.")
            if not all(is_safe_origin(str(said.get(name))) for name in _NEEDED):
                raise OAuth2Error("The provider names no addresses that can be used.")
            known = _known[issuer] = (time.monotonic(), said)
        return known[1]

    @property
    def basic_auth(self) -> bool:
        """Whether the client's secret goes by HTTP's Basic, which is what goes without saying (Discovery 1.0, 3)."""
        return "client_secret_post" not in self.openid_config.get("token_endpoint_auth_methods_supported", [])

    def complete_login(self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any) -> Any:
        """Return whom the provider has let in. Raises ``OAuth2Error`` when that is not proven."""
        claims = self._verified(str(kwargs["response"].get("id_token")), app.client_id)
        if "email" not in claims and is_safe_origin(str(self.openid_config.get("userinfo_endpoint"))):
            more = self._fetch(self.profile_url, {"Authorization": f"Bearer {token.token}"})
            if more.get("sub") != claims["sub"]:  # OpenID Connect Core 1.0, 5.3.2
                raise OAuth2Error("The provider speaks of two people at once.")
            claims = {**more, **claims}
        return self.get_provider().sociallogin_from_response(request, claims)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Where the provider sends people back to."""
        return request.build_absolute_uri(reverse("sign-on-back"))

    def _verified(self, token: str, client: str) -> dict[str, Any]:
        """Read an ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        keys = self._fetch(self.openid_config["jwks_uri"])
        try:
            named = jwt.get_unverified_header(token).get("kid")
            able = [each for each in jwt.PyJWKSet.from_dict(keys).keys if named in (None, each.key_id)]
            claims: dict[str, Any] = jwt.decode(
                token,
                able[0],
                algorithms=ALGORITHMS,
                audience=client,
                issuer=self.openid_config["issuer"],
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise OAuth2Error(f"The ID token does not hold: {type(error).__name__}.") from error
        if claims.get("azp", client) != client:
            raise OAuth2Error("The ID token was made for another client.")
        return claims

    def _fetch(self, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(url, headers=headers)
            answer.raise_for_status()
            said = answer.json()
        if not isinstance(said, dict):
            raise OAuth2Error("The provider's answer can't be read.")
        return said


class SignOn(OAuth2Provider):  # type: ignore[misc] # allauth ships no types
    """The provider that the settings name."""

    id = SIGN_ON
    name = "Single sign-on"
    account_class = ProviderAccount
    oauth2_adapter_class = SignOnClient
    pkce_enabled_default = True  # against codes of others (RFC 9700, 2.1.1)

    def get_default_scope(self) -> list[str]:
        """Ask who it is, and for the mail address."""
        return ["openid", "email"]

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Name somebody for life: by issuer and subject, as another issuer has the same subjects for others."""
        return hashlib.sha256(f"{data['iss']}\n{data['sub']}".encode()).hexdigest()

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Keep nothing else."""
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """Return the address, and whether the provider has verified that it is theirs."""
        email, verified = data.get("email"), data.get("email_verified") in (True, "true")
        return [EmailAddress(email=email, verified=verified, primary=True)] if isinstance(email, str) else []
