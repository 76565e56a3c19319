"""The child process: runs the engine for one job, knows no database, and ends when nobody says go on.

It raises its own ``oom_score_adj`` (proc_pid_oom_score_adj(5)), so that a machine without memory ends it and not the
worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
from pathlib import Path
from typing import NoReturn

from scanner.engine.inspect import Progress, Stage, inspect
from scanner.engine.plugins.load import leave_out
from scanner.engine.serialize import dump_host
from scanner.rounds.frames import HEAD, FrameError, GoOn, Kind, Request, frame, read_head
from scanner.rounds.gate import ScopeGate
from scanner.rounds.leaving import run_and_leave

UNHEARD = 4.0
"""Seconds after which a child ends that nobody told to go on. With the second in which the switch is looked at, no
packet leaves five seconds after everything was stopped, even when the worker hangs or can't read the database."""

_GRACE = 0.1

_LEAVE = 0.5
"""Seconds that ending the probes in an orderly way may take."""

TICK = 1.0
"""Seconds between signs of life."""

_OOM_SCORE = "700"


def serve(channel: socket.socket) -> NoReturn:
    """Carry out the request that comes through ``channel``, and end the process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    run_and_leave(_serve(channel))


async def _serve(channel: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    writer.transport.set_write_buffer_limits(0)  # what is drained has left
    work = asyncio.create_task(_Work(reader, writer).run())

    def end() -> None:
        _leave_soon()
        work.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    await asyncio.gather(work, return_exceptions=True)
    with contextlib.suppress(OSError):
        await writer.drain()
        writer.close()


def _leave_soon() -> None:
    """End this process, however its probes take that; what they began is then the nursery's to end."""
    asyncio.get_running_loop().call_later(_LEAVE, os._exit, 1)


class _Work:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._head: tuple[Kind, int] | None = None

    async def run(self) -> None:
        kind, payload = await self._receive()
        request = pickle.loads(payload)  # noqa: S301 - from the worker, which started this process
        if kind is not Kind.REQUEST or not isinstance(request, Request):
            raise FrameError("a request was expected")
        leave_out(request.plugins_off)
        gate = ScopeGate(request.scope, request.names, request.plan.level, request.now)
        inspecting = asyncio.create_task(self._inspect(request, gate))
        listening = asyncio.create_task(self._listen(request, gate))
        ticking = asyncio.create_task(self._tick())
        try:
            await asyncio.wait({inspecting, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (inspecting, listening, ticking):
                task.cancel()
            await asyncio.gather(inspecting, listening, ticking, return_exceptions=True)

    async def _inspect(self, request: Request, gate: ScopeGate) -> None:
        try:
            hosts = inspect(request.plan, gate, self._observe)
            async with contextlib.aclosing(hosts):
                async for host in hosts:
                    self._send(Kind.HOST, dump_host(host))
                    await self._writer.drain()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker is told
            self._send(Kind.FAILED, f"{type(error).__name__}: {error}".encode(errors="replace")[:2000])
        else:
            self._send(Kind.END)

    async def _listen(self, request: Request, gate: ScopeGate) -> None:
        """Follow the register; return when the worker is gone, or silent for too long."""
        scope = request.scope
        while True:
            try:
                payload = await self._word()
            except (TimeoutError, EOFError, ConnectionError) as silence:
                if isinstance(silence, TimeoutError):
                    self._send(Kind.UNHEARD)
                _leave_soon()
                return
            word = pickle.loads(payload)  # noqa: S301 - from the worker, which started this process
            if isinstance(word, GoOn):
                scope = word.scope or scope
                gate.renew(scope, word.now)

    async def _word(self) -> bytes:
        """Return what the worker says next. Raises ``TimeoutError``; what came in time counts, were we late to read."""
        try:
            async with asyncio.timeout(UNHEARD):
                return (await self._receive())[1]
        except TimeoutError:
            async with asyncio.timeout(_GRACE):
                return (await self._receive())[1]

    async def _receive(self) -> tuple[Kind, bytes]:
        """Return the next frame. Broken off, it is gone on with at the next call."""
        self._head = self._head or read_head(await self._reader.readexactly(HEAD.size))
        kind, size = self._head
        payload = await self._reader.readexactly(size)
        self._head = None
        return kind, payload

    async def _tick(self) -> None:
        while True:
            self._send(Kind.TICK)
            await asyncio.sleep(TICK)

    def _observe(self, progress: Progress) -> None:
        if progress.stage is not Stage.DONE:
            target = progress.target
            told = [progress.stage, target.address, target.hostname or ""]
            self._send(Kind.PROGRESS, json.dumps(told).encode())

    def _send(self, kind: Kind, payload: bytes = b"") -> None:
        self._writer.write(frame(kind, payload))
