"""The only door to a scanned host: every TCP connection and UDP datagram of our own goes through a ``Dialer``.

It asks the gate, counts, keeps the caps (connections per host, overall rate), asks a host less that loses what it is
sent, bounds bytes and time, and stops when the inspection is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scanner.engine.errors import (
    ConnectionLost,
    ConnectionRefused,
    HostSilent,
    HostUnreachable,
    NameRefused,
    ProbeError,
    RefusedByScope,
)
from scanner.engine.model import Endpoint, Transport
from scanner.engine.probes.window import Turns, Window, way_of

Gate = Callable[[Endpoint], str | None]
"""Answers why an endpoint may not be touched, or None when it may. Asked before every connection."""

_NAMELESS_REFUSALS = frozenset({"TLSV1_ALERT_INTERNAL_ERROR", "SSLV3_ALERT_HANDSHAKE_FAILURE"})
"""How servers turn away who names nobody: Go's, such as Caddy, have no certificate to choose and call that an error."""

READ_LIMIT = 64 * 1024
"""Bytes that one conversation may receive before it is cut."""


HANDSHAKE_PATIENCE = 3
"""How many read time-outs a handshake may take: small devices with long keys need seconds. Only what is known to speak
TLS is given them, and where it is slow nobody but its own host waits."""


_GRACE = 0.02
"""Seconds after a time-out in which bytes that lay unread in the socket are picked up."""


_GOODBYE = 1e-6
"""Seconds for which asyncio waits for a farewell where a connection is cancelled in the moment its handshake ends; half
a minute if not told, in which the host would hold one connection more than it may."""


_HIGH_WATER = 64 * 1024
"""Bytes that wait to be sent above which draining would wait: asyncio's default for its transports."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Politeness. ``per_host`` connections at once at most, ``connect_timeout`` and ``read_timeout`` in seconds.

    ``rate`` caps packets of the port scan and new connections and datagrams a second, over all hosts (0: no limit). As
    hosts are looked at while others are scanned, each of the two keeps to half of it.
    """

    per_host: int = 10
    rate: float = 0
    connect_timeout: float = 3.0
    read_timeout: float = 3.0


class Pace:
    """Spreads what one inspection sends over time, so that all that ask it keep to ``rate`` a second (0: no limit)."""

    def __init__(self, rate: float = 0) -> None:
        self._rate = rate
        self._next = 0.0

    @property
    def is_capped(self) -> bool:
        return self._rate > 0

    async def turn(self, count: int = 1) -> None:
        """Wait until ``count`` connections or datagrams may be sent."""
        if self.is_capped:
            wait = self._next - time.monotonic()
            self.spent(count)
            await asyncio.sleep(max(0.0, wait))

    def spent(self, count: int) -> None:
        """Let whoever comes next wait for what was sent without asking, such as by a library."""
        if self.is_capped:
            self._next = max(self._next, time.monotonic()) + count / self._rate


class Conversation:
    """A bounded byte stream with one endpoint. Use it as an async context manager; leaving it closes it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float, budget: int = READ_LIMIT
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        self._budget = budget

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close at once; nothing is flushed, because nothing we send needs to arrive."""
        with contextlib.suppress(Exception):  # closing must not fail, whatever state the peer left behind
            self._writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Send all of ``data``. Raises ``HostSilent`` when the peer doesn't take it, ``ConnectionLost``."""
        try:
            self._writer.write(data)
            if self._writer.transport.get_write_buffer_size() > _HIGH_WATER:
                async with asyncio.timeout(self._timeout):
                    await self._writer.drain()
        except TimeoutError as error:
            raise HostSilent("The host did not take what was sent in time.") from error
        except (OSError, ssl.SSLError) as error:
            raise ConnectionLost(f"The connection broke while sending: {error}") from error

    async def receive(self, limit: int = 4096, timeout: float | None = None) -> bytes:
        """Return the next bytes, at most ``limit``; empty when the peer closed. Raises ``HostSilent``."""
        allowed = min(limit, self._budget)
        if allowed <= 0:
            raise ConnectionLost("The host sent more than one conversation may hold.")
        try:
            data = await self._read(allowed, self._timeout if timeout is None else timeout)
        except TimeoutError as error:
            raise HostSilent("Nothing came back in time.") from error
        except (OSError, ssl.SSLError) as error:
            raise ConnectionLost(f"The connection broke while reading: {error}") from error
        self._budget -= len(data)
        return data

    async def _read(self, limit: int, timeout: float) -> bytes:
        """Read with a time-out that is the host's fault: when our own loop was late, what has arrived still counts."""
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(limit)
        except TimeoutError:
            async with asyncio.timeout(_GRACE):
                return await self._reader.read(limit)

    async def receive_exactly(self, count: int, timeout: float | None = None) -> bytes:
        """Return exactly ``count`` bytes within one time-out, or raise ``HostSilent`` / ``ConnectionLost``."""
        return await self.receive_until(lambda data: len(data) >= count, limit=count, timeout=timeout)

    async def receive_until(
        self, enough: Callable[[bytes], bool], *, limit: int = 4096, timeout: float | None = None
    ) -> bytes:
        """Collect until ``enough(collected)``; at most ``limit`` bytes within one overall time-out.

        Raises ``HostSilent`` when time runs out and ``ConnectionLost`` when the peer closes first; both carry
        what had arrived in ``error.args[1]``.
        """
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        data = b""
        while not enough(data):
            if len(data) >= limit:
                return data
            try:
                more = await self.receive(limit - len(data), max(0.001, deadline - time.monotonic()))
            except ProbeError as error:
                raise type(error)(error.args[0], data) from error
            if not more:
                raise ConnectionLost("The host closed the connection before the reply was whole.", data)
            data += more
        return data

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None) -> None:
        """Continue inside TLS (after STARTTLS). Raises ``ConnectionLost`` or ``HostSilent``."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._writer.start_tls(context, server_hostname=server_name or "")
        except TimeoutError as error:
            raise HostSilent("The TLS handshake did not finish in time.") from error
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConnectionLost(f"The TLS handshake failed: {error}") from error


class Dialer:
    """Opens conversations, within the limits and only where the gate allows. One per inspection run.

    ``connections`` and ``datagrams`` count by address what was opened and sent, for the coverage. So do ``requests``,
    which whoever speaks HTTP counts.
    """

    def __init__(self, gate: Gate, limits: Limits | None = None) -> None:
        self._gate = gate
        self.limits = limits or Limits()
        self.connections: dict[str, int] = defaultdict(int)
        self.datagrams: dict[str, int] = defaultdict(int)
        self.requests: dict[str, int] = defaultdict(int)
        self.pace = Pace(self.limits.rate / 2)
        self._turns: dict[str, Turns] = {}

    def permits(self, endpoint: Endpoint) -> bool:
        """Tell whether the gate lets this endpoint be touched now."""
        return self._gate(endpoint) is None

    async def _admit(self, endpoint: Endpoint) -> None:
        refusal = self._gate(endpoint)
        if refusal is not None:
            raise RefusedByScope(refusal)
        if self.pace.is_capped:
            await self.pace.turn()
            refusal = self._gate(endpoint)  # the wait may have outlived the permission
            if refusal is not None:
                raise RefusedByScope(refusal)
        sent = self.connections if endpoint.transport is Transport.TCP else self.datagrams
        sent[endpoint.address] += 1

    @contextlib.asynccontextmanager
    async def slot(self, endpoint: Endpoint) -> AsyncIterator[None]:
        """Hold one of the host's connection slots; for libraries that open the socket themselves.

        Raises ``RefusedByScope``. Whoever uses it must connect to ``endpoint.address`` and nowhere else.
        """
        async with self._turns_of(endpoint).turn():
            await self._admit(endpoint)
            yield

    def _turns_of(self, endpoint: Endpoint) -> Turns:
        turns = self._turns.get(endpoint.address)
        if turns is None:
            turns = self._turns[endpoint.address] = Turns(self.limits.per_host)
        return turns

    def has_room(self, endpoint: Endpoint) -> bool:
        """Tell whether one more connection to the host would be opened at once."""
        return self._turns_of(endpoint).room

    def window_of(self, endpoint: Endpoint) -> Window:
        """Return what was learnt of the host and the way to it."""
        return self._turns_of(endpoint).window

    def forget(self, address: str) -> None:
        """Let go of what was learnt of a host that is done."""
        if address in self._turns and self._turns[address].idle:
            del self._turns[address]

    @contextlib.asynccontextmanager
    async def connect(
        self,
        endpoint: Endpoint,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        timeout: float | None = None,
        budget: int = READ_LIMIT,
    ) -> AsyncIterator[Conversation]:
        """Open a TCP connection (inside TLS when a context is given) and close it at the end of the block.

        ``timeout`` (seconds) bounds the connection and each later read; the defaults are the limits'. ``budget`` is
        how many bytes may be received in all.
        Raises ``RefusedByScope``, ``ConnectionRefused``, ``HostSilent``, ``ConnectionLost``.
        """
        async with self.slot(endpoint):
            turns = self._turns_of(endpoint)
            losses = turns.window.losses
            try:
                handshake = HANDSHAKE_PATIENCE * self.limits.read_timeout if tls is not None else 0.0
                patience = timeout or self.limits.connect_timeout + handshake
                reader, writer = await self._open(endpoint, tls, server_name, patience)
            except (ConnectionRefused, HostSilent):
                turns.window.denied(endpoint.port, losses)
                raise
            turns.window.accepted(endpoint.port)
            turns.wake()
            try:
                async with Conversation(reader, writer, timeout or self.limits.read_timeout, budget) as conversation:
                    yield conversation
            finally:
                _learn(turns.window, writer, losses)

    async def _open(
        self, endpoint: Endpoint, tls: ssl.SSLContext | None, server_name: str | None, timeout: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.open_connection(
                    endpoint.address,
                    endpoint.port,
                    ssl=tls,
                    server_hostname=(server_name or "") if tls is not None else None,
                    ssl_shutdown_timeout=_GOODBYE if tls is not None else None,
                    limit=READ_LIMIT,
                )
        except TimeoutError as error:
            raise HostSilent("The connection was not answered in time.") from error
        except ConnectionRefusedError as error:
            raise ConnectionRefused("The connection was refused.") from error
        except ssl.SSLError as error:
            nameless = not server_name and error.reason in _NAMELESS_REFUSALS
            kind = NameRefused if nameless or error.reason == "TLSV1_UNRECOGNIZED_NAME" else ConnectionLost
            raise kind(f"The connection could not be opened: {error}") from error
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"The connection could not be opened: {error}") from error

    async def ask(self, endpoint: Endpoint, request: bytes, *, timeout: float = 1.5, any_port: bool = False) -> bytes:
        """Send one UDP datagram and return the first answer (at most 64 KiB).

        ``any_port`` accepts an answer from another port of the same address, as TFTP does (RFC 1350 section 4).
        Raises ``HostSilent`` when none comes, ``ConnectionRefused`` on an ICMP port-unreachable, and ``ConnectionLost``
        when the datagram was not sent or not delivered: no route, or a firewall's refusal, here or on the way.
        """
        if endpoint.transport is not Transport.UDP:
            raise ValueError("ask() is for UDP endpoints; use connect() for TCP.")
        await self._admit(endpoint)
        return await _exchange_datagram(endpoint, request, timeout, any_port)


def _learn(window: Window, writer: asyncio.StreamWriter, losses: int) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        window.ended(*way_of(connection), losses)


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, address: str) -> None:
        self._address = address
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if addr[0] == self._address and not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(_refusal(exc)(f"The datagram was refused: {exc}"))


def _refusal(error: Exception) -> type[ProbeError]:
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused
    from_the_way = isinstance(error, OSError) and error.errno == errno.EHOSTUNREACH
    return HostUnreachable if from_the_way else ConnectionLost


async def _exchange_datagram(endpoint: Endpoint, request: bytes, timeout: float, any_port: bool) -> bytes:
    peer = (endpoint.address, endpoint.port)
    try:
        own = _datagram_socket(peer, connected=not any_port)
    except OSError as error:
        raise ConnectionLost(f"The datagram could not be sent: {error}") from error
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Answer(endpoint.address), sock=own)
    try:
        transport.sendto(request, peer if any_port else None)
        async with asyncio.timeout(timeout):
            return await protocol.reply
    except TimeoutError as error:
        raise HostSilent("No datagram came back in time.") from error
    finally:
        transport.close()


def _datagram_socket(peer: tuple[str, int], *, connected: bool) -> socket.socket:
    """Return a socket for one question; ``connected``, it hears of nobody but the peer, and of a refusal."""
    own = socket.socket(socket.AF_INET6 if ":" in peer[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        own.setblocking(False)
        if connected:
            own.connect(peer)
        else:
            own.bind(("", 0))
    except OSError:
        own.close()
        raise
    return own
