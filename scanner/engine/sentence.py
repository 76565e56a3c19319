"""What a person is told, in English and as data at once."""

from __future__ import annotations

from typing import Self


class Sentence(str):
    """A sentence in English, for terminals, programs and logs, that says the same as data.

    ``code`` names it and ``values`` are what it speaks of, so that a page can word it in the language of its reader.
    """

    __slots__ = ("code", "values")

    code: str
    values: dict[str, object]

    def __new__(cls, text: str, code: str, /, **values: object) -> Self:
        """Keep the English text together with its code and values."""
        made = super().__new__(cls, text)
        made.code, made.values = code, values
        return made
