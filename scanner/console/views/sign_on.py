"""The single sign-on: leaving for the provider, coming back, and the link between its account and one's own here."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from allauth.account.utils import get_next_redirect_url
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException

from scanner.accounts import people
from scanner.accounts.oidc import SignOn, SignOnClient
from scanner.console.requests import PageRequest


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Leave to sign in at the provider; who is signed in here shows there once more who they are."""
    again = {"prompt": "login"} if request.user.is_authenticated else {}
    return _leave(request, AuthProcess.LOGIN, again)


@require_POST
@login_required
@reauthentication_required(app="allauth.socialaccount")  # type: ignore[untyped-decorator] # allauth ships no types
def link(request: HttpRequest) -> HttpResponse:
    """Leave to link one's account here to one there."""
    return _leave(request, AuthProcess.CONNECT, {})


@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Let in whom the provider sends back, if they have an account here."""
    provider = _provider(request)
    try:
        answer: HttpResponse = OAuth2CallbackView.adapter_view(SignOnClient(request))(request)
    except (OAuth2Error, RequestException) as error:
        return _failed(request, provider, error)
    return answer


@require_safe
def cancelled(request: HttpRequest) -> HttpResponse:
    """Say that nobody was signed in, as the provider was told not to."""
    return render(request, "socialaccount/authentication_error.html")


@require_safe
@login_required
def again(request: HttpRequest) -> HttpResponse:
    """Ask who has nothing but the single sign-on to show there who they are."""
    return render(request, "account/sign_on_again.html", {"next": get_next_redirect_url(request) or reverse("account")})


@require_POST
@login_required
@reauthentication_required(app="allauth.socialaccount")  # type: ignore[untyped-decorator] # allauth ships no types
def unlink(request: PageRequest) -> HttpResponse:
    """Take the link away, unless nothing else would be left to come in by."""
    if request.user.has_usable_password():
        people.unlink_sign_on(request.user, request.user.email, request.now)
    else:
        messages.error(request, request.words("console.sign_on.only_way"))
    return HttpResponseRedirect(reverse("account"))


def _leave(request: HttpRequest, process: str, more: dict[str, str]) -> HttpResponse:
    """Lead to the provider by a page: a form of ours may lead nowhere else (``form-action`` of the content policy)."""
    provider = _provider(request)
    limited: HttpResponse | None = ratelimit.consume_or_429(request, app="allauth.account", action="login")
    if limited:
        return limited
    try:
        answer: HttpResponse = provider.redirect(
            request, process, next_url=get_next_redirect_url(request), auth_params=more
        )
    except (OAuth2Error, RequestException) as error:
        return _failed(request, provider, error)
    if answer.status_code != HttpResponseRedirect.status_code:
        return answer
    return render(request, "account/leaving.html", {"address": answer["Location"]})


def _failed(request: HttpRequest, provider: SignOn, error: Exception) -> HttpResponse:
    told: HttpResponse = render_authentication_error(request, provider, exception=error)
    return told


def _provider(request: HttpRequest) -> SignOn:
    if not settings.INSTALLATION.oidc_issuer:
        raise Http404
    made: SignOn = get_adapter(request).get_provider(request)
    return made
