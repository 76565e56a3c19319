"""What a probe is handed: one endpoint of one target, and the permission to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

from scanner.engine.errors import HostSilent
from scanner.engine.facts.service import Exchange
from scanner.engine.hostile import mask_secrets, printable_bytes
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes.dial import Conversation, Dialer


@dataclass(frozen=True, slots=True)
class Contact:
    """One endpoint to talk to.

    ``tls`` tells that it speaks inside TLS from the first byte, ``http2`` that of HTTP it speaks version 2 alone,
    ``shared`` that other services answer on the same port; ``pause`` is for how many seconds it is left alone before
    each connection; ``places`` are the (kind, path) at which something was found before and is to be asked for again.
    """

    dialer: Dialer
    target: Target
    endpoint: Endpoint
    level: Level
    tls: bool = False
    pause: float = 0
    http2: bool = False
    shared: bool = False
    places: tuple[tuple[str, str], ...] = ()

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """What a connection's handshake is made with; None in clear text."""
        return permissive_tls("h2" if self.http2 else "") if self.tls else None

    @asynccontextmanager
    async def open(self, timeout: float | None = None) -> AsyncIterator[Conversation]:
        """Open a conversation, inside TLS where the service wants it. ``timeout`` in seconds; errors as
        :meth:`Dialer.connect`."""
        if self.pause:
            await asyncio.sleep(self.pause)
        async with self.dialer.connect(
            self.endpoint, tls=self.tls_context, server_name=self.target.hostname, timeout=timeout
        ) as conversation:
            yield conversation

    async def ask(self, request: bytes, *, timeout: float = 1.5, tries: int = 2, any_port: bool = False) -> bytes:
        """Send one datagram and return the answer; errors as :meth:`Dialer.ask`.

        It is sent ``tries`` times, as one that got lost must hide nothing; each answer may take ``timeout`` seconds.
        """
        for _ in range(tries - 1):
            with contextlib.suppress(HostSilent):
                return await self.dialer.ask(self.endpoint, request, timeout=timeout, any_port=any_port)
        return await self.dialer.ask(self.endpoint, request, timeout=timeout, any_port=any_port)


@cache
def permissive_tls(offered: str = "") -> ssl.SSLContext:
    """Return a client context that completes a handshake with almost anything; one for all, as making one is slow.

    ``offered`` is the one protocol to be spoken inside (RFC 7301); empty leaves that to the server.
    It verifies nothing on purpose: the certificate is a fact to be judged later, and nothing secret is ever
    sent through the connection. Security level 0 and TLS 1.0 are needed to reach the servers worth reporting.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    if offered:
        context.set_alpn_protocols([offered])
    context.options |= ssl.OP_LEGACY_SERVER_CONNECT if hasattr(ssl, "OP_LEGACY_SERVER_CONNECT") else 0x4
    return context


def exchange(sent: bytes, received: bytes) -> Exchange:
    """Return the evidence of one request and its reply, printable and with secrets masked, stamped now."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    return Exchange(mask_secrets(printable_bytes(sent)), mask_secrets(printable_bytes(received)), now)
