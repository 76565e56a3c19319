"""Answers to a notice that are given one by one, as in a browser, by the acts that a reply form goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from scanner.delivery.models import Answer, Notice, NoticeItem
from scanner.delivery.replies import apply, plan_import, unanswered
from scanner.delivery.reply_read import CELL_LIMIT, Form, RowError, Said
from scanner.engine.errors import Refused
from scanner.engine.hostile import line
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Exemption, ExemptionState
from scanner.remediation.proofs import keep_proof
from targets.documents import Document

FARTHEST = timedelta(days=3653)
"""How far ahead a day may lie that is named in an answer."""

OF_MANAGERS = (Answer.ACCEPT, Answer.DISPUTE)
"""Answers that ask the office to decide, for which another right is needed than for the others."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and the file that proves it."""

    said: Said
    proof: Document | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as somebody gives it. ``told`` is what was done, or why not; ``row`` tells answers apart."""

    row: int
    finding: int
    answer: Answer
    told: str = ""
    until: date | None = None
    responsible: str = ""
    proof: str = ""

    @property
    def wanting(self) -> tuple[str, ...]:
        """The names of what belongs to this answer, as in the reply form, and is left out."""
        needed = ("told", "until", "responsible") if self.answer is Answer.ACCEPT else ("told",)
        return tuple(name for name in needed if not getattr(self, name))

    @property
    def said(self) -> Said:
        """The same as a reply form says it."""
        text, is_fixed = line(self.told, CELL_LIMIT), self.answer is Answer.FIXED
        return Said(
            row=self.row,
            finding=self.finding,
            answer=self.answer,
            proof=line(self.proof, CELL_LIMIT),
            responsible=line(self.responsible, 200),
            until=self.until,
            measures=text if is_fixed else "",
            reason="" if is_fixed else text,
        )


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

    What is claimed to be fixed is inspected again, in one round. Raises ``Refused`` for a withdrawn notice, and for
    files that can't be kept; then nothing was done, either.
    """
    if notice.withdrawn:
        raise Refused(
            f"Notice {notice.number} was withdrawn on {notice.withdrawn:%Y-%m-%d}; it needs no answer.",
            "notice-withdrawn",
            number=notice.number,
        )
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
