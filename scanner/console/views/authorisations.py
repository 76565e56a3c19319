"""Authorisations: what ends soon, the page of each with its documents, adding one, ending one."""

from __future__ import annotations

from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console import papers
from scanner.console.first_steps import after
from scanner.console.forms import DayField, ListFilter, PageForm, choose_from
from scanner.console.proposals import WRITTEN, may_register, revised, settle, written
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.engine.errors import InputError
from scanner.reports.dates import Dates
from targets.addresses import parse_target
from targets.check import SOON
from targets.documents import LARGEST, keep_document
from targets.models import Authorisation, AuthorisationFile, Organisation
from targets.ports import format_ports, parse_ports
from targets.registry.proposal import propose
from targets.registry.specs import AuthorisationSpec
from targets.registry.store import current_register
from targets.registry.times import parse_begin, parse_end
from targets.wrong import WrongText

PER_PAGE = 50

LEVELS = ("0", "1", "2")

_STATES = ("", "soon", "ended", "retired")


class Filter(ListFilter):
    """Which authorisations are to be listed."""

    topic = "authorisations"

    organisation = forms.SlugField(max_length=64, required=False)
    state = forms.ChoiceField(required=False)

    def offer(self) -> None:
        """Name the states."""
        names = ((each, self.words(f"console.authorisations.state_{each or 'any'}")) for each in _STATES)
        choose_from(self, "state", names)


def index(request: PageRequest) -> HttpResponse:
    """List authorisations, what ends first before the others."""
    form = Filter(request.words, request.GET)
    rows = _filtered(request, form.cleaned_data).select_related("organisation").annotate(kept=Count("files"))
    told = {
        "page": Paginator(rows.order_by("valid_until", "pk"), PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "soon": request.now + SOON,
        "owners": request.sight.own is None,
        "operates": request.sight.may(Right.OPERATE),
    }
    return render(request, "authorisations.html", told)


def _filtered(request: PageRequest, wanted: dict[str, Any]) -> QuerySet[Authorisation]:
    rows, state, now = request.sight.rows(Authorisation), wanted.get("state"), request.now
    rows = rows.exclude(retired_at=None) if state == "retired" else rows.filter(retired_at=None)
    if state == "soon":
        rows = rows.filter(valid_until__gt=now, valid_until__lte=now + SOON)
    if state == "ended":
        rows = rows.filter(valid_until__lte=now)
    return rows.filter(organisation__slug=wanted["organisation"]) if wanted.get("organisation") else rows


class FileForm(PageForm):
    """A document to be kept with an authorisation."""

    topic = "authorisation_form"

    file = forms.FileField(max_length=200)


class AuthorisationForm(PageForm):
    """Who allowed what, until when, on what document."""

    topic = "authorisation_form"

    organisation = forms.SlugField(max_length=64)
    document = forms.CharField(max_length=200)
    allowed_by = forms.CharField(max_length=200)
    valid_from = DayField()
    valid_until = DayField()
    scope = forms.CharField(max_length=50_000, widget=forms.Textarea(attrs={"rows": 5}))
    ports = forms.CharField(max_length=2000, initial="1-65535")
    level = forms.ChoiceField()
    file = forms.FileField(required=False, max_length=200)

    def __init__(self, request: PageRequest) -> None:
        given = (request.POST, request.FILES) if request.method == "POST" else ()
        self._known = request.sight.rows(Organisation, Right.OPERATE).filter(retired_at=None)
        of = request.GET.get("of", "")[:64]
        zone = self._known.filter(slug=of).values_list("time_zone", flat=True).first() or request.zone
        initial = {"organisation": of, "valid_from": request.now.astimezone(ZoneInfo(zone)).date()}
        super().__init__(request.words, *given, initial=initial)
        choose_from(self, "level", ((each, request.words(f"level.{each}")) for each in LEVELS))

    def clean_organisation(self) -> Organisation:
        """Find the organisation."""
        found = self._known.filter(slug=self.cleaned_data["organisation"]).first()
        if found is None:
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return found

    def clean_scope(self) -> tuple[str, ...]:
        """Read the lines. Names are kept as names: nothing is resolved."""
        lines = self.cleaned_data["scope"].replace(",", "\n").split("\n")
        try:
            return tuple(sorted({parse_target(line.strip()).value for line in lines if line.strip()}))
        except WrongText as error:
            raise forms.ValidationError(why(error, self.words)) from error

    def clean_ports(self) -> str:
        """Ports in their canonical form."""
        try:
            return format_ports(parse_ports(self.cleaned_data["ports"]))
        except WrongText as error:
            raise forms.ValidationError(why(error, self.words)) from error

    def clean(self) -> dict[str, Any]:
        """An authorisation ends after it begins."""
        cleaned: dict[str, Any] = super().clean() or {}
        begins, ends = cleaned.get("valid_from"), cleaned.get("valid_until")
        if begins and ends and ends < begins:
            self.add_error("valid_until", self.words("console.authorisation_form.ends_before"))
        return cleaned

    @property
    def spec(self) -> AuthorisationSpec:
        """The authorisation as files describe it; days are those of its organisation."""
        wanted = self.cleaned_data
        zone = ZoneInfo(wanted["organisation"].time_zone)
        begin, end = partial(parse_begin, zone=zone), partial(parse_end, zone=zone)
        return AuthorisationSpec(
            document=wanted["document"],
            allowed_by=wanted["allowed_by"],
            valid_from=begin(wanted["valid_from"].isoformat()),
            valid_until=end(wanted["valid_until"].isoformat()),
            scope=wanted["scope"],
            ports=wanted["ports"],
            level=int(wanted["level"]),
            place=WRITTEN,
        )


def add(request: PageRequest) -> HttpResponse:
    """Register an authorisation, with its document if that is at hand."""
    form, t = AuthorisationForm(request), request.words
    if request.method == "POST" and form.is_valid():
        made = _registered(request, form)
        if made is not None:
            messages.success(request, t("console.authorisations.added"))
            file = form.cleaned_data.get("file")
            if file:
                _keep(request, made, file)
            return HttpResponseRedirect(after(request, reverse("authorisation", args=[made.pk])))
    told = {
        "title": t("console.authorisations.add"),
        "intro": t("console.authorisation_form.intro"),
        "form": form,
        "button": t("console.authorisations.add"),
        "back": after(request, reverse("authorisations")),
        "danger": False,
        "file": True,
    }
    return render(request, "form.html", told)


def _registered(request: PageRequest, form: AuthorisationForm) -> Authorisation | None:
    owner, spec = form.cleaned_data["organisation"], form.spec
    rows = request.sight.rows(Authorisation, Right.OPERATE).filter(organisation=owner, document=spec.document)
    if rows.filter(retired_at=None).exists():
        form.add_error("document", request.words("console.authorisation_form.there_is_one"))
        return None
    register = current_register({owner.slug})
    wanted = revised(register, "authorisations", [(owner.slug, spec)])
    return rows.get() if written(request, form, wanted, register) else None


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show an authorisation with its documents; take a further one."""
    this = get_object_or_404(request.sight.rows(Authorisation).select_related("organisation"), pk=number)
    may_change = may_register(request, this.organisation) and this.retired_at is None
    form = FileForm(request.words)
    if request.method == "POST":
        this = get_object_or_404(request.sight.rows(Authorisation, Right.OPERATE), pk=number, retired_at=None)
        form = FileForm(request.words, request.POST, request.FILES)
        if form.is_valid() and _keep(request, this, form.cleaned_data["file"]):
            return HttpResponseRedirect(reverse("authorisation", args=[number]))
    told = {
        "this": this,
        "owner": this.organisation,
        "files": request.sight.rows(AuthorisationFile).filter(authorisation=this).defer("content"),
        "form": form if may_change else None,
        "may_change": may_change,
        "soon": request.now + SOON,
        "dates": Dates(request.words.language, this.organisation.time_zone, request.now),
    }
    return render(request, "authorisation.html", told)


def end(request: PageRequest, number: int) -> HttpResponse:
    """Show what ends, and end it: from then on nothing rests on it."""
    rows = request.sight.rows(Authorisation, Right.OPERATE).select_related("organisation")
    this, t = get_object_or_404(rows, pk=number, retired_at=None), request.words
    register = current_register({this.organisation.slug})
    wanted = revised(register, "authorisations", drop=[(this.organisation.slug, this.document)])
    return settle(
        request,
        propose(wanted, current=register),
        title=t("console.authorisations.end_title", document=this.document),
        entered=(),
        back=reverse("authorisation", args=[number]),
        done=t("console.authorisations.ended"),
        then=reverse("authorisations"),
        danger=True,
    )


def download(request: PageRequest, number: int) -> HttpResponse:
    """Hand out a document; a browser saves it, and never shows it within our pages."""
    file = get_object_or_404(request.sight.rows(AuthorisationFile), pk=number)
    return papers.saved(file.name, bytes(file.content))


def _keep(request: PageRequest, this: Authorisation, file: UploadedFile[bytes]) -> bool:
    """Keep a document, or say why not."""
    try:
        keep_document(this, str(file.name), bytes(file.read(LARGEST + 1)), by=request.who, now=request.now)
    except InputError as error:
        messages.error(request, request.words("console.error.refused", why=why(error, request.words)))
        return False
    messages.success(request, request.words("console.authorisations.kept"))
    return True
