"""Lists come in parts: a part, and a cursor that leads to the next one, whatever is added meanwhile."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query, Schema
from pydantic import Field

from scanner.api.problem import Problem, Wrong

MOST = 200
USUAL = 50

LARGEST = 2**63 - 1
"""The largest primary key of a database."""

M = TypeVar("M", bound=Model)
T = TypeVar("T")


class Part(Schema, Generic[T]):
    """Part of a list. ``next`` is the cursor of the part that follows; null when there is none."""

    items: list[T]
    next: str | None


class Span(Schema):
    """Which part of a list is wanted."""

    limit: int = Field(default=USUAL, ge=1, le=MOST, description="Rows at most.")
    cursor: str = Field(default="", max_length=40, description="Where to go on: `next` of the part before.")


AskedSpan = Annotated[Span, Query()]


def part(rows: QuerySet[M], span: Span, *, newest: bool = False) -> tuple[list[M], str | None]:
    """Return the rows of the part that is wanted, by their numbers, and the cursor of the next one.

    Raises ``Problem`` for a cursor that is not ours.
    """
    after = _number(span.cursor)
    if after is not None:
        rows = rows.filter(pk__lt=after) if newest else rows.filter(pk__gt=after)
    found = list(rows.order_by("-pk" if newest else "pk")[: span.limit + 1])
    kept = found[: span.limit]
    return kept, _cursor(kept[-1]) if len(found) > len(kept) else None


def _cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(str(row.pk).encode()).decode().rstrip("=")


def _number(cursor: str) -> int | None:
    if not cursor:
        return None
    try:
        number = int(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        number = -1
    if not 0 < number <= LARGEST:
        wrong = Wrong("cursor", "Take it from `next` of the part before, as it is.")
        raise Problem(422, "invalid", "This is no cursor.", [wrong])
    return number
