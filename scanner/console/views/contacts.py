"""Contacts of an organisation: who gets its mail, in which language, and what of it."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.first_steps import after
from scanner.console.forms import LANGUAGES, PageForm, choose_from
from scanner.console.proposals import WRITTEN, revised, settle, written
from scanner.console.requests import PageRequest
from targets.models import Contact, ContactRole, OptionalMail, Organisation
from targets.registry.proposal import propose
from targets.registry.specs import ContactSpec
from targets.registry.store import current_register


class ContactForm(PageForm):
    """Somebody who can act."""

    topic = "contact_form"

    name = forms.CharField(max_length=200)
    email = forms.EmailField(max_length=254)
    role = forms.ChoiceField()
    language = forms.ChoiceField()
    declines = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, request: PageRequest, initial: dict[str, object]) -> None:
        super().__init__(request.words, request.POST or None, initial=initial)
        t = request.words
        choose_from(self, "role", ((each.value, t(f"console.contact_role.{each}")) for each in ContactRole))
        choose_from(self, "language", LANGUAGES.items())
        choose_from(self, "declines", ((each.value, t(f"mail.kind.{each}")) for each in OptionalMail))

    @property
    def spec(self) -> ContactSpec:
        """The contact as files describe it."""
        wanted = self.cleaned_data
        declines = tuple(sorted(wanted["declines"]))
        return ContactSpec(wanted["email"], wanted["name"], wanted["role"], wanted["language"], declines, WRITTEN)


def add(request: PageRequest, slug: str) -> HttpResponse:
    """Register a contact."""
    rows = request.sight.rows(Organisation, Right.KEEP).filter(retired_at=None)
    owner, t = get_object_or_404(rows, slug=slug), request.words
    form = ContactForm(request, {"role": ContactRole.SECURITY, "language": owner.language})
    if request.method == "POST" and form.is_valid() and _stored(request, form, owner):
        messages.success(request, t("console.contacts.added"))
        return HttpResponseRedirect(after(request, _page_of(owner)))
    return _shown(request, form, owner, t("console.contacts.add"))


def change(request: PageRequest, number: int) -> HttpResponse:
    """Change a contact; one with another mail address takes the place of the old one."""
    this = _contact(request, number)
    known = {
        "name": this.name,
        "email": this.email,
        "role": this.role,
        "language": this.language,
        "declines": this.declined,
    }
    form = ContactForm(request, known)
    if request.method == "POST" and form.is_valid() and _stored(request, form, this.organisation, this):
        messages.success(request, request.words("console.contacts.changed"))
        return HttpResponseRedirect(_page_of(this.organisation))
    return _shown(request, form, this.organisation, request.words("console.contacts.change"))


def remove(request: PageRequest, number: int) -> HttpResponse:
    """Show who gets no mail any more, and see to it."""
    this, t = _contact(request, number), request.words
    others = request.sight.rows(Contact).filter(organisation=this.organisation, retired_at=None).exclude(pk=this.pk)
    if not request.sight.may(Right.OPERATE, this.organisation_id) and not others.exists():
        messages.error(request, t("console.contacts.the_last"))
        return HttpResponseRedirect(_page_of(this.organisation))
    register = current_register({this.organisation.slug})
    wanted = revised(register, "contacts", drop=[(this.organisation.slug, this.email)])
    return settle(
        request,
        propose(wanted, current=register),
        title=t("console.contacts.remove_title", name=this.name),
        entered=(),
        back=_page_of(this.organisation),
        done=t("console.contacts.removed"),
        danger=True,
    )


def _stored(request: PageRequest, form: ContactForm, owner: Organisation, old: Contact | None = None) -> bool:
    spec = form.spec
    moved = old is None or old.email != spec.email
    others = request.sight.rows(Contact).filter(organisation=owner, email=spec.email, retired_at=None)
    if moved and others.exists():
        form.add_error("email", request.words("console.contact_form.there_is_one"))
        return False
    register = current_register({owner.slug})
    drop = [(owner.slug, old.email)] if old is not None and moved else []
    return written(request, form, revised(register, "contacts", [(owner.slug, spec)], drop), register)


def _contact(request: PageRequest, number: int) -> Contact:
    rows = request.sight.rows(Contact, Right.KEEP).filter(retired_at=None, organisation__retired_at=None)
    return get_object_or_404(rows.select_related("organisation"), pk=number)


def _shown(request: PageRequest, form: ContactForm, owner: Organisation, title: str) -> HttpResponse:
    told = {
        "title": title,
        "intro": "",
        "form": form,
        "button": request.words("console.register.save"),
        "back": after(request, _page_of(owner)),
        "danger": False,
    }
    return render(request, "form.html", told)


def _page_of(owner: Organisation) -> str:
    return reverse("organisation", args=[owner.slug])
