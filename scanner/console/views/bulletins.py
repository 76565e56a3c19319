"""Bulletins: how the units of a supervising organisation compare, kept as they were sent, or made for any days."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console import papers
from scanner.console.campaigns import campaigns
from scanner.console.forms import DayField, PageForm
from scanner.console.requests import PageRequest
from scanner.delivery.bulletin_files import FORMS, Wanted, files_of, kept_name, row_of
from scanner.delivery.bulletins import audience, bulletin_on, send_bulletin
from scanner.delivery.kept_pdf import kept_pdf
from scanner.engine.errors import InputError
from scanner.packing import unpack
from scanner.reports.bulletin_query import period_of
from scanner.reports.dates import Dates
from scanner.reports.formats import ReportFormat
from scanner.reports.models import Bulletin
from scanner.reports.press import PRESS
from scanner.reports.stationery import stationery_of
from targets.models import Organisation

PER_PAGE = 50

USUAL = timedelta(days=29)
"""How many days before today a bulletin begins when nobody says."""

EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""Days that bulletins may be about; beyond them, clocks of some organisation can't say what day it is."""


def index(request: PageRequest) -> HttpResponse:
    """List the bulletins that were sent, the newest first, and the campaigns of the last months."""
    rows = request.sight.rows(Bulletin).select_related("organisation").defer("html", "json", "pdf")
    told = {
        "page": Paginator(rows.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page")),
        "address": lambda number: f"?page={number}",
        "campaigns": campaigns(request.sight, request.now),
        "sees_plans": request.sight.may(Right.WATCH),
    }
    return render(request, "bulletins.html", told)


def kept(request: PageRequest, number: int, form: str) -> HttpResponse:
    """Show a bulletin as it was sent, or hand it out."""
    rows = request.sight.rows(Bulletin).select_related("organisation")
    row = get_object_or_404(rows.exclude(html=b""), pk=number)
    return _handed_out(request, row, form, f"bulletin {row.pk}", reverse("bulletins"))


class PeriodForm(PageForm):
    """About whom, and about which days; with names or without."""

    topic = "bulletin_form"

    organisation = forms.SlugField(max_length=64, required=False)
    since = DayField()
    until = DayField()
    anonymous = forms.BooleanField(required=False)

    def __init__(self, request: PageRequest) -> None:
        sent = request.POST if request.method == "POST" else request.GET
        today = Dates(request.words.language, request.zone, request.now).local(request.now).date()
        initial = {"since": today - USUAL, "until": today, **request.GET.dict()}
        super().__init__(request.words, sent if "since" in sent else None, initial=initial)
        self._now, self._known = request.now, request.sight.overseen()
        self._everyone = request.sight.may(Right.WATCH)
        self.fields["organisation"].widget.attrs["list"] = "supervisors"

    def clean_organisation(self) -> Organisation | None:
        """Find the organisation; nobody but the office may leave it out, and speak of everyone."""
        slug = self.cleaned_data["organisation"]
        found = self._known.filter(slug=slug).first() if slug else None
        if found is None and (slug or not self._everyone):
            raise forms.ValidationError(self.words("console.bulletins.no_supervisor"))
        return found

    def clean(self) -> dict[str, Any]:
        """A period has a past."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        since, until = cleaned["since"], cleaned["until"]
        if not EARLIEST <= since <= until <= LATEST:
            raise forms.ValidationError(self.words("console.bulletins.no_period"))
        try:
            period_of(since, until, self.wanted.zone, self._now)
        except InputError as error:
            raise forms.ValidationError(self.words("console.bulletins.no_period")) from error
        return cleaned

    @property
    def wanted(self) -> Wanted:
        """What is asked for."""
        told = self.cleaned_data
        return Wanted(told["organisation"], told["since"], told["until"], nameless=told["anonymous"])

    @property
    def query(self) -> str:
        """The same for the address of a page."""
        top = self.wanted.top
        told = {"organisation": top.slug if top else "", "since": self.wanted.first, "until": self.wanted.last}
        return urlencode(told | ({"anonymous": "on"} if self.wanted.nameless else {}))


def make(request: PageRequest) -> HttpResponse:
    """Take days to make a bulletin on, show how it can be had, and send it when that is agreed to."""
    if request.method == "POST" and not request.sight.may(Right.OPERATE):
        raise PermissionDenied
    form, t = PeriodForm(request), request.words
    ready = form.is_bound and form.is_valid()
    if ready and request.method == "POST":
        sent = send_bulletin(form.wanted, request.now)
        said = t("console.bulletins.sent", n=len(sent)) if sent else t("console.bulletins.sent_before")
        (messages.success if sent else messages.warning)(request, said)
        return HttpResponseRedirect(reverse("bulletins"))
    to = audience(form.wanted.top) if ready and request.sight.may(Right.OPERATE) else None
    supervisors = request.sight.overseen().order_by("slug")
    told = {"form": form, "ready": ready, "to": to, "forms": FORMS, "supervisors": supervisors[:PER_PAGE]}
    return render(request, "make_bulletin.html", told)


def made(request: PageRequest, form: str) -> HttpResponse:
    """Make a bulletin, and show it or hand it out; nothing of it is kept."""
    asked = PeriodForm(request)
    if not (asked.is_bound and asked.is_valid()):
        raise Http404
    wanted, language = asked.wanted, request.words.language
    with stationery_of(wanted.top):
        row = row_of(wanted, bulletin_on(wanted, request.now), language)
    return _handed_out(request, row, form, f"bulletin {row.digest}", f"{reverse('make-bulletin')}?{asked.query}")


def _handed_out(request: PageRequest, row: Bulletin, form: str, key: str, back: str) -> HttpResponse:
    if form == "view":
        return papers.looked_at(unpack(row.html))
    if form not in FORMS:
        raise Http404
    name = kept_name(row, form)
    if form == ReportFormat.PDF:
        printed = partial(kept_pdf, row, lambda page: PRESS.pdf(key, lambda: page))
        return papers.made(request, lambda: (name, printed()), back)
    return papers.saved(name, files_of(row, [ReportFormat(form)])[form])
