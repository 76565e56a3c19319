"""Mail: what waits, what was given up, and trying it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Number
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from scanner.delivery import outbox
from scanner.delivery.models import Message, MessageKind, MessageState

router = Router(tags=["mail"])

READ = needs(Scope.MAIL_READ, Right.WATCH)
WRITE = needs(Scope.MAIL_WRITE, Right.OPERATE)


class MessageRow(Schema):
    """A mail to one recipient. ``reply`` is the server's last answer, or what went wrong."""

    number: int
    kind: str
    state: str
    organisation: str | None
    recipient: str
    subject: str
    tries: int
    created: datetime
    not_before: datetime
    finished: datetime | None
    reply: str

    @classmethod
    def of(cls, row: Message) -> MessageRow:
        """Show a row."""
        return cls(
            number=row.pk,
            kind=row.kind,
            state=row.state,
            organisation=row.organisation.slug if row.organisation else None,
            recipient=row.recipient,
            subject=row.subject,
            tries=row.attempt,
            created=row.created,
            not_before=row.not_before,
            finished=row.finished,
            reply=row.reply,
        )


class MessageFilter(Schema):
    """Which mails are wanted."""

    state: MessageState | None = Field(default=None, description="In this state, such as `dead`.")
    kind: MessageKind | None = Field(default=None, description="Of this kind.")
    organisation: str = Field(default="", max_length=64, pattern=NO_NUL, description="About this one (slug).")


@router.get("/messages", response=Part[MessageRow], **READ)
def list_messages(request: ApiRequest, wanted: Annotated[MessageFilter, Query()], span: AskedSpan) -> Part[MessageRow]:
    """List mails, the newest first, without their texts."""
    rows = request.visit.sight.rows(Message).select_related("organisation").defer("text", "html")
    exact = (("state", wanted.state), ("kind", wanted.kind), ("organisation__slug", wanted.organisation))
    for name, value in exact:
        rows = rows.filter(**{name: value}) if value else rows
    found, then = part(rows, span, newest=True)
    return Part[MessageRow](items=[MessageRow.of(each) for each in found], next=then)


@router.get("/messages/{number}", response=MessageRow, **READ)
def show_message(request: ApiRequest, number: Number) -> MessageRow:
    """Show where one mail stands."""
    return MessageRow.of(_message(request, number, Right.WATCH))


@router.post("/messages/{number}/retry", response=MessageRow, **WRITE)
def retry_message(request: ApiRequest, number: Number) -> MessageRow:
    """Have a mail that waits, or was given up, sent at once."""
    return _change(request, number, outbox.make_due)


@router.post("/messages/{number}/cancel", response=MessageRow, **WRITE)
def cancel_message(request: ApiRequest, number: Number) -> MessageRow:
    """Give up a mail that was not sent, for good. What it tells is never told again."""
    return _change(request, number, outbox.cancel)


def _message(request: ApiRequest, number: int, right: Right) -> Message:
    rows = request.visit.sight.rows(Message, right).select_related("organisation").defer("text", "html")
    return get_object_or_404(rows, pk=number)


def _change(request: ApiRequest, number: int, act: Callable[[Iterable[int], str, datetime], list[int]]) -> MessageRow:
    message = _message(request, number, Right.OPERATE)
    if not act([message.pk], request.visit.who, request.now):
        raise Problem(409, "refused", f"Mail {number} is neither waiting nor given up: it is {message.state}.")
    return MessageRow.of(_message(request, number, Right.OPERATE))
