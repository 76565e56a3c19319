"""Mails a notice to each contact that notices go to: the document in their language, and the reply slip and form.

The document goes as PDF, too, which is made when the mail leaves (:mod:`scanner.delivery.papers`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.db import transaction

from scanner.delivery.apart import apart
from scanner.delivery.letters import Frame, Written, write
from scanner.delivery.mailing import Mailing
from scanner.delivery.models import MessageKind, Notice, NoticeDocument
from scanner.delivery.notice_document import NoticeModel, notice_model, render_notice
from scanner.delivery.notices import issue, notices_due
from scanner.delivery.outbox import File, enqueue_all
from scanner.delivery.papers import CSV, HTML, WORD
from scanner.delivery.passwords import has_password
from scanner.delivery.recipients import Recipient, recipients
from scanner.delivery.reply_form import file_name, reply_form
from scanner.engine.catalogue.load import Language
from scanner.packing import Like, pack
from scanner.prepared import AnyOf, Given, Prepared
from scanner.remediation.follow import round_of
from scanner.reports.stationery import stationery_of
from scanner.reports.words import words
from scanner.rounds.clock import BY_PLAN


def issue_for_round(round_id: int, now: datetime, only: Collection[int] | None = None) -> list[Notice]:
    """Issue and mail what a followed round asks its organisations, or ``only`` these, for; return its notices.

    Doing it again adds nothing.
    """
    this = round_of(round_id)
    for due in notices_due(this, only):
        by = BY_PLAN.format(name=this.plan.name if this.plan else "")
        issue(due.organisation, this, due.findings, by=by, now=now, to_check=due.to_check)
    owners = list(this.owners().values_list("pk", flat=True)) if only is None else only
    issued = (each for part in _OWNERS.parts(owners) for each in _ISSUED(round=this, **part))
    notices = sorted(issued, key=lambda each: each.pk)
    _post_each(notices, now)
    return notices


_OWNERS = AnyOf(16)
_ISSUED = Prepared(
    lambda: Notice.objects.filter(round=Given("round"), organisation__pk__in=_OWNERS.places).select_related(
        "organisation"
    )
)


def post_waiting(now: datetime) -> int:
    """Mail what was issued but not mailed, as after a crash in between; return how many letters that makes."""
    waiting = Notice.objects.filter(posted=None, withdrawn=None).select_related("organisation")
    return _post_each(waiting, now)


def _post_each(notices: Iterable[Notice], now: datetime) -> int:
    return sum(map(len, apart((f"post notice {each.number}", partial(post, each, now)) for each in notices)))


def post(notice: Notice, now: datetime) -> tuple[Recipient, ...]:
    """Keep the notice as a document, put its mail into the outbox, and return whom it goes to; only once."""
    if notice.posted or notice.withdrawn:
        return ()
    model = notice_model(notice)
    chosen = recipients(notice.organisation, MessageKind.NOTICE)
    sealed = has_password(notice.organisation)
    mailing = Mailing(MessageKind.NOTICE, notice.organisation, (notice.pk,), now)
    letters = mailing.letters(chosen, partial(notice_letter, model, sealed=sealed))
    with stationery_of(notice.organisation):
        documents = {language: render_notice(model, language).encode() for language in Language}
        files = {each: _files(model, documents, Language(each)) for each in {letter.language for letter in letters}}
    with transaction.atomic():
        if not Notice.objects.filter(pk=notice.pk, posted=None, withdrawn=None).update(posted=now):
            return ()
        NoticeDocument.objects.bulk_create(
            NoticeDocument(notice=notice, language=language, html=pack(content, Like.PAGES))
            for language, content in documents.items()
        )
        enqueue_all((replace(letter, files=files[letter.language]) for letter in letters), now)
    notice.refresh_from_db(fields=["posted"])
    return chosen


def _files(notice: NoticeModel, documents: Mapping[Language, bytes], language: Language) -> tuple[File, ...]:
    """Return what is kept to go with the mail: the page, the reply slip and the reply form."""
    from scanner.delivery.notice_word import render_slip_docx  # what it needs takes a fifth of a second to import

    contents = (
        ("form.document", HTML, documents[language]),
        ("form.slip", WORD, render_slip_docx(notice, language)),
        ("form.file", CSV, reply_form(notice, language)),
    )
    return tuple(File(file_name(key, notice.number, language), kind, content) for key, kind, content in contents)


def notice_letter(notice: NoticeModel, frame: Frame, *, sealed: bool = False) -> Written:
    """Write the letter that a notice goes with. ``sealed``: it doesn't say what was found, which is encrypted."""
    t = words(frame.language)
    return write(
        "notice",
        frame,
        subject=t("mail.notice.subject", number=notice.number, name=frame.name, n=len(notice.findings)),
        headline=t("mail.notice.headline", number=notice.number),
        preheader=t("mail.notice.preheader", n=len(notice.findings)),
        notice=notice,
        sealed=sealed,
    )
