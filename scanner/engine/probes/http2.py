"""HTTP/2 (RFC 9113) for servers that speak nothing older: whether one does, and one request after the other.

The protocol is h2's. Servers inside TLS are offered it by ALPN (RFC 7301), all others are spoken to as if that were
known beforehand (RFC 9113 section 3.3): neither an upgrade of HTTP/1.1 nor anything that a server pushes is of use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import h11
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from scanner.engine.errors import ConnectionLost, UnexpectedReply
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Conversation

EVENT_LIMIT = 4_000
"""Events of a connection, data and settings and pings alike, that one answer may take: tiny frames cost time."""

HEADERS_LIMIT = 64 * 1024
"""Bytes of a reply's headers, unpacked, beyond which it is not read."""

INTERIM_LIMIT = 50
"""Responses with status 1xx that may come before one answer (RFC 9110 section 15.2)."""

_READ_SIZE = 32 * 1024
_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
"""Headers that HTTP/2 has no use for (RFC 9113 section 8.2.2)."""


async def is_spoken(contact: Contact) -> bool:
    """Tell whether the server answers our preface with its own settings and takes ours (RFC 9113 section 3.4).

    No request is made. Raises ``ProbeError`` when it says nothing, hangs up, or says something else.
    """
    async with replace(contact, http2=True).open() as conversation:
        connection = Http2(conversation, "https" if contact.tls else "http")
        awaited: set[type[Event]] = {RemoteSettingsChanged, SettingsAcknowledged}
        seen = 0
        while awaited and seen < EVENT_LIMIT:
            for event in await connection.next_events():
                seen += 1
                awaited.discard(type(event))
        return not awaited


class Http2:
    """HTTP/2 on one connection. Requests follow one another; ``usable`` tells whether one more may."""

    def __init__(self, conversation: Conversation, scheme: str) -> None:
        self._conversation = conversation
        self._scheme = scheme.encode()
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        ours = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_LIMIT}
        self._http.local_settings = Settings(client=True, initial_values=ours)
        self._http.initiate_connection()
        self.usable = True

    async def exchange(self, request: Sequence[h11.Event], limit: int) -> tuple[h11.Response, bytes]:
        """Send a request and return the reply, its body cut at ``limit`` bytes.

        Raises ``HostSilent``, ``ConnectionLost``, ``UnexpectedReply``; the connection is then of no use any more.
        """
        self.usable = False
        stream = self._send(request)
        reply = _Reply(stream, limit)
        while not reply.ended:
            for event in await self.next_events():
                reply.take(event)
            if reply.is_full and not reply.ended:
                self._cancel(stream)
                break
        self.usable = not reply.is_last
        return reply.response(), bytes(reply.body)

    async def next_events(self) -> list[Event]:
        """Send what is due, and return what the next bytes from the server mean. Errors as :meth:`exchange`."""
        await self._flush()
        data = await self._conversation.receive(_READ_SIZE)
        if not data:
            raise ConnectionLost("The web server closed the connection without an answer.")
        try:
            events = self._http.receive_data(data)
            for event in events:
                if isinstance(event, DataReceived) and event.flow_controlled_length and event.stream_id:
                    self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        except (H2Error, ValueError) as error:
            raise UnexpectedReply(f"The reply is not valid HTTP/2: {line(str(error))}") from error
        await self._flush()
        return events

    async def _flush(self) -> None:
        if due := self._http.data_to_send():
            await self._conversation.send(due)

    def _send(self, request: Sequence[h11.Event]) -> int:
        head, *rest = request
        if not isinstance(head, h11.Request):
            raise TypeError("A request begins with its head.")
        content = b"".join(event.data for event in rest if isinstance(event, h11.Data))
        headers = dict(head.headers)
        own = [(b":method", head.method), (b":scheme", self._scheme), (b":path", head.target)]
        own.append((b":authority", headers.pop(b"host", b"")))
        more = [(name, value) for name, value in headers.items() if name not in _OF_THE_CONNECTION]
        try:
            stream: int = self._http.get_next_available_stream_id()
            self._http.send_headers(stream, [*own, *more], end_stream=not content)
            if content:
                self._http.send_data(stream, content, end_stream=True)
        except H2Error as error:
            raise ConnectionLost(f"The web server takes no further request: {line(str(error))}") from error
        return stream

    def _cancel(self, stream: int) -> None:
        try:
            self._http.reset_stream(stream)
        except H2Error as error:
            raise UnexpectedReply(f"The reply is not valid HTTP/2: {line(str(error))}") from error


@dataclass(slots=True)
class _Reply:
    """What has come of the answer on one stream."""

    stream: int
    limit: int
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    is_last: bool = False
    events: int = 0
    interim: int = 0

    @property
    def is_full(self) -> bool:
        """Tell whether there is all of the answer that is wanted."""
        return self.status > 0 and (len(self.body) >= self.limit or self.events >= EVENT_LIMIT)

    def take(self, event: Event) -> None:
        """Note what an event means. Raises ``ConnectionLost`` and ``UnexpectedReply`` where no answer will come."""
        self.events += 1
        if isinstance(event, ConnectionTerminated):
            self.is_last = True
            if not self.status and (event.last_stream_id or 0) < self.stream:
                raise ConnectionLost("The web server closed the connection without an answer.")
        elif getattr(event, "stream_id", None) == self.stream:
            self._take_own(event)
        if not self.status and (self.events >= EVENT_LIMIT or self.interim > INTERIM_LIMIT):
            raise UnexpectedReply("The web server says much, and nothing of an answer.")

    def _take_own(self, event: Event) -> None:
        match event:
            case InformationalResponseReceived():
                self.interim += 1
            case ResponseReceived():
                fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
                self.status = next((_number(value) for name, value in fields if name == b":status"), 0)
                self.headers = [each for each in fields if not each[0].startswith(b":")]
            case DataReceived():
                self.body += event.data[: self.limit - len(self.body)]
            case StreamEnded():
                self.ended = True
            case StreamReset() if not self.ended and not self.is_full:
                raise ConnectionLost("The web server gave the request up.")

    def response(self) -> h11.Response:
        """Return status and headers. Raises ``UnexpectedReply`` where they are none that HTTP has."""
        kept = [each for each in self.headers if each[0] not in _OF_THE_CONNECTION]
        try:
            return h11.Response(status_code=self.status, headers=kept)
        except h11.LocalProtocolError as error:
            raise UnexpectedReply(f"The reply is not valid HTTP: {line(str(error))}") from error


def _number(digits: bytes) -> int:
    return int(digits) if len(digits) == 3 and digits.isdigit() else 0
