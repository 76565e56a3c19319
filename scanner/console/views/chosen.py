"""Acts on several findings: those that were ticked in the list, or all that match. What will be is shown first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from scanner.accounts.assigning import assign, colleagues, objection_to_assigning
from scanner.accounts.models import User
from scanner.accounts.roles import Right
from scanner.console.ranked import Numbers, fetched, worst_first
from scanner.console.refusals import why
from scanner.console.requests import NUMBER, PageRequest
from scanner.console.views.findings import DECISIONS, Filter
from scanner.console.views.work import chosen
from scanner.engine.errors import Refused, RoundsmanError
from scanner.remediation import acts
from scanner.remediation.models import Exemption, ExemptionState, Finding
from scanner.remediation.together import Outcome, claim_together, one_by_one

MOST = 100
"""Findings that are acted on at once, and that one page can show."""

NAMED = 10
"""Refusals that are told one by one, when some could not be done."""

_PLACE = re.compile(r"([0-9]{1,18})(?::([0-9]{1,18}))?", re.ASCII)
"""A finding as a form has it, with the exemption that was read with it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Findings, and the exemptions of those that have one that it is about."""

    findings: tuple[Finding, ...]
    exemptions: Mapping[int, Exemption]

    def exemption(self, finding: Finding) -> Exemption | None:
        """Return the exemption of one of them."""
        return self.exemptions.get(finding.pk)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done to several findings. ``about`` is the state of the exemptions that it is about."""

    name: str
    right: Right
    objection: Callable[[Finding, Exemption | None], Refused | None]
    carry_out: Callable[[PageRequest, Chosen], Outcome]
    about: ExemptionState | None = None


def claim(request: PageRequest) -> HttpResponse:
    """Say that findings are fixed; each organisation gets one re-inspection of them."""

    def carry_out(request: PageRequest, those: Chosen) -> Outcome:
        return claim_together(those.findings, request.who, request.POST.get("note", ""), request.now)

    return _page(request, Act("claim", Right.CLAIM, lambda row, _: acts.objection_to_claim(row), carry_out))


def give(request: PageRequest) -> HttpResponse:
    """Give findings to a colleague, or to nobody."""

    def carry_out(request: PageRequest, those: Chosen) -> Outcome:
        def one(row: Finding) -> None:
            assign(row, chosen(request, row), request.who, request.now)

        return one_by_one(those.findings, one)

    return _page(request, Act("give", Right.CLAIM, lambda row, _: objection_to_assigning(row), carry_out))


def decide(request: PageRequest) -> HttpResponse:
    """Grant, or refuse, what organisations asked for."""

    def carry_out(request: PageRequest, those: Chosen) -> Outcome:
        decision = DECISIONS[request.POST["decision"]]

        def one(row: Finding) -> None:
            asked = those.exemption(row)
            if asked is None:
                raise acts.nothing_asked(row)
            acts.decide(asked, decision == "granted", request.who, request.now, note=request.POST.get("note", ""))

        return one_by_one(those.findings, one)

    if request.method == "POST" and request.POST.get("decision") not in DECISIONS:
        messages.error(request, request.words("console.finding.read_again"))
        return HttpResponseRedirect(_back(Filter(request)))
    about = ExemptionState.REQUESTED
    return _page(request, Act("decide", Right.OPERATE, acts.objection_to_decision, carry_out, about))


def reopen(request: PageRequest) -> HttpResponse:
    """End exemptions before their time."""

    def carry_out(request: PageRequest, those: Chosen) -> Outcome:
        def one(row: Finding) -> None:
            held, note = those.exemption(row), request.POST.get("note", "")
            acts.end_exemption(row, request.who, note, request.now, meant=held.pk if held else 0)

        return one_by_one(those.findings, one)

    about = ExemptionState.GRANTED
    return _page(request, Act("reopen", Right.OPERATE, acts.objection_to_ending, carry_out, about))


def _page(request: PageRequest, act: Act) -> HttpResponse:
    """Show to which findings it can be done and to which not, or do it to those to which that was agreed."""
    form = Filter(request)
    if request.method == "POST":
        return _done(request, act, form)
    rows = _wanted(request, form)
    if not rows:
        messages.error(request, request.words("console.chosen.none"))
        return HttpResponseRedirect(_back(form))
    too_many = len(rows) > MOST
    those = Chosen(tuple(rows[:MOST]), {} if act.about is None else _held(request, rows[:MOST], act.about))
    objections = {row.pk: _objection(request, act, row, those) for row in those.findings}
    can = [row for row in those.findings if objections[row.pk] is None]
    told = {
        "act": act.name,
        "too_many": too_many,
        "most": MOST,
        "can": can,
        "refused": [(row, why(refusal, request.words)) for row in those.findings if (refusal := objections[row.pk])],
        "exemptions": those.exemptions,
        "organisations": len({row.organisation_id for row in can}),
        "people": _people(request, can) if act.name == "give" else [],
        "back": _back(form),
    }
    return render(request, "chosen.html", told)


def _wanted(request: PageRequest, form: Filter) -> list[Finding]:
    """Return the findings that the address names, the worst first; one more than can be acted on, if there are more."""
    if request.GET.get("every"):
        every = form.rows()
        return fetched(every, Numbers(every)[: MOST + 1])
    numbers = {int(each) for each in request.GET.getlist("finding")[: MOST + 1] if NUMBER.fullmatch(each)}
    rows = request.sight.rows(Finding).filter(pk__in=numbers)
    return list(worst_first(rows).select_related("organisation")[: MOST + 1])


def _held(request: PageRequest, rows: Iterable[Finding], state: ExemptionState) -> dict[int, Exemption]:
    held = request.sight.rows(Exemption).filter(finding__in=list(rows), state=state)
    return {each.finding_id: each for each in held}


def _objection(request: PageRequest, act: Act, row: Finding, those: Chosen) -> Refused | None:
    if row.organisation.retired_at is not None or not request.sight.may(act.right, row.organisation_id):
        return Refused(f"Finding {row.pk} is only to be read by who asks.", "only-read")
    return act.objection(row, those.exemption(row))


def _people(request: PageRequest, rows: Iterable[Finding]) -> QuerySet[User]:
    """Return whom all of these can be given to, as far as one list can tell."""
    owners = {row.organisation_id for row in rows}
    return colleagues(owners.pop() if len(owners) == 1 else None, office=request.sight.may(Right.OPERATE))


def _done(request: PageRequest, act: Act, form: Filter) -> HttpResponse:
    """Do it to the findings that the form names, and say what came of it."""
    t = request.words
    places = (_PLACE.fullmatch(each) for each in request.POST.getlist("finding")[:MOST])
    named = [place.groups() for place in places if place]
    meant = {int(number): int(exemption or 0) for number, exemption in named}
    rows = request.sight.rows(Finding, act.right).filter(organisation__retired_at=None, pk__in=meant)
    found = tuple(worst_first(rows).select_related("organisation"))
    held = request.sight.rows(Exemption, act.right).filter(pk__in=meant.values(), finding__in=found)
    exemptions = {each.finding_id: each for each in held if meant[each.finding_id] == each.pk}
    try:
        outcome = act.carry_out(request, Chosen(found, exemptions))
    except RoundsmanError as error:
        messages.error(request, t("console.error.refused", why=why(error, t)))
    else:
        _tell(request, outcome, len(meant) - len(found))
    return HttpResponseRedirect(_back(form))


def _tell(request: PageRequest, outcome: Outcome, gone: int) -> None:
    """Say how many were done, and of those that were not, why."""
    t = request.words
    if outcome.done:
        messages.success(request, t("console.chosen.done", n=len(outcome.done)))
    for finding, refusal in outcome.refused[:NAMED]:
        messages.error(request, t("console.chosen.not_done", number=finding.pk, why=why(refusal, t)))
    more = max(0, len(outcome.refused) - NAMED) + gone
    if more:
        messages.error(request, t("console.chosen.others", n=more))


def _back(form: Filter) -> str:
    return f"{reverse('findings')}?{urlencode(form.chosen)}"
