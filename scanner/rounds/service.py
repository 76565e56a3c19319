"""The lock by which one ``serve`` at most works on a data directory, and by which others see that one does."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.engine.errors import InputError
from scanner.rounds.lease import take_back_from_former_service

LOCK = "serve.lock"
"""File of the data directory; whoever works on it for long holds this by ``flock``."""

_TRY_FOR = 2.0
"""Seconds to try for: whoever asks whether a service runs holds the lock for a moment."""


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
        take_back_from_former_service()
        yield


def is_served(data_dir: Path) -> bool:
    """Tell whether a service works on the data directory."""
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
