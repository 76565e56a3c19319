"""Makes PDF for people who wait for it in a browser: in a process of its own, one at a time, within limits.

Setting a page takes seconds, of one core and without a pause, which would keep the threads that answer requests from
their work. So this module is run as a program of its own, too: it reads a page from standard input and writes PDF to
standard output.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from scanner.engine.errors import Refused, RoundsmanError
from scanner.reports.pdf import LibraryMissingError, pdf_of

PATIENCE = 4.0
"""Seconds that one thread waits for a PDF to be made; an ordinary one takes three."""

SECONDS = 60
"""Of processor time, and of waiting, that a PDF may take; one of 5,000 findings takes some 15."""

MEMORY = 3 * 2**30
"""Bytes of address space; fonts of the system are mapped into it."""

_NO_LIBRARY = 3
"""The exit status of the program where the system lacks what sets text."""


class NotYetError(RoundsmanError):
    """The press is at work; ask again in some seconds. ``mine``: on what was asked for, else on something else."""

    def __init__(self, *, mine: bool) -> None:
        super().__init__("The PDF is being made." if mine else "Another PDF is being made.")
        self.mine = mine


@dataclass(slots=True, eq=False)
class _Sheet:
    """What the press has in it; ``awaited`` tells that somebody waits for it already."""

    key: str
    done: Event = field(default_factory=Event)
    awaited: bool = False
    pdf: bytes = b""
    error: Exception | None = None


def made_apart(page: str) -> bytes:
    """Return one of our pages as PDF, made by another process. Raises as :meth:`Press.pdf` does."""
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(command, input=page.encode(), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise Refused("The PDF can't be made within the limits of time and memory.", "pdf-too-large") from error
    if done.returncode == _NO_LIBRARY:
        raise LibraryMissingError(done.stderr.decode(errors="replace").strip()[-500:])
    if done.returncode != 0 or not done.stdout:
        raise Refused("The PDF can't be made within the limits of time and memory.", "pdf-too-large")
    return done.stdout


class Press:
    """Makes one PDF at a time. What is done stays in it until it is fetched, or something else is asked for."""

    def __init__(self, make: Callable[[str], bytes] = made_apart) -> None:
        self._make = make
        self._lock = Lock()
        self._sheet: _Sheet | None = None

    def pdf(self, key: str, page: Callable[[], str], patience: float = PATIENCE) -> bytes:
        """Return the PDF of ``page``, which ``key`` names; the page is asked for once, when its turn comes.

        Raises ``NotYetError`` when it takes longer than ``patience``, and at once when somebody waits for it already,
        or another one is being made. Raises ``Refused`` for what can't be made within the limits, and
        ``LibraryMissingError`` where the system can't make any.
        """
        sheet, new = self._place(key)
        if new:
            self._begin(sheet, page)
        if not self._wait(sheet, patience):
            raise NotYetError(mine=True)
        self._clear(sheet)
        if sheet.error is not None:
            raise sheet.error
        return sheet.pdf

    def _place(self, key: str) -> tuple[_Sheet, bool]:
        with self._lock:
            held = self._sheet
            if held is not None and held.key == key:
                return held, False
            if held is not None and not held.done.is_set():
                raise NotYetError(mine=False)
            self._sheet = _Sheet(key)
            return self._sheet, True

    def _clear(self, sheet: _Sheet) -> None:
        with self._lock:
            if self._sheet is sheet:
                self._sheet = None

    def _begin(self, sheet: _Sheet, page: Callable[[], str]) -> None:
        try:
            written = page()
        except Exception as error:
            sheet.error = error
            sheet.done.set()
            self._clear(sheet)
            raise
        Thread(target=self._print, args=(sheet, written), name="press", daemon=True).start()

    def _print(self, sheet: _Sheet, page: str) -> None:
        try:
            sheet.pdf = self._make(page)
        except Exception as error:  # noqa: BLE001 - told to who fetches it
            sheet.error = error
        finally:
            sheet.done.set()

    def _wait(self, sheet: _Sheet, patience: float) -> bool:
        """Wait, unless another thread does so already, which is enough of them; return whether it is done."""
        with self._lock:
            if sheet.awaited:
                return sheet.done.is_set()
            sheet.awaited = True
        try:
            return sheet.done.wait(patience)
        finally:
            with self._lock:
                sheet.awaited = False


PRESS = Press()
"""The one of this process."""


def main() -> int:
    """Set standard input on standard output; return the exit status."""
    for limit, most in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    try:
        made = pdf_of(sys.stdin.buffer.read().decode())
    except LibraryMissingError as error:
        sys.stderr.write(str(error))
        return _NO_LIBRARY
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
