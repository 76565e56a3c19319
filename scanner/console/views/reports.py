"""Reports as they were made, to be kept: a browser saves them, and never shows them within our pages."""

from __future__ import annotations

import zlib

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404

from scanner.console.requests import PageRequest
from scanner.reports.formats import ReportFormat
from scanner.reports.models import Report, ReportFile


def download(request: PageRequest, number: int, form: str) -> HttpResponse:
    """Hand out a report in a form in which it is kept."""
    report = get_object_or_404(request.sight.rows(Report).select_related("organisation"), pk=number)
    if report.is_pruned:
        raise Http404
    if form in (ReportFormat.HTML, ReportFormat.JSON):
        content = report.html if form == ReportFormat.HTML else report.json
    else:
        content = get_object_or_404(request.sight.rows(ReportFile), report=report, form=form).content
    response = HttpResponse(zlib.decompress(content), content_type="application/octet-stream")
    name = f"{report.organisation.slug}-{report.round_id}-{report.language}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
