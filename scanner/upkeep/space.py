"""Gives the room that removed rows took back to the file system.

PostgreSQL does so by itself. SQLite databases are made with ``auto_vacuum=INCREMENTAL``, which lets single pages go;
one that is older than that keeps its size and fills the room with new rows, until it is compacted as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import connection

from scanner.engine.errors import InputError

Rest = Callable[[float], bool | None]
"""Leaves others their turn of so many seconds; True when there is to be no next step."""

PAGES = 1_000
"""Pages (4 KiB each) that one step lets go: some twenty milliseconds in which nobody else can write."""

SPARE = 16
"""One page in so many is left free: tomorrow's rows need room, too."""

_INCREMENTAL = 2


def free_pages() -> tuple[int, int]:
    """Return how many pages of the SQLite database are free, and how many there are."""
    return _pragma("freelist_count"), _pragma("page_count")


def can_give_back() -> bool:
    """Tell whether single pages can be let go."""
    return connection.vendor == "sqlite" and _pragma("auto_vacuum") == _INCREMENTAL


def give_back(rest: Rest) -> None:
    """Let free pages go, step by step, with a rest after each for others to write."""
    if not can_give_back():
        return
    free, pages = free_pages()
    while free > pages // SPARE:
        began = time.monotonic()
        unneeded = min(PAGES, free - pages // SPARE)
        with connection.cursor() as cursor:
            # Executed by itself it lets one page go, and waits to be asked for the next one as if that were a row.
            cursor.executescript(f"PRAGMA incremental_vacuum({unneeded})")
        if rest(time.monotonic() - began):
            return
        before, (free, pages) = free, free_pages()
        if free >= before:
            return


def compact() -> None:
    """Write the SQLite database anew without its free pages, so that it can give pages back from then on.

    It takes as much room again, and nobody can write meanwhile. Must not run inside a transaction. Raises
    ``InputError`` on PostgreSQL, whose autovacuum lets new rows fill the room of old ones.
    """
    if connection.vendor != "sqlite":
        raise InputError("PostgreSQL makes room by itself (autovacuum); only an SQLite database is compacted.")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("VACUUM")


def _pragma(name: str) -> int:
    with connection.cursor() as cursor:
        return int(cursor.execute(f"PRAGMA {name}").fetchone()[0])
