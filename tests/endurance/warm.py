"""``python -m tests.endurance.warm serve …``: begins the command in a process of its own for each line that it reads.

What the command imports is there already, which is most of what a start costs; all else of a start is done anew. It
prints the process id when one has begun, and the status when it has ended.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import IO

from scanner.installation import ROOT


class Warm:
    """The process that begins others. ``log`` takes what these write."""

    def __init__(self, command: list[str], environment: dict[str, str], log: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.endurance.warm", *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,  # so that what was not read is seen by select
        )

    def begin(self) -> Begun:
        """Begin the command; the one before must have ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return Begun(int(self._process.stdout.readline()), self._process.stdout)

    def close(self) -> None:
        """End it, after what it has begun."""
        self._process.communicate()


class Begun:
    """A process that :class:`Warm` has begun, as ``subprocess.Popen`` would show it."""

    def __init__(self, pid: int, said: IO[bytes]) -> None:
        self.pid = pid
        self._said = said
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return its status, if it has ended."""
        return self._ended(0)

    def wait(self, timeout: float = 60) -> int:
        """Return its status when it has ended; raises ``TimeoutExpired`` when that takes more than so many seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("a command that was begun", timeout)
        return status

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended(self, seconds: float) -> int | None:
        if self._status is None and select.select([self._said], [], [], seconds)[0]:
            self._status = int(self._said.readline())
        return self._status


def main() -> None:
    """Begin the command for each line of standard input, one after the other."""
    from scanner.settings import prepare

    prepare()
    from django.db import connections

    import scanner.cli.serve
    import scanner.unattended  # noqa: F401 - so that it is there
    from scanner.cli.main import main as command

    while os.read(0, 1):
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            command()
            return
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
