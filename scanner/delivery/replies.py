"""Takes over what a reply form says: claims, requests and notes, all rows or, when one is wrong, none.

A form answers one notice and touches nothing that doesn't stand in it, whoever's finding it names. Each answer is kept
once: reading the same form again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from scanner.audit.trail import Action, record
from scanner.delivery.models import Answer, Notice, NoticeItem, Reply
from scanner.delivery.reply_form import Column
from scanner.delivery.reply_read import Form, RowError, Said
from scanner.engine.errors import InputError, Refused, RoundsmanError
from scanner.engine.hostile import line
from scanner.engine.sentence import Sentence
from scanner.remediation.acts import claim, request_exemption
from scanner.remediation.lifecycle import EXEMPT, Happened, State
from scanner.remediation.models import TELLING, Exemption, ExemptionKind, ExemptionState, Finding, FindingEvent
from scanner.remediation.reinspection import request_reinspection
from targets.registry.times import end_of_day

ANSWERED_BY = (Happened.CLAIMED, Happened.DISPUTED, Happened.EXEMPTED, Happened.FIXED)
"""What counts as an answer to a notice, however it reached us, when it happened after the notice was issued."""


NOTE_LIMIT = 2000
"""Characters of a claim's note; the reply itself keeps all that the form said."""

_KINDS = {Answer.ACCEPT: ExemptionKind.ACCEPTED, Answer.DISPUTE: ExemptionKind.FALSE_POSITIVE}


@dataclass(frozen=True, slots=True)
class Step:
    """One answer and the item that it answers; ``known``: it was read before, so nothing is to be done."""

    said: Said
    item: NoticeItem
    known: bool


@dataclass(frozen=True, slots=True)
class Import:
    """What a form would do. ``open_items`` are those of the notice that still have no answer afterwards."""

    notice: Notice
    steps: tuple[Step, ...]
    errors: tuple[RowError, ...]
    blank: int

    @property
    def new(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if not step.known)


def notice_of(form: Form, number: str | None = None) -> Notice:
    """Return the notice that a form answers.

    Raises ``InputError`` when it names none, an unknown or a withdrawn one.
    """
    if number and form.number and number != form.number:
        raise InputError(f"The form answers notice {form.number}, not {number}.")
    wanted = number or form.number
    if not wanted:
        raise InputError("The form does not say which notice it answers; name it with --notice.")
    notice = Notice.objects.select_related("organisation").filter(number=wanted).first()
    if notice is None:
        raise InputError(f"There is no notice {wanted}; 'roundsman notice list' shows them.")
    if notice.withdrawn:
        raise InputError(f"Notice {wanted} was withdrawn on {notice.withdrawn:%Y-%m-%d}; it needs no answer.")
    return notice


def plan_import(form: Form, notice: Notice, now: datetime) -> Import:
    """Return what the form would do to the findings of ``notice``; writes nothing."""
    items = {item.finding_id: item for item in notice.items.select_related("finding")}
    zone = ZoneInfo(notice.organisation.time_zone)
    steps: list[Step] = []
    errors = list(form.errors)
    for said in form.said:
        item = items.get(said.finding)
        if item is None:
            wrong: tuple[Column, Sentence] | None = (Column.FINDING, _why_not(said.finding, notice))
        elif Reply.objects.filter(item=item, digest=_digest(said)).exists():
            steps.append(Step(said, item, known=True))
            continue
        else:
            wrong = _wrong(said, item.finding, now, zone)
        if wrong is not None:
            errors.append(RowError(said.row, form.titles.get(wrong[0], wrong[0]), wrong[1]))
        elif item is not None:
            steps.append(Step(said, item, known=False))
    return Import(notice, tuple(steps), tuple(sorted(errors, key=lambda each: each.row)), form.blank)


def apply(planned: Import, by: str, now: datetime, *, partial: bool = False) -> tuple[RowError, ...]:
    """Do what was planned, in one transaction, and return what was wrong; nothing was done then unless ``partial``.

    What is claimed to be fixed is inspected again, in one round for the whole form.
    """
    if planned.errors and not partial:
        return planned.errors
    with transaction.atomic():
        errors = _apply(planned, by, now)
        if errors and not partial:
            transaction.set_rollback(True)
    return (*planned.errors, *errors)


def settle(notice: Notice, now: datetime) -> bool:
    """Mark a notice as answered once every finding that it asks for has an answer; return whether that is so."""
    if notice.answered is None and not unanswered(notice):
        Notice.objects.filter(pk=notice.pk, answered=None).update(answered=now)
        notice.refresh_from_db(fields=["answered"])
    return notice.answered is not None


def unanswered(notice: Notice) -> set[int]:
    """Return the items that are to be fixed and of which nobody has said anything since the notice was issued.

    By their primary keys: most notices wait for long, and are asked about every day.
    """
    return set(_unanswered_items().filter(notice=notice).values_list("pk", flat=True))


def all_answered(notices: QuerySet[Notice]) -> QuerySet[Notice]:
    """Return those of ``notices`` of which every finding to be fixed has an answer."""
    return notices.exclude(Exists(_unanswered_items().filter(notice=OuterRef("pk"))))


def _unanswered_items() -> QuerySet[NoticeItem]:
    of_it = {"finding": OuterRef("finding")}
    # What merely saw a finding is left out twice, so that the index without it, which is short, is read.
    events = FindingEvent.objects.filter(TELLING, kind__in=ANSWERED_BY, **of_it)
    acted = events.filter(at__gte=OuterRef("notice__issued"))
    requested = Exemption.objects.filter(requested_at__gte=OuterRef("notice__issued"), **of_it)
    replied = Reply.objects.filter(item=OuterRef("pk"))
    items = NoticeItem.objects.filter(to_check=False).order_by()
    return items.exclude(Exists(replied)).exclude(Exists(requested)).exclude(Exists(acted))


def _apply(planned: Import, by: str, now: datetime) -> list[RowError]:
    errors: list[RowError] = []
    claimed: list[Finding] = []
    for step in planned.new:
        try:
            with transaction.atomic():
                _take(step, by, now)
        except RoundsmanError as error:
            said = error.sentence if isinstance(error, Refused) else str(error)
            errors.append(RowError(step.said.row, "", said))
            continue
        if step.said.answer is Answer.FIXED:
            claimed.append(step.item.finding)
    if claimed:
        request_reinspection(claimed, by=by, now=now)
    settle(planned.notice, now)
    if planned.new:
        notice = planned.notice
        answered = {str(step.item.finding_id): str(step.said.answer) for step in planned.new}
        record(Action.REPLIES_IMPORTED, f"notice {notice.number}", actor=by, at=now, answers=answered)
    return errors


def _take(step: Step, by: str, now: datetime) -> None:
    said, finding = step.said, step.item.finding
    detail = {name: text for name, text in _detail(said).items() if text}
    _, new = Reply.objects.get_or_create(
        item=step.item,
        digest=_digest(said),
        defaults={"answer": said.answer, "detail": detail, "by": by, "at": now},
    )
    if not new:
        return  # somebody read the same form a moment ago
    if said.answer is Answer.FIXED and finding.state != State.CLAIMED:
        claim(finding, by, line(" ".join(filter(None, (said.measures, said.proof))), NOTE_LIMIT), now)
    elif said.answer in _KINDS:
        zone = ZoneInfo(finding.organisation.time_zone)
        request_exemption(
            finding,
            _KINDS[said.answer],
            owner=said.responsible or by,
            reason=said.reason,
            proof=said.proof,
            until=end_of_day(said.until, zone) if said.until else None,
            by=by,
            now=now,
        )


def _why_not(number: int, notice: Notice) -> Sentence:
    finding = Finding.objects.filter(pk=number).first()
    if finding is None:
        return Sentence(f"there is no finding {number}", "finding-unknown", number=number)
    if finding.organisation_id != notice.organisation_id:
        return Sentence(
            f"finding {number} is another organisation's; a form of {notice.organisation.slug} can't answer it",
            "finding-of-another",
            number=number,
        )
    return Sentence(
        f"finding {number} does not stand in notice {notice.number}", "finding-not-in-notice", number=number
    )


def _wrong(said: Said, finding: Finding, now: datetime, zone: ZoneInfo) -> tuple[Column, Sentence] | None:
    today = now.astimezone(zone).date()
    if finding.state == State.FIXED and finding.fixed is not None:
        day = finding.fixed.astimezone(zone).date()
        said_fixed = f"finding {finding.pk} was proven fixed on {day}; it needs no answer"
        return Column.ANSWER, Sentence(said_fixed, "answer-fixed", number=finding.pk, day=day)
    if finding.state in EXEMPT:
        exempt = f"finding {finding.pk} is exempt ({finding.state}); it needs no answer"
        return Column.ANSWER, Sentence(exempt, "answer-exempt", number=finding.pk)
    if said.answer is Answer.FIXED and said.finished is not None and said.finished > today:
        to_come = f"{said.finished} lies in the future; what isn't done yet is 'in progress'"
        return Column.FINISHED, Sentence(to_come, "answer-to-come", number=finding.pk, day=said.finished)
    if said.answer in _KINDS and said.until is not None and said.until <= today:
        over = f"{said.until} is not in the future"
        return Column.UNTIL, Sentence(over, "answer-over", number=finding.pk, day=said.until)
    if said.answer in _KINDS and Exemption.objects.filter(finding=finding, state=ExemptionState.REQUESTED).exists():
        waits = f"a request about finding {finding.pk} waits to be decided"
        return Column.ANSWER, Sentence(waits, "answer-waits", number=finding.pk)
    return None


def _detail(said: Said) -> Mapping[str, str]:
    left_out = ("row", "finding", "answer")
    values = {each.name: getattr(said, each.name) for each in fields(said) if each.name not in left_out}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _digest(said: Said) -> str:
    told = {"answer": str(said.answer), **_detail(said)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
