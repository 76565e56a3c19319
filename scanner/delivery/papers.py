"""How notices and bulletins go with their mails: as a page and as PDF, or, where the organisation has a password,
encrypted with it.

PDF is made when a mail first leaves, and kept (:mod:`scanner.delivery.kept_pdf`). A page and a table can't be
encrypted: the page stays away, and the reply form names findings by their numbers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from scanner.delivery.outbox import File
from scanner.delivery.reply_form import bare
from scanner.reports.identity import office_name
from scanner.reports.pdf import LibraryMissingError
from scanner.reports.sealed import sealed_office, sealed_pdf
from scanner.reports.words import Words

HTML, PDF = "text/html", "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
CSV = "text/csv"
"""Media types (IANA)."""

Version = tuple[tuple[File, ...], str]
"""Files that go with a mail, and the sentence that tells of them."""


def notice_versions(
    files: tuple[File, ...], t: Words, password: str | None, making: Callable[[], bytes]
) -> Iterator[Version]:
    """Yield how a notice may go with its mail, from the most to the least; the last always goes.

    ``files`` are its page, its reply slip and its reply form, as they were kept; ``making`` makes PDF of the page.
    """
    page, slip, form = (next(each for each in files if each.media_type == kind) for kind in (HTML, WORD, CSV))
    pdf = _as_pdf(page, making)
    if password is None:
        for document in ((pdf, page), (page,)):
            shown = tuple(each for each in document if each)
            names = t.listed([each.name for each in shown])
            yield (*shown, slip, form), t("mail.notice.files", document=names, slip=slip.name, form=form.name)
        return
    slip, form = replace(slip, content=sealed_office(slip.content, password)), replace(form, content=bare(form.content))
    if pdf:
        sentence = t("mail.notice.encrypted", document=pdf.name, slip=slip.name, form=form.name)
        yield (_sealed(pdf, password), slip, form), sentence
    yield (slip, form), t("mail.notice.ask", office=office_name(t.language), slip=slip.name, form=form.name)


def bulletin_versions(page: File, t: Words, password: str | None, making: Callable[[], bytes]) -> Iterator[Version]:
    """Yield how a bulletin may go with its mail, from the most to the least; the last always goes.

    ``making`` makes PDF of its page.
    """
    pdf = _as_pdf(page, making)
    if password is None:
        for files in ((pdf, page), (page,)):
            shown = tuple(each for each in files if each)
            yield shown, t("mail.bulletin.attached", name=t.listed([each.name for each in shown]))
        return
    if pdf:
        yield (_sealed(pdf, password),), t("mail.bulletin.encrypted", name=pdf.name)
    yield (), t("mail.bulletin.ask", office=office_name(t.language), name=page.name)


def _as_pdf(page: File, making: Callable[[], bytes]) -> File | None:
    """Return the page as PDF; None on a machine that can't make any."""
    try:
        return File(f"{page.name.removesuffix('.html')}.pdf", PDF, making())
    except LibraryMissingError:
        return None


def _sealed(pdf: File, password: str) -> File:
    return replace(pdf, content=sealed_pdf(pdf.content, password))
