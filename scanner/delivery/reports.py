"""How a report goes with its mail: attached, or, where that would be too large, as a link or to be asked for."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.utils.crypto import salted_hmac
from markupsafe import escape

from scanner.delivery.compose import Mail, Sender, compose
from scanner.delivery.letters import OPTIONAL, REPORT_MARK
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import File
from scanner.delivery.passwords import has_password, password_of
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.files import draft_of
from scanner.reports.formats import ReportFormat
from scanner.reports.identity import office_name
from scanner.reports.models import Report
from scanner.reports.pdf import LibraryMissingError, pdf_of
from scanner.reports.sealed import sealed_pdf, sealed_xlsx
from scanner.reports.words import words
from targets.models import Organisation

FOLDER = "large-reports"
"""The part of the data directory that a web server may hand out below ``ROUNDSMAN_REPORTS_URL``."""

_MEDIA_TYPES = {
    ReportFormat.HTML: "text/html",
    ReportFormat.PDF: "application/pdf",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

_SEALS = {ReportFormat.PDF: sealed_pdf, ReportFormat.XLSX: sealed_xlsx}


@dataclass(frozen=True, slots=True)
class Post:
    """What decides how mails of this installation are built; ``limit`` is in bytes of a whole mail."""

    data_dir: Path
    limit: int
    reports_url: str = ""


def post() -> Post:
    """Return what the settings say."""
    installation = settings.INSTALLATION
    return Post(settings.DATA_DIR, installation.mail_size_limit, installation.reports_url)


def sender(language: Language) -> Sender:
    """Return who writes, in ``language``."""
    installation = settings.INSTALLATION
    return Sender(office_name(language), installation.mail_from, installation.office_contact)


def built(message: Message, how: Post) -> bytes:
    """Return the mail as it is sent. The same message, settings and limit always give the same bytes.

    A report that would make it larger than the limit is written below :data:`FOLDER`. Raises ``InputError`` when it
    can't be built, ``OSError`` when the report can't be written.
    """
    if not message.text or (message.report is not None and message.report.is_pruned):
        raise InputError("its content was pruned, as its time was over")
    writer = sender(Language(message.language))
    mail = _without_report(message)
    if message.report is None:
        return _with_pdf(mail, writer, how) if message.kind == MessageKind.NOTICE else compose(mail, writer)
    t = words(Language(message.language))
    password = password_of(message.report.organisation)
    files = _report_files(message.report, password)
    if files and sum(len(file.content) for file in files) < how.limit:
        sentence = t("mail.report.attached", name=t.listed([file.name for file in files]))
        if password:
            sentence = t("mail.report.encrypted", name=t.listed([file.name for file in files]))
        data = compose(replace(_told(mail, sentence), files=(*files, *mail.files)), writer)
        if len(data) <= how.limit:
            return data
    if password:
        return compose(_told(mail, _to_ask_for(message.report)), writer)
    page = File(report_name(message.report), "text/html", zlib.decompress(message.report.html))
    return compose(_told(mail, _kept(message.report, page.name, page.content, how)), writer)


def _with_pdf(mail: Mail, writer: Sender, how: Post) -> bytes:
    """Add the page of a notice as PDF, where the mail has room for it; a machine that can't make PDF mails the page."""
    page = next(file for file in mail.files if file.media_type == "text/html")
    try:
        pdf = File(f"{page.name.removesuffix('.html')}.pdf", "application/pdf", pdf_of(page.content.decode()))
    except LibraryMissingError:
        return compose(mail, writer)
    data = compose(replace(mail, files=(pdf, *mail.files)), writer)
    return data if len(data) <= how.limit else compose(mail, writer)


def mailed_forms(organisation: Organisation) -> tuple[ReportFormat, ...]:
    """Return the forms in which reports are mailed: those of the settings; encrypted ones are never HTML."""
    chosen = tuple(ReportFormat(form) for form in settings.INSTALLATION.report_formats)
    if not has_password(organisation):
        return chosen
    return tuple(form for form in chosen if form in _SEALS) or (ReportFormat.PDF,)


def _report_files(report: Report, password: str | None) -> tuple[File, ...]:
    """Return the report as it is attached. With a password there is nothing that isn't encrypted with it."""
    stem = report_name(report).removesuffix(".html")
    kept = {ReportFormat(each.form): zlib.decompress(each.content) for each in report.files.all()}
    if password:
        sealed = {form: _SEALS[form](content, password) for form, content in kept.items() if form in _SEALS}
        return tuple(File(f"{stem}.{form}", _MEDIA_TYPES[form], content) for form, content in sealed.items())
    if ReportFormat.HTML in mailed_forms(report.organisation) or not kept:
        kept = {ReportFormat.HTML: zlib.decompress(report.html), **kept}
    return tuple(File(f"{stem}.{form}", _MEDIA_TYPES[form], content) for form, content in kept.items())


def report_name(report: Report) -> str:
    """Return the file name of a report."""
    return f"{report.organisation.slug}-{report.round_id}.html"


def _without_report(message: Message) -> Mail:
    files = tuple(File(each.name, each.media_type, zlib.decompress(each.content)) for each in message.attachments.all())
    optional = MessageKind(message.kind) in OPTIONAL and message.organisation is not None
    slug = message.organisation.slug if message.organisation else ""
    return Mail(
        message_id=message.message_id,
        created=message.created,
        recipient=message.recipient,
        subject=message.subject,
        text=message.text,
        html=message.html,
        files=files,
        decline=f"decline {message.kind} {slug}" if optional else "",
    )


def _told(mail: Mail, sentence: str) -> Mail:
    text, html = mail.text.replace(REPORT_MARK, sentence), mail.html.replace(REPORT_MARK, str(escape(sentence)))
    return replace(mail, text=text, html=html)


def _kept(report: Report, name: str, content: bytes, how: Post) -> str:
    """Write a report that is too large to a place that nobody can guess, and say how to get at it."""
    token = salted_hmac(f"roundsman.{FOLDER}", f"{report.pk}:{report.digest}", algorithm="sha256").hexdigest()[:48]
    folder = how.data_dir / FOLDER / token
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / name, content)
    if how.reports_url:
        url = f"{how.reports_url.rstrip('/')}/{token}/{name}"
        return words(Language(report.language))("mail.report.linked", url=url)
    return _to_ask_for(report)


def _to_ask_for(report: Report) -> str:
    language = Language(report.language)
    return words(language)(
        "mail.report.ask", office=office_name(language), number=f"{report.organisation.slug}-{report.round_id}"
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file for its owner's eyes only, whole or not at all."""
    with draft_of(path) as draft:
        draft.write_bytes(content)
