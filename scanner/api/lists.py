"""Lists come in parts: a part, and a cursor that leads to the next one, whatever is added meanwhile."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query, Schema
from pydantic import Field

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
    cursor: str = Field(
        default="", pattern=r"^([1-9][0-9]{0,17})?$", description="Where to go on: `next` of the part before, as it is."
    )


AskedSpan = Annotated[Span, Query()]


def part(rows: QuerySet[M], span: Span, *, newest: bool = False) -> tuple[list[M], str | None]:
    """Return the rows of the part that is wanted, by their numbers, and the cursor of the next one."""
    if span.cursor:
        rows = rows.filter(pk__lt=int(span.cursor)) if newest else rows.filter(pk__gt=int(span.cursor))
    found = list(rows.order_by("-pk" if newest else "pk")[: span.limit + 1])
    kept = found[: span.limit]
    return kept, str(kept[-1].pk) if len(found) > len(kept) else None
