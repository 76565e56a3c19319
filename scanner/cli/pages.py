"""The process that answers browsers and programs, beside the one that does what runs by itself.

Threads of one process share an interpreter, so that a duty that works through a thousand organisations would keep every
page waiting; of two processes each has a core. The service listens, and hands its socket to ``python -m
scanner.cli.pages``, which it starts anew should it die; connections wait meanwhile. When the service ends, however it
does, the pipe closes that it holds at the standard input of the pages, and they end.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from scanner.cli.formats import LogLevel
from scanner.cli.logs import LogFormat, log_to_standard_error

ENDS_WITHIN = 8.0
"""Seconds that the process gets to end, in which it finishes what it was asked for."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a process that died is followed by another; each that dies early doubles the pause."""

_log = logging.getLogger(__name__)


class Pages:
    """Keeps the process running while the block lasts. ``listen`` returns the socket that it answers at, or raises."""

    def __init__(self, listen: Callable[[], socket.socket], level: LogLevel, how: LogFormat) -> None:
        self._listen = listen
        self._logging = (level, how)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="pages")

    def __enter__(self) -> Self:
        self._listener = self._listen()
        self._begin()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over.set()
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._thread.join(ENDS_WITHIN)
        if self._thread.is_alive():
            self._process.kill()
            self._thread.join()
        self._listener.close()

    def _begin(self) -> None:
        number = self._listener.fileno()
        command = [sys.executable, "-P", "-m", __name__, str(number), *self._logging]
        with self._lock:
            if not self._over.is_set():
                # In a session of its own, so that Ctrl-C is told to the service alone.
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, pass_fds=[number], start_new_session=True
                )

    def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            status = self._process.wait()
            if self._over.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            _log.error(
                "the process that serves the pages ended with status %d; another begins in %.0f s", status, pause
            )
            if self._over.wait(pause):
                return
            try:
                self._begin()
            except OSError:
                _log.exception("the process that serves the pages can't be begun")


def main() -> None:
    """Serve the pages at the socket that the first argument numbers, until standard input ends."""
    number, level, how = sys.argv[1:]
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)  # whoever ends everything at once tells the service, too
    ready, ended = threading.Event(), threading.Event()
    threading.Thread(target=_wait_for_the_end, args=[ready, ended], name="end", daemon=True).start()
    from scanner.engine.plugins.load import leave_out
    from scanner.settings import installation, set_up

    leave_out(installation.plugins_off)
    set_up()
    log_to_standard_error(LogLevel(level), LogFormat(how))
    from scanner.console.server import serving

    with serving(socket.socket(fileno=int(number))):
        ready.set()
        ended.wait()


def _wait_for_the_end(ready: threading.Event, ended: threading.Event) -> None:
    """Set ``ended`` once standard input ends; before the pages are ``ready``, there is nothing to finish."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    if not ready.is_set():
        os._exit(0)
    ended.set()


if __name__ == "__main__":
    main()
