"""Reports as they were made: listed, looked at, saved in every form, and sent again."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console import papers
from scanner.console.forms import ListFilter
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.delivery.again import mails_about, send_again
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.recipients import recipients
from scanner.engine.errors import InputError
from scanner.packing import unpack
from scanner.reports.downloads import report_download
from scanner.reports.formats import ReportFormat
from scanner.reports.models import Report

PER_PAGE = 50

LARGEST = 2**31 - 1

SHOWN = 20
"""Mails that the page of a report names, the newest."""


class Filter(ListFilter):
    """Which reports are to be listed."""

    topic = "reports"

    organisation = forms.SlugField(max_length=64, required=False)
    round = forms.IntegerField(min_value=1, max_value=LARGEST, required=False)


def index(request: PageRequest) -> HttpResponse:
    """List reports, the newest first."""
    form = Filter(request.words, request.GET)
    wanted = form.cleaned_data
    rows = _rows(request).defer("html", "json")
    if wanted.get("organisation"):
        rows = rows.filter(organisation__slug=wanted["organisation"])
    if wanted.get("round"):
        rows = rows.filter(round=wanted["round"])
    told = {
        "page": Paginator(rows.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "owners": request.sight.own is None,
    }
    return render(request, "reports.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show what is known of a report, and the ways to have it."""
    report = get_object_or_404(_rows(request).defer("html", "json"), pk=number)
    request.zone = report.organisation.time_zone
    mails = request.sight.rows(Message).filter(pk__in=mails_about(report).values("pk"))
    told = {
        "report": report,
        "forms": [str(form) for form in ReportFormat],
        "mails": list(mails.defer("text", "html").order_by("-pk")[:SHOWN]),
        "may_send": _may_send(request, report),
    }
    return render(request, "report.html", told)


def view(request: PageRequest, number: int) -> HttpResponse:
    """Show the report itself."""
    return papers.looked_at(unpack(_kept(request, number).html))


def download(request: PageRequest, number: int, form: str) -> HttpResponse:
    """Hand out a report in a form."""
    if form not in set(ReportFormat):
        raise Http404
    report = _kept(request, number)

    def make() -> tuple[str, bytes]:
        file = report_download(report, ReportFormat(form))
        return file.name, file.content

    return papers.made(request, make, reverse("report", args=[number]))


def send(request: PageRequest, number: int) -> HttpResponse:
    """Show whom a report would go to again, and send it to them."""
    report, t = _kept(request, number, Right.OPERATE), request.words
    if not _may_send(request, report):
        raise Http404
    back = reverse("report", args=[number])
    if request.method == "POST":
        known = request.POST.get("known", "")
        try:
            told = send_again(report, int(known) if known.isdecimal() else -1, request.who, request.now)
        except InputError as error:
            messages.error(request, t("console.error.refused", why=why(error, t)))
        else:
            said = messages.success if told else messages.warning
            said(request, t("console.reports.sent", n=len(told)) if told else t("console.reports.sent_meanwhile"))
        return HttpResponseRedirect(back)
    told_to = recipients(report.organisation, MessageKind.ROUND_REPORT)
    known_mails = mails_about(report).count()
    return render(request, "send.html", {"report": report, "to": told_to, "known": known_mails, "back": back})


def _may_send(request: PageRequest, report: Report) -> bool:
    owner = report.organisation
    return owner.retired_at is None and request.sight.may(Right.OPERATE, owner.pk)


def _rows(request: PageRequest, right: Right = Right.READ) -> QuerySet[Report]:
    """Reports with their organisations; ``whole`` tells whether their content is there."""
    whole = ExpressionWrapper(~Q(html=b""), output_field=BooleanField())
    return request.sight.rows(Report, right).select_related("organisation").annotate(whole=whole)


def _kept(request: PageRequest, number: int, right: Right = Right.READ) -> Report:
    report = get_object_or_404(_rows(request, right).select_related("round"), pk=number)
    if report.is_pruned:
        raise Http404
    return report
