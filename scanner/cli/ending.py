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

import typer


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
