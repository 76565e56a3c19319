"""Targets: those in sight by a filter, the page of each with its coverage and history, adding and changing one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.first_steps import after
from scanner.console.forms import ListFilter, PageForm, choose_from, note_problems
from scanner.console.left_out import left_out, worst_covered_first
from scanner.console.proposals import WRITTEN, may_register, revised, written
from scanner.console.ranked import worst_first
from scanner.console.requests import PageRequest
from scanner.engine.model import Outcome
from scanner.remediation.counted import TO_BE_FIXED
from scanner.remediation.keys import LOOKED
from scanner.remediation.models import Finding
from scanner.reports.dates import Dates
from scanner.reports.gaps import gap_sentence
from scanner.rounds.checking import ANY_PORT, hindrances
from scanner.rounds.models import HostResult, LookNumber
from targets.addresses import AddressError, parse_address
from targets.models import Criticality, Organisation, Target, TargetKind, Vantage, Zone
from targets.registry.problems import BadInput
from targets.registry.specs import TargetSpec, ZoneSpec
from targets.registry.store import current_register, limits
from targets.registry.table import read_target
from targets.scope import Reach

PER_PAGE = 50

ROUNDS = 12
"""Rounds in the history of a target, the newest."""

HOSTS = 20
"""Hosts of the newest round of which the page reads what was left out."""

WORST = 20
"""Findings that the page of a target names."""

MOST_AT_ONCE = 500
"""Lines of addresses that a form takes; more than that comes as a file."""

SEPARATOR = ";"
"""What parts tags and blackouts in a cell, as files have them; here it is a comma, or a line each."""


class Filter(ListFilter):
    """Which targets are to be listed."""

    topic = "targets"

    q = forms.CharField(max_length=253, required=False)
    organisation = forms.SlugField(max_length=64, required=False)
    zone = forms.CharField(max_length=64, required=False)
    tag = forms.CharField(max_length=100, required=False)
    state = forms.ChoiceField(required=False)

    def offer(self) -> None:
        """Name the states."""
        choose_from(
            self, "state", ((each, self.words(f"console.targets.state_{each or 'active'}")) for each in _STATES)
        )


_STATES = ("", "key", "retired")


def index(request: PageRequest) -> HttpResponse:
    """List targets, with boxes to tick where they may be changed."""
    form = Filter(request.words, request.GET)
    rows = _filtered(request.sight.rows(Target), form.cleaned_data).select_related("organisation", "zone")
    told = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "owners": request.sight.own is None,
        "operates": request.sight.may(Right.OPERATE),
        "proposes": request.sight.may(Right.KEEP),
        "retired": form.cleaned_data.get("state") == "retired",
    }
    return render(request, "targets.html", told)


def _filtered(rows: QuerySet[Target], wanted: dict[str, Any]) -> QuerySet[Target]:
    state = wanted.get("state")
    rows = rows.exclude(retired_at=None) if state == "retired" else rows.filter(retired_at=None)
    if state == "key":
        rows = rows.filter(criticality=Criticality.KEY)
    for name, field in (("organisation", "organisation__slug"), ("zone", "zone__name")):
        if wanted.get(name):
            rows = rows.filter(**{field: wanted[name]})
    if wanted.get("q"):
        rows = rows.filter(value__icontains=wanted["q"]) | rows.filter(display__icontains=wanted["q"])
    if wanted.get("tag"):
        # One database keeps other letters escaped, the other as they are.
        kept = (json.dumps(wanted["tag"]), json.dumps(wanted["tag"], ensure_ascii=False))
        rows = rows.annotate(tagged=Cast("tags", TextField()))
        rows = rows.filter(Q(tagged__contains=kept[0]) | Q(tagged__contains=kept[1]))
    return rows


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one target: what is registered, whether it may be inspected, what rounds saw, and what is to be fixed."""
    this = _target(request, number)
    owner = this.organisation
    looks = request.sight.rows(HostResult).filter(target=this, look=LookNumber.FIRST).order_by()
    rounds = looks.values("round").annotate(
        hosts=Count("pk"),
        inspected=Count("pk", filter=Q(outcome=Outcome.INSPECTED)),
        partial=Count("pk", filter=Q(outcome=Outcome.PARTIAL)),
        finished=Max("finished"),
        ports=Max("ports_open"),
    )
    rows = list(rounds.order_by("-round")[:ROUNDS])
    unused = _unused(request, this, rows) if this.kind == TargetKind.CIDR else {}
    for row in rows:
        row["hosts"] -= len(unused.get(row["round"], ()))
    newest = looks.filter(round=rows[0]["round"]).select_related("organisation", "target") if rows else looks.none()
    used = newest.exclude(pk__in=unused.get(rows[0]["round"], ())) if rows else newest
    read = list(worst_covered_first(used)[:HOSTS])
    found = list(_findings_of(request, this)) if this.retired_at is None else []
    told = {
        "this": this,
        "owner": owner,
        "hindrance": next(iter(hindrances([this], ANY_PORT, request.now)), None),
        "rounds": rows,
        "looked": any(each["inspected"] + each["partial"] for each in rows),
        "gaps": list(left_out(read)),
        "read": len(read),
        "unused": len(unused.get(rows[0]["round"], ())) if rows else 0,
        "all_read": bool(rows) and len(read) == rows[0]["hosts"],
        "newest_whole": all(each.round.is_whole for each in newest.select_related("round").defer("facts")[:1]),
        "why": lambda reason: gap_sentence(reason.reason, reason.detail, request.words),
        "findings": found[:WORST],
        "more": max(0, len(found) - WORST),
        "dates": Dates(request.words.language, owner.time_zone, request.now),
        "may_change": may_register(request, owner) and this.retired_at is None,
    }
    return render(request, "target.html", told)


def _unused(request: PageRequest, this: Target, rounds: Iterable[Mapping[str, Any]]) -> Mapping[int, list[int]]:
    """Return the results, by round, of addresses of a network where nothing had ever answered: they are no hosts."""
    looks = request.sight.rows(HostResult).filter(organisation=this.organisation, look=LookNumber.FIRST).order_by()
    answered = looks.filter(outcome__in=LOOKED, address=OuterRef("address"), round__lte=OuterRef("round"))
    mute = looks.filter(target=this, outcome=Outcome.UNREACHABLE, silent=True)
    mute = mute.filter(round__in=[each["round"] for each in rounds])
    found: defaultdict[int, list[int]] = defaultdict(list)
    for number, pk in mute.filter(~Exists(answered)).values_list("round", "pk"):
        found[number].append(pk)
    return found


def _findings_of(request: PageRequest, target: Target) -> Iterable[Finding]:
    """The findings to be fixed whose host this target names, alone or as one of its network; the worst first."""
    reach = Reach.of([target.value])
    rows = worst_first(request.sight.rows(Finding).filter(TO_BE_FIXED, organisation=target.organisation_id))
    if reach.hostnames:
        return rows.filter(host__in=reach.hostnames)
    (network,) = reach.networks
    if network.num_addresses == 1:
        return rows.filter(host=str(network.network_address))
    hosts = set(rows.order_by().values_list("host", flat=True))
    return rows.filter(host__in=[host for host in hosts if _within(host, reach)])


def _within(host: str, reach: Reach) -> bool:
    try:
        return reach.covers(parse_address(host))
    except AddressError:
        return False


class TargetForm(PageForm):
    """What a target is, in the words of its registered row.

    While there is no zone at all, ``first_zone``, from where the target is looked at is asked for, and the zone that
    is made is called by that.
    """

    topic = "target_form"

    zone = forms.ChoiceField()
    criticality = forms.ChoiceField()
    tags = forms.CharField(max_length=1000, required=False)
    ports = forms.CharField(max_length=2000, required=False)
    shared = forms.BooleanField(required=False)
    blackouts = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    rare = ("ports", "shared", "blackouts")

    def __init__(self, request: PageRequest, initial: dict[str, object]) -> None:
        super().__init__(request.words, request.POST or None, initial=initial)
        names = list(request.sight.rows(Zone).values_list("name", flat=True))
        self.first_zone = not names
        first = ((each.value, request.words(f"vantage.{each}")) for each in Vantage)
        choose_from(self, "zone", first if self.first_zone else ((name, name) for name in names))
        if self.first_zone:
            self.fields["zone"].help_text = request.words("console.target_form.first_zone")
        kinds = ((each.value, request.words(f"console.criticality.{each}")) for each in Criticality)
        choose_from(self, "criticality", kinds)

    @property
    def zones(self) -> tuple[ZoneSpec, ...]:
        """The zone that has to be made, if there is none."""
        vantage = self.cleaned_data["zone"]
        return (ZoneSpec(vantage, vantage, place=WRITTEN),) if self.first_zone else ()

    def spec(self, address: str) -> TargetSpec:
        """Return the target as files describe it. Raises ``BadInput``."""
        wanted = self.cleaned_data
        cells = {
            "address": address,
            "zone": wanted["zone"],
            "criticality": wanted["criticality"],
            "tags": SEPARATOR.join(wanted["tags"].replace("，", ",").split(",")),
            "ports": wanted["ports"].strip(),
            "shared": "yes" if wanted["shared"] else "",
            "blackouts": SEPARATOR.join(wanted["blackouts"].splitlines()),
        }
        return read_target(cells, limits(), WRITTEN)


class AddForm(TargetForm):
    """Targets of one organisation that are alike but for their addresses."""

    organisation = forms.SlugField(max_length=64)
    addresses = forms.CharField(max_length=50_000, widget=forms.Textarea(attrs={"rows": 5}))

    field_order = ("organisation", "addresses")

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request, {"organisation": request.GET.get("of", "")})
        self._known = request.sight.rows(Organisation, Right.OPERATE).filter(retired_at=None)

    def clean_organisation(self) -> str:
        """Find the organisation."""
        slug = str(self.cleaned_data["organisation"])
        if not self._known.filter(slug=slug).exists():
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return slug

    def clean_addresses(self) -> list[str]:
        """Return the lines that hold something."""
        lines = [line.strip() for line in self.cleaned_data["addresses"].splitlines() if line.strip()]
        if len(lines) > MOST_AT_ONCE:
            raise forms.ValidationError(self.words("console.target_form.too_many", n=MOST_AT_ONCE))
        return list(dict.fromkeys(lines))


def add(request: PageRequest) -> HttpResponse:
    """Register targets. What an address names is never asked here, and names are not resolved."""
    form, t = AddForm(request), request.words
    if request.method == "POST" and form.is_valid():
        slug = form.cleaned_data["organisation"]
        specs = _specs(form)
        if specs and _written(request, form, [(slug, each) for each in specs], alone=False):
            messages.success(request, t("console.targets.added", n=len(specs)))
            return HttpResponseRedirect(after(request, f"{reverse('targets')}?organisation={slug}"))
    told = {
        "title": t("console.targets.add"),
        "intro": t("console.target_form.intro"),
        "form": form,
        "button": t("console.targets.add"),
        "back": after(request, reverse("targets")),
        "danger": False,
    }
    return render(request, "form.html", told)


def change(request: PageRequest, number: int) -> HttpResponse:
    """Change what is registered of a target; its address stays, as findings are known by it."""
    this, t = _target(request, number, Right.OPERATE), request.words
    known = {
        "zone": this.zone.name,
        "criticality": this.criticality,
        "tags": ", ".join(this.tags),
        "ports": this.ports,
        "shared": this.shared,
        "blackouts": "\n".join(this.blackouts),
    }
    form = TargetForm(request, known)
    if request.method == "POST" and form.is_valid():
        try:
            spec = form.spec(this.value)
        except BadInput as error:
            note_problems(form, error)
        else:
            if _written(request, form, [(this.organisation.slug, spec)], alone=spec.shared or not this.shared):
                messages.success(request, t("console.targets.changed"))
                return HttpResponseRedirect(reverse("target", args=[number]))
    told = {
        "title": t("console.targets.change_title", address=this.display),
        "intro": "",
        "form": form,
        "button": t("console.register.save"),
        "back": reverse("target", args=[number]),
        "danger": False,
    }
    return render(request, "form.html", told)


def _specs(form: AddForm) -> list[TargetSpec]:
    specs: list[TargetSpec] = []
    for address in form.cleaned_data["addresses"]:
        try:
            specs.append(form.spec(address))
        except BadInput as error:
            note_problems(form, error, {"address": "addresses"})
    return [] if form.errors else specs


def _written(request: PageRequest, form: TargetForm, changed: list[tuple[str, TargetSpec]], *, alone: bool) -> bool:
    """Write targets. ``alone``: they share no more with other organisations than before, whose are not looked at."""
    register = current_register({slug for slug, _ in changed} if alone else None)
    wanted = replace(revised(register, "targets", changed), zones=form.zones)
    return written(request, form, wanted, register, address="addresses")


def _target(request: PageRequest, number: int, right: Right = Right.READ) -> Target:
    """Return a target to which ``right`` may be done; one that is retired can't be changed."""
    rows = request.sight.rows(Target, right).select_related("organisation", "zone")
    if right is not Right.READ:
        rows = rows.filter(retired_at=None, organisation__retired_at=None)
    return get_object_or_404(rows, pk=number)
