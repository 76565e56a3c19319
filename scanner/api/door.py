"""The door of every route: a token, its pace, what it is for; reads that changed nothing, writes that came before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Set
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.http import parse_etags
from ninja.security import HttpBearer

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.api.models import Kept
from scanner.api.pace import Pace
from scanner.api.problem import Problem, Wrong, as_problem, of_error
from scanner.api.requests import ApiRequest, Visit
from scanner.api.scopes import Scope, covers
from scanner.api.tokens import recognised

KEPT_FOR = timedelta(hours=24)
"""How long the answer to a write that came with a key is kept."""

PACE = Pace()

View = Callable[..., HttpResponse]

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_SAFE = ("GET", "HEAD", "OPTIONS")
_JSON = "application/json"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="roundsman"'}


class Bearer(HttpBearer):
    """Lets in a token that has a scope, of an account that has a right somewhere.

    Which rows it then gets is for :meth:`Sight.rows` to say, and what may be done to one for :meth:`Sight.may`.
    """

    def __init__(self, scope: Scope, right: Right) -> None:
        super().__init__()
        self.scope, self.right = scope, right

    def __call__(self, request: Any) -> Visit:
        """Check what :func:`guarded` found. Raises ``Problem``."""
        return self.check(request.visit)

    def authenticate(self, request: HttpRequest, token: str) -> None:
        """Not asked: the door has recognised the token before."""

    def check(self, visit: Visit) -> Visit:
        """Return the visit when it may go on. Raises ``Problem``."""
        if not covers(visit.token.scopes, self.scope):
            raise Problem(403, "scope-missing", f"This token lacks the scope {self.scope}.")
        if not visit.sight.may(self.right):
            raise Problem(403, "forbidden", "The account of this token may not do this.")
        return visit


def needs(scope: Scope, right: Right) -> dict[str, Any]:
    """Return what a route says of who may use it: arguments for the decorators of a router."""
    return {"auth": Bearer(scope, right), "openapi_extra": {"x-scope": str(scope), "x-right": str(right)}}


def guarded(pattern: URLPattern, asks: Mapping[str, Set[str]]) -> URLPattern:
    """Return an address of the interface behind the door. ``asks`` has the names of a query that each method takes."""
    view: View = pattern.callback

    @wraps(view)
    def handle(request: Any, *args: object, **kwargs: object) -> HttpResponse:
        try:
            request.visit = enter(request)
            _refuse_kind(request)
            _refuse_others(request, asks.get(request.method, request.GET.keys()))
            response = as_problem(_once(request, lambda: view(request, *args, **kwargs)))
        except Exception as error:  # noqa: BLE001 - whatever it is, a program gets it in one form
            return of_error(error).answer()
        return _if_changed(request, response)

    return URLPattern(pattern.pattern, handle, pattern.default_args, pattern.name)


def enter(request: ApiRequest) -> Visit:
    """Recognise who asks. Raises ``Problem``."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = recognised(secret.strip(), request.now) if scheme.lower() == "bearer" else None
    if token is None:
        said = "Send the header 'Authorization: Bearer …' with a token that works; 'roundsman token add' makes one."
        raise Problem(401, "unauthorised", said, headers=_CHALLENGE)
    wait = PACE.wait(token.pk)
    if wait:
        raise Problem(429, "too-many", "This token asks too often.", headers={"Retry-After": str(wait)})
    return Visit(token, Sight.of(token.user))


def _refuse_kind(request: HttpRequest) -> None:
    """Refuse a body that doesn't say that it is JSON, rather than guess (OWASP ASVS 4.0.3, 13.1.5 and 13.2.5)."""
    has_body = request.META.get("CONTENT_LENGTH") not in (None, "", "0", 0)
    if has_body and request.method not in _SAFE and request.content_type != _JSON:
        raise Problem(415, "not-json", f"A body is JSON, and its header Content-Type says so: {_JSON}.")


def _refuse_others(request: HttpRequest, known: Set[str]) -> None:
    """Refuse parameters that nobody reads: a filter with a slip in its name would show everything."""
    others = [Wrong(name, "This parameter is unknown.") for name in request.GET if name not in known]
    if others:
        raise Problem(422, "invalid", "What was sent does not have the form that this takes.", others)


def _once(request: ApiRequest, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Do a write, and keep its answer in the same transaction, when it has a key; or give back the answer kept.

    What fails is not kept: it changed nothing, and may be tried again. Another request with the same key waits.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method in _SAFE:
        return act()
    if not _KEY.fullmatch(key):
        raise Problem(422, "invalid", "The header Idempotency-Key takes 1 to 200 visible ASCII characters.")
    with transaction.atomic():
        Kept.objects.filter(created__lte=request.now - KEPT_FOR).delete()
        first = {"request": _fingerprint(request), "created": request.now}
        kept, new = Kept.objects.get_or_create(token=request.visit.token, key=key, defaults=first)
        if not new:
            return _kept_answer(kept, first["request"])
        response = act()
        if response.status_code >= 400:
            transaction.set_rollback(True)
            return response
        kept.status, kept.body, kept.location = response.status_code, response.content, response.get("Location", "")
        kept.save(update_fields=["status", "body", "location"])
        return response


def _kept_answer(kept: Kept, request: object) -> HttpResponse:
    if kept.request != request:
        raise Problem(422, "key-used", "This Idempotency-Key was used for another request; choose a new one.")
    headers = {"Idempotency-Replayed": "true"} | ({"Location": kept.location} if kept.location else {})
    kind = "application/json; charset=utf-8"
    return HttpResponse(bytes(kept.body), status=kept.status, content_type=kind, headers=headers)


def _fingerprint(request: ApiRequest) -> str:
    asked = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(asked + request.body).hexdigest()


def _if_changed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give a read its tag, and leave its content out when the reader has it (RFC 9110 section 13.1.2)."""
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization"
    if request.method not in _SAFE or response.status_code != 200:
        return response
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if tag in known or "*" in known or f"W/{tag}" in known:
        response = HttpResponse(
            status=304, headers={"Cache-Control": response["Cache-Control"], "Vary": response["Vary"]}
        )
        del response["Content-Type"]
    response["ETag"] = tag
    return response
