"""Exclusions: what is never touched, for one organisation or for all; they win over every authorisation."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import DayField, ListFilter, PageForm
from scanner.console.proposals import WRITTEN, revised, settle, written
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from targets.addresses import parse_target
from targets.models import Exclusion, Organisation
from targets.ports import format_ports, parse_ports
from targets.registry.plan import EVERYONE, EVERYONES_ZONE
from targets.registry.proposal import propose
from targets.registry.specs import ExclusionSpec
from targets.registry.store import current_register
from targets.registry.times import parse_end
from targets.wrong import WrongText

PER_PAGE = 50


class Filter(ListFilter):
    """Which exclusions are to be listed."""

    topic = "exclusions"

    q = forms.CharField(max_length=253, required=False)
    organisation = forms.SlugField(max_length=64, required=False)


def index(request: PageRequest) -> HttpResponse:
    """List what is excluded."""
    form = Filter(request.words, request.GET)
    rows = request.sight.rows(Exclusion).filter(retired_at=None)
    if form.cleaned_data.get("organisation"):
        rows = rows.filter(organisation__slug=form.cleaned_data["organisation"])
    if form.cleaned_data.get("q"):
        rows = rows.filter(value__icontains=form.cleaned_data["q"])
    rows = rows.select_related("organisation").order_by("organisation__slug", "value", "ports")
    told = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "owners": request.sight.own is None,
        "operates": request.sight.may(Right.OPERATE),
    }
    return render(request, "exclusions.html", told)


class ExclusionForm(PageForm):
    """What must not be touched, and why."""

    topic = "exclusion_form"

    organisation = forms.SlugField(max_length=64, required=False)
    value = forms.CharField(max_length=2048)
    ports = forms.CharField(max_length=2000, initial="1-65535")
    reason = forms.CharField(max_length=500)
    until = DayField(required=False)

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.POST or None, initial={"organisation": request.GET.get("of", "")})
        self._known = request.sight.rows(Organisation, Right.OPERATE).filter(retired_at=None)
        self._everywhere = Right.OPERATE in request.sight.everywhere

    def clean_organisation(self) -> Organisation | None:
        """Find the organisation; none is for all, which needs the right for all."""
        slug = self.cleaned_data["organisation"]
        found = self._known.filter(slug=slug).first() if slug else None
        if found is None and (slug or not self._everywhere):
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return found

    def clean_value(self) -> str:
        """Read the address; a name stays one."""
        try:
            return parse_target(self.cleaned_data["value"]).value
        except WrongText as error:
            raise forms.ValidationError(why(error, self.words)) from error

    def clean_ports(self) -> str:
        """Ports in their canonical form."""
        try:
            return format_ports(parse_ports(self.cleaned_data["ports"]))
        except WrongText as error:
            raise forms.ValidationError(why(error, self.words)) from error

    @property
    def spec(self) -> ExclusionSpec:
        """The exclusion as files describe it."""
        wanted = self.cleaned_data
        owner, until = wanted["organisation"], wanted["until"]
        zone = ZoneInfo(owner.time_zone) if owner else EVERYONES_ZONE
        end = parse_end(until.isoformat(), zone) if until else None
        return ExclusionSpec(wanted["value"], wanted["reason"], wanted["ports"], end, WRITTEN)


def add(request: PageRequest) -> HttpResponse:
    """Exclude something; the same address and ports once more take the place of what was there."""
    form, t = ExclusionForm(request), request.words
    if request.method == "POST" and form.is_valid():
        owner = form.cleaned_data["organisation"]
        slug = owner.slug if owner else EVERYONE
        register = current_register({slug})
        wanted = revised(register, "exclusions", [(slug, form.spec)])
        if written(request, form, wanted, register, address="value"):
            messages.success(request, t("console.exclusions.added"))
            return HttpResponseRedirect(reverse("exclusions"))
    told = {
        "title": t("console.exclusions.add"),
        "intro": t("console.exclusion_form.intro"),
        "form": form,
        "button": t("console.exclusions.add"),
        "back": reverse("exclusions"),
        "danger": False,
    }
    return render(request, "form.html", told)


def end(request: PageRequest, number: int) -> HttpResponse:
    """Show what is not excluded any more, and end it."""
    rows = request.sight.rows(Exclusion, Right.OPERATE).select_related("organisation")
    this, t = get_object_or_404(rows, pk=number, retired_at=None), request.words
    slug = this.organisation.slug if this.organisation else EVERYONE
    register = current_register({slug})
    key = ExclusionSpec(this.value, this.reason, this.ports, this.until).key
    if this.organisation is not None and this.organisation.retired_at is not None:
        raise Http404
    return settle(
        request,
        propose(revised(register, "exclusions", drop=[(slug, key)]), current=register),
        title=t("console.exclusions.end_title", address=this.value),
        entered=(),
        back=reverse("exclusions"),
        done=t("console.exclusions.ended"),
        danger=True,
    )
