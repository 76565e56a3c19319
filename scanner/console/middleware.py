"""What holds for every page: what a browser may do with it, when it is, for how long, and in which language."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from scanner.accounts.models import User
from scanner.accounts.signed import SINCE
from scanner.console.texts import CODES, language_of, texts
from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line

_log = logging.getLogger(__name__)

_REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

Handler = Callable[[HttpRequest], HttpResponse]

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""What our pages may load (Content Security Policy Level 3): our style sheet, and the picture of a second factor.

No script at all, so that none can be smuggled in.
"""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}


FOR_PROGRAMS = {"Content-Disposition": 'attachment; filename="api.json"'}
"""No browser shows an answer that was meant for a program (OWASP ASVS 4.0.3, 14.4.2)."""


def headers(get_response: Handler) -> Handler:
    """Give every answer the headers that it has not set itself."""

    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in (HEADERS | FOR_PROGRAMS if request.path_info.startswith("/api/") else HEADERS).items():
            response.headers.setdefault(name, value)
        return response

    return handle


def reader(get_response: Handler) -> Handler:
    """Note the moment, and speak the reader's language: that of the account, else of the cookie, else of the browser.

    Below this, no code of the console reads a clock. A session that has lasted too long is over here.
    """

    def handle(request: Any) -> HttpResponse:
        request.now, request.zone = datetime.now(UTC), settings.TIME_ZONE
        if request.user.is_authenticated and _is_over(request):
            logout(request)
        language = _language(request)
        request.words = texts(language)
        with translation.override(CODES[language]):
            response = get_response(request)
        response.headers.setdefault("Content-Language", str(language))
        if response.status_code in _REFUSED:
            _tell_refused(request, response.status_code)
        return response

    return handle


def _tell_refused(request: Any, status: int) -> None:
    """Log who was refused what; what was refused to nobody in particular is in the log of Django."""
    visit = getattr(request, "visit", None)
    who = visit.who if visit is not None else request.user.email if request.user.is_authenticated else ""
    if who:
        told = (request.method, line(request.path, 200), who, request.META.get("REMOTE_ADDR", ""), status)
        _log.warning("%s %s was refused to %s from %s: %s", *told)


def _is_over(request: Any) -> bool:
    """Tell whether the sign-in lies too far back; Django alone would count from the last change of the session."""
    now = request.now.timestamp()
    return bool(now - request.session.get(SINCE, now) > settings.SESSION_COOKIE_AGE)


def _language(request: HttpRequest) -> Language:
    user = request.user
    if isinstance(user, User) and user.language:
        return Language(user.language)
    kept = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
    return language_of(kept if kept and kept in CODES.values() else translation.get_language_from_request(request))
