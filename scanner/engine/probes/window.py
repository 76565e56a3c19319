"""How many conversations a host is asked to hold at once: few at first, more with each that it accepts, half of them
after a loss. It is what TCP does with segments (RFC 5681), so a host or a network that can't cope is asked less.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

FIRST, LEAST = 4, 2
"""Conversations at once to begin with, and after any number of losses: with one alone, a site that keeps its connection
would keep every other port waiting."""

FAR = 0.02
"""Seconds of round trip from which waiting, not work, is what an inspection's time goes into."""

_TCP_INFO = struct.Struct("100xI44xI")  # struct tcp_info, linux/tcp.h: tcpi_total_retrans and tcpi_min_rtt


@dataclass(slots=True)
class Window:
    """The size of one host's window, in conversations, and what was learnt of the way to it. ``most`` bounds it.

    A loss counts once for all conversations that were open when it was noticed: they met the same congestion.
    """

    most: int
    round_trip: float = math.inf
    """The shortest one seen, in seconds."""
    losses: int = 0
    """How often the window was halved."""
    ports: set[int] = field(default_factory=set)
    """Those that let us in."""
    size: float = field(init=False)

    def __post_init__(self) -> None:
        self.size = float(min(FIRST, self.most))

    @property
    def allowed(self) -> int:
        """How many conversations may be open."""
        return int(self.size)

    @property
    def is_far(self) -> bool:
        """Tell whether the host is so far away that waiting for it takes longer than asking it."""
        return FAR <= self.round_trip < math.inf

    def accepted(self, port: int) -> None:
        """Grow: a connection was accepted. Twofold in each round trip until the first loss, then by one."""
        self.ports.add(port)
        self.size = min(float(self.most), self.size + (1 / self.size if self.losses else 1))

    def denied(self, port: int, losses_before: int) -> None:
        """Take in that a connection was refused, or not answered: it's a loss where the port had let us in before."""
        if port in self.ports:
            self.lost(losses_before)

    def lost(self, losses_before: int) -> None:
        """Halve, after a loss in a conversation that began when ``losses`` was ``losses_before``."""
        if losses_before == self.losses:
            self.size = max(float(min(LEAST, self.most)), self.size / 2)
            self.losses += 1

    def ended(self, sent_again: int, round_trip: float, losses_before: int) -> None:
        """Take in what :func:`way_of` told of a conversation that is over."""
        self.round_trip = min(self.round_trip, round_trip)
        if sent_again:
            self.lost(losses_before)


class Turns:
    """Lets as many through at once as a host's window allows, in the order in which they came."""

    def __init__(self, most: int) -> None:
        self.window = Window(most)
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def room(self) -> bool:
        """Tell whether the next one would be let through at once."""
        return self._open < self.window.allowed and not self._waiting

    @property
    def idle(self) -> bool:
        """Tell whether nobody is in or waits."""
        return not self._open and not self._waiting

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the block."""
        await self._take()
        try:
            yield
        finally:
            self._open -= 1
            self.wake()

    async def _take(self) -> None:
        if self.room:
            self._open += 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._waiting.remove(mine)
            else:  # let through and cancelled in the same moment
                self._open -= 1
                self.wake()
            raise

    def wake(self) -> None:
        """Let through whom the window has room for."""
        for waiting in tuple(self._waiting):
            if self._open >= self.window.allowed:
                return
            if not waiting.done():  # one that was cancelled takes itself out
                self._waiting.remove(waiting)
                self._open += 1
                waiting.set_result(None)


def way_of(connection: socket.socket) -> tuple[int, float]:
    """Return how many segments the kernel has sent again on ``connection``, and its shortest round trip in seconds.

    Nothing was sent again, and the way is endless, where the kernel doesn't tell.
    """
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        again, microseconds = _TCP_INFO.unpack(told)
    except (OSError, struct.error):
        return 0, math.inf
    return again, microseconds / 1e6
