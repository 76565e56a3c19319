"""Findings: those in sight by a filter, and the page of each with its evidence, its history, and what may be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.core.validators import slug_re
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.assigning import colleagues
from scanner.accounts.models import Assignment, SavedView, User
from scanner.accounts.roles import Right
from scanner.accounts.saved import saved_by
from scanner.console import papers
from scanner.console.forms import ListFilter, PageForm, choose_from
from scanner.console.ranked import Numbers, fetched
from scanner.console.refusals import why
from scanner.console.requests import NUMBER, PageRequest
from scanner.console.standing import NEW
from scanner.console.uploads import ProofField
from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.model import Severity
from scanner.remediation import acts
from scanner.remediation.counted import LISTED, overdue
from scanner.remediation.lifecycle import TO_FIX, Happened, State
from scanner.remediation.models import (
    Exemption,
    ExemptionKind,
    ExemptionState,
    Finding,
    FindingEvent,
    ProofFile,
    Remark,
)
from scanner.remediation.proofs import keep_proof
from scanner.remediation.reinspection import request_reinspection
from scanner.reports import texts
from scanner.reports.dates import Dates
from targets.documents import Document
from targets.models import Organisation
from targets.registry.times import end_of_day

PER_PAGE = 50

FARTHEST = timedelta(days=3653)
"""How far ahead the end of an exemption may lie that is asked for here."""

EVENTS = 100
"""Events that a finding's page shows, the newest."""

_MERELY_SEEN = (Happened.SEEN, Happened.NOT_INSPECTED)
"""Of these a finding under watch has hundreds, and the page says when it was last seen and inspected."""


class Filter(ListFilter):
    """Which findings are to be listed."""

    topic = "filter"

    q = forms.CharField(max_length=253, required=False)
    state = forms.ChoiceField(required=False)
    severity = forms.ChoiceField(required=False)
    organisation = forms.SlugField(max_length=64, required=False)
    assignee = forms.ChoiceField(required=False)
    overdue = forms.BooleanField(required=False)
    asked = forms.BooleanField(required=False)
    new = forms.BooleanField(required=False)
    unregistered = forms.BooleanField(required=False)

    def __init__(self, request: PageRequest, asked: Mapping[str, str] | None = None) -> None:
        """``asked`` is what is wanted, where the address doesn't say it."""
        self._request = request
        super().__init__(request.words, request.GET if asked is None else asked)

    def offer(self) -> None:
        """Name states, severities, and those who work on findings, as far as the reader may know them."""
        t, any_ = self.words, ("", self.words("console.filter.any"))
        states = ((each.value, t(f"state.{each}")) for each in State)
        choose_from(self, "state", [("", t("console.filter.to_fix")), *states])
        choose_from(self, "severity", [any_, *((each.value, t(f"severity.{each}")) for each in Severity)])
        if not self._request.sight.may(Right.DISCUSS):
            del self.fields["assignee"]
            return
        named = [(NOBODY, t("console.filter.nobody")), *((str(each.pk), each.name) for each in self._workers())]
        mine = [(MINE, t("console.filter.mine"))] if self._request.sight.may(Right.CLAIM) else []
        choose_from(self, "assignee", [any_, *mine, *named])

    def _workers(self) -> QuerySet[User]:
        sight, slug = self._request.sight, self.data.get("organisation", "")
        owner = sight.own
        if owner is None and slug_re.fullmatch(slug):
            owner = sight.rows(Organisation, Right.DISCUSS).filter(slug=slug).values_list("pk", flat=True).first()
        return colleagues(owner, office=sight.may(Right.WATCH)).exclude(pk=self._request.user.pk)

    def rows(self) -> QuerySet[Finding]:
        """Return what is wanted of what the reader may see, but for that of retired organisations."""
        sight, wanted, now = self._request.sight, self.cleaned_data, self._request.now
        retired = list(sight.rows(Organisation).filter(retired_at__isnull=False).values_list("pk", flat=True))
        rows = sight.rows(Finding).exclude(organisation__in=retired)
        if not wanted.get("unregistered"):
            rows = rows.filter(LISTED)
        rows = rows.filter(state=wanted["state"]) if wanted.get("state") else rows.filter(state__in=TO_FIX)
        for name, field in (("severity", "severity"), ("organisation", "organisation__slug")):
            if wanted.get(name):
                rows = rows.filter(**{field: wanted[name]})
        if wanted.get("overdue"):
            rows = rows.filter(overdue(now))
        if wanted.get("asked"):
            asked = sight.rows(Exemption).filter(state=ExemptionState.REQUESTED)
            rows = rows.filter(pk__in=list(asked.values_list("finding", flat=True)))
        if wanted.get("new"):
            rows = rows.filter(first_seen__gt=now - NEW)
        if wanted.get("q"):
            rows = rows.filter(Q(host__icontains=wanted["q"]) | Q(check_id__icontains=wanted["q"]))
        return self._of_assignee(rows, wanted.get("assignee"))

    def _of_assignee(self, rows: QuerySet[Finding], who: str | None) -> QuerySet[Finding]:
        if not who:
            return rows
        given = self._request.sight.rows(Assignment)
        if who == NOBODY:
            return rows.exclude(pk__in=given.values("finding"))
        number = self._request.user.pk if who == MINE else int(who)
        return rows.filter(pk__in=given.filter(user=number).values("finding"))


MINE, NOBODY = "me", "nobody"


def index(request: PageRequest) -> HttpResponse:
    """List findings, the worst first, with boxes to tick where something may be done to them."""
    form, sight = Filter(request), request.sight
    page = Paginator(Numbers(form.rows()), PER_PAGE).get_page(request.GET.get("page"))
    rows = fetched(sight.rows(Finding), page)
    given = sight.rows(Assignment).filter(finding__in=rows).values_list("finding", "user__name")
    told = {
        "page": page,
        "rows": rows,
        "given": dict(given),
        "form": form,
        "owners": sight.own is None,
        "views": (views := saved_by(request.user)),
        "saved": _opened(views, form, request.GET.get("view", "")),
        "addressed": lambda view: f"?{urlencode({**view.asked, 'view': view.pk})}",
    }
    return render(request, "findings.html", told)


def _opened(views: Iterable[SavedView], form: Filter, number: str) -> SavedView | None:
    """Return the view that is shown: what was chosen, whatever became of its filter; else one that asks the same."""
    alike = (each for each in views if each.asked == form.chosen)
    return next((each for each in views if str(each.pk) == number), next(alike, None))


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one finding."""
    finding = finding_of(request, number)
    owner, t = finding.organisation, request.words
    request.zone = owner.time_zone
    params = {str(name): str(value) for name, value in finding.params}
    place = texts.Place(
        next(iter(finding.addresses), finding.host),
        finding.port,
        finding.host if finding.host not in finding.addresses else None,
    )
    events = request.sight.rows(FindingEvent).filter(finding=finding).exclude(kind__in=_MERELY_SEEN)
    remarks = request.sight.rows(Remark).filter(finding=finding)
    given = request.sight.rows(Assignment).filter(finding=finding).select_related("user").first()
    held = request.sight.rows(Exemption).filter(
        finding=finding, state__in=(ExemptionState.REQUESTED, ExemptionState.GRANTED)
    )
    standing = held.first()
    active = owner.retired_at is None
    may_work = active and request.sight.may(Right.CLAIM, owner.pk)
    undecided = standing is not None and standing.state == ExemptionState.REQUESTED
    told = {
        "finding": finding,
        "owner": owner,
        "text": texts.text(finding.check_id, t.language),
        "evidence": texts.evidence(finding.check_id, params, t.language),
        "verdict": texts.policy_verdict(params, t.language),
        "verify": texts.verify(finding.check_id, params, place),
        "history": history(events.order_by("-pk")[:EVENTS], remarks.order_by("-pk")[:EVENTS]),
        "given": given.user if given else None,
        "colleagues": colleagues(owner.pk, office=request.sight.may(Right.OPERATE)) if may_work else [],
        "may_work": may_work,
        "held": standing,
        "proofs": request.sight.rows(ProofFile).filter(finding=finding).defer("content"),
        "registered": finding.state == State.FIXED or finding.registered,
        "may_claim": may_work and finding.state == State.OPEN,
        "may_ask": active and finding.state in TO_FIX and not undecided and request.sight.may(Right.ASK, owner.pk),
        "may_decide": active and undecided and request.sight.may(Right.OPERATE, owner.pk),
        "may_end": active and finding.exempt_until is not None and request.sight.may(Right.OPERATE, owner.pk),
        "sees_rounds": request.sight.may(Right.WATCH),
    }
    return render(request, "finding.html", told)


def history(events: Iterable[FindingEvent], remarks: Iterable[Remark]) -> list[FindingEvent | Remark]:
    """Return what happened and what was said, the newest first; of what happened at once, what was said last."""
    return sorted([*events, *remarks], key=lambda each: (each.at, isinstance(each, Remark), each.pk), reverse=True)


def claim(request: PageRequest, number: int) -> HttpResponse:
    """Say that a finding is fixed, and have it looked at again."""
    finding = finding_of(request, number, Right.CLAIM)
    note = request.POST.get("note", "")

    def act() -> None:
        with transaction.atomic():
            if acts.claim(finding, request.who, note, request.now):
                request_reinspection([finding], by=request.who, now=request.now)

    return done(request, finding, act, "claimed")


class AskForm(PageForm):
    """A request to accept a risk, or to call a finding wrong; the office decides."""

    topic = "ask"

    kind = forms.ChoiceField(widget=forms.RadioSelect)
    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))
    proof = forms.CharField(max_length=2000, required=False)
    file = ProofField()
    owner = forms.CharField(max_length=200)
    until = forms.DateField(widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))

    def __init__(self, request: PageRequest, finding: Finding) -> None:
        local = Dates(request.words.language, finding.organisation.time_zone, request.now).local
        self.today = local(request.now).date()
        usual = {"owner": request.user.name, "until": local(request.now + acts.USUAL - timedelta(days=1)).date()}
        given = (request.POST, request.FILES) if request.method == "POST" else ()
        super().__init__(request.words, *given, initial=usual)
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
    finding, t = finding_of(request, number, Right.ASK), request.words
    form = AskForm(request, finding)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            _asked(request, finding, wanted)
        except InputError as error:
            form.refuse(error)
        else:
            messages.success(request, t("console.ask.done"))
            return back_to(finding)
    told = {
        "title": t("console.ask.title", number=number),
        "intro": t("console.ask.intro"),
        "form": form,
        "button": t("console.ask.button"),
        "back": reverse("finding", args=[number]),
        "danger": False,
        "file": True,
    }
    return render(request, "form.html", told)


def _asked(request: PageRequest, finding: Finding, wanted: dict[str, Any]) -> None:
    """Record a request with its file, both or neither."""
    file: Document | None = wanted["file"]
    named = ", ".join(filter(None, (wanted["proof"], file.name if file else "")))
    with transaction.atomic():
        acts.request_exemption(
            finding,
            ExemptionKind(wanted["kind"]),
            wanted["owner"],
            wanted["reason"],
            named,
            end_of_day(wanted["until"], ZoneInfo(finding.organisation.time_zone)),
            request.who,
            request.now,
        )
        if file is not None:
            keep_proof(finding, file, by=request.who, now=request.now)


def proof(request: PageRequest, number: int) -> HttpResponse:
    """Hand out a file that somebody handed in about a finding."""
    file = get_object_or_404(request.sight.rows(ProofFile), pk=number)
    return papers.saved(file.name, bytes(file.content))


def decide(request: PageRequest, number: int) -> HttpResponse:
    """Grant or refuse what an organisation asked for."""
    finding = finding_of(request, number, Right.OPERATE)
    asked = request.sight.rows(Exemption, Right.OPERATE).filter(finding=finding, pk=_meant(request)).first()
    said, note = DECISIONS.get(request.POST.get("decision", "")), request.POST.get("note", "")
    if asked is None or said is None:
        messages.error(request, request.words("console.finding.read_again"))
        return back_to(finding)
    return done(
        request, finding, lambda: acts.decide(asked, said == "granted", request.who, request.now, note=note), said
    )


DECISIONS = {"grant": "granted", "refuse": "refused"}
"""What a form sends, and what is then said to be done."""


def reopen(request: PageRequest, number: int) -> HttpResponse:
    """End an exemption before its time."""
    finding = finding_of(request, number, Right.OPERATE)
    note, meant = request.POST.get("note", ""), _meant(request)
    return done(
        request,
        finding,
        lambda: acts.end_exemption(finding, request.who, note, request.now, meant=meant),
        "reopened",
    )


def finding_of(request: PageRequest, number: int, right: Right = Right.READ) -> Finding:
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


def done(request: PageRequest, finding: Finding, act: Callable[[], object], name: str) -> HttpResponse:
    """Do it, say that it is done, or why not, and go back to the finding."""
    t = request.words
    try:
        act()
    except RoundsmanError as error:
        messages.error(request, t("console.error.refused", why=why(error, t)))
    else:
        messages.success(request, t(f"console.finding.{name}"))
    return back_to(finding)


def back_to(finding: Finding) -> HttpResponseRedirect:
    """Lead back to the page of a finding."""
    return HttpResponseRedirect(reverse("finding", args=[finding.pk]))
