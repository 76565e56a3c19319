"""The audit trail: who did what, by a filter; each entry whole; and the proof that none was changed."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from scanner.audit.models import Entry
from scanner.audit.trail import Action, Verdict, verify
from scanner.console.forms import DayField, ListFilter, PageForm, choose_from
from scanner.console.requests import PageRequest
from scanner.console.views.system import alone
from targets.registry.times import end_of_day

PER_PAGE = 50

BRIEF = 200
"""Characters of an act's details that the list shows, as the command line does."""

LONGEST = 50_000
"""Characters of them that the page of an entry shows; 'audit export' has all."""

_YEARS = range(1971, 9000)
"""Years of days that can be looked for: those at the ends of the calendar are in no time zone."""


class Filter(ListFilter):
    """Which acts are to be listed."""

    topic = "audit"

    actor = forms.CharField(max_length=200, required=False)
    action = forms.ChoiceField(required=False)
    subject = forms.CharField(max_length=300, required=False)
    since = DayField(required=False)
    until = DayField(required=False)

    def offer(self) -> None:
        """Acts, by their names."""
        names = {each.value: f"console.act.{each}" for each in Action}
        told = {act: self.words(key) if self.words.has(key) else act for act, key in names.items()}
        acts = sorted(told.items(), key=lambda each: each[1])
        choose_from(self, "action", [("", self.words("console.filter.any")), *acts])


def index(request: PageRequest) -> HttpResponse:
    """List acts, the newest first."""
    form = Filter(request.words, request.GET)
    wanted, rows = form.cleaned_data, request.sight.rows(Entry).order_by("-pk")
    for name, lookup in (("actor", "actor__icontains"), ("action", "action"), ("subject", "subject__icontains")):
        if wanted.get(name):
            rows = rows.filter(**{lookup: wanted[name]})
    since, until = (_known(wanted.get(name)) for name in ("since", "until"))
    if since is not None:
        rows = rows.filter(at__gte=datetime.combine(since, time(), ZoneInfo(request.zone)))
    if until is not None:
        rows = rows.filter(at__lt=end_of_day(until, ZoneInfo(request.zone)))
    told = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "brief": _brief,
    }
    return render(request, "audit.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one entry whole."""
    this = get_object_or_404(request.sight.rows(Entry), pk=number)
    detail = json.dumps(this.detail, ensure_ascii=False, sort_keys=True, indent=2) if this.detail else ""
    told = {
        "this": this,
        "detail": detail[:LONGEST],
        "cut": len(detail) > LONGEST,
    }
    return render(request, "audit_entry.html", told)


class VerifyForm(PageForm):
    """A digest that was noted earlier, if one was."""

    topic = "verify"

    expect = forms.CharField(max_length=100, required=False)

    def clean_expect(self) -> str:
        """A SHA-256 in hexadecimal digits."""
        digest: str = self.cleaned_data["expect"].strip().lower()
        if digest and not re.fullmatch("[0-9a-f]{64}", digest):
            raise forms.ValidationError(self.words("console.verify.no_digest"))
        return digest


def prove(request: PageRequest) -> HttpResponse:
    """Say what is proven; asked by the form, walk the whole trail, and say whether it is whole."""
    form = VerifyForm(request.words, request.POST if request.method == "POST" else None)
    verdict: Verdict | None = None
    if request.method == "POST" and form.is_valid():
        with alone() as mine:
            if mine:
                verdict = verify(form.cleaned_data["expect"])
            else:
                messages.error(request, request.words("console.doctor.busy"))
    return render(request, "verify.html", {"form": form, "verdict": verdict})


def _known(day: date | None) -> date | None:
    return day if day is not None and day.year in _YEARS else None


def _brief(entry: Entry) -> tuple[str, bool]:
    """Return the beginning of an entry's details, and whether there is more."""
    detail = json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else ""
    return detail[:BRIEF], len(detail) > BRIEF
