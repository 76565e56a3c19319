"""A notice, and what it is answered with, as files."""

from __future__ import annotations

from collections.abc import Callable

from scanner.delivery.kept_pdf import kept_pdf
from scanner.delivery.models import NoticeDocument
from scanner.delivery.notice_document import notice_model
from scanner.delivery.reply_form import file_name, reply_form
from scanner.engine.catalogue.load import Language
from scanner.packing import unpack
from scanner.reports.pdf import pdf_of
from scanner.reports.stationery import stationery_of

NOTICE_FORMS = ("html", "pdf", "docx", "slip", "form")
"""The document as it was issued (``html``, ``pdf``), to be edited (``docx``), the reply slip (DOCX), and form (CSV)."""


def notice_file(document: NoticeDocument, form: str, make_pdf: Callable[[str], bytes] = pdf_of) -> tuple[str, bytes]:
    """Return the name and the content of one of :data:`NOTICE_FORMS`, in the language of the document.

    ``make_pdf`` makes PDF of its page when there is none yet.
    """
    language, number = Language(document.language), document.notice.number
    page = file_name("form.document", number, language)
    if form == "html":
        return page, unpack(document.html)
    if form == "pdf":
        return f"{page.removesuffix('.html')}.pdf", kept_pdf(document, make_pdf)
    with stationery_of(document.notice.organisation):
        return _made(document, form, language, number)


def _made(document: NoticeDocument, form: str, language: Language, number: str) -> tuple[str, bytes]:
    from scanner.delivery.notice_word import render_notice_docx, render_slip_docx  # a fifth of a second to import

    model = notice_model(document.notice)
    if form == "docx":
        return file_name("form.notice", number, language), render_notice_docx(model, language)
    if form == "slip":
        return file_name("form.slip", number, language), render_slip_docx(model, language)
    return file_name("form.file", number, language), reply_form(model, language)
