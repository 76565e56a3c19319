"""Every address that is served: the pages, and the interface for programs. Each tells errors in its own form."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from scanner.api import monitoring, site
from scanner.api.problem import of_status
from scanner.console import errors, urls

urlpatterns = [
    path(site.PREFIX, include((site.patterns(), "api"))),
    path("healthz", monitoring.healthz, name="healthz"),
    path("readyz", monitoring.readyz, name="readyz"),
    path("metrics", monitoring.metrics, name="metrics"),
    path("", include(urls)),
]

_FOR_PROGRAMS = "/" + site.PREFIX.partition("/")[0] + "/"


def _either(status: int, page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def handle(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.path_info.startswith(_FOR_PROGRAMS):
            return of_status(status).answer()
        return page(request, *args, **kwargs)

    return handle


handler400 = _either(400, errors.wrong_request)
handler403 = _either(403, errors.not_allowed)
handler404 = _either(404, errors.not_found)
handler500 = _either(500, errors.failed)
