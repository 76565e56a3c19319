"""Remembers, within bounds, what was made of results a moment ago: a round reads each of them several times."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

from scanner.rounds.models import HostResult

Made = TypeVar("Made")


def digest_of(result: HostResult) -> bytes:
    """Return what tells the facts of a result from all others."""
    return hashlib.sha256(bytes(result.facts)).digest()


class Last(Generic[Made]):
    """The last ``most`` that were made, by the digests of their facts; any number of threads may ask.

    ``of`` is what else it was made of: it is found only where that is equal.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[bytes, tuple[object, Made]] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: bytes, of: object) -> Made | None:
        """Return what was made of it; None where that is not remembered."""
        with self._lock:
            found = self._known.get(digest)
        return found[1] if found is not None and found[0] == of else None

    def put(self, digest: bytes, of: object, made: Made) -> None:
        """Remember it, and forget what was not put for longest."""
        with self._lock:
            self._known[digest] = of, made
            self._known.move_to_end(digest)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
