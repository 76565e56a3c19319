"""A kept report as a file in any form, as it was made, whatever became of its findings since."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from scanner.engine.errors import Refused
from scanner.packing import pack, unpack
from scanner.reports.formats import MEDIA_TYPES, ReportFormat, rendered
from scanner.reports.model import ReportModel
from scanner.reports.models import Report, ReportFile
from scanner.reports.pdf import paper_page
from scanner.reports.press import PRESS
from scanner.reports.reread import model_of
from scanner.reports.stationery import stationery_of

_DEAR = (ReportFormat.PDF, ReportFormat.XLSX)
"""Forms that take seconds to make, and are kept."""

_ENDINGS = {ReportFormat.CSV: "csv.zip"}


@dataclass(frozen=True, slots=True)
class Download:
    """A file for somebody who asked for it; ``media_type`` as the IANA lists it."""

    name: str
    media_type: str
    content: bytes


def report_download(report: Report, form: ReportFormat) -> Download:
    """Return a report, whose organisation should have been read with it, as a file.

    Raises ``Refused`` when its content was pruned, or it can't be had in this form, and what
    :meth:`scanner.reports.press.Press.pdf` raises.
    """
    if report.is_pruned:
        raise Refused(
            f"The content of report {report.pk} was pruned, as its time was over; its digest proves a copy.", "pruned"
        )
    name = f"{report.organisation.slug}-{report.round_id}-{report.language}.{_ENDINGS.get(form, form)}"
    return Download(name, MEDIA_TYPES[form], _content(report, form))


def _content(report: Report, form: ReportFormat) -> bytes:
    if form in (ReportFormat.HTML, ReportFormat.JSON):
        return unpack(report.html if form is ReportFormat.HTML else report.json)
    kept = ReportFile.objects.filter(report=report, form=form).first()
    if kept is not None:
        return unpack(kept.content)
    made = _made(report, form)
    if form in _DEAR:
        _keep(report, form, made)
    return made


def _made(report: Report, form: ReportFormat) -> bytes:
    with stationery_of(report.organisation):
        if form is ReportFormat.PDF:
            return PRESS.pdf(f"report {report.pk}", lambda: paper_page(_model(report)))
        files = rendered(_model(report), (form,))
    stem = f"{report.organisation.slug}-{report.round_id}"
    if form is ReportFormat.CSV:
        return _archive({f"{stem}{ending}": content for ending, content in files.items()})
    (content,) = files.values()
    return content


def _model(report: Report) -> ReportModel:
    return model_of(unpack(report.json))


def _keep(report: Report, form: ReportFormat, content: bytes) -> None:
    """Keep a form beside the report, unless that was pruned meanwhile."""
    with transaction.atomic():
        if Report.objects.filter(pk=report.pk).exclude(html=b"").exists():
            ReportFile.objects.get_or_create(report=report, form=form, defaults={"content": pack(content)})


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Return files as one ZIP archive; the same files give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
