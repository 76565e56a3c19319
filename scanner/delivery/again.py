"""Sends a kept report again, as it was made, to who is to be told of it now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from scanner.audit.trail import Action, record
from scanner.delivery.mailing import Mailing
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import enqueue_all
from scanner.delivery.passwords import has_password
from scanner.delivery.recipients import Recipient, recipients
from scanner.delivery.round_letter import round_letter
from scanner.delivery.tell import drafted, translated
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import Refused
from scanner.packing import unpack
from scanner.reports.models import Report
from scanner.reports.reread import model_of
from scanner.reports.stationery import stationery_of
from scanner.rounds.models import PlanKind


def mails_about(report: Report) -> QuerySet[Message]:
    """Return the mails that brought what a round found to an organisation, in whatever language."""
    return Message.objects.filter(report__round=report.round_id, report__organisation=report.organisation_id)


def send_again(report: Report, known: int, by: str, now: datetime) -> tuple[Recipient, ...]:
    """Put a report into the outbox once more, for each contact that reports go to, in their language; return them.

    ``known`` is how many of :meth:`mails_about` there were when this was decided: asked twice for the same decision, it
    is sent once, and nobody is returned. Raises ``Refused`` when its content was pruned, or nobody is to get it.
    """
    owner, this = report.organisation, report.round
    chosen = recipients(owner, MessageKind.ROUND_REPORT)
    if report.is_pruned:
        raise Refused(f"The content of report {report.pk} was pruned, as its time was over.", "pruned")
    if not chosen:
        raise Refused(
            f"Nobody gets the reports of {owner.slug}: it is retired, or all its contacts declined them.", "nobody-gets"
        )
    model = model_of(unpack(report.json))
    part = None if this.is_whole else PlanKind(this.kind)
    sealed = has_password(owner)
    mailing = Mailing(MessageKind.ROUND_REPORT, owner, (this.pk, owner.pk, f"again-{known}"), now)
    letters = mailing.letters(
        chosen, lambda frame: round_letter(translated(model, frame.language), frame, part, sealed=sealed)
    )
    rows = {str(each.language): _row(report, each.language) for each in chosen}
    with transaction.atomic():
        if mails_about(report).count() != known:
            return ()
        for row in rows.values():
            if row.pk is None:
                row.save()
        enqueue_all((replace(letter, report=rows[letter.language]) for letter in letters), now)
        to = [each.address for each in chosen]
        record(Action.REPORT_SENT_AGAIN, f"report {report.pk}", actor=by, at=now, organisation=owner.slug, to=to)
    return chosen


def _row(report: Report, language: Language) -> Report:
    """Return what is kept of the round in a language; made of ``report``, and not saved yet, where there is nothing."""
    held = Report.objects.filter(organisation=report.organisation_id, round=report.round_id, language=language)
    found = held.first()
    if found is not None:
        return report if found.is_pruned else found
    with stationery_of(report.organisation):
        return drafted(report.round, report.organisation, model_of(unpack(report.json)), language)
