"""A test mail, sent while one waits: each step of it, and what to do when one fails."""

from __future__ import annotations

from dataclasses import dataclass, field

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from scanner.console.forms import PageForm
from scanner.console.requests import PageRequest
from scanner.console.views.mail_server import advice, current_server, tried
from scanner.delivery.smtp import Answer, Fate, Server, Step
from scanner.delivery.trial import send_trial, write_trial
from scanner.engine.errors import InputError
from scanner.engine.hostile import line

_LONGEST = 500


class TestForm(PageForm):
    """Where to send it."""

    topic = "mail_test"

    address = forms.EmailField(max_length=254)


@dataclass(slots=True)
class Trial:
    """How it went: the steps that went well with what was said, why it failed, the answer; or where it was written."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    why: str = ""
    reply: str = ""
    path: str = ""

    def watch(self, step: Step, text: str) -> None:
        """Note a step that went well."""
        self.steps.append((step.name.lower(), line(text, _LONGEST)))


def test(request: PageRequest) -> HttpResponse:
    """Ask where to, then send it at once; the outbox is not touched."""
    form, to = TestForm(request.words, request.POST or None, initial={"address": request.user.email}), current_server()
    trial = None
    if request.method == "POST" and form.is_valid():
        address = form.cleaned_data["address"]
        trial = _sent(request, address, to) if to is not None else _written(request, form, address)
    return render(request, "mail_test.html", {"form": form, "host": to.host if to else "", "trial": trial})


def _sent(request: PageRequest, address: str, to: Server) -> Trial:
    trial, answers = Trial(), list[Answer]()

    def send(to: Server) -> None:
        answers.append(send_trial(address, to, request.who, request.now, trial.watch))

    trial.why = tried(request, to, send)
    if not trial.why:
        (answer,) = answers
        trial.reply = line(answer.reply, _LONGEST)
        if answer.fate is not Fate.ACCEPTED:
            trial.why = advice(request, answer.step, answer.reply)
    return trial


def _written(request: PageRequest, form: PageForm, address: str) -> Trial | None:
    try:
        return Trial(path=str(write_trial(address, request.who, request.now, settings.DATA_DIR)))
    except InputError as error:
        form.refuse(error)
        return None
