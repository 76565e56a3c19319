"""Views of the findings that somebody keeps, and finds again on the page of the list."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from scanner.accounts import saved
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.console.views.findings import Filter
from scanner.engine.errors import Refused


def keep(request: PageRequest) -> HttpResponse:
    """Keep what a form asks for, which is a filter and a name."""
    asked, t = Filter(request, request.POST).chosen, request.words
    try:
        saved.keep(request.user, request.POST.get("name", ""), asked, request.now)
    except Refused as refusal:
        messages.error(request, t("console.error.refused", why=why(refusal, t)))
    else:
        messages.success(request, t("console.views.kept"))
    return _back(asked)


def remove(request: PageRequest, number: int) -> HttpResponse:
    """Remove a view; its list is shown on, so that it can be kept again."""
    removed = saved.remove(request.user, number)
    if removed is not None:
        messages.success(request, request.words("console.views.removed", name=removed.name))
    return _back(removed.asked if removed else {})


def _back(asked: Mapping[str, str]) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('findings')}?{urlencode(asked)}")
