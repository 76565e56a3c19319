"""Adding and changing an organisation, retiring it, and bringing it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.first_steps import after
from scanner.console.forms import LANGUAGES, PageForm, choose_from, note_problems
from scanner.console.proposals import WRITTEN, owner_in, written
from scanner.console.refusals import problem_worded
from scanner.console.requests import PageRequest
from scanner.delivery.letters import name_of
from scanner.engine.catalogue.load import Language
from scanner.reports.words import sentences
from targets.models import Organisation, TlsPolicy
from targets.registry.fields import HIGHEST_RATE
from targets.registry.problems import BadInput
from targets.registry.proposal import Proposal, propose
from targets.registry.reading import SLUG
from targets.registry.specs import Register
from targets.registry.store import RegisterChanged, current_register, limits
from targets.registry.written import read_written

NEW = ("slug", "contact_name", "contact_email")
"""Fields of a new organisation alone."""

NAMED = 5
"""Problems that are told when an organisation can't be brought back."""


class OrganisationForm(PageForm):
    """What an organisation is, and, of a ``new`` one, its first contact if that is known."""

    topic = "organisation_form"

    name_zh = forms.CharField(max_length=200, required=False)
    name_en = forms.CharField(max_length=200, required=False)
    slug = forms.CharField(max_length=64)
    parent = forms.SlugField(max_length=64, required=False)
    language = forms.ChoiceField()
    time_zone = forms.CharField(max_length=64)
    contact_name = forms.CharField(max_length=200, required=False)
    contact_email = forms.EmailField(max_length=254, required=False)
    key_organisation = forms.BooleanField(required=False)
    weight = forms.FloatField(min_value=1, max_value=3)
    blackouts = forms.CharField(max_length=5000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    rate = forms.FloatField(min_value=0, max_value=HIGHEST_RATE)
    domains = forms.CharField(max_length=50_000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    tls_policy = forms.ChoiceField(required=False)
    trusted_roots = forms.CharField(max_length=200_000, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    rare = ("weight", "blackouts", "rate", "domains", "tls_policy", "trusted_roots")

    def __init__(self, request: PageRequest, known: dict[str, object], *, new: bool) -> None:
        super().__init__(request.words, request.POST or None, initial=known)
        t = request.words
        choose_from(self, "language", LANGUAGES.items())
        policies = ((each.value, t(f"policy.{each}")) for each in TlsPolicy)
        choose_from(self, "tls_policy", [("", t("console.organisation_form.as_above")), *policies])
        self._known, self._above = request.sight.rows(Organisation), "" if new else known["parent"]
        if not new:
            for name in NEW:
                del self.fields[name]
        if t.language is Language.EN:
            self.order_fields(("name_en", "name_zh"))

    def clean_slug(self) -> str:
        """See that it fits, and that nobody has it."""
        slug = str(self.cleaned_data["slug"])
        if not SLUG.fullmatch(slug):
            raise forms.ValidationError(self.words("console.organisation_form.slug_wrong"))
        if self._known.filter(slug=slug).exists():
            raise forms.ValidationError(self.words("console.organisation_form.there_is_one"))
        return slug

    def clean_parent(self) -> str:
        """Find the supervising organisation, if one is named; the one that it has may stay, even retired."""
        slug = str(self.cleaned_data["parent"])
        if slug and slug != self._above and not self._known.filter(slug=slug, retired_at=None).exists():
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return slug

    def clean(self) -> dict[str, Any]:
        """An organisation has a name in one language at least."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("name_zh") and not cleaned.get("name_en"):
            self.add_error("name_en", self.words("console.organisation_form.no_name"))
        if bool(cleaned.get("contact_name")) != bool(cleaned.get("contact_email")) and not self.errors:
            self.add_error("contact_email", self.words("console.organisation_form.half_a_contact"))
        return cleaned

    def register(self, slug: str) -> Register:
        """Return the organisation as files describe it. Raises ``BadInput``."""
        lists = {
            "blackouts": _lines(self.cleaned_data["blackouts"].splitlines()),
            "domains": _lines(self.cleaned_data["domains"].replace(",", "\n").splitlines()),
            "trusted_roots": _lines([self.cleaned_data["trusted_roots"]]),
        }
        values = {name: value for name, value in self.cleaned_data.items() if name not in NEW}
        person = {"name": self.cleaned_data.get("contact_name"), "email": self.cleaned_data.get("contact_email")}
        contacts = {"contacts": [person]} if person["email"] else {}
        return read_written("organisations", {**values, **lists, **contacts, "slug": slug}, limits())


def add(request: PageRequest) -> HttpResponse:
    """Register an organisation, below another one if the address names it."""
    above = request.sight.rows(Organisation).filter(slug=request.GET.get("below", "")[:64]).first()
    usual = {
        "parent": above.slug if above else "",
        "language": above.language if above else str(request.words.language),
        "time_zone": above.time_zone if above else settings.TIME_ZONE,
        "weight": 1,
        "rate": 0,
    }
    form, t = OrganisationForm(request, usual, new=True), request.words
    if request.method == "POST" and form.is_valid():
        slug = form.cleaned_data["slug"]
        if _stored(request, form, slug):
            messages.success(request, t("console.organisations.added"))
            return HttpResponseRedirect(after(request, reverse("organisation", args=[slug])))
    title, back = t("console.organisations.add"), after(request, reverse("organisations"))
    return _shown(request, form, title, t("console.organisation_form.intro"), title, back)


def change(request: PageRequest, slug: str) -> HttpResponse:
    """Change what is registered of an organisation itself; its short name stays for life."""
    this, t = _organisation(request, slug, retired=False), request.words
    known = {
        "name_zh": this.name_zh,
        "name_en": this.name_en,
        "parent": this.parent.slug if this.parent else "",
        "language": this.language,
        "time_zone": this.time_zone,
        "key_organisation": this.is_key,
        "weight": this.weight,
        "blackouts": "\n".join(this.blackouts),
        "rate": this.rate,
        "domains": "\n".join(this.domains),
        "tls_policy": this.tls_policy,
        "trusted_roots": "\n".join(this.trusted_roots),
    }
    form, back = OrganisationForm(request, known, new=False), reverse("organisation", args=[slug])
    if request.method == "POST" and form.is_valid() and _stored(request, form, slug):
        messages.success(request, t("console.organisations.changed"))
        return HttpResponseRedirect(back)
    title = t("console.organisations.change_title", name=name_of(this, t.language))
    return _shown(request, form, title, "", t("console.register.save"), back)


def retire(request: PageRequest, slug: str) -> HttpResponse:
    """Say what retiring does, then do it: nothing of the organisation is inspected any more, and nothing is lost."""
    return _turned(request, _organisation(request, slug, retired=False), "retire")


def bring_back(request: PageRequest, slug: str) -> HttpResponse:
    """Say that a retired organisation is inspected again from then on, with all that was registered; then do it."""
    return _turned(request, _organisation(request, slug, retired=True), "bring_back")


def _turned(request: PageRequest, this: Organisation, act: str) -> HttpResponse:
    t, back, name = request.words, reverse("organisation", args=[this.slug]), name_of(this, request.words.language)
    if request.method == "POST":
        try:
            _proposal(this.slug, retired=act == "retire").carry_out(request.now, actor=request.who)
        except BadInput as error:
            why = sentences((problem_worded(each, t) for each in error.problems[:NAMED]), t.language)
            messages.error(request, t("console.error.refused", why=why))
        except RegisterChanged:
            messages.error(request, t("console.organisations.moved"))
        else:
            messages.success(request, t(f"console.organisations.{act}_done", name=name))
        return HttpResponseRedirect(back)
    told = {
        "title": t(f"console.organisations.{act}_title", name=name),
        "intro": t(f"console.organisations.{act}_help"),
        "form": PageForm(t),
        "button": t(f"console.organisations.{act}"),
        "back": back,
        "danger": act == "retire",
    }
    return render(request, "form.html", told)


def _proposal(slug: str, *, retired: bool) -> Proposal:
    """Return what retires an organisation or brings it back. Raises ``BadInput`` when others own its addresses now."""
    register = current_register()
    whole = owner_in(register, slug)
    targets = tuple(replace(each, place=WRITTEN) for each in whole.targets or ())  # compared with those of others anew
    spec = replace(whole, retired=retired, targets=targets, place=WRITTEN)
    return propose(Register(organisations=(spec,)), current=register)


def _stored(request: PageRequest, form: OrganisationForm, slug: str) -> bool:
    try:
        wanted = form.register(slug)
    except BadInput as error:
        note_problems(form, error, {"name": "contact_name", "email": "contact_email"})
        return False
    return written(request, form, wanted, current_register({slug}))


def _organisation(request: PageRequest, slug: str, *, retired: bool) -> Organisation:
    rows = request.sight.rows(Organisation, Right.OPERATE).select_related("parent")
    return get_object_or_404(rows.filter(retired_at__isnull=not retired), slug=slug)


def _shown(
    request: PageRequest, form: OrganisationForm, title: str, intro: str, button: str, back: str
) -> HttpResponse:
    told = {"title": title, "intro": intro, "form": form, "button": button, "back": back, "danger": False}
    return render(request, "form.html", told)


def _lines(lines: Iterable[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]
