"""Plain values, as a program sends them, in the form in which documents are read."""

from __future__ import annotations

from collections.abc import Mapping as Values

from targets.registry.document import Entry, Mapping, Node, Scalar, Sequence
from targets.registry.problems import Place

SENT = Place("what was sent")


def as_document(values: Values[str, object]) -> Mapping:
    """Return a document that says what ``values`` say; times, numbers and truth values become texts."""
    return Mapping(tuple(Entry(str(key), _node(value), SENT) for key, value in values.items()), SENT)


def _node(value: object) -> Node:
    match value:
        case None:
            return Scalar("", SENT, is_null=True)
        case bool():
            return Scalar("true" if value else "false", SENT)
        case dict():
            return as_document(value)
        case list() | tuple():
            return Sequence(tuple(_node(item) for item in value), SENT)
        case _:
            return Scalar(str(value), SENT)
