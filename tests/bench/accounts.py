"""Holds each step against the world while the next one goes on: what must be true was true at its end."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from django.db import connection

from tests.bench.living import World
from tests.bench.truths import Ledger

_READING = {"sqlite": "BEGIN DEFERRED", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"}
"""How a transaction begins that sees one moment and keeps nobody from writing, as ``atomic()`` would."""

_AT_ONCE = 2
"""Steps that are read at once: one after the other, each as it stood."""


class Accounts:
    """Reads the database as it stood when a step ended, in threads, by transactions that only read.

    ``world`` is a copy of its own, ``mail`` the quiet mailer's folder.
    """

    def __init__(self, world: World, mail: Path) -> None:
        self._world = world
        self._mail = mail
        self._ledger = Ledger(world)
        self._threads = ThreadPoolExecutor(_AT_ONCE)
        self._going: deque[Future[None]] = deque()
        self._listed: set[Path] = set()
        self.histories = (0, 0, 0)
        """Findings opened, fixed and reopened, as :meth:`look_back` counted them."""

    @property
    def mails(self) -> int:
        return self._ledger.mails

    def hold(self, step: int, day: int | None = None) -> None:
        """Begin to compare what stands now; with ``day`` look back at all days up to it, too.

        Raises ``Broken`` when something was not true at the end of an earlier step.
        """
        if len(self._going) == _AT_ONCE:
            self._going.popleft().result()
        letters = sorted({*self._mail.glob("*.eml")} - self._listed)
        self._listed.update(letters)
        begun = Event()
        before = self._going[-1] if self._going else None
        self._going.append(self._threads.submit(self._compare, step, day, letters, begun, before))
        while not begun.wait(1) and not self._going[-1].done():
            pass

    def end(self) -> None:
        """Wait for what is under way. Raises ``Broken``, also when a mail never left."""
        while self._going:
            self._going.popleft().result()
        self._ledger.end()

    def _compare(
        self, step: int, day: int | None, letters: list[Path], begun: Event, before: Future[None] | None
    ) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_READING[connection.vendor])
            try:
                cursor.execute("SELECT COUNT(*) FROM rounds_plan")  # from now on it sees what stands now
                begun.set()
                if before is not None:
                    before.result()
                self._world.walk_to(step)
                self._ledger.account()
                self._ledger.findings()
                self._ledger.letters(letters)
                if day is not None:
                    self._look_back(day)
            finally:
                cursor.execute("ROLLBACK")
        self._ledger.read()
        self._listed.difference_update(letters)

    def _look_back(self, day: int) -> None:
        self._ledger.rounds(day)
        self.histories = self._ledger.histories()
        self._ledger.urgent()
