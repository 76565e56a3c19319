"""The files that pages load, under addresses that change with their content: our style sheet, and on a few a script.

``htmx.js`` is that of htmx 2, from the package django-htmx, which holds it as its authors publish it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

_A_YEAR = 365 * 24 * 60 * 60

_SCRIPT = "text/javascript; charset=utf-8"

_FILES = {
    "console.css": ("scanner.console", "console.css", "text/css; charset=utf-8"),
    "keys.js": ("scanner.console", "keys.js", _SCRIPT),
    "htmx.js": ("django_htmx", "static/django_htmx/htmx-2.min.js", _SCRIPT),
}
"""By their names on pages: the package that holds a file, where in it, and what it is."""


@require_safe
def asset(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """Hand a file out, to be kept for good: a changed one has another address."""
    del request
    if name not in _FILES or digest != _digest(name):
        raise Http404
    response = HttpResponse(_content(name), content_type=_FILES[name][2])
    response["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
    return response


def asset_url(name: str) -> str:
    """Return the address of a file as it is now."""
    return reverse("asset", args=[_digest(name), name])


@cache
def _content(name: str) -> bytes:
    package, path, _ = _FILES[name]
    return resources.files(package).joinpath(path).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:16]
