"""All routes, their addresses, and the OpenAPI document that tells of them."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.operation import Operation

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.api import bulletins, findings, messages, notices, plans, register, reports, rounds, system
from scanner.api.door import guarded
from scanner.api.problem import MEDIA_TYPE, SCHEMA, handle
from scanner.api.scopes import Scope

PREFIX = "api/v1/"
VERSION = "1"
"""Of the interface; it is in every address. What would break a program that was right gets another one."""

_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_ERRORS = {
    "4XX": {"description": "Refused; nothing was changed.", **_PROBLEM},
    "5XX": {"description": "Failed; nothing was changed.", **_PROBLEM},
}
_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]{1,200}$"},
    "description": "The same request with the same key is done once within 24 hours, however often it comes.",
}
_KNOWN = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of an answer that is there already; 304 says that it would be the same.",
}


class Site(NinjaAPI):
    """The interface; it names its operations as their functions are named."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return a name that clients are made with."""
        return operation.view_func.__name__


def _make() -> Site:
    site = Site(title="Roundsman", version=VERSION, openapi_url=None, docs_url=None, urls_namespace="api")
    for room in (register, plans, rounds, findings, reports, notices, bulletins, messages, system):
        site.add_router("", room.router)
    site.add_exception_handler(Exception, handle)
    for kind in list(site._exception_handlers):  # noqa: SLF001 - its own handlers answer in another form
        site.add_exception_handler(cast("type[Exception]", kind), handle)
    return site


SITE = _make()


def patterns() -> list[URLPattern]:
    """Return every address, behind the door. There is nothing at the root."""
    paths = document()["paths"]
    found = [each for each in SITE.urls[0] if isinstance(each, URLPattern) and each.name != "api-root"]
    return [guarded(each, _asks(paths[_documented(each)])) for each in found]


def _documented(pattern: URLPattern) -> str:
    """Return an address as the document writes it."""
    return f"/{PREFIX}{pattern.pattern}".replace("<", "{").replace(">", "}")


def _asks(methods: dict[str, Any]) -> dict[str, set[str]]:
    """Return the names of a query that each method takes."""
    return {
        method.upper(): {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        for method, operation in methods.items()
    }


def useful_scopes(sight: Sight) -> list[Scope]:
    """Return the scopes that let a token of an account do anything: those of a route whose right it has somewhere."""
    opened = {scope for scope, right in _doors() if sight.may(Right(right))}
    return [each for each in Scope if each in opened]


@cache
def _doors() -> frozenset[tuple[str, str]]:
    methods = [operation for path in document()["paths"].values() for operation in path.values()]
    return frozenset((each["x-scope"], each["x-right"]) for each in methods)


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    made = cast("dict[str, Any]", SITE.get_openapi_schema(path_prefix=PREFIX))
    made["info"]["description"] = "See docs/api.md."
    made["components"]["schemas"]["Problem"] = SCHEMA
    for methods in made["paths"].values():
        for method, operation in methods.items():
            operation["responses"] = {str(status): said for status, said in operation["responses"].items()}
            operation["responses"] |= _ERRORS
            if method == "get":
                operation["responses"]["304"] = {"description": "As it was."}
            operation["parameters"].append(_KNOWN if method == "get" else _KEY)
    return made
