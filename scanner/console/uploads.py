"""Files that people hand in by forms."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from scanner.console.refusals import why
from scanner.engine.errors import Refused
from scanner.reports.words import Words
from targets.documents import LARGEST, Document, read_document


class ProofField(forms.FileField):
    """A document that proves something; it may be left out. Its value is a :class:`Document`, or None.

    Its form gives it ``words``, which are its reader's.
    """

    words: Words

    def __init__(self) -> None:
        super().__init__(required=False, max_length=200)

    def clean(self, data: Any, initial: Any = None) -> Document | None:
        """Read what was handed in. Raises ``ValidationError`` for what is no document."""
        file = super().clean(data, initial)
        if not file:
            return None
        try:
            return read_document(str(file.name), bytes(file.read(LARGEST + 1)))
        except Refused as error:
            raise ValidationError(why(error, self.words)) from error
