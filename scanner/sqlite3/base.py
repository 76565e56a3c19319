"""SQLite whose writers take turns within a millisecond, and whose moments and statements are read once.

A writer that finds another one at work is made to sleep by SQLite, longer each time, up to 100 ms
(``sqliteDefaultBusyCallback``). Those who store a round's findings hold the file for some 20 ms, so that most of what
others waited was sleep: an eighth of a round's time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError
from django.utils.dateparse import parse_datetime

from scanner.engine.hostile import remembering

_SLEEP = 0.001

_STATEMENTS, _LONGEST = 512, 16 * 1024
"""Statements, and how many characters of each at most, that are remembered as SQLite spells them: a service asks with
some two hundred. Long ones name hundreds of rows, and are not met again."""


@lru_cache(maxsize=8192)
def _moment(text: bytes) -> datetime | None:
    """Read a moment as Django does. Those of a round stand in many rows, which are read again in the next one."""
    return parse_datetime(text.decode())


sqlite3.register_converter("datetime", _moment)


@remembering(most=_STATEMENTS, longest=_LONGEST)
def _spelt(query: str) -> str:
    """Return a statement with the places for its values as SQLite marks them."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class _Cursor(base.SQLiteCursorWrapper):
    """Django's, but for the statements that it need not spell anew each time."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        return _spelt(query) if param_names is None else super().convert_query(query, param_names=param_names)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for how it waits to begin a transaction: as long as SQLite would, in short sleeps."""

    def create_cursor(self, name: str | None = None) -> _Cursor:
        """Return a cursor for statements."""
        del name
        cursor: _Cursor = self.connection.cursor(factory=_Cursor)
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        with self._impatient() as patience:
            try:
                super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs leave it out
            except OperationalError as error:
                if not _is_busy(error.__cause__) or not self._begun_within(patience):
                    raise

    def _begun_within(self, seconds: float) -> bool:
        """Begin a transaction as soon as nobody else writes; return whether that was within so many seconds.

        Django turns each refusal into an error of its own, which takes ten times as long as asking.
        """
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(_SLEEP)
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
            else:
                return True
        return False

    @contextmanager
    def _impatient(self) -> Iterator[float]:
        """Let a busy database be told at once, and give the seconds that this connection waits otherwise."""
        (milliseconds,) = self.connection.execute("PRAGMA busy_timeout").fetchone()
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            yield milliseconds / 1000
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _is_busy(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
