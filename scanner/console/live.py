"""Pages that show how something goes on: htmx asks for a part of them again and again, and puts it in its place.

Without a script the whole page asks again, by itself.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from scanner.console.middleware import POLICY

LIVE_POLICY = f"{POLICY}; script-src 'self'; connect-src 'self'"
"""What a live page may load: htmx, and parts of pages of ours. Whatever else we hand out is no script (``nosniff``)."""

STOP_POLLING = 286
"""The status by which htmx asks no more."""

EVERY = 2
"""Seconds between two questions of htmx."""

WITHOUT_SCRIPT = 5
"""Seconds after which a page without a script asks again as a whole."""

CONFIG = {
    "allowEval": False,
    "allowScriptTags": False,
    "historyCacheSize": 0,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    "timeout": 10_000,
}
"""How htmx is to behave: nothing that needs more than :data:`LIVE_POLICY`, and nothing kept in the browser. After the
time (in milliseconds) a question counts as lost, and the next one is asked."""


def live(response: HttpResponse) -> HttpResponse:
    """Let the page run htmx."""
    response["Content-Security-Policy"] = LIVE_POLICY
    return response


def is_part(request: HttpRequest) -> bool:
    """Tell whether htmx asks, for a part of a page."""
    return "HX-Request" in request.headers


def load_again() -> HttpResponse:
    """Return what has htmx load the whole page again, so that its reader is led to where they have to go now."""
    return HttpResponse(status=204, headers={"HX-Refresh": "true"})
