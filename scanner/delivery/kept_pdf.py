"""Notices and bulletins as PDF: made when somebody first needs it, and kept beside the page from then on."""

from __future__ import annotations

from collections.abc import Callable

from scanner.delivery.models import Message, NoticeDocument
from scanner.packing import pack, unpack
from scanner.reports.models import Bulletin
from scanner.reports.pdf import pdf_of


def kept_pdf(row: NoticeDocument | Bulletin, make: Callable[[str], bytes] = pdf_of) -> bytes:
    """Return the kept page as PDF; ``make`` makes it when there is none yet.

    Raises ``LibraryMissingError`` where the system can't make any.
    """
    if row.pdf:
        return unpack(row.pdf)
    made = make(unpack(row.html).decode())
    unmade = type(row)._default_manager.filter(pk=row.pk, pdf=b"")  # noqa: SLF001 - documented by Django
    unmade.exclude(html=b"").update(pdf=pack(made))
    return made


def document_of(message: Message) -> NoticeDocument | None:
    """Return the document that the mail of a notice brings."""
    number = int(message.key.split(":")[1])
    return NoticeDocument.objects.filter(notice=number, language=message.language).first()
