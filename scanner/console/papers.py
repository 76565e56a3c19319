"""Documents that are handed out: as files that a browser saves, or shown as documents of their own, locked in."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import content_disposition_header

from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.engine.errors import RoundsmanError
from scanner.reports.pdf import LibraryMissingError
from scanner.reports.press import NotYetError

LOCKED = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What a document may do that is looked at (Content Security Policy Level 3).

It is of no origin (``sandbox``), so that it is no page of ours whatever it holds; it has its style in itself.
"""

AGAIN_IN = 3
"""Seconds after which a page that waits for a PDF asks for it again."""


def saved(name: str, content: bytes) -> HttpResponse:
    """Hand out a file; a browser saves it, and never shows it within our pages."""
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response


def looked_at(page: bytes) -> HttpResponse:
    """Show a document as one of its own."""
    response = HttpResponse(page, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = LOCKED
    return response


def made(request: PageRequest, make: Callable[[], tuple[str, bytes]], back: str) -> HttpResponse:
    """Hand out what ``make`` returns, a name and content; where it is not ready yet, a page that asks for it again.

    What can't be made is told on the page ``back``.
    """
    try:
        name, content = make()
    except NotYetError as error:
        told = {"mine": error.mine, "back": back}
        response = render(request, "making.html", told, status=202 if error.mine else 503)
        response["Refresh"] = response["Retry-After"] = str(AGAIN_IN)
        return response
    except LibraryMissingError:
        messages.error(request, request.words("console.papers.no_library"))
    except RoundsmanError as error:
        messages.error(request, request.words("console.error.refused", why=why(error, request.words)))
    else:
        return saved(name, content)
    return HttpResponseRedirect(back)
