"""Mail: what waits, left, or was given up; each as its recipient gets it; sending again, cancelling, a test mail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import content_disposition_header

from scanner.accounts.roles import Right
from scanner.console.forms import ListFilter, choose_from
from scanner.console.middleware import POLICY
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.delivery.outbox import cancel as give_up
from scanner.delivery.outbox import make_due, told_alike
from scanner.delivery.received import SECRET, Received, received
from scanner.engine.errors import InputError
from targets.models import Organisation

PER_PAGE = 50

NAMED = 50
"""Mails that are named where something is to be done to many; the others are counted."""

UNSENT = (MessageState.QUEUED, MessageState.DEAD)
"""What can be sent at once, or cancelled."""

OPEN = (MessageState.QUEUED, MessageState.SENDING, MessageState.DEAD)
"""What is shown unless something else is asked for, as by ``mail queue``."""

FRAMING = f"{POLICY}; frame-src 'self'"
"""Of the page that shows a mail in a frame."""

FRAMED = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""Of the mail in that frame: it dresses itself, as mails must, and does nothing else; it has no origin of its own."""


class Filter(ListFilter):
    """Which mails are to be listed."""

    topic = "mails"

    state = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(required=False)
    organisation = forms.SlugField(max_length=64, required=False)

    def offer(self) -> None:
        """States and kinds, by their names."""
        t = self.words
        states = [(each.value, t(f"console.mail_state.{each}")) for each in MessageState]
        kinds = [(each.value, t(f"mail.kind.{each}")) for each in MessageKind]
        choose_from(self, "state", [("", t("console.mails.open")), ("any", t("console.filter.any")), *states])
        choose_from(self, "kind", [("", t("console.filter.any")), *kinds])


def index(request: PageRequest) -> HttpResponse:
    """List mails, the newest first."""
    form = Filter(request.words, request.GET)
    wanted = form.cleaned_data
    all_ = request.sight.rows(Message)
    rows, state = all_, wanted.get("state")
    if state != "any":
        rows = rows.filter(state__in=[state] if state else OPEN)
    if wanted.get("kind"):
        rows = rows.filter(kind=wanted["kind"])
    if wanted.get("organisation"):
        owners = request.sight.rows(Organisation).filter(slug=wanted["organisation"])
        rows = rows.filter(organisation__in=list(owners.values_list("pk", flat=True)))
    # By their numbers, which the indexes hold, so that of many thousands only those are read that are shown.
    page = Paginator(rows.order_by("-pk").values_list("pk", flat=True), PER_PAGE).get_page(request.GET.get("page"))
    found = all_.select_related("organisation").defer("text", "html").in_bulk(list(page))
    mails = sorted(found.values(), key=lambda each: -each.pk)
    told = {
        "page": page,
        "rows": mails,
        "form": form,
        "ticks": request.sight.may(Right.OPERATE) and any(each.state in UNSENT for each in mails),
        "dead": state == MessageState.DEAD,
        "unsent": UNSENT,
    }
    return render(request, "mails.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one mail: how it stands with each whom it was written to, and the mail itself in a frame."""
    this = _mail(request, number)
    others = request.sight.rows(Message).filter(told_alike(this)).defer("text", "html").order_by("recipient", "pk")
    kept = this.report or this.bulletin
    told = {
        "this": this,
        "alike": others,
        "pruned": not this.text or (kept is not None and kept.is_pruned),
        "secret": this.kind in SECRET,
        "brings": kept is not None or this.attachments.exists(),
        "form": "text" if request.GET.get("as") == "text" else "html",
        "may_change": this.state in UNSENT and request.sight.may(Right.OPERATE),
    }
    response = render(request, "mail.html", told)
    response["Content-Security-Policy"] = FRAMING
    return response


def content(request: PageRequest, number: int, form: str) -> HttpResponse:
    """Show the mail's own page, or its plain text, as a document of its own; or hand out the whole mail, to be kept."""
    if form not in ("html", "text", "eml"):
        raise Http404
    try:
        got = _received(request, number)
    except InputError as error:
        return _framed(request.words("console.mails.unbuildable", why=why(error, request.words)), "text/plain")
    if form == "eml":
        return _saved(f"mail-{number}.eml", got.whole)
    return _framed(got.html, "text/html") if form == "html" else _framed(got.text, "text/plain")


def files(request: PageRequest, number: int) -> HttpResponse:
    """List what goes with a mail, as it does: encrypted, or as PDF, where that is so."""
    this, wrong, found = _mail(request, number), "", None
    try:
        found = _received(request, number)
    except InputError as error:
        wrong = why(error, request.words)
    return render(request, "mail_files.html", {"this": this, "found": found, "wrong": wrong})


def file(request: PageRequest, number: int, part: int) -> HttpResponse:
    """Hand out one of them; a browser saves it, and never shows it within our pages."""
    try:
        found = _received(request, number).files
    except InputError as error:
        raise Http404 from error
    if part >= len(found):
        raise Http404
    return _saved(found[part].name, found[part].content)


def retry(request: PageRequest) -> HttpResponse:
    """Let mails that wait, or were given up, be sent at once: those that were named, or all that were given up."""
    return _settle(request, "retry", make_due)


def cancel(request: PageRequest) -> HttpResponse:
    """Say what cancelling does, then do it."""
    return _settle(request, "cancel", give_up)


def _settle(request: PageRequest, name: str, act: Callable[[list[int], str, datetime], list[int]]) -> HttpResponse:
    """Name the mails that were chosen, and do it once that is agreed to."""
    sent, t = request.POST if request.method == "POST" else request.GET, request.words
    numbers = [int(each) for each in sent.getlist("mail") if each.isascii() and each.isdigit() and len(each) < 19]
    all_dead = name == "retry" and sent.get("dead") == "on"
    chosen = request.sight.rows(Message, Right.OPERATE).filter(state__in=UNSENT)
    chosen = chosen.filter(Q(pk__in=numbers) | Q(state=MessageState.DEAD) if all_dead else Q(pk__in=numbers))
    if request.method == "POST":
        changed = act(list(chosen.values_list("pk", flat=True)), request.who, request.now)
        messages.success(request, t(f"console.mails.{name}_done", n=len(changed)))
        only = reverse("mail", args=numbers) if len(numbers) == 1 and not all_dead else reverse("mails")
        return HttpResponseRedirect(only)
    total = chosen.count()
    if not total:
        messages.error(request, t("console.mails.none_chosen"))
        return HttpResponseRedirect(reverse("mails"))
    told = {
        "title": t(f"console.mails.{name}_title", n=total),
        "intro": t(f"console.mails.{name}_help"),
        "rows": chosen.select_related("organisation").defer("text", "html").order_by("-pk")[:NAMED],
        "more": max(total - NAMED, 0),
        "numbers": numbers,
        "all_dead": all_dead,
        "button": t(f"console.mails.{name}"),
        "danger": name == "cancel",
    }
    return render(request, "mails_chosen.html", told)


def _mail(request: PageRequest, number: int) -> Message:
    rows = request.sight.rows(Message).select_related("organisation", "report", "bulletin")
    return get_object_or_404(rows.defer("html", "report__json", "bulletin__json"), pk=number)


def _received(request: PageRequest, number: int) -> Received:
    """Return a mail as it is sent. Raises ``InputError``, and ``Http404`` for one that nobody else is to read."""
    rows = request.sight.rows(Message).exclude(kind__in=SECRET)
    return received(get_object_or_404(rows.select_related("organisation", "report__organisation"), pk=number))


def _framed(text: str, kind: str) -> HttpResponse:
    """Show what others wrote so that our own pages can frame it, and it can do nothing."""
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response["Content-Security-Policy"] = FRAMED
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _saved(name: str, content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response
