"""Rounds: how far each has come, and beginning, pausing and cancelling one."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, F
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import PageForm
from scanner.console.left_out import LeftOut, left_out, worst_covered_first
from scanner.console.live import CONFIG, EVERY, STOP_POLLING, WITHOUT_SCRIPT, live
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.delivery.round_summary import Coverage, Found, outcomes, unused_of
from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.model import Outcome
from scanner.engine.plan import Profile
from scanner.remediation.models import RoundScore
from scanner.reports.gaps import gap_sentence
from scanner.rounds import steps
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import ENDED, HostResult, LookNumber, Round, RoundState
from scanner.rounds.service import is_served
from scanner.rounds.status import status_of
from targets.models import Organisation

PER_PAGE = 50

HOSTS = 50
"""Hosts that the page of a round names, of those that were not inspected, or in part only."""

NAMED = 3
"""Organisations of a round that the list names; of more it tells the number."""


def index(request: PageRequest) -> HttpResponse:
    """List rounds, the newest first."""
    rows = request.sight.rows(Round).select_related("plan").order_by("-pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    told = {"page": page, "whose": _whose(request, list(page)), "address": lambda number: f"?page={number}"}
    return render(request, "rounds.html", told)


def _whose(request: PageRequest, rounds: list[Round]) -> dict[int, tuple[list[Organisation], int]]:
    """Return a few organisations of each round, and how many there are in all: a round may have thousands."""
    numbers = [this.pk for this in rounds]
    counted = dict(
        request.sight.rows(Round).filter(pk__in=numbers).order_by().values_list("pk").annotate(n=Count("organisations"))
    )
    few = [number for number, n in counted.items() if n <= NAMED]
    whose: dict[int, tuple[list[Organisation], int]] = {each: ([], counted.get(each, 0)) for each in numbers}
    for owner in request.sight.rows(Organisation).filter(rounds__in=few).annotate(number=F("rounds__pk")):
        whose[owner.number][0].append(owner)
    return whose


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show how far a round has come, or how it went. ``?watch=on`` keeps the page up to date until it is over."""
    told = _told(request, number)
    told["watched"] = request.GET.get("watch") == "on" and not told["over"]
    response = render(request, "round.html", told)
    return live(response) if told["watched"] else response


def progress(request: PageRequest, number: int) -> HttpResponse:
    """Show the part of a watched page that changes, and what tells of its state when it shows another one."""
    told = _told(request, number)
    told["watched"] = not told["over"]
    told["changed"] = request.GET.get("state") != told["shown"]
    return render(request, "round_progress.html", told, status=STOP_POLLING if told["over"] else None)


def _told(request: PageRequest, number: int) -> dict[str, Any]:
    this = get_object_or_404(request.sight.rows(Round).select_related("plan"), pk=number)
    over = this.state in ENDED and this.followed is not None
    return {
        "this": this,
        "over": over,
        "shown": f"{this.state}-over" if over else this.state,
        "status": None if over else status_of(this.pk, request.now, served=is_served(settings.DATA_DIR)),
        "outcome": _outcome(request, this) if over and not this.pruned else None,
        "why": lambda reason: gap_sentence(reason.reason, reason.detail, request.words),
        "may_pause": this.state in (RoundState.PLANNED, RoundState.RUNNING),
        "may_cancel": this.state not in ENDED,
        "every": EVERY,
        "without_script": WITHOUT_SCRIPT,
        "config": CONFIG,
    }


@dataclass(frozen=True, slots=True)
class Line:
    """What a round covered and found of one organisation, and how that scored (0 to 100)."""

    organisation: Organisation
    coverage: Coverage
    found: Found
    score: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """The same of all together, and of the first organisations; ``more`` are not named. So it is with the hosts that
    were not inspected, or in part only."""

    hosts: int
    inspected: int
    partial: int
    missed: int
    new: int
    reopened: int
    fixed: int
    lines: tuple[Line, ...]
    more: int
    gaps: tuple[LeftOut, ...]
    more_gaps: int


def _outcome(request: PageRequest, this: Round) -> Result:
    unused = unused_of(this)
    sums = outcomes(this, unused)
    owners = list(request.sight.rows(Organisation).filter(pk__in=sums)[:PER_PAGE])
    rows = request.sight.rows(RoundScore).filter(round=this, organisation__in=owners)
    scores = dict(rows.values_list("organisation", "value"))
    lines = tuple(Line(each, *sums[each.pk], scores.get(each.pk)) for each in owners)
    gaps = _not_inspected(request, this, unused)
    shown = request.sight.rows(HostResult).filter(pk__in=gaps[:HOSTS])
    covered, found = [each for each, _ in sums.values()], [each for _, each in sums.values()]
    return Result(
        hosts=sum(each.hosts for each in covered),
        inspected=sum(each.inspected for each in covered),
        partial=sum(each.partial for each in covered),
        missed=sum(each.missed for each in covered),
        new=sum(each.new for each in found),
        reopened=sum(each.reopened for each in found),
        fixed=sum(each.fixed for each in found),
        lines=lines,
        more=len(sums) - len(lines),
        gaps=tuple(left_out(worst_covered_first(shown.select_related("organisation", "target")))),
        more_gaps=max(0, len(gaps) - HOSTS),
    )


def _not_inspected(request: PageRequest, this: Round, unused: Container[int]) -> list[int]:
    """Return the first looks that did not see all that was asked for, without addresses that nobody uses."""
    looks = request.sight.rows(HostResult).filter(round=this, look=LookNumber.FIRST).exclude(outcome=Outcome.INSPECTED)
    return [number for number in worst_covered_first(looks).values_list("pk", flat=True) if number not in unused]


class RoundForm(PageForm):
    """What is to be inspected now, and how deep."""

    topic = "new_round"

    organisations = forms.CharField(max_length=2000, required=False)
    profile = forms.ChoiceField(initial=Profile.STANDARD)
    ports = forms.CharField(max_length=1000, initial="top1000")

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.POST or None, initial={"organisations": request.GET.get("of", "")})
        self._known = request.sight.rows(Organisation).filter(retired_at=None)
        choices = [(each.value, request.words(f"console.profile.{each}")) for each in Profile]
        self.fields["profile"].choices = choices  # type: ignore[attr-defined] # the stubs know no field by its name

    def clean_organisations(self) -> list[Organisation]:
        """Find those that are named, or all when none is."""
        slugs = set(self.cleaned_data["organisations"].replace(",", " ").split())
        found = list(self._known.filter(slug__in=slugs) if slugs else self._known)
        missing = sorted(slugs - {each.slug for each in found})
        if missing or not found:
            raise forms.ValidationError(self.words("console.new_round.unknown", names=", ".join(missing)))
        return found


def begin(request: PageRequest) -> HttpResponse:
    """Ask for a round by hand; the service takes it up at once."""
    form, t = RoundForm(request), request.words
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            this = make_round(
                RoundRequest(
                    tuple(wanted["organisations"]), request.who, Profile(wanted["profile"]), wanted["ports"].strip()
                ),
                request.now,
            )
        except RoundsmanError as error:
            form.add_error(None, t("console.error.refused", why=why(error, t)))
        else:
            return HttpResponseRedirect(f"{reverse('round', args=[this.pk])}?watch=on")
    told = {
        "title": t("console.new_round.title"),
        "intro": t("console.new_round.intro"),
        "form": form,
        "button": t("console.new_round.button"),
        "back": reverse("rounds"),
        "danger": False,
    }
    return render(request, "form.html", told)


def pause(request: PageRequest, number: int) -> HttpResponse:
    """Let a round rest."""
    return _change(request, number, steps.pause, "paused")


def resume(request: PageRequest, number: int) -> HttpResponse:
    """Let a paused round go on."""
    return _change(request, number, steps.unpause, "resumed")


def cancel(request: PageRequest, number: int) -> HttpResponse:
    """Say what cancelling does, then do it."""
    if request.method == "POST":
        return _change(request, number, steps.cancel, "cancelled")
    this = get_object_or_404(request.sight.rows(Round), pk=number)
    return render(request, "cancel.html", {"this": this})


def _change(request: PageRequest, number: int, act: Callable[[int, str, datetime], object], name: str) -> HttpResponse:
    this = get_object_or_404(request.sight.rows(Round, Right.OPERATE), pk=number)
    try:
        act(this.pk, request.who, request.now)
    except InputError as error:
        messages.error(request, request.words("console.error.refused", why=why(error, request.words)))
    else:
        messages.success(request, request.words(f"console.rounds.{name}"))
    return HttpResponseRedirect(reverse("round", args=[number]))
