"""The first page: for the office what needs somebody now, for a unit its own standing."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.attention import needs
from scanner.console.first_steps import COOKIE, HIDDEN, first_steps
from scanner.console.requests import PageRequest
from scanner.console.standing import overall
from scanner.console.trends import trend
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
    all_ = overall(sight, request.now, SHOWN)
    operates, hidden = sight.may(Right.OPERATE), request.COOKIES.get(COOKIE) == HIDDEN
    steps = first_steps(sight, all_.worst, request.now) if operates and not hidden else ()
    told = {
        "steps": steps,
        "next": next((each.name for each in steps if not each.done), ""),
        "hidden": operates and hidden and not any(each.last.inspected for each in all_.worst),
        "needs": needs(sight, all_.findings, under_way, request.now, request.words) if sight.may(Right.WATCH) else [],
        "standings": all_.worst,
        "more": all_.organisations - len(all_.worst),
        "trend": trend(sight, all_.organisations),
        "under_way": under_way[:SHOWN],
    }
    return render(request, "overview.html", told)


def hide_steps(request: PageRequest) -> HttpResponse:
    """Keep the first steps out of sight in this browser, or show them again."""
    response = HttpResponseRedirect(reverse("overview"))
    value = HIDDEN if request.POST.get("act") == "hide" else "shown"
    response.set_cookie(
        COOKIE,
        value,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response
