"""The door of every page: who may come in is said beside its address, and a page without that does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.accounts.sign_on import is_vouched_for
from scanner.console.live import is_part, load_again

View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Route:
    """A page: its address, what shows it, its name, and the right that its reader has somewhere (None: an account).

    Which rows a page shows is for :meth:`Sight.rows` to say, and what may be done to one for :meth:`Sight.may`.
    ``acts`` tells that it takes POST: alone where ``shows`` is false. ``fresh`` asks once more who it is, unless that
    was shown in the last minutes; ``back`` is the page, as fresh, to which that leads where there is none to show.
    """

    address: str
    view: View
    name: str
    right: Right | None
    acts: bool = False
    shows: bool = True
    fresh: bool = False
    back: str = ""

    def pattern(self) -> URLPattern:
        """Return it for Django, behind its guard."""
        return path(self.address, guarded(self), name=self.name)


def guarded(route: Route) -> View:
    """Let in who is signed in, has the route's right, and, where a role demands it, a second factor."""
    methods = [*(["GET", "HEAD"] if route.shows else []), *(["POST"] if route.acts else [])]

    @wraps(route.view)
    def handle(request: Any, *args: object, **kwargs: object) -> HttpResponse:
        if request.method not in methods:
            return HttpResponseNotAllowed(methods)
        if not request.user.is_authenticated:
            to_sign_in = redirect_to_login(request.get_full_path() if request.method == "GET" else reverse("overview"))
            return load_again() if is_part(request) else to_sign_in
        request.sight, request.who = Sight.of(request.user), request.user.email
        request.zone = request.sight.zone or request.zone  # who has one organisation reads its times
        needs_factor = settings.SECOND_FACTOR & request.sight.roles and not request.sight.has_factor
        if needs_factor and not is_vouched_for(request, request.user):
            return load_again() if is_part(request) else HttpResponseRedirect(reverse("mfa_activate_totp"))
        if route.right is not None and not request.sight.may(route.right):
            raise PermissionDenied
        if route.fresh and is_reauthentication_required(request, app="account"):
            if request.method == "POST":  # what was entered is not kept for later; the form is shown again
                return HttpResponseRedirect(reverse(route.back) if route.back else request.get_full_path())
            raise ReauthenticationRequired
        return route.view(request, *args, **kwargs)

    return handle
