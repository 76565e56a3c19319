"""Everything wrong with an input, collected so that it can be shown at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from scanner.engine.sentence import Sentence


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written. ``line`` counts from 1; 0 when the whole file is meant."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, in which field, what, and what would be right."""

    place: Place
    field: str
    wrong: Sentence
    right: Sentence | None = None

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        right = f"; {self.right}" if self.right else ""
        return f"{self.place}:{field} {self.wrong}{right}"


class BadInput(Exception):  # noqa: N818 - reads as the event it is
    """The input can't be applied; ``problems`` says everything that is wrong with it. Nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.place.file, problem.place.line, problem.field))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggestion(wrong: str, known: Iterable[str]) -> Sentence | None:
    """ "did you mean …?" when one of ``known`` is close to ``wrong``, else all of ``known``; None without any."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong.casefold(), names, n=1)
    if close:
        return Sentence(f"did you mean {close[0]}?", "did-you-mean", name=close[0])
    return Sentence(f"use one of: {', '.join(names)}", "use-one-of", names=tuple(names)) if names else None
