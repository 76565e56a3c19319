"""The ways in, and one's own account: an invitation, the language, what one may do here."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.mfa.base.views import authenticate
from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from scanner.accounts import people
from scanner.accounts.linked import is_linked
from scanner.accounts.models import User
from scanner.accounts.passwords import LONGEST
from scanner.console.forms import PageForm
from scanner.console.requests import PageRequest
from scanner.console.texts import CODES, language_of
from scanner.engine.errors import InputError


class PasswordForm(PageForm):
    """A new password, twice."""

    topic = "invitation"

    password = forms.CharField(
        max_length=LONGEST, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    again = forms.CharField(
        max_length=LONGEST, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean(self) -> dict[str, Any]:
        """See that both are the same."""
        cleaned = super().clean() or {}
        if cleaned.get("password") != cleaned.get("again"):
            self.add_error("again", self.words("console.invitation.differs"))
        return cleaned


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def invitation(request: PageRequest, token: str) -> HttpResponse:
    """Let somebody set a password by a link. Looking at the page uses nothing up: mail filters look, too."""
    found = people.invited(token, request.now)
    if found is None:
        return render(request, "no_invitation.html", status=404)
    form = PasswordForm(request.words, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = people.take_up(found, form.cleaned_data["password"], request.now)
        except ValidationError as error:
            form.add_error("password", error)
        except InputError:
            return render(request, "no_invitation.html", status=404)
        else:
            logout(request)  # whoever used this browser before
            record_authentication(request, user, method="password")
            done: HttpResponse = perform_login(request, user, email_verification="none")
            return done
    told = {"form": form, "name": found.user.name, "email": found.user.email}
    return render(request, "invitation.html", told)


def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for a code, or a security key. A form with neither is none of ours."""
    if request.method == "POST" and request.POST.keys().isdisjoint({"code", "credential"}):
        return HttpResponseRedirect(reverse("mfa_authenticate"))
    asked: HttpResponse = authenticate(request)
    return asked


@login_required
def keys(request: HttpRequest) -> HttpResponse:
    """Lead to all second factors, where keys are listed too."""
    del request
    return HttpResponseRedirect(reverse("mfa_index"))


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Remember a language: for this browser, and for the account of who is signed in."""
    wanted, after = request.POST.get("language", ""), request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(after, {request.get_host()}, require_https=request.is_secure()):
        after = reverse("overview")
    response = HttpResponseRedirect(after)
    if wanted in CODES.values():
        if isinstance(request.user, User):
            User.objects.filter(pk=request.user.pk).update(language=str(language_of(wanted)))
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            wanted,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite="Lax",
        )
    return response


def account(request: PageRequest) -> HttpResponse:
    """Show who one is here."""
    memberships = request.user.memberships.select_related("organisation")
    return render(request, "account.html", {"memberships": memberships, "linked": is_linked(request.user)})
