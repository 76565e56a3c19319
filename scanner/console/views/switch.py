"""The kill switch, from every page: what it does is said before it is done."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from scanner.console.forms import PageForm
from scanner.console.requests import PageRequest
from scanner.rounds.switch import current_stop, lift_stop, stop_all


class StopForm(PageForm):
    """Why; whoever comes next reads it."""

    topic = "stop"

    reason = forms.CharField(max_length=500, required=False)


def switch(request: PageRequest) -> HttpResponse:
    """Ask, then stop everything, or, while it is stopped, let it go on. Doing it twice changes nothing."""
    t, standing = request.words, current_stop()
    form = StopForm(t, request.POST or None)
    if request.method == "POST" and form.is_valid():
        if request.POST.get("act") == "lift":
            lift_stop(request.who, request.now)
            messages.success(request, t("console.stop.lifted"))
        else:
            stop_all(request.who, form.cleaned_data["reason"], request.now)
            messages.success(request, t("console.stop.done"))
        return HttpResponseRedirect(reverse("overview"))
    return render(request, "stop.html", {"form": form, "standing": standing})
