"""Python processes that begin in a quarter of the time: forks of one that has loaded what nearly all of them import.

That one has loaded neither our settings nor Django's apps, so that a fork reads its environment, makes its connections
and goes on as any other process. Each pytest process keeps one such, from the first use on; one more for each set of
settings of a library that is to be loaded before all others.

``python -m tests.forked DESCRIPTOR`` is that one: it begins what it is sent over a Unix socket.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

from scanner.installation import ROOT

_LOADED = """
django.conf django.contrib.auth.hashers django.core.mail django.core.management django.core.management.commands.migrate
django.core.serializers.json django.db.backends.sqlite3.base django.db.migrations.executor django.db.models django.forms
django.template.backends.jinja2 django.urls apscheduler.triggers.cron jinja2 orjson pydantic_settings requests
rich.console typer uvloop zstandard scanner.cli.main scanner.database scanner.engine.domain scanner.engine.inspect
scanner.engine.judge scanner.engine.plugins.load scanner.engine.serialize scanner.installation
"""
"""What commands import, as far as that works without settings."""

_LONGEST = 1 << 17
"""Bytes of a request, which holds arguments and an environment."""


def run(
    *arguments: str | Path, env: Mapping[str, str], cwd: Path, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run ``python *arguments`` to its end, and return what it wrote."""
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with Python(*arguments, env=env, cwd=cwd, stdin=nothing, stdout=pipe, stderr=pipe) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


class Python(subprocess.Popen[str]):
    """A process that runs ``python *arguments``, of which the first is ``-c`` or ``-m``; a grandchild of this one."""

    def __init__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str],
        cwd: Path,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> None:
        self._told, self._ended = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, *map(str, arguments)]
        super().__init__(command, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, text=True)

    # These take the place of fork and waitpid in CPython's class; they are called as they are from 3.11 to 3.13.

    def _execute_child(
        self,
        args: list[str],
        executable: None,
        preexec_fn: None,
        close_fds: bool,
        pass_fds: tuple[()],
        cwd: Path,
        env: Mapping[str, str],
        startupinfo: None,
        creationflags: int,
        shell: bool,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        *further: object,
    ) -> None:
        """Have it begun, with these ends of pipes or, where there is none, with what this process has."""
        request = json.dumps([args[1:], str(cwd), dict(env)]).encode()
        given = zip((p2cread, c2pwrite, errwrite), range(3), strict=True)
        ends = [own if end == -1 else end for end, own in given]
        try:
            socket.send_fds(_loaded(_at_start(env)), [request], [*ends, self._ended.fileno()])
        finally:
            self._ended.close()
            close = self._close_pipe_fds  # type: ignore[attr-defined]  # CPython's own, which the stubs leave out
            close(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        self.pid = int(self._told.recv(20))
        self._child_created = True

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        return self._look(0)

    def _wait(self, timeout: float | None) -> int:
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _look(self, timeout: float | None) -> int | None:
        """Return its status when it has ended; wait so many seconds for that."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(20))
            except (BlockingIOError, TimeoutError):
                return None
            self._told.close()
        return self.returncode


def _at_start(env: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return the settings of a library that is loaded before all others, which only count when a program starts."""
    if "LD_PRELOAD" not in env:
        return frozenset()
    names = [name for name in env if name.startswith(("LD_", "FAKETIME_", "NO_FAKE_", "PYTHONPATH"))]
    return frozenset((name, env[name]) for name in names)


@cache
def _loaded(at_start: frozenset[tuple[str, str]]) -> socket.socket:
    """Start the process that has loaded everything, with these settings besides; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(number)],
            cwd=ROOT,
            env={**os.environ, **dict(at_start)},
            stdin=subprocess.DEVNULL,
            pass_fds=[number],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def main() -> None:
    """Load everything, and begin what is asked for; a process that was begun does that, and ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in _LOADED.split():
        import_module(module)
    gc.collect()
    gc.freeze()
    how, what, *further = _begun(socket.socket(fileno=int(sys.argv[1])))
    if how == "-m":
        sys.argv[1:] = further
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [how, *further]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def _begun(requests: socket.socket) -> list[str]:
    """Begin what is asked for, and tell of its end; return only in a process that was begun, with its arguments."""
    living: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready in select.select([requests.fileno(), *living], [], [])[0]:
            if ready in living:
                os.close(ready)
                pid, ended = living.pop(ready)
                with ended:
                    ended.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
                continue
            request, ends, _, _ = socket.recv_fds(requests, _LONGEST, 4)
            if not request:
                sys.exit()
            with ExitStack() as stack:
                for end in ends[:3]:
                    stack.callback(os.close, end)
                ended = socket.socket(fileno=ends[3])
                pid = os.fork()
                if pid == 0:
                    _leave(requests, ended, living)
                    return _become(request, ends)
            ended.send(str(pid).encode())
            living[os.pidfd_open(pid)] = pid, ended


def _leave(requests: socket.socket, ended: socket.socket, living: Mapping[int, tuple[int, socket.socket]]) -> None:
    """Close what only the process needs that begins others."""
    requests.close()
    ended.close()
    for life, (_, other) in living.items():
        os.close(life)
        other.close()


def _become(request: bytes, ends: list[int]) -> list[str]:
    """Take on the ends of pipes, the directory and the environment; return the arguments."""
    arguments, cwd, environment = json.loads(request)
    for own, end in enumerate(ends[:3]):
        os.dup2(end, own)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return [*map(str, arguments)]


if __name__ == "__main__":
    main()
