"""Webhooks: which other systems are told what happened, how their calls go, and what is done to them."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.models import User
from scanner.console.forms import PageForm, choose_from
from scanner.console.requests import PageRequest
from scanner.engine.errors import InputError
from scanner.webhooks import hooks
from scanner.webhooks.caller import try_out
from scanner.webhooks.models import Call, CallState, Event, Webhook

PER_PAGE = 50


class WebhookForm(PageForm):
    """What is called, and what it is told: of what an account sees."""

    topic = "webhook_form"

    name = forms.SlugField(max_length=64)
    url = forms.CharField(max_length=1000)
    events = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    account = forms.EmailField(max_length=254)
    private = forms.BooleanField(required=False)

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.POST or None, initial={"account": request.user.email})
        self._known = request.sight.rows(User)
        choose_from(self, "events", [(each.value, request.words(f"console.event.{each}")) for each in Event])

    def clean_account(self) -> User:
        """Find the account that it acts for."""
        found = self._known.filter(email=self.cleaned_data["account"].lower(), is_active=True).first()
        if found is None:
            raise forms.ValidationError(self.words("console.webhook_form.no_account"))
        return found


def index(request: PageRequest) -> HttpResponse:
    """List webhooks that are called, and how their calls go."""
    calls = request.sight.rows(Call)
    last = calls.filter(webhook=OuterRef("pk"), attempt__gt=0).order_by("-pk").values("reply")[:1]
    rows = _called(request).annotate(
        waiting=Count("calls", filter=Q(calls__state__in=(CallState.QUEUED, CallState.SENDING))),
        dead=Count("calls", filter=Q(calls__state=CallState.DEAD)),
        last=Subquery(last),
    )
    page = Paginator(rows.order_by("name"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "webhooks.html", {"page": page, "address": _address})


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one webhook with its calls, the newest first."""
    this = get_object_or_404(_called(request), pk=number)
    calls = request.sight.rows(Call).filter(webhook=this).defer("body").order_by("-pk")
    unmade = calls.filter(state__in=(CallState.QUEUED, CallState.DEAD))
    told = {
        "this": this,
        "page": Paginator(calls, PER_PAGE).get_page(request.GET.get("page")),
        "unmade": unmade.exists(),
        "address": _address,
    }
    return render(request, "webhook.html", told)


def add(request: PageRequest) -> HttpResponse:
    """Make a webhook, and show the secret that signs its calls: once."""
    form, t = WebhookForm(request), request.words
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            made, secret = hooks.add(
                wanted["account"],
                wanted["name"],
                wanted["url"].strip(),
                wanted["events"],
                request.who,
                request.now,
                private=wanted["private"],
            )
        except InputError as error:
            form.refuse(error)
        else:
            return _secret(request, t("console.webhooks.made", name=made.name), secret, made)
    told = {
        "title": t("console.webhooks.add"),
        "intro": t("console.webhook_form.intro"),
        "form": form,
        "button": t("console.webhooks.add"),
        "back": reverse("webhooks"),
        "danger": False,
    }
    return render(request, "form.html", told)


def test(request: PageRequest, number: int) -> HttpResponse:
    """Call it once, at once, and say what came back."""
    this = get_object_or_404(_called(request), pk=number)
    told, t = try_out(this, request.who, request.now), request.words
    say = messages.success if told.taken else messages.error
    say(request, t(f"console.webhooks.{'taken' if told.taken else 'not_taken'}", reply=told.reply))
    return HttpResponseRedirect(reverse("webhook", args=[number]))


def retry(request: PageRequest, number: int) -> HttpResponse:
    """Have calls that wait, or were given up, made at once."""
    this = get_object_or_404(_called(request), pk=number)
    count = hooks.retry(this.name, request.who, request.now)
    messages.success(request, request.words("console.webhooks.retried", n=count))
    return HttpResponseRedirect(reverse("webhook", args=[number]))


def rotate(request: PageRequest, number: int) -> HttpResponse:
    """Say what another secret means, then make one, and show it: once."""
    this, t = get_object_or_404(_called(request), pk=number), request.words
    if request.method == "POST":
        secret = hooks.rotate(this.name, request.who, request.now)
        return _secret(request, t("console.webhooks.rotated", name=this.name), secret, this)
    return _asked(request, this, "rotate")


def remove(request: PageRequest, number: int) -> HttpResponse:
    """Say what removing does, then do it."""
    this = get_object_or_404(_called(request), pk=number)
    if request.method == "POST":
        hooks.revoke(this.name, request.who, request.now)
        messages.success(request, request.words("console.webhooks.removed", name=this.name))
        return HttpResponseRedirect(reverse("webhooks"))
    return _asked(request, this, "remove")


def _address(number: int) -> str:
    return f"?page={number}"


def _called(request: PageRequest) -> QuerySet[Webhook]:
    return request.sight.rows(Webhook).filter(revoked=None).select_related("user")


def _asked(request: PageRequest, this: Webhook, act: str) -> HttpResponse:
    t = request.words
    told = {
        "title": t(f"console.webhooks.{act}_title", name=this.name),
        "intro": t(f"console.webhooks.{act}_help"),
        "form": PageForm(t),
        "button": t(f"console.webhooks.{act}"),
        "back": reverse("webhook", args=[this.pk]),
        "danger": True,
    }
    return render(request, "form.html", told)


def _secret(request: PageRequest, title: str, secret: str, this: Webhook) -> HttpResponse:
    told = {
        "title": title,
        "secret": secret,
        "use": request.words("console.webhooks.use"),
        "line": "Roundsman-Signature: t=…,v1=…",
        "back": reverse("webhook", args=[this.pk]),
    }
    return render(request, "secret.html", told)
