"""Pages that say what went wrong, without saying more than that."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def wrong_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what came can't be read."""
    del exception
    return _page(request, 400)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: the reader has no right to this."""
    del exception
    return _page(request, 403)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form that is not, or no longer, one of ours (CSRF)."""
    del reason
    return _page(request, 403, "forged")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is no such page, or it is not the reader's; which of both is not told."""
    del exception
    return _page(request, 404)


def too_large(request: HttpRequest) -> HttpResponse:
    """413: more than somebody may send who is not signed in."""
    return _page(request, 413)


def failed(request: HttpRequest) -> HttpResponse:
    """500: an error of ours; the log has it. The database may be the matter, so nothing is asked of it."""
    for name, value in (("user", AnonymousUser()), ("sight", None)):
        setattr(request, name, value)
    return _page(request, 500)


def _page(request: HttpRequest, status: int, what: str = "") -> HttpResponse:
    return render(request, "error.html", {"what": what or str(status)}, status=status)
