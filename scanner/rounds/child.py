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

from scanner.engine.inspect import Progress, Stage, inspect
from scanner.engine.plugins.load import leave_out
from scanner.engine.serialize import dump_host
from scanner.rounds.frames import HEAD, FrameError, GoOn, Kind, Request, frame, read_head
from scanner.rounds.gate import ScopeGate

UNHEARD = 4.0
"""Seconds after which a child ends that nobody told to go on. With the second in which the switch is looked at, no
packet leaves five seconds after everything was stopped, even when the worker hangs or can't read the database."""

TICK = 1.0
"""Seconds between signs of life."""

_OOM_SCORE = "700"


def serve(channel: socket.socket) -> None:
    """Carry out the request that comes through ``channel``, and end the process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    try:
        asyncio.run(_serve(channel))
    finally:
        os._exit(0)  # a thread that still waits for something must not keep the process


async def _serve(channel: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    work = asyncio.create_task(_Work(reader, writer).run())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, work.cancel)
    await asyncio.gather(work, return_exceptions=True)
    with contextlib.suppress(OSError):
        await writer.drain()
        writer.close()


class _Work:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

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
                async with asyncio.timeout(UNHEARD):
                    _, payload = await self._receive()
            except TimeoutError:
                self._send(Kind.UNHEARD)
                return
            except (EOFError, ConnectionError):
                return
            word = pickle.loads(payload)  # noqa: S301 - from the worker, which started this process
            if isinstance(word, GoOn):
                scope = word.scope or scope
                gate.renew(scope, word.now)

    async def _receive(self) -> tuple[Kind, bytes]:
        kind, size = read_head(await self._reader.readexactly(HEAD.size))
        return kind, await self._reader.readexactly(size)

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
