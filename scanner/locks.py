"""Locks of a whole installation on PostgreSQL, which hold over all machines: advisory locks.

Each holder has a connection of its own. The lock ends with it, however the process or its machine ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import IntEnum

from django.db import connection

_OURS = 0x526D  # tells our locks from those of other programs in the database


class Lock(IntEnum):
    """What is done by one at a time: database changed, plans kept, and mail that a dead mailer left taken up."""

    MIGRATE = 1
    LEADER = 2
    MAILER = 3


class Turn(IntEnum):
    """What transactions take turns at. The first three are claims of jobs that share a rate cap."""

    ORGANISATION_RATE = 0x526E_0000
    ZONE_RATE = 0x526E_0001
    ROUND_RATE = 0x526E_0002
    FINDINGS = 0x526E_0003
    ALERTS = 0x526E_0004


def is_shared() -> bool:
    """Tell whether the database is one that many machines use, so that a lock must hold over all of them."""
    return connection.vendor == "postgresql"


class Holder:
    """Holds locks by a connection of its own. Every method may raise ``django.db.DatabaseError``."""

    def __init__(self) -> None:
        self._own = connection.copy()
        self._own.inc_thread_sharing()

    def takes(self, lock: Lock, *, shared: bool = False) -> bool:
        """Take a lock if it is free, and tell whether it was."""
        return bool(self._ask(f"SELECT pg_try_advisory_lock{'_shared' * shared}(%s, %s)", _OURS, int(lock)))

    def waits_for(self, lock: Lock, *, shared: bool = False) -> None:
        """Take a lock as soon as it is free, however long that takes."""
        self._ask("SELECT set_config('lock_timeout', '0', false)")
        self._ask(f"SELECT pg_advisory_lock{'_shared' * shared}(%s, %s)", _OURS, int(lock))

    def gives_back(self, lock: Lock) -> None:
        """Give back what was taken alone."""
        self._ask("SELECT pg_advisory_unlock(%s, %s)", _OURS, int(lock))

    def lives(self) -> None:
        """Raise when the connection ended, and the locks with it."""
        self._ask("SELECT 1")

    def close(self) -> None:
        """Give back everything."""
        self._own.close()

    def _ask(self, question: str, *keys: int) -> object:
        with self._own.cursor() as cursor:
            cursor.execute(question, keys or None)
            return cursor.fetchone()[0]


@contextmanager
def held(lock: Lock) -> Iterator[None]:
    """Hold a lock alone, once it is free."""
    with closing(Holder()) as holder:
        holder.waits_for(lock)
        yield


def is_held(lock: Lock) -> bool:
    """Tell whether anybody holds a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND classid = %s AND objid = %s "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            [_OURS, int(lock)],
        )
        return bool(cursor.fetchone()[0])


def take_turn(turn: Turn, number: int) -> None:
    """Wait until no other transaction has its turn at what has this number, and keep it until this one ends.

    What is read afterwards is what they have written. SQLite lets one transaction write at a time anyway.
    """
    if is_shared():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [int(turn), number % (1 << 31)])
