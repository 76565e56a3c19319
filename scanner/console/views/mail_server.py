"""The mail server, for administrators: which one takes our mail, tried before it is kept; a test mail to oneself.

What is entered here is connected to. So nobody but an administrator who has just shown who they are gets here, ports
are those of mail or unprivileged, special addresses are refused, one try is made at a time, nothing but a handshake is
sent before a mail server has greeted, and nothing is shown of what something else answers.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from scanner.console.forms import PageForm, choose_from
from scanner.console.refusals import why, worded
from scanner.console.requests import PageRequest
from scanner.delivery import mail_server
from scanner.delivery.mail_address import ascii_address
from scanner.delivery.mail_server import Chosen
from scanner.delivery.smtp import PORTS, Answer, Conversation, Fate, NoServer, Security, Server, Step
from scanner.delivery.trial import send_trial
from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.hostile import line
from scanner.reports.words import Words
from targets.addresses import AddressError, Kind, parse_target

_log = logging.getLogger(__name__)

SILENCE, PATIENCE = 8.0, 25.0
"""Seconds of silence, and altogether, after which a try is given up: somebody waits for the page."""

UNPRIVILEGED = 1024
"""From here on ports belong to whoever takes them, as relays do (RFC 6335, section 6); of those below, mail's alone."""

LONGEST_SECRET = 1000

_ONE = Lock()
"""Held by the try under way: whoever could make many at once could search networks, and would use up the server."""


class MailServerForm(PageForm):
    """How the mail server is reached, and who we are to it."""

    topic = "mail_server"

    host = forms.CharField(max_length=253)
    security = forms.ChoiceField()
    port = forms.IntegerField(min_value=1, max_value=65535, required=False)
    user = forms.CharField(max_length=254, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    password = forms.CharField(
        max_length=LONGEST_SECRET,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    sender = forms.EmailField(max_length=254)

    field_order = ("host", "security", "port", "sender", "user", "password")

    def __init__(self, request: PageRequest, known: Chosen | None) -> None:
        initial = {"security": Security.STARTTLS}
        if known is not None:
            initial = {name: getattr(known, name) for name in ("host", "port", "security", "user", "sender")}
        super().__init__(request.words, request.POST or None, initial=initial)
        self._before = known
        choose_from(
            self, "security", ((each.value, self.words(f"console.mail_server.security_{each}")) for each in Security)
        )
        if known is not None and known.password:
            self.fields["password"].help_text = self.words("console.mail_server.password_kept")

    def clean_host(self) -> str:
        """A name or an address, and nothing else."""
        host = str(self.cleaned_data["host"])
        try:
            parsed = parse_target(host)
        except AddressError as error:
            raise forms.ValidationError(self.words("console.mail_server.no_host")) from error
        if parsed.kind not in (Kind.HOSTNAME, Kind.IPV4, Kind.IPV6):
            raise forms.ValidationError(self.words("console.mail_server.no_host"))
        return parsed.hostname or parsed.value

    def clean_sender(self) -> str:
        """An address from which mail can be sent."""
        sender = str(self.cleaned_data["sender"])
        try:
            ascii_address(sender)
        except InputError as error:
            raise forms.ValidationError(why(error, self.words)) from error
        return sender

    def clean(self) -> dict[str, Any]:
        """The usual port where none is said; a password goes with TLS, and to the server that it was given for."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        security = Security(cleaned["security"])
        cleaned["port"] = cleaned["port"] or PORTS[security]
        if cleaned["port"] < UNPRIVILEGED and cleaned["port"] not in PORTS.values():
            self.add_error("port", self.words("console.mail_server.no_port"))
        if cleaned["user"] and security is Security.NONE:
            self.add_error("security", self.words("console.mail_server.no_tls"))
        if cleaned["user"] and not cleaned["password"]:
            cleaned["password"] = self._kept(cleaned)
            if not cleaned["password"]:
                self.add_error("password", self.words("console.mail_server.password_again"))
        return cleaned

    def _kept(self, cleaned: dict[str, Any]) -> str:
        """The password that is known, if it would go where it went before: who changes the server has to know it."""
        before = self._before
        same = ("host", "port", "user")
        known = before is not None and all(getattr(before, name) == cleaned[name] for name in same)
        return before.password if before is not None and known else ""

    @property
    def wanted(self) -> Chosen:
        """What was entered."""
        wanted = self.cleaned_data
        return Chosen(
            host=wanted["host"],
            port=wanted["port"],
            security=Security(wanted["security"]),
            sender=wanted["sender"],
            user=wanted["user"],
            password=wanted["password"] if wanted["user"] else "",
        )


@sensitive_post_parameters("password")
def show(request: PageRequest) -> HttpResponse:
    """Show which server takes our mail, and take another one once it has greeted us and let us in."""
    t, known = request.words, _known(request)
    form = None if mail_server.is_set() else MailServerForm(request, known)
    if form is not None and request.method == "POST" and form.is_valid():
        wanted = form.wanted
        trouble = tried(request, wanted.server, lambda to: Conversation(to).close())
        if trouble:
            form.add_error(None, trouble)
        else:
            mail_server.choose(wanted, request.who, request.now)
            messages.success(request, t("console.mail_server.chosen", host=wanted.host))
            return HttpResponseRedirect(reverse("mail-server"))
    told = {
        "form": form,
        "is_set": mail_server.is_set(),
        "to": current_server(),
        "sender": mail_server.sender_address(),
    }
    return render(request, "mail_server.html", told)


def test(request: PageRequest) -> HttpResponse:
    """Send a test mail to oneself, and tell how that went."""
    to, t, me = current_server(), request.words, request.user.email
    if to is None:
        messages.error(request, t("console.mail_server.none"))
        return HttpResponseRedirect(reverse("mail-server"))
    answers: list[Answer] = []
    trouble = tried(request, to, lambda to: answers.append(send_trial(me, to, request.who, request.now)))
    if not trouble and answers[0].fate is not Fate.ACCEPTED:
        trouble = advice(request, answers[0].step, answers[0].reply)
    if trouble:
        messages.error(request, trouble)
    else:
        messages.success(request, t("console.mail_server.tested", email=me, reply=line(answers[0].reply)))
    return HttpResponseRedirect(reverse("mail-server"))


def give_up(request: PageRequest) -> HttpResponse:
    """Say that mail is written to files from then on, and see to it."""
    t = request.words
    if request.method == "POST":
        mail_server.give_up(request.who, request.now)
        messages.success(request, t("console.mail_server.given_up"))
        return HttpResponseRedirect(reverse("mail-server"))
    told = {
        "title": t("console.mail_server.give_up_title"),
        "intro": t("console.mail_server.give_up_help"),
        "form": PageForm(t),
        "button": t("console.mail_server.give_up"),
        "back": reverse("mail-server"),
        "danger": True,
    }
    return render(request, "form.html", told)


def _known(request: PageRequest) -> Chosen | None:
    try:
        return mail_server.chosen()
    except RoundsmanError:
        messages.error(request, request.words("console.mail_server.unreadable"))
        return None


def current_server() -> Server | None:
    try:
        return mail_server.server()
    except RoundsmanError:
        return None


def tried(request: PageRequest, to: Server, act: Callable[[Server], object]) -> str:
    """Do something with the server, briefly; return why it could not be done, or nothing."""
    if not _ONE.acquire(blocking=False):
        return request.words("console.mail_server.busy")
    try:
        act(replace(to, timeout=SILENCE, patience=PATIENCE))
    except NoServer as error:
        _log.info("%s tried the mail server %s, port %s: %s", request.who, to.host, to.port, error)
        return advice(request, error.step, _said(error, request.words))
    except InputError as error:
        return request.words("console.error.refused", why=why(error, request.words))
    else:
        _log.info("%s tried the mail server %s, port %s: it answered", request.who, to.host, to.port)
        return ""
    finally:
        _ONE.release()


def advice(request: PageRequest, step: Step, said: str) -> str:
    t = request.words
    todo = t(f"console.mail_server.failed_{step.replace(' ', '_')}")
    return t("console.mail_server.failed", advice=todo, said=line(said)) if said else todo


def _said(error: NoServer, t: Words) -> str:
    """What went wrong, in our words or in those of a mail server; nothing of what something else answers."""
    if error.sentence is not None:
        return worded(error.sentence, t)
    cause = error.__cause__
    spoken = isinstance(cause, smtplib.SMTPResponseException) and not 200 <= cause.smtp_code < 600  # RFC 5321, 4.2.1
    return "" if spoken else str(error)
