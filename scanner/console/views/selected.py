"""Acts on targets that were ticked: change them, retire them, or look at them now. What will be is shown first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import PageForm, choose_from, note_problems
from scanner.console.proposals import WRITTEN, owner_in, revised, settle
from scanner.console.refusals import why
from scanner.console.requests import NUMBER, PageRequest
from scanner.engine.errors import RoundsmanError
from scanner.engine.plan import Profile
from scanner.rounds.checking import ANY_PORT, check_now, hindrances
from targets.models import Criticality, Target, Zone
from targets.ports import format_ports
from targets.ports import parse_ports as parse_own_ports
from targets.registry.problems import BadInput
from targets.registry.proposal import propose
from targets.registry.specs import Register, TargetSpec
from targets.registry.store import current_register
from targets.wrong import WrongText

MOST = 500
"""Targets that can be ticked at once."""


class BulkForm(PageForm):
    """What is to be changed in all of them; a field that is left alone changes nothing."""

    topic = "bulk"

    zone = forms.ChoiceField(required=False)
    criticality = forms.ChoiceField(required=False)
    add_tags = forms.CharField(max_length=500, required=False)
    remove_tags = forms.CharField(max_length=500, required=False)
    ports = forms.CharField(max_length=2000, required=False)
    plan_ports = forms.BooleanField(required=False)

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.POST or None)
        as_is = ("", request.words("console.bulk.as_is"))
        names = request.sight.rows(Zone).values_list("name", flat=True)
        choose_from(self, "zone", [as_is, *((name, name) for name in names)])
        kinds = ((each.value, request.words(f"console.criticality.{each}")) for each in Criticality)
        choose_from(self, "criticality", [as_is, *kinds])

    def clean_ports(self) -> str:
        """Ports in their canonical form; nothing for those that each has."""
        text = str(self.cleaned_data["ports"]).strip()
        try:
            return format_ports(parse_own_ports(text)) if text else ""
        except WrongText as error:
            raise forms.ValidationError(why(error, self.words)) from error

    def applied(self, spec: TargetSpec) -> TargetSpec:
        """Return the target as it would be."""
        wanted = self.cleaned_data
        tags = (set(spec.tags) | _listed(wanted["add_tags"])) - _listed(wanted["remove_tags"])
        return replace(
            spec,
            zone=wanted["zone"] or spec.zone,
            criticality=wanted["criticality"] or spec.criticality,
            tags=tuple(sorted(tags)),
            ports="" if wanted["plan_ports"] else wanted["ports"] or spec.ports,
            place=WRITTEN,
        )


class CheckForm(PageForm):
    """How deep to look."""

    topic = "new_round"

    profile = forms.ChoiceField(initial=Profile.STANDARD)
    ports = forms.CharField(max_length=1000, initial="top1000")

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.POST or None)
        choose_from(self, "profile", ((each.value, request.words(f"console.profile.{each}")) for each in Profile))


def change(request: PageRequest) -> HttpResponse:
    """Ask what is to be changed, show what that changes in each, and do it."""
    rows, t = _ticked(request), request.words
    form = BulkForm(request)
    if request.method == "POST" and form.is_valid():
        register = current_register({row.organisation.slug for row in rows})
        try:
            proposal = propose(_changed(register, rows, form), current=register)
        except BadInput as error:
            note_problems(form, error)
        else:
            if proposal.changes:
                return settle(
                    request,
                    proposal,
                    title=t("console.bulk.title", n=len(rows)),
                    entered=[(name, request.POST[name]) for name in form.fields if name in request.POST],
                    back=reverse("targets"),
                    done=t("console.bulk.done", n=len(proposal.changes)),
                )
            form.add_error(None, t("console.bulk.nothing"))
    told = {
        "title": t("console.bulk.title", n=len(rows)),
        "intro": t("console.bulk.intro"),
        "rows": rows,
        "hindered": {},
        "form": form,
        "button": t("console.bulk.show"),
    }
    return render(request, "ticked.html", told)


def retire(request: PageRequest) -> HttpResponse:
    """Show what is retired, and do it."""
    rows, t = _ticked(request), request.words
    register = current_register({row.organisation.slug for row in rows})
    proposal = propose(
        revised(register, "targets", drop=[(row.organisation.slug, row.value) for row in rows]), current=register
    )
    return settle(
        request,
        proposal,
        title=t("console.targets.retire_title", n=len(rows)),
        entered=(),
        back=reverse("targets"),
        done=t("console.targets.retired", n=len(rows)),
        danger=True,
    )


def check(request: PageRequest) -> HttpResponse:
    """Ask how deep, and make a round of just these; those that would not be inspected are told, and nothing is made."""
    rows, t = _ticked(request), request.words
    form = CheckForm(request)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            made = check_now(rows, Profile(wanted["profile"]), wanted["ports"].strip(), by=request.who, now=request.now)
        except RoundsmanError as error:
            form.add_error(None, t("console.error.refused", why=why(error, t)))
        else:
            return HttpResponseRedirect(f"{reverse('round', args=[made.pk])}?watch=on")
    stand = {each.target.pk: each for each in hindrances(rows, ANY_PORT, request.now)}
    told = {
        "title": t("console.targets.check_title", n=len(rows)),
        "intro": t("console.new_round.intro"),
        "rows": rows,
        "hindered": stand,
        "form": None if stand else form,
        "button": t("console.targets.check"),
    }
    return render(request, "ticked.html", told)


def _ticked(request: PageRequest) -> list[Target]:
    """Return the targets that the address names. Raises ``Http404`` for none, or for one that is not to be changed."""
    numbers = {int(each) for each in request.GET.getlist("target")[:MOST] if NUMBER.fullmatch(each)}
    rows: QuerySet[Target] = request.sight.rows(Target, Right.OPERATE).filter(
        retired_at=None, organisation__retired_at=None, pk__in=numbers
    )
    found = list(rows.select_related("organisation", "zone"))
    if not found or len(found) != len(numbers):
        raise Http404
    return found


def _changed(register: Register, rows: Sequence[Target], form: BulkForm) -> Register:
    specs = {
        (slug, spec.address): spec
        for slug in {row.organisation.slug for row in rows}
        for spec in owner_in(register, slug).targets or ()
    }
    wanted = [(row.organisation.slug, specs.get((row.organisation.slug, row.value))) for row in rows]
    return revised(register, "targets", [(slug, form.applied(spec)) for slug, spec in wanted if spec is not None])


def _listed(text: str) -> set[str]:
    return {tag.strip() for tag in text.replace("，", ",").split(",") if tag.strip()}
