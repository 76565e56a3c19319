"""Accounts, for administrators: who has one, with which roles; invitations; ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts import people
from scanner.accounts.linked import is_linked
from scanner.accounts.models import Membership, User
from scanner.accounts.roles import EVERYWHERE, Role
from scanner.console.forms import PageForm
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.delivery.letters import name_of
from scanner.delivery.mail_server import server
from scanner.engine.errors import InputError, Refused, RoundsmanError
from scanner.reports.words import Words
from targets.models import Organisation

PER_PAGE = 50

Act = Callable[[User, str, datetime], object]
"""What is done to an account, by whom, and when."""


class RoleForm(PageForm):
    """A role, and where it holds. The organisation is written as its slug: there may be thousands."""

    topic = "people"

    role = forms.ChoiceField()
    organisation = forms.SlugField(max_length=64, required=False)

    def __init__(self, request: PageRequest, *args: object, **kwargs: object) -> None:
        super().__init__(request.words, *args, **kwargs)
        self._known = request.sight.rows(Organisation).filter(retired_at=None)
        choices = [("", request.words("console.chosen.whom"))]  # nobody is made an administrator by oversight
        choices += [(role.value, request.words(f"account_role.{role}")) for role in Role]
        self.fields["role"].choices = choices  # type: ignore[attr-defined] # the stubs know no field by its name

    def clean(self) -> dict[str, object]:
        """Find the organisation; a role that holds everywhere has none, the others need one."""
        cleaned = super().clean() or {}
        role, slug = cleaned.get("role"), cleaned.get("organisation")
        cleaned["organisation"] = self._known.filter(slug=slug).first() if slug else None
        if role in EVERYWHERE and slug:
            self.add_error("organisation", self.words("console.people.no_organisation_wanted"))
        elif role and role not in EVERYWHERE and cleaned["organisation"] is None:
            self.add_error("organisation", self.words("console.people.organisation_wanted"))
        return cleaned


class InviteForm(RoleForm):
    """Whom to let in, and as what."""

    name = forms.CharField(max_length=200)
    email = forms.EmailField(max_length=254)

    field_order = ("name", "email", "role", "organisation")

    def clean_email(self) -> str:
        """An address has one account."""
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(self.words("console.people.known"))
        return email


def index(request: PageRequest) -> HttpResponse:
    """List all accounts."""
    rows = request.sight.rows(User).prefetch_related("memberships__organisation")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    protected = set(Authenticator.objects.filter(user__in=list(page)).values_list("user", flat=True))
    told = {"page": page, "protected": protected, "address": lambda number: f"?page={number}"}
    return render(request, "people.html", told)


def invite(request: PageRequest) -> HttpResponse:
    """Make an account with a role, and mail a link to its owner."""
    t = request.words
    form = InviteForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            with transaction.atomic():
                user = people.add(wanted["email"], wanted["name"], request.who, request.now)
                people.give(user, Role(wanted["role"]), wanted["organisation"], request.who, request.now)
                people.invite_by_mail(user, request.who, request.now)
        except InputError as error:
            form.refuse(error)
        else:
            messages.success(request, _invited(user, t))
            return HttpResponseRedirect(reverse("people"))
    told = {
        "title": t("console.people.invite"),
        "intro": t("console.people.invite_help"),
        "form": form,
        "button": t("console.people.invite"),
        "back": reverse("people"),
        "danger": False,
    }
    return render(request, "form.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one account, and give it a role."""
    user = get_object_or_404(request.sight.rows(User), pk=number)
    form = RoleForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            people.give(user, Role(wanted["role"]), wanted["organisation"], request.who, request.now)
        except Refused as error:
            form.refuse(error)
        else:
            messages.success(request, request.words("console.people.given"))
            return HttpResponseRedirect(reverse("account-of", args=[number]))
    told = {
        "whose": user,
        "form": form,
        "memberships": user.memberships.select_related("organisation"),
        "has_factor": Authenticator.objects.filter(user=user).exists(),
        "linked": is_linked(user),
    }
    return render(request, "person.html", told)


def take_role(request: PageRequest, number: int, held: int) -> HttpResponse:
    """Say what taking a role away does, then do it."""
    membership = get_object_or_404(
        request.sight.rows(Membership).select_related("user", "organisation"), user=number, pk=held
    )
    if request.method == "POST":
        return _done(request, number, lambda: people.take(membership, request.who, request.now))
    return _asked(request, membership.user, "take", role=_role(membership, request.words))


def change_access(request: PageRequest, number: int, act: str) -> HttpResponse:
    """Send a new link, or let an account be used again; and, once it was said what that does, what shuts out."""
    shuts_out: dict[str, Act] = {
        "forget-factor": people.remove_second_factor,
        "unlink": people.unlink_sign_on,
        "end": people.end,
    }
    acts: dict[str, Act] = {"invite": people.invite_by_mail, "renew": people.renew, **shuts_out}
    if act not in (acts if request.method == "POST" else shuts_out):
        raise Http404
    user = get_object_or_404(request.sight.rows(User), pk=number)
    if request.method == "POST":
        said = _invited(user, request.words) if act == "invite" else ""
        return _done(request, number, lambda: acts[act](user, request.who, request.now), said)
    return _asked(request, user, act.replace("-", "_"))


def _asked(request: PageRequest, user: User, act: str, *, role: str = "") -> HttpResponse:
    t = request.words
    sign_on = settings.INSTALLATION.oidc_name or t("console.sign_on.name")
    told = {
        "title": t(f"console.people.{act}_title", name=user.name),
        "intro": t(f"console.people.{act}_help", **({"role": role} if role else {})),
        "form": PageForm(t),
        "button": t(f"console.people.{act}", **({"name": sign_on} if act == "unlink" else {})),
        "back": reverse("account-of", args=[user.pk]),
        "danger": True,
    }
    return render(request, "form.html", told)


def _role(held: Membership, t: Words) -> str:
    role = t(f"account_role.{held.role}")
    if held.organisation is None:
        return role
    return t("console.people.role_in", role=role, organisation=name_of(held.organisation, t.language))


def _invited(user: User, t: Words) -> str:
    """Say where the link goes; while no mail server is chosen it reaches nobody, which whoever sent it must know."""
    try:
        leaves = server() is not None
    except RoundsmanError:
        leaves = True  # once it is mended
    return t("console.people.invited" if leaves else "console.people.invited_nowhere", email=user.email)


def _done(request: PageRequest, number: int, act: Callable[[], object], said: str = "") -> HttpResponse:
    try:
        act()
    except Refused as error:
        messages.error(request, request.words("console.error.refused", why=why(error, request.words)))
    else:
        messages.success(request, said or request.words("console.people.changed"))
    return HttpResponseRedirect(reverse("account-of", args=[number]))
