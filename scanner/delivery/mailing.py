"""Letters about one matter to several people: each in their language, under a key of their own."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from scanner.delivery.letters import Frame, Written
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import Letter, key_of
from scanner.delivery.recipients import Recipient
from scanner.engine.catalogue.load import Language
from scanner.prepared import AnyOf, Prepared
from scanner.reports.stationery import stationery_of
from targets.models import Organisation

Writing = Callable[[Frame], Written]
"""Writes a letter in the language, and for whom, the frame says."""

_KEYS = AnyOf(20)
_TOLD = Prepared(lambda: Message.objects.filter(key__in=_KEYS.places).order_by().values_list("key", flat=True))


@dataclass(frozen=True, slots=True)
class Mailing:
    """What the letters have in common: their kind, and the organisation that they speak of (None: the installation).

    ``about`` completes their keys: nobody gets a second letter of the same kind about the same.
    """

    kind: MessageKind
    organisation: Organisation | None
    about: tuple[object, ...]
    now: datetime

    def untold(self, chosen: Iterable[Recipient], told: Container[str] | None = None) -> list[Recipient]:
        """Return those who were not written to yet, each once.

        ``told`` are the keys of letters that were written, for a caller who has read those of many mailings at once.
        """
        keys = {self._key(each): each for each in chosen}
        if told is None:
            told = set(chain.from_iterable(_TOLD(**part) for part in _KEYS.parts(keys)))
        return [each for key, each in keys.items() if key not in told]

    def letters(self, chosen: Iterable[Recipient], writing: Writing) -> list[Letter]:
        """Write to each; those who share a language read the same words."""
        written: dict[tuple[Language, bool], Written] = {}
        letters = []
        for each in chosen:
            form = (each.language, each.instead)
            if form not in written:
                with stationery_of(self.organisation):
                    written[form] = writing(Frame(self.kind, each.language, self.now, self.organisation, each.instead))
            letters.append(self._letter(each, written[form]))
        return letters

    def _key(self, recipient: Recipient) -> str:
        return key_of(self.kind, recipient.address, *self.about)

    def _letter(self, recipient: Recipient, written: Written) -> Letter:
        return Letter(
            key=self._key(recipient),
            kind=self.kind,
            recipient=recipient.address,
            language=str(recipient.language),
            subject=written.subject,
            text=written.text,
            html=written.html,
            organisation=self.organisation,
        )
