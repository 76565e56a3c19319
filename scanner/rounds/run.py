"""Lets ordinary, blocking code consume the asynchronous engine host by host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from scanner.engine.model import HostInspection
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate

Engine = Callable[[Plan, Gate], AsyncIterator[HostInspection]]
"""What :func:`scanner.engine.inspect.inspect` is once its observer is chosen."""

PAUSE = 2.0
"""Seconds after which the engine hands control back for a moment, whether a host is done or not."""


def run_engine(engine: Engine, plan: Plan, gate: Gate, meanwhile: Callable[[], None]) -> Iterator[HostInspection]:
    """Yield each host of ``plan`` as it finishes; the event loop stands still while the caller works with it.

    ``meanwhile`` is called about every ``PAUSE`` seconds, outside the event loop, so that it may use the database.
    Closing the iterator, or Ctrl-C, ends the engine and its child processes.
    """
    with asyncio.Runner() as runner:
        hosts = engine(plan, gate)
        waiting = runner.get_loop().create_task(_next(hosts))
        called = time.monotonic()
        try:
            while True:
                if time.monotonic() - called >= PAUSE:
                    meanwhile()
                    called = time.monotonic()
                runner.run(_wait(waiting))
                if not waiting.done():
                    continue
                host = waiting.result()
                if host is None:
                    return
                yield host
                waiting = runner.get_loop().create_task(_next(hosts))
        finally:
            runner.run(_end(hosts, waiting))


async def _next(hosts: AsyncIterator[HostInspection]) -> HostInspection | None:
    return await anext(hosts, None)


async def _wait(waiting: asyncio.Task[HostInspection | None]) -> None:
    if not waiting.done():  # where the next host was ready, it has come in by now
        await asyncio.wait({waiting}, timeout=PAUSE)


async def _end(hosts: AsyncIterator[HostInspection], waiting: asyncio.Task[HostInspection | None]) -> None:
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if isinstance(hosts, AsyncGenerator):
        await hosts.aclose()
