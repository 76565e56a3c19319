"""Sees every round from outside: since when it ran, and until when, by the monotonic clock of the run."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.endurance.site import Site

POLL = 0.3

_ROUNDS = "SELECT id, kind, due, missed, state, followed IS NOT NULL, started IS NOT NULL FROM rounds_round ORDER BY id"


@dataclass
class Seen:
    """A round, as it was seen. It ran at some time between ``begun`` and ``ended``, and at no other."""

    number: int
    kind: str
    due: datetime | None
    missed: int
    state: str
    begun: float
    ended: float | None = None


class Watch:
    """Looks at the rounds a few times a second until it is closed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.rounds: dict[int, Seen] = {}
        self._over = threading.Event()
        self._looked = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def unfinished(self) -> list[Seen]:
        """Return the rounds that have not ended."""
        return [each for each in list(self.rounds.values()) if each.ended is None]

    def whole_since(self, moment: float) -> list[Seen]:
        """Return the rounds of plans that began after a moment and have ended."""
        rounds = [each for each in list(self.rounds.values()) if each.kind == "routine"]
        return [each for each in rounds if each.begun > moment and each.ended is not None]

    def look(self) -> None:
        """Look once."""
        now = time.monotonic()
        for number, kind, due, missed, state, followed, _ in self._site.ask(_ROUNDS):
            seen = self.rounds.setdefault(
                int(str(number)), Seen(int(str(number)), str(kind), _time(due), int(str(missed)), "", self._looked)
            )
            if followed and state in ("done", "cancelled") and seen.ended is None:
                seen.ended = time.monotonic()
            seen.state = str(state)
        self._looked = now

    def _run(self) -> None:
        while not self._over.wait(POLL):
            with contextlib.suppress(sqlite3.Error):
                self.look()


def _time(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
