"""How much may be sent, and by whom: a document by who is signed in, no more than a form by who is not.

A stranger's large body is refused twice: by the web server once the headers are there, when no session or token comes
with them; and, when those turn out to be nobody's, before anything of the body is read.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

from scanner.api.problem import of_status
from scanner.api.site import PREFIX
from scanner.console.errors import too_large
from targets.documents import LARGEST as LARGEST_DOCUMENT

LARGEST = LARGEST_DOCUMENT + 1024 * 1024
"""Bytes of the body of a request: a document, and the form around it. Django takes 2.5 MB beside files."""

LARGEST_OF_STRANGERS = 128 * 1024
"""The same of who is not signed in: a password, a code, or what a security key says."""

Handler = Callable[[HttpRequest], HttpResponse]


class Parser(HTTPRequestParser):
    """Takes less of requests that don't even say who they are of."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers, by which the limit is found that waitress asks for next."""
        super().parse_header(header_plus)
        is_told = (
            f"{settings.SESSION_COOKIE_NAME}=" in self.headers.get("COOKIE", "") or "AUTHORIZATION" in self.headers
        )
        if not is_told:
            self.adj = copy(self.adj)
            self.adj.max_request_body_size = LARGEST_OF_STRANGERS


class Channel(HTTPChannel):
    """A connection whose requests are read so."""

    parser_class = Parser


def bounded(get_response: Handler) -> Handler:
    """Refuse a stranger's large body before it is read. A token is looked at by its own door, before the body too."""

    def handle(request: Any) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) <= LARGEST_OF_STRANGERS:
            return get_response(request)
        is_of_programs = request.path_info.startswith(f"/{PREFIX}")
        if request.user.is_authenticated or (is_of_programs and "Authorization" in request.headers):
            return get_response(request)
        return of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE).answer() if is_of_programs else too_large(request)

    return handle
