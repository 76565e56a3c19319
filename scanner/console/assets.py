"""The files that pages load, under addresses that change with their content: our style sheet, and on a few a script."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

_A_YEAR = 365 * 24 * 60 * 60

_TYPES = {"console.css": "text/css; charset=utf-8", "keys.js": "text/javascript; charset=utf-8"}


@require_safe
def asset(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """Hand a file out, to be kept for good: a changed one has another address."""
    del request
    if name not in _TYPES or digest != _digest(name):
        raise Http404
    response = HttpResponse(_content(name), content_type=_TYPES[name])
    response["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
    return response


def asset_url(name: str) -> str:
    """Return the address of a file as it is now."""
    return reverse("asset", args=[_digest(name), name])


@cache
def _content(name: str) -> bytes:
    return (resources.files("scanner.console") / name).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:16]
