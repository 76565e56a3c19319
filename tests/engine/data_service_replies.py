"""A scanned service made of the bytes that it sends, for tests that need no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from scanner.engine.errors import HostSilent
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Conversation, Dialer
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.devices.base import DeviceProbe

Respond = Callable[[bytes], bytes | None]
"""The reply to one request; None closes the connection."""


class _Wire:
    """Stands in for the writing half of a connection: each send is answered into the reading half."""

    def __init__(self, reader: asyncio.StreamReader, respond: Respond, sent: list[bytes]) -> None:
        self._reader = reader
        self._respond = respond
        self._sent = sent
        self.transport = self

    def write(self, data: bytes) -> None:
        self._sent.append(data)
        if self._reader.at_eof():
            return
        reply = self._respond(data)
        if reply is None:
            self._reader.feed_eof()
        else:
            self._reader.feed_data(reply)

    def get_write_buffer_size(self) -> int:
        """Everything was taken already."""
        return 0

    def abort(self) -> None:
        """There is no socket to close."""


class _Player(Dialer):
    """Opens connections to ``respond`` instead of a host, and keeps what was sent."""

    def __init__(self, respond: Respond, banner: bytes) -> None:
        super().__init__(lambda _: None)
        self.sent: list[bytes] = []
        self._respond = respond
        self._banner = banner

    @asynccontextmanager
    async def connect(self, *args: Any, **options: Any) -> AsyncIterator[Conversation]:
        reader = asyncio.StreamReader()
        if self._banner:
            reader.feed_data(self._banner)
        wire = _Wire(reader, self._respond, self.sent)
        async with Conversation(reader, cast(asyncio.StreamWriter, wire), timeout=0.01) as conversation:
            yield conversation

    async def ask(self, endpoint: Endpoint, request: bytes, *, timeout: float = 1.5, any_port: bool = False) -> bytes:
        self.sent.append(request)
        reply = self._respond(request)
        if reply is None:
            raise HostSilent("Nothing came back.")
        return reply


def look(
    probe: ServiceProbe | DeviceProbe,
    respond: Respond = lambda _: None,
    *,
    banner: bytes = b"",
    level: Level = Level.READ,
    tls: bool = False,
    sent: list[bytes] | None = None,
) -> ServiceFacts:
    """Return what ``probe`` makes of a service; what it sent is added to ``sent``. Raises as the probe does."""
    player = _Player(respond, banner)
    contact = Contact(player, Target("lab", "192.0.2.1"), Endpoint("192.0.2.1", 1), level, tls)

    async def looking() -> ServiceFacts:
        return await probe.look(contact)

    try:
        return asyncio.run(looking())
    finally:
        if sent is not None:
            sent.extend(player.sent)
