"""Makes PDF of our own pages: A4, tagged for screen readers (PDF/UA-1, ISO 14289-1), fonts embedded.

The same page gives the same bytes on a machine with the same fonts.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import cast

from scanner.reports.model import ReportModel
from scanner.reports.render import render_html


def render_pdf(model: ReportModel) -> bytes:
    """Return the report as PDF."""
    return pdf_of(render_html(model, paper=True), "paper.css")


def pdf_of(page: str, style: str) -> bytes:
    """Return ``page`` as PDF, with the style sheet ``style`` of ours on top of its own.

    Nothing is fetched or read but what ``data:`` addresses hold.
    """
    # Imported here, as it takes half a second and a library of the system that other forms don't need.
    from weasyprint import CSS, HTML
    from weasyprint.urls import URLFetcher

    fetcher = URLFetcher(allowed_protocols=("data",))
    css = (resources.files("report_templates") / "css" / style).read_text(encoding="utf-8")
    document = HTML(string=page, url_fetcher=fetcher).write_pdf(
        stylesheets=[CSS(string=css, url_fetcher=fetcher)],
        pdf_variant="pdf/ua-1",
        pdf_identifier=hashlib.sha256(page.encode()).digest()[:16],
    )
    return cast("bytes", document)
