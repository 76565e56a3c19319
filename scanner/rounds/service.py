"""Who does what only one may do at a time: the one ``serve`` of a data directory, and the one that leads.

With an SQLite database both are the same. Where many machines share a PostgreSQL database, each may run a ``serve``,
and one of them leads: it keeps the plans, sends the mail, and does what else goes by the clock. The others stand by
until its connection to the database ends, however that happens. Two that lead for a moment, because one has not noticed
yet that it no longer does, do no harm: rounds, letters and mails are claimed in the database one by one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

from django.db import DatabaseError

from scanner import locks
from scanner.engine.errors import InputError
from scanner.locks import Lock
from scanner.rounds.lease import take_back_from_former_service

_log = logging.getLogger(__name__)

LOCK = "serve.lock"
"""File of the data directory; whoever works on it for long holds this by ``flock``."""

_TRY_FOR = 2.0
"""Seconds to try for: whoever asks whether a service runs holds the lock for a moment."""

TRY_AGAIN = 2.0
"""Seconds between two tries of a standby to lead."""

LOOK_AFTER = 1.0
"""Seconds between two looks of the one that leads whether it still does."""


@contextmanager
def serving(data_dir: Path) -> Iterator[None]:
    """Be the one service of the data directory, and take back at once what the former one had in work.

    The lock ends with the process, however that ends. Raises ``InputError`` when another service holds it.
    """
    with (data_dir / LOCK).open("a+", encoding="ascii") as file:
        ends = time.monotonic() + _TRY_FOR
        while not _locked(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > ends:
                file.seek(0)
                raise InputError(
                    f"A service works on {data_dir} already (process {file.read().strip() or 'unknown'}). "
                    "End it first, or set ROUNDSMAN_DATA_DIR to another directory."
                )
            time.sleep(0.05)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        if not locks.is_shared():  # else other machines have workers of a service, too
            take_back_from_former_service()
        yield


def lead(work: Callable[[Event], None], stop: Event) -> None:
    """Do ``work`` for as long as this process leads, again and again, until ``stop`` is set.

    ``work`` ends soon after the event that it is given was set.
    """
    if not locks.is_shared():
        work(stop)
        return
    while not stop.is_set():
        try:
            with closing(locks.Holder()) as holder:
                if holder.takes(Lock.LEADER):
                    _log.info("this service leads")
                    _work_while_leading(holder, work, stop)
        except DatabaseError:
            _log.exception("this service can't tell who leads; it tries again in %.0f s", TRY_AGAIN)
        stop.wait(TRY_AGAIN)


def _work_while_leading(holder: locks.Holder, work: Callable[[Event], None], stop: Event) -> None:
    over = Event()
    thread = Thread(target=work, args=[over], name="what one does alone")
    thread.start()
    try:
        while not stop.wait(LOOK_AFTER):
            holder.lives()
    finally:
        over.set()
        thread.join()


def is_served(data_dir: Path) -> bool:
    """Tell whether a service works: on the data directory or, where machines share a database, on that."""
    if locks.is_shared():
        return locks.is_held(Lock.LEADER)
    try:
        with (data_dir / LOCK).open("rb") as file:
            return not _locked(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
