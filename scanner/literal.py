"""Values of our own that stand in the SQL itself, not beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db.models import Expression

_PLAIN = re.compile(r"[a-z-]*")
_PLACE = re.compile(r"(?<!%)%s")


class Literal(Expression):
    """A word of our own, or none, in a condition.

    SQLite knows what is bound to a statement only when it is asked, so that an index over some rows ("where kind is not
    seen") serves a question about these only where their condition is spelt out in it.
    """

    def __init__(self, word: str) -> None:
        super().__init__()
        if not _PLAIN.fullmatch(word):
            raise ValueError(f"{word!r} is no plain word.")
        self.word = str(word)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]  # it binds none
        """Spell it out."""
        del compiler, connection
        return f"'{self.word}'", []


def spelt_out(sql: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return a statement with the plain words among its values in it, and the values that are left.

    Where an index over some rows may serve by what is bound, SQLite plans the statement anew each time it is asked.
    """
    first, *rest = _PLACE.split(sql)
    text, left = [first], []
    for value, after in zip(values, rest, strict=True):
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            text += [f"'{value!s}'", after]
        else:
            text += ["%s", after]
            left.append(value)
    return "".join(text), left
