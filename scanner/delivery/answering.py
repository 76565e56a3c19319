"""Answers to a notice that are given one by one, as in a browser, by the acts that a reply form goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from scanner.delivery.models import Notice, NoticeItem
from scanner.delivery.replies import apply, plan_import, unanswered
from scanner.delivery.reply_read import Form, RowError, Said
from scanner.engine.errors import InputError
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Exemption, ExemptionState
from scanner.remediation.proofs import keep_proof
from targets.documents import Document


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and the file that proves it."""

    said: Said
    proof: Document | None = None


def answerable(notice: Notice) -> list[NoticeItem]:
    """Return the items that can be answered now, those first that nobody has said anything of yet.

    What is fixed or exempt needs no answer, and what is asked for waits for the office.
    """
    items = notice.items.filter(finding__state__in=TO_FIX).select_related("finding")
    asked = Exemption.objects.filter(state=ExemptionState.REQUESTED, finding__notice_items__notice=notice)
    waiting = set(asked.values_list("finding", flat=True))
    silent = unanswered(notice)
    open_ones = [each for each in items if each.finding_id not in waiting]
    return sorted(open_ones, key=lambda each: (each.pk not in silent, each.to_check, each.pk))


def answer(notice: Notice, given: Sequence[Given], by: str, now: datetime) -> tuple[RowError, ...]:
    """Take answers over with their proof, all of them or, when one is wrong, none; return what was wrong.

    What is claimed to be fixed is inspected again, in one round. Raises ``InputError`` for a withdrawn notice, and for
    files that can't be kept; then nothing was done, either.
    """
    if notice.withdrawn:
        raise InputError(f"Notice {notice.number} was withdrawn on {notice.withdrawn:%Y-%m-%d}; it needs no answer.")
    form = Form(notice.number, tuple(each.said for each in given), 0, (), {})
    with transaction.atomic():
        planned = plan_import(form, notice, now)
        errors = apply(planned, by, now)
        if errors:
            return errors
        proofs = {each.said.finding: each.proof for each in given}
        for step in planned.steps:
            proof = proofs[step.said.finding]
            if proof is not None:
                keep_proof(step.item.finding, proof, by=by, now=now)
    return ()
