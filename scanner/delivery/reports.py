"""Builds mails as they leave, with what goes with them: a report is attached, or, where that would be too large, a link
or to be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from django.conf import settings
from django.utils.crypto import salted_hmac
from markupsafe import escape

from scanner.delivery.bulletin_files import kept_name
from scanner.delivery.compose import Mail, Sender, compose
from scanner.delivery.kept_pdf import document_of, kept_pdf
from scanner.delivery.letters import OPTIONAL, REPORT_MARK, wrapped
from scanner.delivery.mail_server import sender_address
from scanner.delivery.models import Attachment, Message, MessageKind
from scanner.delivery.outbox import File
from scanner.delivery.papers import HTML, Version, bulletin_versions, notice_versions
from scanner.delivery.passwords import password_of
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import Refused
from scanner.files import draft_of
from scanner.packing import unpack
from scanner.prepared import Given, Prepared
from scanner.reports.formats import MEDIA_TYPES, ReportFormat
from scanner.reports.identity import office_name
from scanner.reports.models import Report
from scanner.reports.sealed import sealed_office, sealed_pdf
from scanner.reports.stationery import stationery_of
from scanner.reports.words import Words, words

PRUNED = "its content was pruned, as its time was over"

FOLDER = "large-reports"
"""The part of the data directory that a web server may hand out below ``ROUNDSMAN_REPORTS_URL``."""

_SEALS = {ReportFormat.PDF: sealed_pdf, ReportFormat.XLSX: sealed_office}


@dataclass(frozen=True, slots=True)
class Post:
    """What decides how mails of this installation are built; ``limit`` is in bytes of a whole mail.

    Without ``keeps``, a report that is too large is not written to its place: for a look, before or after it leaves.
    """

    data_dir: Path
    limit: int
    reports_url: str = ""
    keeps: bool = True


def post(*, keeps: bool = True) -> Post:
    """Return what the settings say."""
    installation = settings.INSTALLATION
    return Post(settings.DATA_DIR, installation.mail_size_limit, installation.reports_url, keeps)


def sender(language: Language) -> Sender:
    """Return who writes, in ``language``."""
    return Sender(office_name(language), sender_address(), settings.INSTALLATION.office_contact)


def built(message: Message, how: Post) -> bytes:
    """Return the mail as it is sent. The same message, settings and limit always give the same bytes, but for what is
    encrypted.

    A report that would make it larger than the limit is written below :data:`FOLDER`. Raises ``Refused`` when it
    can't be built, ``OSError`` when the report can't be written.
    """
    kept = message.report or message.bulletin
    if not message.text or (kept is not None and kept.is_pruned):
        raise Refused(PRUNED, "pruned")
    data = b""
    with stationery_of(message.organisation):
        writer = sender(Language(message.language))
        for mail in _versions(message, how):
            data = compose(mail, writer)
            if len(data) <= how.limit:
                break
    return data


def _versions(message: Message, how: Post) -> Iterator[Mail]:
    """Yield how the mail may leave, from the one with most attached to the one that leaves however large it is."""
    mail = _without_papers(message)
    if not (message.report or message.bulletin or (message.kind == MessageKind.NOTICE and mail.files)):
        yield mail
        return
    t = words(Language(message.language))
    password = password_of(message.organisation) if message.organisation else None
    if message.report is not None:
        versions = _report_versions(message.report, t, password, how)
    elif message.bulletin is not None:
        content = unpack(message.bulletin.html)
        making = partial(kept_pdf, message.bulletin)
        versions = bulletin_versions(File(kept_name(message.bulletin), HTML, content), t, password, making)
    else:
        versions = notice_versions(mail.files, t, password, partial(_notice_pdf, message))
    for files, sentence in versions:
        yield replace(_told(mail, sentence, t.language), files=files)


def _notice_pdf(message: Message) -> bytes:
    document = document_of(message)
    if document is None:
        raise Refused(f"its notice is not kept in {message.language}", "notice-not-kept")
    return kept_pdf(document)


def _report_versions(report: Report, t: Words, password: str | None, how: Post) -> Iterator[Version]:
    files = _report_files(report, password)
    if files and sum(len(file.content) for file in files) < how.limit:
        key = "mail.report.encrypted" if password else "mail.report.attached"
        yield files, t(key, name=t.listed([file.name for file in files]))
    if password:
        yield (), _to_ask_for(report)
    else:
        yield (), _linked(report, report_name(report), unpack(report.html), how)


def mailed_forms(*, sealed: bool) -> tuple[ReportFormat, ...]:
    """Return the forms in which reports are mailed: those of the settings; encrypted ones are never HTML."""
    chosen = tuple(ReportFormat(form) for form in settings.INSTALLATION.report_formats)
    if not sealed:
        return chosen
    return tuple(form for form in chosen if form in _SEALS) or (ReportFormat.PDF,)


def _report_files(report: Report, password: str | None) -> tuple[File, ...]:
    """Return the report as it is attached. With a password there is nothing that isn't encrypted with it."""
    stem = report_name(report).removesuffix(".html")
    mailed = mailed_forms(sealed=password is not None)
    beside = set(mailed) - {ReportFormat.HTML}
    rows = report.files.filter(form__in=beside) if beside else ()
    kept = {ReportFormat(each.form): unpack(each.content) for each in rows}
    if password:
        sealed = {form: _SEALS[form](content, password) for form, content in kept.items() if form in _SEALS}
        return tuple(File(f"{stem}.{form}", MEDIA_TYPES[form], content) for form, content in sealed.items())
    if ReportFormat.HTML in mailed or not kept:
        kept = {ReportFormat.HTML: unpack(report.html), **kept}
    return tuple(File(f"{stem}.{form}", MEDIA_TYPES[form], content) for form, content in kept.items())


def report_name(report: Report) -> str:
    """Return the file name of a report."""
    return f"{report.organisation.slug}-{report.round_id}.html"


_ATTACHED = Prepared(lambda: Attachment.objects.filter(message=Given("message")).order_by("pk"))


def _without_papers(message: Message) -> Mail:
    """Return the mail without what it is about; what is kept beside it is the whole of it where that is no report."""
    kept = () if message.report_id or message.bulletin_id else _ATTACHED(message=message)
    files = tuple(File(each.name, each.media_type, unpack(each.content)) for each in kept)
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


def _told(mail: Mail, sentence: str, language: Language) -> Mail:
    text = mail.text.replace(REPORT_MARK, wrapped(sentence, language))
    html = mail.html.replace(REPORT_MARK, str(escape(sentence)))
    return replace(mail, text=text, html=html)


def _linked(report: Report, name: str, content: bytes, how: Post) -> str:
    """Write a report that is too large to a place that nobody can guess, and say how to get at it."""
    token = salted_hmac(f"roundsman.{FOLDER}", f"{report.pk}:{report.digest}", algorithm="sha256").hexdigest()[:48]
    if how.keeps:
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
