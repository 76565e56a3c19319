"""Tokens by which programs come in: one's own, and, for administrators, those of all."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.api import tokens
from scanner.api.models import Token
from scanner.api.site import PREFIX, useful_scopes
from scanner.console.forms import ListFilter, PageForm, choose_from
from scanner.console.requests import PageRequest
from scanner.engine.errors import InputError

PER_PAGE = 50


class TokenForm(PageForm):
    """What it is called, what it is for, and for how long; only scopes that the account can use are offered."""

    topic = "token_form"

    name = forms.SlugField(max_length=64)
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(min_value=1, max_value=tokens.LONGEST.days, initial=tokens.USUAL.days)

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request.words, request.POST or None)
        told = [(each.value, request.words(f"console.scope.{each}")) for each in useful_scopes(request.sight)]
        choose_from(self, "scopes", told)


def index(request: PageRequest) -> HttpResponse:
    """List one's own tokens that were not revoked."""
    rows = request.user.tokens.filter(revoked=None).order_by("-pk")
    return render(request, "tokens.html", {"rows": rows, "may_add": bool(useful_scopes(request.sight))})


def add(request: PageRequest) -> HttpResponse:
    """Make a token for oneself, and show its secret: once, as nobody can read it again."""
    form, t = TokenForm(request), request.words
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        lasts = timedelta(days=wanted["days"])
        try:
            made, secret = tokens.add(
                request.user, wanted["name"], wanted["scopes"], request.who, request.now, lasts=lasts
            )
        except InputError as error:
            form.refuse(error)
        else:
            return _secret(request, made, secret)
    told = {
        "title": t("console.tokens.add"),
        "intro": t("console.token_form.intro"),
        "form": form,
        "button": t("console.tokens.add"),
        "back": reverse("tokens"),
        "danger": False,
    }
    return render(request, "form.html", told)


def _secret(request: PageRequest, made: Token, secret: str) -> HttpResponse:
    t = request.words
    told = {
        "title": t("console.tokens.made", name=made.name),
        "secret": secret,
        "use": t("console.tokens.use", address=f"{settings.INSTALLATION.site}/{PREFIX}"),
        "line": "Authorization: Bearer …",
        "back": reverse("tokens"),
    }
    return render(request, "secret.html", told)


def revoke(request: PageRequest, number: int) -> HttpResponse:
    """Say what revoking does, then do it: to a token of one's own, or, for administrators, to any."""
    own, t = request.user.tokens.filter(revoked=None), request.words
    rows: QuerySet[Token] = _all(request).filter(revoked=None) if request.sight.may(Right.ADMINISTER) else own
    this = get_object_or_404(rows.select_related("user"), pk=number)
    back = reverse("tokens" if this.user_id == request.user.pk else "all-tokens")
    if request.method == "POST":
        tokens.revoke(this.name, request.who, request.now)
        messages.success(request, t("console.tokens.revoked", name=this.name))
        return HttpResponseRedirect(back)
    told = {
        "title": t("console.tokens.revoke_title", name=this.name),
        "intro": t("console.tokens.revoke_help", account=this.user.email),
        "form": PageForm(t),
        "button": t("console.tokens.revoke"),
        "back": back,
        "danger": True,
    }
    return render(request, "form.html", told)


class Filter(ListFilter):
    """Which tokens of all are to be listed."""

    topic = "all_tokens"

    q = forms.CharField(max_length=254, required=False)
    state = forms.ChoiceField(required=False)

    def offer(self) -> None:
        """Those that work, or those that are over."""
        names = ("", "over", "any")
        choose_from(
            self, "state", [(each, self.words(f"console.all_tokens.state_{each or 'works'}")) for each in names]
        )


def all_of_them(request: PageRequest) -> HttpResponse:
    """List the tokens of everybody, the newest first."""
    form = Filter(request.words, request.GET)
    rows, wanted = _all(request).select_related("user").order_by("-pk"), form.cleaned_data
    works = Q(revoked=None, expires__gt=request.now, user__is_active=True)
    if wanted.get("state") != "any":
        rows = rows.exclude(works) if wanted.get("state") == "over" else rows.filter(works)
    if wanted.get("q"):
        rows = rows.filter(Q(name__icontains=wanted["q"]) | Q(user__email__icontains=wanted["q"]))
    told = {"page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")), "form": form}
    return render(request, "all_tokens.html", told)


def _all(request: PageRequest) -> QuerySet[Token]:
    return request.sight.rows(Token, Right.ADMINISTER)
