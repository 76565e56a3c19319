"""Zones: the parts of the network that targets lie in, each looked at from one place."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import PageForm, choose_from, note_problems
from scanner.console.proposals import written
from scanner.console.requests import PageRequest
from targets.models import Vantage, Zone
from targets.registry.fields import HIGHEST_RATE
from targets.registry.problems import BadInput
from targets.registry.store import current_register, limits
from targets.registry.written import read_written


class ZoneForm(PageForm):
    """What a zone is. Its name stays, as files and targets call it by that."""

    topic = "zone_form"

    name = forms.CharField(max_length=64)
    vantage = forms.ChoiceField()
    rate = forms.FloatField(min_value=0, max_value=HIGHEST_RATE, initial=0)

    rare = ("rate",)

    def __init__(self, request: PageRequest, this: Zone | None = None) -> None:
        known = {"vantage": this.vantage, "rate": this.rate} if this else {}
        super().__init__(request.words, request.POST or None, initial=known)
        choose_from(self, "vantage", ((each.value, request.words(f"vantage.{each}")) for each in Vantage))
        if this is not None:
            del self.fields["name"]


def index(request: PageRequest) -> HttpResponse:
    """List zones, with how many targets lie in each."""
    rows = request.sight.rows(Zone).annotate(n=Count("targets", filter=Q(targets__retired_at=None)))
    return render(request, "zones.html", {"zones": rows, "operates": request.sight.may(Right.OPERATE)})


def add(request: PageRequest) -> HttpResponse:
    """Add a zone."""
    form, t = ZoneForm(request), request.words
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if request.sight.rows(Zone).filter(name=name).exists():
            form.add_error("name", t("console.zone_form.there_is_one"))
        elif _stored(request, form, name):
            messages.success(request, t("console.zones.added"))
            return HttpResponseRedirect(reverse("zones"))
    return _shown(request, form, t("console.zones.add"), t("console.zones.add"))


def change(request: PageRequest, number: int) -> HttpResponse:
    """Change from where a zone is looked at, and how fast."""
    this, t = get_object_or_404(request.sight.rows(Zone), pk=number), request.words
    form = ZoneForm(request, this)
    if request.method == "POST" and form.is_valid() and _stored(request, form, this.name):
        messages.success(request, t("console.zones.changed"))
        return HttpResponseRedirect(reverse("zones"))
    return _shown(request, form, t("console.zones.change_title", name=this.name), t("console.register.save"))


def _stored(request: PageRequest, form: ZoneForm, name: str) -> bool:
    try:
        wanted = read_written("zones", {**form.cleaned_data, "name": name}, limits())
    except BadInput as error:
        note_problems(form, error)
        return False
    return written(request, form, wanted, current_register(()))


def _shown(request: PageRequest, form: ZoneForm, title: str, button: str) -> HttpResponse:
    told = {
        "title": title,
        "intro": request.words("console.zones.intro"),
        "form": form,
        "button": button,
        "back": reverse("zones"),
        "danger": False,
    }
    return render(request, "form.html", told)
