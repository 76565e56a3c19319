"""Rectification notices: what organisations were asked to fix by when, and what they answered."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from ninja import Path, Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Number, Sent, SomeName, SomeText, Text
from scanner.api.lists import LARGEST, AskedSpan, Part, part
from scanner.api.papers import ready
from scanner.api.problem import Problem, Wrong
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.delivery.answering import FARTHEST, OF_MANAGERS, Answered, Given, answer
from scanner.delivery.models import Answer, Notice, NoticeDocument, NoticeItem
from scanner.delivery.notice_files import NOTICE_FORMS, notice_file
from scanner.engine.catalogue.load import Language
from scanner.reports.press import PRESS

router = Router(tags=["notices"])

READ = needs(Scope.REPORTS_READ, Right.READ)

MOST_ANSWERS = 500
"""Of one request."""

NoticeForm = StrEnum("NoticeForm", {each.upper(): each for each in NOTICE_FORMS})  # type: ignore[misc] # made of them

Form = Annotated[NoticeForm, Path()]
InLanguage = Annotated[Language, Path()]


class NoticeRow(Schema):
    """A notice. An answer is due before ``answer_by``; ``answered`` is when all that is to be fixed had one."""

    number: int
    document: str
    organisation: str
    round: int | None
    issued: datetime
    issued_by: str
    answer_by: datetime
    answered: datetime | None
    withdrawn: datetime | None

    @classmethod
    def of(cls, row: Notice) -> NoticeRow:
        """Show a row."""
        return cls(
            number=row.pk,
            document=row.number,
            organisation=row.organisation.slug,
            round=row.round_id,
            issued=row.issued,
            issued_by=row.issued_by,
            answer_by=row.answer_by,
            answered=row.answered,
            withdrawn=row.withdrawn,
        )


class ReplyRow(Schema):
    """An answer to one finding; ``detail`` is what was said, by the names of the reply form's columns."""

    answer: str
    by: str
    at: datetime
    detail: dict[str, str]


class ItemRow(Schema):
    """A finding of a notice; ``to_check``: it is merely possible. ``state`` is how it stands now."""

    finding: int
    check: str
    state: str
    deadline: datetime | None
    to_check: bool
    replies: list[ReplyRow]

    @classmethod
    def of(cls, row: NoticeItem) -> ItemRow:
        """Show a row that was read with its finding and replies."""
        return cls(
            finding=row.finding_id,
            check=row.finding.check_id,
            state=row.finding.state,
            deadline=row.deadline,
            to_check=row.to_check,
            replies=[
                ReplyRow(answer=each.answer, by=each.by, at=each.at, detail=each.detail) for each in row.replies.all()
            ],
        )


class WholeNotice(NoticeRow):
    """A notice with all that it asks for."""

    items: list[ItemRow]


class GivenAnswer(Sent):
    """What is said of one finding of a notice, as in its reply form.

    ``told`` says what was done about it, or why it is not done, or why it is called wrong.
    """

    finding: int = Field(ge=1, le=LARGEST)
    answer: Literal["fixed", "in-progress", "dispute"]
    told: SomeText
    proof: Text = ""


class GivenAcceptance(Sent):
    """Asks to accept the risk of a finding, up to and including ``until``, and says why and who answers for it."""

    finding: int = Field(ge=1, le=LARGEST)
    answer: Literal["accept"]
    told: SomeText
    until: date
    responsible: SomeName
    proof: Text = ""


class GivenAnswers(Sent):
    """Answers to a notice, each about another finding; all of them are taken, or none."""

    answers: list[Annotated[GivenAnswer | GivenAcceptance, Field(discriminator="answer")]] = Field(
        min_length=1, max_length=MOST_ANSWERS
    )


class NoticeFilter(Schema):
    """Which notices are wanted."""

    organisation: str = Field(default="", max_length=64, pattern=NO_NUL, description="Slug of their organisation.")
    open: bool = Field(default=False, description="Only those that wait for an answer.")


@router.get("/notices", response=Part[NoticeRow], **READ)
def list_notices(request: ApiRequest, wanted: Annotated[NoticeFilter, Query()], span: AskedSpan) -> Part[NoticeRow]:
    """List notices, the newest first."""
    rows = request.visit.sight.rows(Notice).select_related("organisation")
    if wanted.organisation:
        rows = rows.filter(organisation__slug=wanted.organisation)
    if wanted.open:
        rows = rows.filter(answered=None, withdrawn=None)
    found, then = part(rows, span, newest=True)
    return Part[NoticeRow](items=[NoticeRow.of(each) for each in found], next=then)


@router.get("/notices/{number}", response=WholeNotice, **READ)
def show_notice(request: ApiRequest, number: Number) -> WholeNotice:
    """Show a notice with what it asks for and what was answered."""
    row = get_object_or_404(request.visit.sight.rows(Notice).select_related("organisation"), pk=number)
    return _whole(request, row)


@router.post("/notices/{number}/answers", response=WholeNotice, **needs(Scope.FINDINGS_WRITE, Right.CLAIM))
def answer_notice(request: ApiRequest, number: Number, sent: GivenAnswers) -> WholeNotice:
    """Answer a notice, finding by finding. What is said to be fixed is looked at again, in one round.

    To accept or dispute asks the office to decide. The same answer, given again, changes nothing.
    """
    rows = request.visit.sight.rows(Notice, Right.CLAIM).select_related("organisation")
    row = get_object_or_404(rows, pk=number, organisation__retired_at=None)
    asks = any(each.answer in OF_MANAGERS for each in sent.answers)
    if asks and not request.visit.sight.may(Right.ASK, row.organisation_id):
        raise Problem(403, "forbidden", "The account of this token may not ask to accept or dispute.")
    given = [
        Answered(index, **{**each.model_dump(), "answer": Answer(each.answer)})
        for index, each in enumerate(sent.answers)
    ]
    wrong = _wrong(given, row.organisation.day_of(request.now))
    if not wrong:
        errors = answer(row, [Given(each.said) for each in given], request.visit.who, request.now)
        wrong = [Wrong(f"/answers/{each.row}", each.message) for each in errors]
    if wrong:
        raise Problem(409, "refused", "These answers can't be taken; nothing was changed.", wrong)
    row.refresh_from_db()
    return _whole(request, row)


def _wrong(given: list[Answered], today: date) -> list[Wrong]:
    """Return what is said twice, or too far ahead."""
    found: list[Wrong] = []
    seen: set[int] = set()
    for each in given:
        if each.finding in seen:
            found.append(Wrong(f"/answers/{each.row}/finding", "This finding is answered twice."))
        seen.add(each.finding)
        if each.until is not None and each.until - today > FARTHEST:
            found.append(Wrong(f"/answers/{each.row}/until", "This lies too far ahead."))
    return found


def _whole(request: ApiRequest, row: Notice) -> WholeNotice:
    sight = request.visit.sight
    items = sight.rows(NoticeItem).filter(notice=row).select_related("finding").prefetch_related("replies")
    return WholeNotice(**NoticeRow.of(row).model_dump(), items=[ItemRow.of(each) for each in items])


@router.get("/notices/{number}/{language}/{form}", response={200: None}, **READ)
def download_notice(request: ApiRequest, number: Number, language: InLanguage, form: Form) -> HttpResponse:
    """Download a notice as it was issued (html, pdf) or to be edited (docx), its reply slip (slip), or form (form)."""
    rows = request.visit.sight.rows(NoticeDocument).select_related("notice__organisation")
    document = get_object_or_404(rows, notice=number, language=language)
    key = f"notice {document.pk}"
    with ready():
        name, content = notice_file(document, form, lambda page: PRESS.pdf(key, lambda: page))
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response
