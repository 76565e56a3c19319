"""A small process that has loaded the engine and forks children from itself, so that each costs milliseconds.

A worker cannot fork: its process has threads, and a database open. Run as ``python -m scanner.rounds.nursery``, it
takes on standard input (a Unix socket) one end of a channel for each child, and answers with the child's pidfd
(pidfd_open(2)), by which the child can be ended and no other process ever.

It is the reaper of its descendants (PR_SET_CHILD_SUBREAPER, prctl(2)): when a child ends, however it does, what it
leaves behind, such as an nmap in a session of its own, becomes the nursery's and is killed. When its worker's process
ends, however it does, the socket closes, and the nursery kills every child, what they leave, and itself.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from scanner import garbage
from scanner.loading import loading

PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h

_OURS = ("ROUNDSMAN_", "DJANGO_")
"""Beginnings of the settings, secrets among them: what a hostile host might take over is not told of them."""

START = 30.0
"""Seconds that the nursery may take to load the engine and fork its first child."""


class ChildRefused(Exception):  # noqa: N818 - reads as the event it is
    """No child could be started."""


class Nursery:
    """The worker's side: starts the process when a child is first wanted, or sooner, and again should it have died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def begin(self) -> None:
        """Start the process, if there is none, without waiting for it. What goes wrong is told who wants a child."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is None:
                self._start()

    def child(self) -> tuple[socket.socket, int]:
        """Start a child; return the channel to it and its pidfd, which the caller closes. Raises ``ChildRefused``."""
        with self._lock:
            for _ in range(2):
                try:
                    return self._ask()
                except OSError:
                    self._end()
            raise ChildRefused("the process that starts the children of workers does not answer")

    def close(self) -> None:
        """End the process and every child."""
        with self._lock:
            self._end()

    def _ask(self) -> tuple[socket.socket, int]:
        control = self._control or self._start()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(control, [b"+"], [theirs.fileno()])
            _, descriptors, _, _ = socket.recv_fds(control, 16, 1)
        except OSError:
            ours.close()
            raise
        if not descriptors:
            ours.close()
            raise ConnectionResetError("the nursery ended")
        return ours, descriptors[0]

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
                start_new_session=True,
            )
        self._control = ours
        return ours

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None


NURSERY = Nursery()
"""The one of this process."""

atexit.register(NURSERY.close)


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._woken], [], [])
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._serve():
                break
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        ends = time.monotonic() + 5
        while self._reap() and time.monotonic() < ends:
            time.sleep(0.01)

    def _serve(self) -> bool:
        try:
            word, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
        except ConnectionError:
            return False
        if not word or not descriptors:
            return False
        child = os.fork()
        if child == 0:
            self._become_child(descriptors[0])
        self._children.add(child)
        os.close(descriptors[0])
        pidfd = os.pidfd_open(child)
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [b"+"], [pidfd])
        os.close(pidfd)
        return True

    def _become_child(self, channel: int) -> None:
        from scanner.rounds import child

        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            prctl(_PR_SET_CHILD_SUBREAPER, 0)
            os.close(self._woken)
            os.close(self._wake)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            self._control.detach()
            child.serve(socket.socket(fileno=channel))
        finally:
            os._exit(1)

    def _reap(self) -> bool:
        """Bury the dead and kill what they left behind; return whether any descendant is left."""
        while True:
            try:
                ended, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if ended == 0:
                break
            self._children.discard(ended)
        for orphan in _children_of(os.getpid()):
            if orphan not in self._children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)
        return True


def _children_of(parent: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[1]) == parent and fields[0] != "Z":
                    yield int(entry.name)


def prctl(option: int, value: int) -> None:
    """Set one attribute of this process (prctl(2)). Raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def main() -> None:
    """Load the engine, then fork a child whenever one is asked for."""
    with loading():
        from scanner.engine import domain, judge, serialize
        from scanner.engine.catalogue.load import catalogue
        from scanner.rounds import child

    del domain, child  # imported for the children
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    catalogue()
    serialize.warm_up()
    judge.warm_up()
    garbage.settle()
    _Server(socket.socket(fileno=os.dup(0))).run()


if __name__ == "__main__":
    main()
