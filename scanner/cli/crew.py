"""Carries out the plans of one command, with a process for each core where there are hosts enough.

One process keeps one core busy, whatever else it waits for. So a larger command forks helpers before anything runs in
threads; each looks at its share of the addresses and sends what it saw as frames, as the children of workers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import NoReturn, Self

from scanner import garbage
from scanner.engine.inspect import Observer, Progress, Stage, inspect
from scanner.engine.judge import warm_up
from scanner.engine.model import HostInspection, Target
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.engine.serialize import dump_host, load_host
from scanner.rounds.frames import FrameError, FrameReader, Kind, frame
from scanner.rounds.leaving import run_and_leave
from scanner.rounds.nursery import PR_SET_PDEATHSIG, prctl
from scanner.rounds.run import run_engine

HOSTS_EACH = 16
"""Hosts for which a further process is worth its start."""

_LEAVE = 5.0
"""Seconds that helpers may take to end their probes, once they are told to."""


_AT_HAND = 0.001
"""Seconds in which a frame is looked for; whatever comes later is announced anew."""


@dataclass(frozen=True, slots=True)
class _Helper:
    """A helper's process number, the channel from it, and what it looks at, in the order that it counts in."""

    number: int
    channel: socket.socket
    targets: Sequence[Target]


class Crew:
    """The processes that carry out ``plans``: this one, or helpers of it. Use as a context manager.

    Entering forks, so no thread may run yet. Leaving ends what still runs. ``lost`` counts helpers that died; what they
    had not sent by then is not inspected.
    """

    def __init__(self, plans: Sequence[Plan], gate_of: Callable[[Plan], Gate]) -> None:
        self._plans = plans
        self._gate_of = gate_of
        self._helpers: list[_Helper] = []
        self.lost = 0

    def __enter__(self) -> Self:
        count = helpers_for(self._plans)
        if count > 1:
            warm_up()
        garbage.settle(cleaned=False)
        for number in range(count if count > 1 else 0):
            self._fork(share(self._plans, number, count))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for helper in self._helpers:
            helper.channel.close()
            os.kill(helper.number, signal.SIGTERM)
        ends = time.monotonic() + _LEAVE
        for helper in self._helpers:
            while os.waitpid(helper.number, os.WNOHANG) == (0, 0):
                if time.monotonic() > ends:
                    os.kill(helper.number, signal.SIGKILL)
                time.sleep(0.01)

    def inspections(self, observe: Observer) -> Iterator[HostInspection]:
        """Yield each host as it finishes."""
        if self._helpers:
            yield from self._gathered(observe)
            return
        for plan in self._plans:
            yield from run_engine(partial(inspect, observer=observe), plan, self._gate_of(plan), lambda: None)

    def _fork(self, plans: Sequence[Plan]) -> None:
        ours, theirs = socket.socketpair()
        number = os.fork()
        if number == 0:
            for channel in (ours, *(helper.channel for helper in self._helpers)):
                channel.close()
            _help(plans, self._gate_of, theirs)
        theirs.close()
        self._helpers.append(_Helper(number, ours, _targets(plans)))

    def _gathered(self, observe: Observer) -> Iterator[HostInspection]:
        with selectors.DefaultSelector() as waiting:
            for helper in self._helpers:
                waiting.register(helper.channel, selectors.EVENT_READ, (FrameReader(helper.channel), helper.targets))
            while waiting.get_map():
                for key, _ in waiting.select():
                    reader, targets = key.data
                    for sent in _take(reader, targets, observe):
                        if isinstance(sent, HostInspection):
                            yield sent
                            continue
                        waiting.unregister(key.fileobj)
                        self.lost += sent is Kind.FAILED


def helpers_for(plans: Sequence[Plan]) -> int:
    """Return how many processes are to share the plans. A rate is kept by one alone."""
    hosts = len({target.address for plan in plans for target in plan.targets})
    if any(plan.limits.rate for plan in plans):
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), hosts // HOSTS_EACH))


def share(plans: Sequence[Plan], number: int, count: int) -> list[Plan]:
    """Return one helper's part: an address with all its targets has one helper, and domains have the first."""
    addresses = dict.fromkeys(target.address for plan in plans for target in plan.targets)
    ours = {address for place, address in enumerate(addresses) if place % count == number}
    shares = (
        replace(
            plan,
            targets=tuple(target for target in plan.targets if target.address in ours),
            domains=plan.domains if number == 0 else (),
        )
        for plan in plans
    )
    return [share for share in shares if share.targets or share.domains]


def _take(reader: FrameReader, targets: Sequence[Target], observe: Observer) -> Iterator[HostInspection | Kind]:
    """Yield the hosts that a helper sent since; then, when no more will come, how it ended."""
    while True:
        try:
            found = reader.next(_AT_HAND)
        except (EOFError, FrameError):
            yield Kind.FAILED
            return
        if found is None:
            return
        kind, payload = found
        if kind is Kind.HOST:
            inspection = load_host(payload)
            observe(Progress(Stage.DONE, inspection.target, inspection))
            yield inspection
        elif kind is Kind.PROGRESS:
            stage, number = json.loads(payload)
            observe(Progress(Stage(stage), targets[number]))
        else:
            yield kind
            return


def _help(plans: Sequence[Plan], gate_of: Callable[[Plan], Gate], channel: socket.socket) -> NoReturn:
    """Be a helper: look at the hosts of ``plans``, send what comes of it, and end the process."""
    run_and_leave(_look(plans, gate_of, channel))


async def _look(plans: Sequence[Plan], gate_of: Callable[[Plan], Gate], channel: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; who began the helpers ends them
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _, writer = await asyncio.open_unix_connection(sock=channel)
    work = asyncio.current_task()
    if work is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    numbers = {target: number for number, target in enumerate(_targets(plans))}

    def observe(progress: Progress) -> None:
        if progress.stage is not Stage.DONE:
            told = [progress.stage, numbers[progress.target]]
            writer.write(frame(Kind.PROGRESS, json.dumps(told).encode()))

    for plan in plans:
        async with contextlib.aclosing(inspect(plan, gate_of(plan), observe)) as inspections:
            async for inspection in inspections:
                writer.write(frame(Kind.HOST, dump_host(inspection)))
                await writer.drain()
    writer.write(frame(Kind.END))
    writer.close()
    await writer.wait_closed()


def _targets(plans: Sequence[Plan]) -> list[Target]:
    return [target for plan in plans for target in (*plan.targets, *(domain.target for domain in plan.domains))]
