"""A test mail, sent while one waits: each step of it, and what to do when one fails."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from scanner.console.forms import PageForm
from scanner.console.requests import PageRequest
from scanner.delivery.smtp import Fate, NoServer, Server, Step, server
from scanner.delivery.trial import send_trial, write_trial
from scanner.engine.errors import InputError
from scanner.engine.hostile import line

SILENCE, PATIENCE = 10.0, 25.0
"""Seconds for which the server may be silent, and for each half of the conversation: somebody looks at a page."""

_LONGEST = 500


class TestForm(PageForm):
    """Where to send it."""

    topic = "mail_test"

    address = forms.EmailField(max_length=254)


@dataclass(slots=True)
class Trial:
    """How it went: steps that went well with what was said, the one that failed, the last answer; or where it is."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    failed: str = ""
    reply: str = ""
    path: str = ""

    def watch(self, step: Step, text: str) -> None:
        """Note a step that went well."""
        self.steps.append((_name(step), line(text, _LONGEST)))


def test(request: PageRequest) -> HttpResponse:
    """Ask where to, then send it at once; the outbox is not touched."""
    form, to = TestForm(request.words, request.POST or None, initial={"address": request.user.email}), server()
    trial = None
    if request.method == "POST" and form.is_valid():
        try:
            trial = _tried(form.cleaned_data["address"], to, request.who, request.now)
        except InputError as error:
            form.refuse(error)
    return render(request, "mail_test.html", {"form": form, "host": to.host if to else "", "trial": trial})


def _tried(address: str, to: Server | None, by: str, now: datetime) -> Trial:
    """Send it, or write it where no server is set. Raises ``InputError`` for an address that can't be written to."""
    if to is None:
        return Trial(path=str(write_trial(address, by, now, settings.DATA_DIR)))
    trial = Trial()
    try:
        answer = send_trial(address, replace(to, timeout=SILENCE, patience=PATIENCE), by, now, trial.watch)
    except NoServer as error:
        trial.failed, trial.reply = _name(error.step), line(str(error), _LONGEST)
    else:
        trial.failed = "" if answer.fate is Fate.ACCEPTED else _name(answer.step)
        trial.reply = line(answer.reply, _LONGEST)
    return trial


def _name(step: Step) -> str:
    return step.name.lower()
