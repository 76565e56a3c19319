"""Makes PDF of our own pages: A4, tagged for screen readers (PDF/UA-1, ISO 14289-1), fonts embedded.

The same page gives the same bytes on a machine with the same fonts.
"""

from __future__ import annotations

import hashlib
from typing import cast

from scanner.reports.model import ReportModel
from scanner.reports.render import render_html


def render_pdf(model: ReportModel) -> bytes:
    """Return the report as PDF."""
    return pdf_of(render_html(model, paper=True))


def pdf_of(page: str) -> bytes:
    """Return one of our pages as PDF. Nothing is fetched or read but what ``data:`` addresses hold."""
    # Imported here, as it takes half a second and libraries of the system that other forms don't need.
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    document = HTML(string=page, url_fetcher=URLFetcher(allowed_protocols=("data",)))
    identifier = hashlib.sha256(page.encode()).digest()[:16]
    return cast("bytes", document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=identifier))
