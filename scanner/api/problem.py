"""Everything that goes wrong, told to programs in one form (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError, ValidationError

from scanner.engine.errors import RoundsmanError
from targets.registry.problems import BadInput
from targets.registry.store import RegisterChanged

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with what was sent: where (a JSON Pointer, or the name of a parameter), and why."""

    place: str
    detail: str


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """Ends a request: an HTTP status, a word for programs, and a sentence for people that says what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Iterable[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = tuple(errors), dict(headers or {})

    def answer(self) -> HttpResponse:
        """Return it as it is sent. The type is ``about:blank``: the title is the status, the rest is in ``code``."""
        document: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            document["errors"] = [{"place": each.place, "detail": each.detail} for each in self.errors]
        body = json.dumps(document, ensure_ascii=False)
        return HttpResponse(body, status=self.status, content_type=MEDIA_TYPE, headers=self.headers)


NOT_FOUND = "There is nothing here, or nothing that this token may see."

SCHEMA: Mapping[str, object] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["place", "detail"],
                "additionalProperties": False,
                "properties": {"place": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
"""The form of :meth:`Problem.answer`, for the OpenAPI document."""


def of_error(error: Exception) -> Problem:
    """Return what an error means to who asked. One of ours is logged, and no word of it told."""
    match error:
        case Problem():
            return error
        case Http404():
            return Problem(404, "not-found", NOT_FOUND)
        case ValidationError():
            wrong = [_wrong(each) for each in error.errors]
            return Problem(422, "invalid", "What was sent does not have the form that this takes.", wrong)
        case HttpError():
            return of_status(error.status_code)
        case BadInput():
            wrong = [
                Wrong(each.field, f"{each.wrong}; {each.right}" if each.right else each.wrong)
                for each in error.problems
            ]
            return Problem(409, "refused", "The register can't become what was sent; nothing was changed.", wrong)
        case RoundsmanError() | RegisterChanged():
            return Problem(409, "refused", str(error.args[0]))
        case DatabaseError():
            _log.error("the database could not be used: %s", error)
            later = {"Retry-After": "5"}
            return Problem(503, "unavailable", "The database can't be used right now; try again.", headers=later)
        case _:
            _log.error("a request failed", exc_info=error)
            return Problem(500, "failed", "An error of Roundsman; its log has it.")


_SAID = {
    400: ("unreadable", "What was sent can't be read; a body is JSON in UTF-8."),
    403: ("forbidden", "The account of this token may not do this."),
    404: ("not-found", NOT_FOUND),
    405: ("method-not-allowed", "This address does not take this method; the header Allow names those it takes."),
    413: ("too-large", "What was sent is too large."),
    500: ("failed", "An error of Roundsman; its log has it."),
}


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Return a problem of which nothing is known but its status."""
    code, detail = _SAID.get(status, ("refused", f"{HTTPStatus(status).phrase}."))
    return Problem(status, code, detail, headers=headers)


def as_problem(response: HttpResponse) -> HttpResponse:
    """Return ``response`` in our form, should something else have made an error of its own."""
    if response.status_code < HTTPStatus.BAD_REQUEST or response.get("Content-Type") == MEDIA_TYPE:
        return response
    kept = {name: value for name, value in response.items() if name in ("Allow", "Retry-After")}
    return of_status(response.status_code, kept).answer()


def handle(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """Answer an error that a route raised."""
    del request
    return of_error(error if isinstance(error, Exception) else error()).answer()


def _wrong(error: Mapping[str, object]) -> Wrong:
    location = error.get("loc")
    parts = [str(each) for each in location] if isinstance(location, tuple) else []
    source, rest = (parts[0], parts[1:]) if parts else ("", [])
    place = "".join(f"/{each}" for each in rest[1:]) if source == "body" else ".".join(rest)
    return Wrong(place, str(error.get("msg", "")))
