"""Findings: those in sight by a filter, and the page of each with its evidence, its history, and what may be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import PageForm, end_of
from scanner.console.ranked import Numbers, fetched
from scanner.console.refusals import why
from scanner.console.requests import NUMBER, PageRequest
from scanner.console.standing import NEW
from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.model import Severity
from scanner.remediation import acts
from scanner.remediation.lifecycle import TO_FIX, Happened, State
from scanner.remediation.models import Exemption, ExemptionKind, ExemptionState, Finding, FindingEvent
from scanner.remediation.part import in_register
from scanner.remediation.reinspection import request_reinspection
from scanner.reports import texts
from scanner.reports.dates import Dates
from targets.models import Organisation

PER_PAGE = 50

FARTHEST = timedelta(days=3653)
"""How far ahead the end of an exemption may lie that is asked for here."""

EVENTS = 100
"""Events that a finding's page shows, the newest."""

_MERELY_SEEN = (Happened.SEEN, Happened.NOT_INSPECTED)
"""Of these a finding under watch has hundreds, and the page says when it was last seen and inspected."""


class Filter(PageForm):
    """What is to be listed; everything may be left out. What can't be read counts as left out."""

    topic = "filter"

    q = forms.CharField(max_length=253, required=False)
    state = forms.ChoiceField(required=False)
    severity = forms.ChoiceField(required=False)
    organisation = forms.SlugField(max_length=64, required=False)
    overdue = forms.BooleanField(required=False)
    asked = forms.BooleanField(required=False)
    new = forms.BooleanField(required=False)

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.GET)
        t = request.words
        states = [("", t("console.filter.to_fix")), *((each.value, t(f"state.{each}")) for each in State)]
        severities = [("", t("console.filter.any")), *((each.value, t(f"severity.{each}")) for each in Severity)]
        self.fields["state"].choices = states  # type: ignore[attr-defined] # the stubs know no field by its name
        self.fields["severity"].choices = severities  # type: ignore[attr-defined] # as above
        self.is_valid()

    @property
    def chosen(self) -> Mapping[str, str]:
        """What was chosen, for the address of another page of the list."""
        return {name: "on" if value is True else value for name, value in self.cleaned_data.items() if value}


def index(request: PageRequest) -> HttpResponse:
    """List findings, the worst first."""
    form = Filter(request)
    wanted, now = form.cleaned_data, request.now
    retired = list(request.sight.rows(Organisation).filter(retired_at__isnull=False).values_list("pk", flat=True))
    rows = request.sight.rows(Finding).exclude(organisation__in=retired)
    rows = rows.filter(state=wanted["state"]) if wanted.get("state") else rows.filter(state__in=TO_FIX)
    if wanted.get("severity"):
        rows = rows.filter(severity=wanted["severity"])
    if wanted.get("organisation"):
        rows = rows.filter(organisation__slug=wanted["organisation"])
    if wanted.get("overdue"):
        rows = rows.filter(state__in=TO_FIX, deadline__lt=now)
    if wanted.get("asked"):
        asked = request.sight.rows(Exemption).filter(state=ExemptionState.REQUESTED)
        rows = rows.filter(pk__in=list(asked.values_list("finding", flat=True)))
    if wanted.get("new"):
        rows = rows.filter(first_seen__gt=now - NEW)
    if wanted.get("q"):
        rows = rows.filter(Q(host__icontains=wanted["q"]) | Q(check_id__icontains=wanted["q"]))
    page = Paginator(Numbers(rows), PER_PAGE).get_page(request.GET.get("page"))
    told = {
        "page": page,
        "rows": fetched(request.sight.rows(Finding), page),
        "form": form,
        "address": lambda number: _address(form, number),
        "owners": request.sight.own is None,
    }
    return render(request, "findings.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one finding."""
    finding = _finding(request, number)
    owner, t = finding.organisation, request.words
    request.zone = owner.time_zone
    params = {str(name): str(value) for name, value in finding.params}
    place = texts.Place(
        next(iter(finding.addresses), finding.host),
        finding.port,
        finding.host if finding.host not in finding.addresses else None,
    )
    events = request.sight.rows(FindingEvent).filter(finding=finding).exclude(kind__in=_MERELY_SEEN)
    held = request.sight.rows(Exemption).filter(
        finding=finding, state__in=(ExemptionState.REQUESTED, ExemptionState.GRANTED)
    )
    standing = held.first()
    active = owner.retired_at is None
    undecided = standing is not None and standing.state == ExemptionState.REQUESTED
    told = {
        "finding": finding,
        "owner": owner,
        "text": texts.text(finding.check_id, t.language),
        "evidence": texts.evidence(finding.check_id, params, t.language),
        "verdict": texts.policy_verdict(params, t.language),
        "verify": texts.verify(finding.check_id, params, place),
        "events": list(events.order_by("-pk")[:EVENTS]),
        "held": standing,
        "registered": finding.state == State.FIXED or bool(in_register([finding])),
        "may_claim": active and finding.state == State.OPEN and request.sight.may(Right.CLAIM, owner.pk),
        "may_ask": active and finding.state in TO_FIX and not undecided and request.sight.may(Right.ASK, owner.pk),
        "may_decide": active and undecided and request.sight.may(Right.OPERATE, owner.pk),
        "may_end": active and finding.exempt_until is not None and request.sight.may(Right.OPERATE, owner.pk),
        "sees_rounds": request.sight.may(Right.WATCH),
    }
    return render(request, "finding.html", told)


def claim(request: PageRequest, number: int) -> HttpResponse:
    """Say that a finding is fixed, and have it looked at again."""
    finding = _finding(request, number, Right.CLAIM)
    note = request.POST.get("note", "")

    def act() -> None:
        with transaction.atomic():
            if acts.claim(finding, request.who, note, request.now):
                request_reinspection([finding], by=request.who, now=request.now)

    return _done(request, finding, act, "claimed")


class AskForm(PageForm):
    """A request to accept a risk, or to call a finding wrong; the office decides."""

    topic = "ask"

    kind = forms.ChoiceField(widget=forms.RadioSelect)
    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))
    proof = forms.CharField(max_length=2000, required=False)
    owner = forms.CharField(max_length=200)
    until = forms.DateField(widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))

    def __init__(self, request: PageRequest, finding: Finding) -> None:
        local = Dates(request.words.language, finding.organisation.time_zone, request.now).local
        self.today = local(request.now).date()
        usual = {"owner": request.user.name, "until": local(request.now + acts.USUAL - timedelta(days=1)).date()}
        super().__init__(request.words, request.POST or None, initial=usual)
        kinds = [(each.value, request.words(f"console.ask.kind_{each}")) for each in ExemptionKind]
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined] # the stubs know no field by its name
        self.fields["until"].widget.attrs["min"] = self.today.isoformat()

    def clean_until(self) -> object:
        """An end lies ahead, but not for ever."""
        until = self.cleaned_data["until"]
        if until < self.today:
            raise forms.ValidationError(self.words("console.ask.past"))
        if until > self.today + FARTHEST:
            raise forms.ValidationError(self.words("console.ask.far"))
        return until


def ask(request: PageRequest, number: int) -> HttpResponse:
    """Ask to accept the risk of a finding, or dispute it; it stays as it is until the office has decided."""
    finding, t = _finding(request, number, Right.ASK), request.words
    form = AskForm(request, finding)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            acts.request_exemption(
                finding,
                ExemptionKind(wanted["kind"]),
                wanted["owner"],
                wanted["reason"],
                wanted["proof"],
                end_of(wanted["until"], finding.organisation.time_zone),
                request.who,
                request.now,
            )
        except InputError as error:
            form.refuse(error)
        else:
            messages.success(request, t("console.ask.done"))
            return _back(finding)
    told = {
        "title": t("console.ask.title", number=number),
        "intro": t("console.ask.intro"),
        "form": form,
        "button": t("console.ask.button"),
        "back": reverse("finding", args=[number]),
        "danger": False,
    }
    return render(request, "form.html", told)


def decide(request: PageRequest, number: int) -> HttpResponse:
    """Grant or refuse what an organisation asked for."""
    finding = _finding(request, number, Right.OPERATE)
    asked = request.sight.rows(Exemption, Right.OPERATE).filter(finding=finding, pk=_meant(request)).first()
    done, note = _DECISIONS.get(request.POST.get("decision", "")), request.POST.get("note", "")
    if asked is None or done is None:
        messages.error(request, request.words("console.finding.read_again"))
        return _back(finding)
    return _done(
        request, finding, lambda: acts.decide(asked, done == "granted", request.who, request.now, note=note), done
    )


_DECISIONS = {"grant": "granted", "refuse": "refused"}


def reopen(request: PageRequest, number: int) -> HttpResponse:
    """End an exemption before its time."""
    finding = _finding(request, number, Right.OPERATE)
    note, meant = request.POST.get("note", ""), _meant(request)
    return _done(
        request,
        finding,
        lambda: acts.end_exemption(finding, request.who, note, request.now, meant=meant),
        "reopened",
    )


def _finding(request: PageRequest, number: int, right: Right = Right.READ) -> Finding:
    """Return a finding to which ``right`` may be done; one of somebody else does not exist.

    Those of a retired organisation are there to be read alone.
    """
    rows = request.sight.rows(Finding, right).select_related("organisation")
    if right != Right.READ:
        rows = rows.filter(organisation__retired_at=None)
    return get_object_or_404(rows, pk=number)


def _meant(request: PageRequest) -> int:
    """Return the number of the exemption that the reader had before them; 0 for none."""
    number = request.POST.get("exemption", "")
    return int(number) if NUMBER.fullmatch(number) else 0


def _done(request: PageRequest, finding: Finding, act: Callable[[], object], name: str) -> HttpResponse:
    """Do it, say that it is done, or why not, and go back to the finding."""
    t = request.words
    try:
        act()
    except RoundsmanError as error:
        messages.error(request, t("console.error.refused", why=why(error, t)))
    else:
        messages.success(request, t(f"console.finding.{name}"))
    return _back(finding)


def _back(finding: Finding) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("finding", args=[finding.pk]))


def _address(form: Filter, number: int) -> str:
    return f"?{urlencode({**form.chosen, 'page': number})}"
