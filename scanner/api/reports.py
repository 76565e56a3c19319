"""Reports as they were made and kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Number
from scanner.api.lists import LARGEST, AskedSpan, Part, part
from scanner.api.papers import ready
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.reports.downloads import report_download
from scanner.reports.formats import ReportFormat
from scanner.reports.models import Report

router = Router(tags=["reports"])

READ = needs(Scope.REPORTS_READ, Right.READ)


class ReportRow(Schema):
    """A report. ``forms`` are those in which it can be had; none when its time was over. ``digest`` is the SHA-256 of
    its HTML, which proves a copy."""

    number: int
    organisation: str
    round: int
    language: str
    generated: datetime
    digest: str
    forms: list[str]

    @classmethod
    def of(cls, row: Report, whole: bool) -> ReportRow:
        """Show a row that was read without its content; ``whole`` says whether it has any."""
        return cls(
            number=row.pk,
            organisation=row.organisation.slug,
            round=row.round_id,
            language=row.language,
            generated=row.generated,
            digest=row.digest,
            forms=list(ReportFormat) if whole else [],
        )


class ReportFilter(Schema):
    """Which reports are wanted."""

    organisation: str = Field(default="", max_length=64, pattern=NO_NUL, description="Slug of their organisation.")
    round: int | None = Field(default=None, ge=1, le=LARGEST, description="On this round.")


Form = Annotated[ReportFormat, Path()]


@router.get("/reports", response=Part[ReportRow], **READ)
def list_reports(request: ApiRequest, wanted: Annotated[ReportFilter, Query()], span: AskedSpan) -> Part[ReportRow]:
    """List reports, the newest first."""
    sight = request.visit.sight
    rows = sight.rows(Report).select_related("organisation")
    if wanted.organisation:
        rows = rows.filter(organisation__slug=wanted.organisation)
    if wanted.round is not None:
        rows = rows.filter(round=wanted.round)
    found, then = part(rows.defer("html", "json"), span, newest=True)
    numbers = [each.pk for each in found]
    whole = set(sight.rows(Report).filter(pk__in=numbers).exclude(html=b"").values_list("pk", flat=True))
    return Part[ReportRow](items=[ReportRow.of(each, each.pk in whole) for each in found], next=then)


@router.get("/reports/{number}/{form}", response={200: None}, **READ)
def download_report(request: ApiRequest, number: Number, form: Form) -> HttpResponse:
    """Download a report as it was made; its tables (csv) as one ZIP archive.

    A PDF that nobody had before is made first, one at a time: 503 then says when to ask again.
    """
    report = get_object_or_404(request.visit.sight.rows(Report).select_related("organisation"), pk=number)
    if report.is_pruned:
        raise Http404
    with ready():
        made = report_download(report, form)
    charset = "; charset=utf-8" if form in (ReportFormat.HTML, ReportFormat.JSON) else ""
    response = HttpResponse(made.content, content_type=f"{made.media_type}{charset}")
    response["Content-Disposition"] = f'attachment; filename="{made.name}"'
    return response
