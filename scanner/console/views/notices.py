"""Rectification notices: listed, shown with their answers, handed out, issued and withdrawn."""

from __future__ import annotations

import hashlib
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console import papers
from scanner.console.forms import ListFilter, PageForm, choose_from
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.delivery import notices
from scanner.delivery.models import MessageKind, Notice, NoticeDocument, NoticeItem
from scanner.delivery.notice_files import NOTICE_FORMS, notice_file
from scanner.delivery.posting import post
from scanner.delivery.recipients import recipients
from scanner.delivery.replies import unanswered
from scanner.engine.errors import InputError
from scanner.engine.model import Severity
from scanner.packing import unpack
from scanner.remediation.lifecycle import TO_FIX
from scanner.reports.press import PRESS
from targets.models import Organisation

PER_PAGE = 50

_STATES = ("", "open", "late", "answered", "withdrawn")

_SEVERITIES = tuple(each for each in reversed(Severity) if each is not Severity.INFO)


class Filter(ListFilter):
    """Which notices are to be listed."""

    topic = "notices"

    organisation = forms.SlugField(max_length=64, required=False)
    state = forms.ChoiceField(required=False)

    def offer(self) -> None:
        """Name the states."""
        choose_from(self, "state", ((each, self.words(f"console.notices.state_{each or 'any'}")) for each in _STATES))


def index(request: PageRequest) -> HttpResponse:
    """List notices, the newest first."""
    form = Filter(request.words, request.GET)
    # Counted for the rows of a page alone, not for all of them first.
    items = request.sight.rows(NoticeItem).filter(notice=OuterRef("pk"), to_check=False).order_by()
    asked = Subquery(items.values("notice").annotate(n=Count("pk")).values("n"))
    rows = _filtered(request, form.cleaned_data).select_related("organisation").annotate(asked=Coalesce(asked, 0))
    told = {
        "page": Paginator(rows.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "owners": request.sight.own is None,
        "issues": request.sight.may(Right.OPERATE),
    }
    return render(request, "notices.html", told)


def _filtered(request: PageRequest, wanted: dict[str, Any]) -> QuerySet[Notice]:
    rows, now = request.sight.rows(Notice), request.now
    chosen = {
        "open": Q(answered=None, withdrawn=None),
        "late": Q(answered=None, withdrawn=None, answer_by__lte=now),
        "answered": Q(answered__isnull=False, withdrawn=None),
        "withdrawn": Q(withdrawn__isnull=False),
    }.get(wanted.get("state", ""), Q())
    rows = rows.filter(chosen)
    return rows.filter(organisation__slug=wanted["organisation"]) if wanted.get("organisation") else rows


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show a notice: what it asks for, what was answered, and its documents."""
    this = _notice(request, number)
    owner, sight = this.organisation, request.sight
    request.zone = owner.time_zone
    items = sight.rows(NoticeItem).filter(notice=this).select_related("finding").prefetch_related("replies")
    live = this.withdrawn is None and owner.retired_at is None
    told = {
        "this": this,
        "owner": owner,
        "page": Paginator(items.order_by("pk"), PER_PAGE).get_page(request.GET.get("page")),
        "address": lambda page: f"?page={page}",
        "silent": unanswered(this),
        "documents": _documents(request, this),
        "forms": NOTICE_FORMS,
        "may_reply": live and sight.may(Right.CLAIM, owner.pk) and items.filter(finding__state__in=TO_FIX).exists(),
        "may_withdraw": live and sight.may(Right.OPERATE, owner.pk),
    }
    return render(request, "notice.html", told)


def view(request: PageRequest, number: int, language: str) -> HttpResponse:
    """Show a notice as it was issued."""
    return papers.looked_at(unpack(_document(request, number, language).html))


def download(request: PageRequest, number: int, language: str, form: str) -> HttpResponse:
    """Hand out a notice, or what it is answered with."""
    if form not in NOTICE_FORMS:
        raise Http404
    document = _document(request, number, language)
    key = f"notice {document.pk}"
    return papers.made(
        request,
        lambda: notice_file(document, form, lambda page: PRESS.pdf(key, lambda: page)),
        reverse("notice", args=[number]),
    )


class IssueForm(PageForm):
    """To whom a notice goes, and from which severity on it asks for what is open."""

    topic = "notice_form"

    organisation = forms.SlugField(max_length=64)
    severity = forms.ChoiceField(initial=Severity.HIGH.value)

    def __init__(self, request: PageRequest) -> None:
        sent = request.POST if request.method == "POST" else request.GET
        super().__init__(request.words, sent if "severity" in sent else None, initial=request.GET.dict())
        self._known = request.sight.rows(Organisation, Right.OPERATE).filter(retired_at=None)
        choose_from(self, "severity", ((each.value, request.words(f"severity.{each}")) for each in _SEVERITIES))

    def clean_organisation(self) -> Organisation:
        """Find the organisation."""
        found = self._known.filter(slug=self.cleaned_data["organisation"]).first()
        if found is None:
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return found


def issue(request: PageRequest) -> HttpResponse:
    """Show what a notice would ask for and whom it would go to; issue it when just this was agreed to."""
    form, t = IssueForm(request), request.words
    if not (form.is_bound and form.is_valid()):
        return render(request, "issue.html", {"form": form, "due": None})
    owner = form.cleaned_data["organisation"]
    request.zone = owner.time_zone
    due = notices.due_for(owner, Severity(form.cleaned_data["severity"]))
    digest, stale = _digest(due), False
    if request.method == "POST":
        stale = request.POST.get("agreed") != digest
        if not stale:
            made = notices.issue(owner, None, due.findings, by=request.who, now=request.now, to_check=due.to_check)
            post(made, request.now)
            messages.success(request, t("console.notices.issued", number=made.number))
            return HttpResponseRedirect(reverse("notice", args=[made.pk]))
    told = {
        "form": form,
        "due": due,
        "owner": owner,
        "digest": digest,
        "stale": stale,
        "to": recipients(owner, MessageKind.NOTICE),
        "answer_by": notices.answer_by(due.findings, ZoneInfo(owner.time_zone), request.now),
    }
    return render(request, "issue.html", told)


def _digest(due: notices.Due) -> str:
    """SHA-256 (hex) of what a notice would hold: whoever agreed to one agreed to nothing else."""
    numbers = [[each.pk for each in part] for part in (due.findings, due.to_check)]
    return hashlib.sha256(repr((due.organisation.pk, numbers)).encode()).hexdigest()


def withdraw(request: PageRequest, number: int) -> HttpResponse:
    """Ask first, then withdraw a notice; it stays on record."""
    this, t = _notice(request, number, Right.OPERATE), request.words
    back = reverse("notice", args=[number])
    if request.method == "POST":
        try:
            notices.withdraw(this, request.who, request.now)
        except InputError as error:
            messages.error(request, t("console.error.refused", why=why(error, t)))
        else:
            messages.success(request, t("console.notices.withdrawn"))
        return HttpResponseRedirect(back)
    told = {
        "title": t("console.notices.withdraw_title", number=this.number),
        "intro": t("console.notices.withdraw_help"),
        "form": PageForm(t),
        "button": t("console.notices.withdraw"),
        "back": back,
        "danger": True,
    }
    return render(request, "form.html", told)


def _notice(request: PageRequest, number: int, right: Right = Right.READ) -> Notice:
    """Return a notice; one of a retired organisation is there to be read alone."""
    rows = request.sight.rows(Notice, right).select_related("organisation")
    if right != Right.READ:
        rows = rows.filter(organisation__retired_at=None)
    return get_object_or_404(rows, pk=number)


def _documents(request: PageRequest, this: Notice) -> list[NoticeDocument]:
    """Its documents without their content, that in the reader's language first."""
    rows = request.sight.rows(NoticeDocument).filter(notice=this).defer("html", "pdf")
    return sorted(rows, key=lambda each: each.language != str(request.words.language))


def _document(request: PageRequest, number: int, language: str) -> NoticeDocument:
    rows = request.sight.rows(NoticeDocument).select_related("notice__organisation")
    return get_object_or_404(rows, notice=number, language=language)
