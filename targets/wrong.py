"""What is wrong with a text that somebody wrote. Imports no Django."""

from __future__ import annotations

from scanner.engine.sentence import Sentence


class WrongText(ValueError):  # noqa: N818 - reads as the event it is
    """A text can't be read as what it is to be; ``sentence`` says why, and what would be right."""

    def __init__(self, text: str, code: str, /, **values: object) -> None:
        super().__init__(text)
        self.sentence = Sentence(text, code, **values)
