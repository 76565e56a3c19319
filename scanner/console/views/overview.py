"""The first page: for the office what needs somebody now, for a unit its own standing."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.attention import needs
from scanner.console.requests import PageRequest
from scanner.console.standing import standings
from scanner.rounds.models import ENDED, Round
from targets.models import Organisation

SHOWN = 20
"""Organisations of which the overview tells, the worst first."""


def show(request: PageRequest) -> HttpResponse:
    """Show what needs somebody; who sees a single organisation is led to its page."""
    sight = request.sight
    if sight.own is not None:
        slug = sight.rows(Organisation).values_list("slug", flat=True).get()
        return HttpResponseRedirect(reverse("organisation", args=[slug]))
    under_way = list(sight.rows(Round).exclude(state__in=ENDED).order_by("pk"))
    worst = standings(sight, request.now)
    told = {
        "needs": needs(sight, worst, under_way, request.now, request.words) if sight.may(Right.WATCH) else [],
        "standings": worst[:SHOWN],
        "more": len(worst) - len(worst[:SHOWN]),
        "under_way": under_way[:SHOWN],
    }
    return render(request, "overview.html", told)
