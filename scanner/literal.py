"""Values of our own that stand in the SQL itself, not beside it."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Expression

_PLAIN = re.compile(r"[a-z-]+")


class Literal(Expression):
    """A word of our own in a condition.

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
