"""Bulletins: how the units of a supervising organisation compare."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import SlugInPath
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.delivery.bulletin_files import Wanted, files_of, row_of
from scanner.delivery.bulletins import bulletin_on
from scanner.engine.catalogue.load import Language
from scanner.reports.bulletin_reads import subtree
from scanner.reports.bulletin_render import render_bulletin_json
from scanner.reports.formats import ReportFormat
from scanner.reports.stationery import stationery_of
from targets.models import Organisation

router = Router(tags=["reports"])

READ = needs(Scope.REPORTS_READ, Right.READ)

EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""Days that bulletins may be about; beyond them, clocks of some organisation can't say what day it is."""


class Days(Schema):
    """The days that a bulletin is about, by the clocks of its organisation, and how it is written."""

    since: date = Field(description="The first day.")
    until: date = Field(description="The last day.")
    anonymous: bool = Field(default=False, description="Without names: units are letters.")
    language: Language | None = Field(default=None, description="Default: that of the organisation.")


AskedDays = Annotated[Days, Query()]


@router.get("/organisations/{slug}/bulletin", response=dict[str, Any], **READ)
def show_bulletin(request: ApiRequest, slug: SlugInPath, days: AskedDays) -> HttpResponse:
    """Make a bulletin on an organisation and all that it supervises, for who sees all of them."""
    wanted = _wanted(request, slug, days)
    made = bulletin_on(wanted, request.now)
    language = days.language or Language(made.organisation.language)
    document = json.loads(render_bulletin_json(made, language))
    return HttpResponse(json.dumps(document, ensure_ascii=False), content_type="application/json; charset=utf-8")


@router.get("/organisations/{slug}/bulletin.html", response={200: None}, **READ)
def download_bulletin(request: ApiRequest, slug: SlugInPath, days: AskedDays) -> HttpResponse:
    """Make a bulletin as a page, as it would be mailed."""
    wanted = _wanted(request, slug, days)
    made = bulletin_on(wanted, request.now)
    with stationery_of(wanted.top):
        row = row_of(wanted, made, days.language or Language(made.organisation.language))
        (page,) = files_of(row, [ReportFormat.HTML]).values()
    response = HttpResponse(page, content_type="text/html; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="bulletin-{slug}-{days.until}.html"'
    return response


def _wanted(request: ApiRequest, slug: str, days: Days) -> Wanted:
    """Return what is asked for, of an organisation of whose units none is hidden from who asks."""
    sight = request.visit.sight
    top = get_object_or_404(sight.rows(Organisation), slug=slug, retired_at=None)
    if not all(sight.may(Right.READ, unit) for unit in subtree(top, request.now).organisations):
        raise Http404
    if not EARLIEST <= days.since <= days.until <= LATEST:
        raise Problem(409, "refused", f"The days lie between {EARLIEST} and {LATEST}, the first before the last.")
    return Wanted(top, days.since, days.until, nameless=days.anonymous)
