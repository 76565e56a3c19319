"""The installation that endures: its disk, its clock, its commands and its service, each in processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import psutil

from scanner.installation import ROOT
from tests import forked
from tests.endurance.warm import Begun, Warm
from tests.installation import COMMAND
from tests.processes import below, command_line

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
"""libfaketime, which lets a process tree live by another wall clock; its monotonic clock stays as it is."""

DISK = 2 * 1024**3
"""Bytes of the disk with the data directory: memory, that is taken only where it is used."""


class Clock:
    """The wall clock that the installation's processes see. It begins at ``begin``, and steps when it is told to."""

    def __init__(self, file: Path, begin: datetime) -> None:
        self._file = file
        self._offset = begin - datetime.now(UTC)
        self.stepped = timedelta(0)
        self.step_to(timedelta(0))

    def step_to(self, away: timedelta) -> None:
        """Set the clock so far away from the right time."""
        self.stepped = away
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{(self._offset + away).total_seconds():+.6f}\n", encoding="ascii")
        draft.rename(self._file)

    def now(self) -> datetime:
        """Return what the installation's processes take for the time, a second after the last step at the latest."""
        return datetime.now(UTC) + self._offset + self.stepped


class Site:
    """A data directory, and what runs on it. ``settings`` are further environment variables.

    Without ``begin`` its clock is the machine's, and can't be stepped.
    With ``own_disk`` the data directory is a disk of its own, which only a process in a mount namespace should make.
    A directory ``data`` that ``folder`` has already is gone on with.
    """

    def __init__(
        self, folder: Path, begin: datetime | None, settings: dict[str, str], *, own_disk: bool = False
    ) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._own_disk = own_disk
        if own_disk:
            disk = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "none", str(self.data)]
            subprocess.run(disk, check=True)
        self.clock = Clock(folder / "clock", begin or datetime.now(UTC))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDSMAN_")}
        faked = {
            "PYTHONPATH": f"{Path(__file__).parent / 'preload'}:{ROOT}",
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Waiting by that clock needs no mending since glibc 2.30; it would take as much time as all else.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "FAKETIME_CACHE_DURATION": "1",
            "NO_FAKE_STAT": "1",
        }
        self._environment = {
            **kept,
            **(faked if begin else {"PYTHONPATH": str(ROOT)}),
            "PYTHONFAULTHANDLER": "1",
            "ROUNDSMAN_DATA_DIR": str(self.data),
            "ROUNDSMAN_WEB": "off",  # several sites share a machine, and its ports
            **settings,
        }
        self.log = folder / "serve.log"
        self._log = self.log.open("ab")
        self._warm: Warm | None = None
        self._service: subprocess.Popen[bytes] | Begun | None = None

    def roundsman(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        """Run a command as a person would type it; return what it printed. Raises when it ends otherwise."""
        result = forked.run("-c", COMMAND, *arguments, env=self._environment, cwd=ROOT)
        if result.returncode not in accept:
            raise RuntimeError(f"roundsman {' '.join(arguments)}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def begin(self, *arguments: str, seconds: float = 8) -> None:
        """Run a command that goes on watching, and close its terminal after so many seconds."""
        with subprocess.Popen([*_COMMAND, *arguments], cwd=ROOT, env=self._environment, stdout=self._log) as watching:
            try:
                watching.wait(seconds)
            except subprocess.TimeoutExpired:
                watching.kill()

    def warm_up(self) -> None:
        """Let every start from now on begin with what a service imports."""
        self._warm = Warm(_SERVE, self._environment, self._log)

    def start(self) -> None:
        """Start the service."""
        if self._warm is not None:
            self._service = self._warm.begin()
            return
        self._service = subprocess.Popen(
            [*_COMMAND, *_SERVE],
            cwd=ROOT,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        """End the service as a power cut would."""
        assert self._service is not None
        self._service.kill()
        self._service.wait()

    def end(self) -> tuple[int, float]:
        """Tell the service to end; return its status and how many seconds that took.

        When it doesn't, what each of its threads is at is raised, with the end of its log.
        """
        assert self._service is not None
        began = time.monotonic()
        self._service.send_signal(signal.SIGTERM)
        try:
            status = self._service.wait(60)
        except subprocess.TimeoutExpired:
            self._service.send_signal(signal.SIGABRT)
            self._service.wait(20)
            raise RuntimeError(self.log.read_text(encoding="utf-8", errors="replace")[-20_000:]) from None
        return status, time.monotonic() - began

    def lives(self) -> bool:
        """Tell whether the service runs."""
        return self._service is not None and self._service.poll() is None

    @property
    def pid(self) -> int:
        """The service's process id."""
        assert self._service is not None
        return self._service.pid

    def processes(self, word: str) -> list[psutil.Process]:
        """Return the processes below the service whose command line has ``word``."""
        return [each for each in below(self.pid) if any(word in part for part in command_line(each)[:4])]

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Let the service, and all below it, stand still until the block ends, as a machine does that sleeps."""
        those = [psutil.Process(self.pid), *below(self.pid)]
        try:
            _signal(those, signal.SIGSTOP)
            yield
        finally:
            _signal(those, signal.SIGCONT)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Read the database, as anybody may."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=20)) as database:
            return database.execute(query).fetchall()

    @property
    def database(self) -> Path:
        return self.data / "roundsman.sqlite3"

    def fill_disk(self) -> None:
        """Leave no byte of the disk."""
        used = shutil.disk_usage(self.data).used
        self._resize(used)

    def free_disk(self) -> None:
        self._resize(DISK)

    def _resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.data)], check=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, and give the disk back."""
        if self._service is not None and self._service.poll() is None:
            self._service.kill()
            self._service.wait()
        if self._warm is not None:
            self._warm.close()
        self._log.close()
        if self._own_disk:
            subprocess.run(["umount", "--lazy", str(self.data)], check=False)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(number)


_COMMAND = [sys.executable, "-c", COMMAND]
_SERVE = ["serve", "--workers", "2"]
