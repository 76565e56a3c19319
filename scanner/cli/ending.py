"""Tells a command that runs for good when it is to end.

A signal of the process is handed to any thread of it that does not block it (signal(7)). Python's own handlers run in
the main thread alone, which does not wake when another thread was chosen: of some hundred signals to a process that
starts others all the time, seven were not heard. What C's handler writes into the wake-up descriptor is read by a
thread that does nothing else, whatever the main thread waits for.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

LONGEST = 10.0
"""Seconds that everything gets to come to an end."""


def ended_by_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set; a second one of them ends the process at once, with status 1.

    To be called once, by the main thread.
    """
    ended = threading.Event()
    read, write = os.pipe()
    os.set_blocking(write, False)  # as set_wakeup_fd asks for
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)  # without a handler nothing is written
    threading.Thread(target=_listen, args=[read, ended], name="signals", daemon=True).start()
    return ended


def _listen(read: int, ended: threading.Event) -> None:
    while True:
        (number,) = os.read(read, 1)
        if number not in (signal.SIGINT, signal.SIGTERM):
            continue
        if ended.is_set():
            typer.echo(f"Ended at once by a second {signal.Signals(number).name}.", err=True)
            os._exit(1)
        typer.echo("Ending: what is in work is put back. Once more ends at once.", err=True)
        ended.set()


@contextmanager
def in_time(ended: threading.Event) -> Iterator[None]:
    """See to it that the block is left at most :data:`LONGEST` seconds after ``ended`` was set, or end the process.

    The findings of a large round, or a webhook that does not answer, would take longer. Every step can be killed
    anywhere, and is gone on with at the next start.
    """
    over = threading.Event()

    def watch() -> None:
        ended.wait()
        if not over.wait(LONGEST):
            typer.echo("Ended: what takes longer was broken off, and is gone on with at the next start.", err=True)
            os._exit(0)

    threading.Thread(target=watch, name="ending", daemon=True).start()
    try:
        yield
    finally:
        over.set()
