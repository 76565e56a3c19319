"""Rectification notices: what organisations were asked to fix by when, and what they answered."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from ninja import Path, Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Number
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.papers import ready
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.delivery.models import Notice, NoticeDocument, NoticeItem
from scanner.delivery.notice_files import NOTICE_FORMS, notice_file
from scanner.engine.catalogue.load import Language
from scanner.reports.press import PRESS

router = Router(tags=["notices"])

READ = needs(Scope.REPORTS_READ, Right.READ)

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
    sight = request.visit.sight
    row = get_object_or_404(sight.rows(Notice).select_related("organisation"), pk=number)
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
