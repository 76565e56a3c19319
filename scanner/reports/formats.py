"""The forms in which a report can be had. Each depends on the model alone: the same model gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from scanner.engine.errors import InputError
from scanner.reports.csv_files import render_csv
from scanner.reports.model import ReportModel
from scanner.reports.pdf import render_pdf
from scanner.reports.render import render_html, render_json
from scanner.reports.sarif import render_report_sarif


class ReportFormat(StrEnum):
    """``csv`` is several files, one a table; each other form is one."""

    HTML = "html"
    JSON = "json"
    PDF = "pdf"
    CSV = "csv"
    XLSX = "xlsx"
    SARIF = "sarif"


MEDIA_TYPES = {
    ReportFormat.HTML: "text/html",
    ReportFormat.JSON: "application/json",
    ReportFormat.PDF: "application/pdf",
    ReportFormat.CSV: "application/zip",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportFormat.SARIF: "application/sarif+json",
}
"""Media types (IANA); the files of ``csv`` are handed out as one archive."""


def parse_formats(
    text: str, allowed: Collection[ReportFormat] = tuple(ReportFormat), of: str = "report"
) -> tuple[ReportFormat, ...]:
    """Return the forms of a list such as ``html,pdf``, each once. Raises ``InputError`` that names a wrong one."""
    chosen = dict.fromkeys(name for name in map(str.strip, text.lower().split(",")) if name)
    unknown = [name for name in chosen if name not in set(allowed)]
    if unknown or not chosen:
        raise InputError(f"{', '.join(unknown) or text!r} is no form of a {of}; the forms are {', '.join(allowed)}.")
    return tuple(ReportFormat(name) for name in chosen)


def rendered(model: ReportModel, formats: Iterable[ReportFormat]) -> Mapping[str, bytes]:
    """Return the files of the forms, by what follows the report's name in theirs: ``.html``, ``-findings.csv``."""
    return {ending: content for each in formats for ending, content in _files(model, each).items()}


def _files(model: ReportModel, form: ReportFormat) -> Mapping[str, bytes]:
    match form:
        case ReportFormat.HTML:
            return {".html": render_html(model).encode()}
        case ReportFormat.JSON:
            return {".json": render_json(model)}
        case ReportFormat.PDF:
            return {".pdf": render_pdf(model)}
        case ReportFormat.CSV:
            return {f"-{name}.csv": content for name, content in render_csv(model).items()}
        case ReportFormat.XLSX:
            from scanner.reports.xlsx import render_xlsx  # takes as long to import as Django's models

            return {".xlsx": render_xlsx(model)}
        case ReportFormat.SARIF:
            document = json.dumps(render_report_sarif(model), ensure_ascii=False, sort_keys=True, indent=2)
            return {".sarif": (document + "\n").encode()}
