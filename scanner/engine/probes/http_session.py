"""Bounded HTTP requests to one endpoint, pinned to its address, over as few connections as the server allows.

The protocol is h11's (RFC 9112), and that of :mod:`.http2` where a server speaks nothing older; the connections are
the dialer's, so that the gate, the caps and the counts hold for HTTP as for everything else. Nothing is followed or
stored, and only text is unpacked.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import h11

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.http2 import Http2
from scanner.engine.probes.http_reading import BODY_LIMIT, HEAD_LIMIT, Head, reply_of
from scanner.engine.probes.http_tolerance import tolerable

PIECE_LIMIT = 4_000
"""Pieces of a body that are put together. Chunks of one octet would keep the processor busy for half a minute."""

INTERIM_LIMIT = 50
"""Responses with status 1xx that may come before one answer (RFC 9110 section 15.2)."""

CONNECTION_BUDGET = 4 * 1024 * 1024
"""Bytes that one kept-alive connection may receive in all."""

REQUEST_LIMIT = 60
"""Requests that one site gets in one look, those for products on top of it included."""

PRODUCT_SHARE = 8
"""Requests of ``REQUEST_LIMIT`` that are left for telling which product it is, where it may be one that we know."""

LEAST_SHARE = 3
"""The same where nothing speaks for a product: an answer to OPTIONS may still show one."""

BURST, RATE, SLOW_RATE = 44, 5.0, 2.0
"""A site gets at most ``BURST`` requests at once, then ``RATE`` a second; one that limits us, ``SLOW_RATE``."""

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d\b")

STEPS_BACK = 2
"""Turns of the event loop that a request to a site without TLS lets pass: a request takes about as many."""

READ_SIZE = 32 * 1024
"""Bytes asked of the socket at a time."""

CRAWLER_AGENT = "Mozilla/5.0 (compatible; Baiduspider/2.0; Roundsman/0.1, authorised read-only inspection)"
"""Names a search engine's crawler, as what intruders show to crawlers only depends on that name, and ourselves."""

USER_AGENT = "Roundsman/0.1 (authorised read-only inspection)"


class RequestBudgetSpent(ProbeError):  # noqa: N818 - reads as the event it is
    """The site's request limit is used up; what was not asked is not inspected."""


_SWITCHED = 101
"""Another protocol follows on the connection (RFC 9110 section 15.2.2): nothing of HTTP, and nothing that is read."""


@dataclass(slots=True)
class _Connection:
    """One connection and the state of HTTP on it."""

    conversation: Conversation
    http: h11.Connection
    holder: AsyncExitStack
    head: bytearray = field(default_factory=bytearray)
    """What came of a response's head, until that is whole."""
    http2: Http2 | None = None
    used: bool = False


class HttpSession:
    """Sends requests to one endpoint under one Host name. Redirects are not followed.

    Use as an async context manager. ``requests`` counts what was sent, ``limit`` at most. Requests made at the same
    time travel side by side as far as the host has room for further connections; else they share those that the session
    has. So a session that keeps one of the host's slots never waits for another, and no two wait for each other.
    ``under`` is a folder, as ``/grafana``, that paths outside it are put into: where a product was installed.
    """

    def __init__(self, contact: Contact, host: str | None = None, *, limit: int = REQUEST_LIMIT) -> None:
        address, port = contact.endpoint.address, contact.endpoint.port
        self.contact = contact
        self.scheme = "https" if contact.tls else "http"
        self.name = host or (f"[{address}]" if ":" in address else address)
        self.host = self.name if port == (443 if contact.tls else 80) else f"{self.name}:{port}"
        self.requests = 0
        self.under = ""
        self._limit = limit
        self._sni = host
        self._tokens, self._refilled, self._rate = float(BURST), time.monotonic(), RATE
        self._idle: list[_Connection] = []
        self._held = 0
        self._given_back = asyncio.Event()

    async def __aenter__(self) -> HttpSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()

    @property
    def is_far(self) -> bool:
        """Tell whether waiting for the site is what takes the time."""
        return self.contact.dialer.window_of(self.contact.endpoint).is_far

    @property
    def left(self) -> int:
        """How many requests may still be sent."""
        return self._limit - self.requests

    async def _hang_up(self) -> None:
        while self._idle:
            await self._close(self._idle.pop())

    async def get(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        limit: int = BODY_LIMIT,
        seconds: float = 8.0,
    ) -> HttpReply:
        """Send one request and return the reply, its body cut at ``limit`` bytes and ``seconds`` overall.

        Raises ``HostSilent``, ``ConnectionRefused``, ``ConnectionLost``, ``UnexpectedReply`` (not HTTP),
        ``RequestBudgetSpent``, ``RefusedByScope``.
        """
        path = path if path.startswith(f"{self.under}/") else f"{self.under}{path}"
        request = [
            h11.Request(method=method, target=path, headers=self._headers(headers or {}, content)),
            *([h11.Data(data=content)] if content else []),
            h11.EndOfMessage(),
        ]
        await self._count()
        response, body = await self._exchange(request, limit, seconds)
        return reply_of(method, path, response, body)

    async def get_nameless(self, *, seconds: float = 8.0) -> HttpReply:
        """Ask for ``/`` in HTTP/1.0 without a Host header (RFC 1945), on a connection of its own; errors as
        :meth:`get`.

        Connections that are kept are given up before, and no other request may be on its way.
        """
        if self.contact.http2:
            raise UnexpectedReply("The web server speaks no HTTP/1.0.")
        request = [h11.Request(method="GET", target="/", headers=[("Host", self.host)]), h11.EndOfMessage()]
        await self._count()
        await self._hang_up()
        sent = f"GET / HTTP/1.0\r\nUser-Agent: {USER_AGENT}\r\n\r\n".encode()
        response, body = await self._talk(await self._take(), request, BODY_LIMIT, seconds, instead=sent)
        return reply_of("GET", "/", response, body)

    def leave(self, requests: int) -> None:
        """Send so many requests less than the limit: they are kept for what comes later."""
        self._limit -= requests

    def slow_down(self) -> None:
        """Send nothing in bursts any more, and less in a second: the site turned away what came faster."""
        self._tokens, self._rate = min(self._tokens, 0.0), SLOW_RATE

    async def _count(self) -> None:
        if self.requests >= self._limit:
            raise RequestBudgetSpent(f"The limit of {REQUEST_LIMIT} requests for one site is used up.")
        if not self.contact.tls:
            await _let_others_go_first()
        await self._pace()
        self.requests += 1
        self.contact.dialer.requests[self.contact.endpoint.address] += 1

    def _headers(self, more: Mapping[str, str], content: bytes | None) -> list[tuple[str, str]]:
        headers = {"Host": self.host, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **more}
        if content is not None:
            headers["Content-Length"] = str(len(content))
        return list(headers.items())

    async def _exchange(self, request: list[h11.Event], limit: int, seconds: float) -> tuple[Head, bytes]:
        """Use a kept connection; when the server has meanwhile closed it, use another one, a new one at last.

        Waiting for one of the host's connection slots is not the server's fault, so it is not on its time.
        """
        while True:
            connection = await self._take()
            try:
                return await self._talk(connection, request, limit, seconds)
            except ConnectionLost:
                if not connection.used:
                    raise  # keep-alive ending between two requests is the server's right (RFC 9112 section 9.3)

    async def _take(self) -> _Connection:
        """Return a connection that nobody uses: a kept one, else a new one, else the next that is given back."""
        while not self._idle:
            if not self._held or self.contact.dialer.has_room(self.contact.endpoint):
                return await self._open()
            self._given_back.clear()
            await self._given_back.wait()
        return self._idle.pop()

    async def _open(self) -> _Connection:
        holder = AsyncExitStack()
        self._held += 1
        try:
            conversation = await holder.enter_async_context(
                self.contact.dialer.connect(
                    self.contact.endpoint,
                    tls=self.contact.tls_context,
                    server_name=self._sni,
                    budget=CONNECTION_BUDGET,
                )
            )
        except BaseException:
            self._held -= 1
            self._given_back.set()
            raise
        newer = Http2(conversation, self.scheme) if self.contact.http2 else None
        older = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        return _Connection(conversation, older, holder, http2=newer)

    async def _close(self, connection: _Connection) -> None:
        self._held -= 1
        self._given_back.set()
        await connection.holder.aclose()

    async def _talk(
        self, connection: _Connection, request: list[h11.Event], limit: int, seconds: float, *, instead: bytes = b""
    ) -> tuple[Head, bytes]:
        """Send a request and read its reply; the connection is kept when both sides allow it, else closed.

        ``instead`` is sent in the request's place: h11 speaks HTTP/1.1 only, but understands any reply to a GET.
        """
        keep = False
        response: Head
        try:
            async with asyncio.timeout(seconds):
                if connection.http2 is not None:
                    response, body = await connection.http2.exchange(request, limit)
                    keep = connection.http2.usable
                else:
                    response, body, keep = await _converse(connection, request, limit, instead)
            connection.used = keep
        except TimeoutError as error:
            raise HostSilent("The web server did not answer in time.") from error
        except h11.RemoteProtocolError as error:
            raise UnexpectedReply(f"The reply is not valid HTTP: {line(str(error))}") from error
        finally:
            if keep:
                self._idle.append(connection)
                self._given_back.set()
            else:
                await self._close(connection)
        return response, body

    async def _pace(self) -> None:
        now = time.monotonic()
        most = BURST if self._rate == RATE else 1
        self._tokens = min(most, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)


async def _converse(
    connection: _Connection, request: list[h11.Event], limit: int, instead: bytes
) -> tuple[Head, bytes, bool]:
    """Speak HTTP/1.1, and tell besides whether the connection may be used again."""
    sent = b"".join(connection.http.send(event) or b"" for event in request)
    await connection.conversation.send(instead or sent)
    response, body, whole = await _receive(connection, limit)
    both_done = connection.http.our_state is h11.DONE and connection.http.their_state is h11.DONE
    # A body whose length nobody told ended with the connection, whether or not a header said that it would.
    _, has_hung_up = connection.http.trailing_data
    if not whole or instead or not both_done or has_hung_up:
        return response, body, False
    connection.http.start_next_cycle()
    return response, body, True


async def _let_others_go_first() -> None:
    """Step back, where the event loop has more to do.

    A site behind TLS is asked after the sweep of its TLS, so it would end last of its host: with many hosts at once,
    all would then wait for the pace of those sites, and nothing else be left to do meanwhile.
    """
    for _ in range(STEPS_BACK):
        await asyncio.sleep(0)


async def _receive(connection: _Connection, limit: int) -> tuple[Head, bytes, bool]:
    """Return the response, at most ``limit`` bytes and ``PIECE_LIMIT`` pieces of its body, and whether that was all."""
    response: h11.Response | None = None
    body = bytearray()
    pieces = interim = 0
    while (event := await _next_event(connection, begun=response is not None)) is not None:
        if isinstance(event, h11.InformationalResponse) and event.status_code == _SWITCHED:
            return event, b"", False
        if isinstance(event, h11.InformationalResponse):
            interim += 1
            if interim > INTERIM_LIMIT:
                raise UnexpectedReply("The web server announces an answer again and again.")
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data[: limit - len(body)]
            pieces += 1
        if response is not None and (len(body) >= limit or pieces >= PIECE_LIMIT):
            return response, bytes(body), _has_ended(connection.http)
    if response is None:
        raise ConnectionLost("The web server closed the connection without an answer.")
    return response, bytes(body), True


async def _next_event(connection: _Connection, *, begun: bool) -> h11.Event | None:
    """Return what comes next of a reply, of which there was something if it has ``begun``; None at its end."""
    while (event := connection.http.next_event()) is h11.NEED_DATA:
        data = await connection.conversation.receive(READ_SIZE)
        if not data and not begun:
            raise ConnectionLost("The web server closed the connection without an answer.")
        _hand_on(connection, data, begun=begun)
    over = isinstance(event, h11.EndOfMessage | h11.ConnectionClosed)
    return event if isinstance(event, h11.Event) and not over else None


def _hand_on(connection: _Connection, data: bytes, *, begun: bool) -> None:
    """Give h11 what came; the head of a response only when it is whole, without what it would be refused for."""
    if begun:
        connection.http.receive_data(data)
        return
    head = connection.head
    head += data
    searched = max(0, len(head) - len(data) - 3)
    while end := _END_OF_HEAD.search(head, searched):
        first, rest = tolerable(bytes(head[: end.start()])) + b"\r\n\r\n", bytes(head[end.end() :])
        interim = _INTERIM.match(first) is not None  # then another head follows
        connection.http.receive_data(first if interim else first + rest)
        head[:] = rest if interim else b""
        searched = 0
        if not interim:
            return
    if len(head) > HEAD_LIMIT:
        connection.http.receive_data(bytes(head))
        head.clear()


def _has_ended(http: h11.Connection) -> bool:
    """Tell whether the rest of a reply that was cut is here already, so that its connection can be used again.

    Nothing is waited for: error pages of a few hundred bytes come in one piece, archives don't.
    """
    try:
        event = http.next_event()
        return isinstance(http.next_event() if isinstance(event, h11.Data) else event, h11.EndOfMessage)
    except h11.RemoteProtocolError:
        return False
