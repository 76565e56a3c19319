"""The one file that pages load: our style sheet, under an address that changes with its content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

_A_YEAR = 365 * 24 * 60 * 60


@require_safe
def style(request: HttpRequest, digest: str) -> HttpResponse:
    """Hand the style sheet out, to be kept for good: a changed one has another address."""
    del request
    if digest != _digest():
        raise Http404
    response = HttpResponse(_content(), content_type="text/css; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
    return response


def style_url() -> str:
    """Return the address of the style sheet as it is now."""
    return reverse("style", args=[_digest()])


@cache
def _content() -> bytes:
    return (resources.files("scanner.console") / "console.css").read_bytes()


@cache
def _digest() -> str:
    return hashlib.sha256(_content()).hexdigest()[:16]
