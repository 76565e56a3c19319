"""What units ask to have registered: proposed, withdrawn, and decided by the office."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import ListFilter, PageForm, choose_from, note_problems
from scanner.console.proposals import revised
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.console.views.targets import TargetForm
from scanner.engine.errors import InputError
from targets import proposing
from targets.models import Organisation, ProposalState, TargetProposal
from targets.registry.problems import BadInput
from targets.registry.proposal import propose
from targets.registry.store import RegisterChanged, current_register

PER_PAGE = 50


class Filter(ListFilter):
    """Which proposals are to be listed."""

    topic = "proposals"

    organisation = forms.SlugField(max_length=64, required=False)
    state = forms.ChoiceField(required=False)

    def offer(self) -> None:
        """Name the states."""
        states = ("", *ProposalState.values)
        choose_from(self, "state", ((each, self.words(f"console.proposals.state_{each or 'any'}")) for each in states))


def index(request: PageRequest) -> HttpResponse:
    """List proposals, the newest first."""
    form = Filter(request.words, request.GET)
    rows, wanted = request.sight.rows(TargetProposal).select_related("organisation"), form.cleaned_data
    if wanted.get("organisation"):
        rows = rows.filter(organisation__slug=wanted["organisation"])
    if wanted.get("state"):
        rows = rows.filter(state=wanted["state"])
    told = {
        "page": Paginator(rows.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "owners": request.sight.own is None,
        "proposes": request.sight.may(Right.KEEP),
    }
    return render(request, "proposals.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show a proposal, and what became of it."""
    this = get_object_or_404(request.sight.rows(TargetProposal).select_related("organisation"), pk=number)
    owner, sight = this.organisation, request.sight
    waits = this.state == ProposalState.WAITING and owner.retired_at is None
    told = {
        "this": this,
        "owner": owner,
        "may_decide": waits and sight.may(Right.OPERATE, owner.pk),
        "may_withdraw": waits and sight.may(Right.KEEP, owner.pk),
    }
    return render(request, "proposal.html", told)


class ProposalForm(PageForm):
    """Addresses that are to be registered, and why."""

    topic = "proposal_form"

    organisation = forms.SlugField(max_length=64)
    addresses = forms.CharField(max_length=50_000, widget=forms.Textarea(attrs={"rows": 6}))
    note = forms.CharField(max_length=proposing.LONGEST, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, request: PageRequest) -> None:
        rows = request.sight.rows(Organisation, Right.KEEP).filter(retired_at=None)
        own = rows.filter(pk=request.sight.own).first() if request.sight.own is not None else None
        initial = {"organisation": own.slug if own else request.GET.get("of", "")}
        super().__init__(request.words, request.POST or None, initial=initial)
        self._known = rows

    def clean_organisation(self) -> Organisation:
        """Find the organisation."""
        found = self._known.filter(slug=self.cleaned_data["organisation"]).first()
        if found is None:
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return found


def add(request: PageRequest) -> HttpResponse:
    """Take what somebody proposes."""
    form, t = ProposalForm(request), request.words
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        lines = wanted["addresses"].replace(",", "\n").splitlines()
        try:
            made = proposing.propose_targets(wanted["organisation"], lines, wanted["note"], request.who, request.now)
        except proposing.WrongAddressError as error:
            form.add_error("addresses", why(error, t))
        except InputError as error:
            form.refuse(error)
        else:
            messages.success(request, t("console.proposals.added"))
            return _to(made)
    told = {
        "title": t("console.proposals.add"),
        "intro": t("console.proposals.add_help"),
        "form": form,
        "button": t("console.proposals.send"),
        "back": reverse("proposals"),
        "danger": False,
    }
    return render(request, "form.html", told)


class ApproveForm(TargetForm):
    """How the addresses are to be registered, and a word to who proposed them."""

    answer = forms.CharField(max_length=proposing.LONGEST, required=False, widget=forms.Textarea(attrs={"rows": 3}))


def approve(request: PageRequest, number: int) -> HttpResponse:
    """Register what was proposed."""
    this, t = _waiting(request, number, Right.OPERATE), request.words
    form = ApproveForm(request, {})
    if request.method == "POST" and form.is_valid():

        def register(addresses: list[str]) -> None:
            specs = [(this.organisation.slug, form.spec(each)) for each in addresses]
            current = current_register()
            wanted = replace(revised(current, "targets", specs), zones=form.zones)
            propose(wanted, current=current).carry_out(request.now, actor=request.who)

        try:
            proposing.approve(this, register, form.cleaned_data["answer"], request.who, request.now)
        except BadInput as error:
            note_problems(form, error)
        except RegisterChanged:
            form.add_error(None, t("console.register.moved"))
        except InputError as error:
            form.refuse(error)
        else:
            messages.success(request, t("console.proposals.approved"))
            return _to(this)
    return render(request, "approve.html", {"this": this, "owner": this.organisation, "form": form})


class DeclineForm(PageForm):
    """Why it is declined."""

    topic = "decline_form"

    answer = forms.CharField(max_length=proposing.LONGEST, widget=forms.Textarea(attrs={"rows": 3}))


def decline(request: PageRequest, number: int) -> HttpResponse:
    """Decline a proposal, with the reason."""
    this, t = _waiting(request, number, Right.OPERATE), request.words
    form = DeclineForm(t, request.POST or None)
    if request.method == "POST" and form.is_valid():
        answer = form.cleaned_data["answer"]
        return _done(request, this, lambda: proposing.decline(this, answer, request.who, request.now), "declined")
    told = {
        "title": t("console.proposals.decline_title", number=number),
        "intro": "",
        "form": form,
        "button": t("console.proposals.decline"),
        "back": reverse("proposal", args=[number]),
        "danger": True,
    }
    return render(request, "form.html", told)


def withdraw(request: PageRequest, number: int) -> HttpResponse:
    """Take a proposal back."""
    this = _waiting(request, number, Right.KEEP)
    return _done(request, this, lambda: proposing.withdraw(this, request.who, request.now), "withdrawn")


def _waiting(request: PageRequest, number: int, right: Right) -> TargetProposal:
    rows = request.sight.rows(TargetProposal, right).select_related("organisation")
    return get_object_or_404(rows, pk=number, state=ProposalState.WAITING, organisation__retired_at=None)


def _done(request: PageRequest, this: TargetProposal, act: Callable[[], None], name: str) -> HttpResponse:
    t = request.words
    try:
        act()
    except InputError as error:
        messages.error(request, t("console.error.refused", why=why(error, t)))
    else:
        messages.success(request, t(f"console.proposals.{name}"))
    return _to(this)


def _to(this: TargetProposal) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("proposal", args=[this.pk]))
