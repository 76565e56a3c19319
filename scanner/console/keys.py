"""Security keys and passkeys as a second factor (WebAuthn): the forms, and the few pages that run our one script."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from allauth.mfa.webauthn import forms as webauthn
from cryptography.exceptions import UnsupportedAlgorithm
from django import forms
from django.http import HttpRequest, HttpResponse

from scanner.console.middleware import POLICY
from scanner.engine.hostile import line

LONGEST_NAME = 60
LONGEST_CREDENTIAL = 64 * 1024
"""Characters of what a key says; an attestation with a chain of certificates has some thousand."""

SCRIPTED_POLICY = f"{POLICY}; script-src 'self'"
"""What pages with the script may load. Whatever else we hand out is no script to a browser (``nosniff``)."""

_NONSENSE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, struct.error, UnsupportedAlgorithm
)  # fmt: skip
"""What the library raises at what no key says."""


def scripted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let the pages of ``view`` run our script, and no other."""

    @wraps(view)
    def handle(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = SCRIPTED_POLICY
        return response

    return handle


def can_have_keys(request: HttpRequest) -> bool:
    """Tell whether keys can be used here: they know a site by its name, so an address won't do (WebAuthn, 5.1.2)."""
    try:
        ip_address(urlsplit(f"//{request.get_host()}").hostname or "")
    except ValueError:
        return True
    return False


class CredentialField(forms.JSONField):
    """What a key says, as JSON of a bounded size."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        """Read it. Raises ``ValidationError`` when it can't be that."""
        if isinstance(value, str) and len(value) > LONGEST_CREDENTIAL:
            raise get_adapter().validation_error("incorrect_code")
        with _refusing():
            return super().to_python(value)


class AddKeyForm(webauthn.AddWebAuthnForm):  # type: ignore[misc] # allauth ships no types
    """A new key, and what its owner calls it. One that has said yes is kept, whatever it is called."""

    name = forms.CharField(required=False, widget=forms.TextInput(attrs={"maxlength": LONGEST_NAME}))
    credential = CredentialField()

    def __init__(self, *args: object, **kwargs: Any) -> None:
        there = Authenticator.objects.filter(user=kwargs["user"], type=Authenticator.Type.WEBAUTHN).count()
        self.suggested = context.request.words("console.keys.suggested", n=there + 1)
        super().__init__(*args, **{**kwargs, "initial": {"name": self.suggested}})

    def clean_name(self) -> str:
        """A name of one line."""
        return line(self.cleaned_data["name"].strip(), LONGEST_NAME) or self.suggested

    def clean(self) -> Any:
        """See that the key answers what it was asked just now."""
        with _refusing():
            return super().clean()


class RenameKeyForm(webauthn.EditWebAuthnForm):  # type: ignore[misc] # allauth ships no types
    """Another name for a key."""

    name = forms.CharField(max_length=LONGEST_NAME)

    def clean_name(self) -> str:
        """A name of one line."""
        return line(self.cleaned_data["name"], LONGEST_NAME)


class KeyForm(webauthn.AuthenticateWebAuthnForm):  # type: ignore[misc] # allauth ships no types
    """What a key says to who signs in."""

    credential = CredentialField()

    def clean_credential(self) -> Any:
        """See that it is a key of this account; one that isn't counts as a wrong code does."""
        try:
            with _refusing():
                return super().clean_credential()
        except forms.ValidationError:
            authentication_failed.send(
                sender=Authenticator, request=context.request, user=self.user, authenticator=None
            )
            raise


class KeyAgainForm(KeyForm):
    """The same of who is signed in, before something is changed."""

    reauthenticated = True


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except _NONSENSE as error:
        raise get_adapter().validation_error("incorrect_code") from error
