"""A connection that nobody waits for any more is closed, at whatever moment that came."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from asyncio import sslproto
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.model import Endpoint
from scanner.engine.probes.contact import permissive_tls
from scanner.engine.probes.dial import Dialer
from tests.lab.certificate import self_signed
from tests.lab.scripted import listening

ADDRESS, PORT = "127.10.90.233", 8443


def test_one_that_is_cancelled_as_its_handshake_ends_waits_for_no_farewell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path, ADDRESS))
    ended, done = threading.Event(), threading.Event()

    def says_nothing_more(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            done.wait(10)
            inside.settimeout(5)
            if inside.recv(1) == b"":
                ended.set()

    async def connect() -> None:
        async with Dialer(lambda _: None).connect(Endpoint(ADDRESS, PORT), tls=permissive_tls()):
            pass

    async def cancel_as_the_handshake_ends() -> None:
        connecting = asyncio.create_task(connect())
        complete = sslproto.SSLProtocol._on_handshake_complete

        def complete_and_cancel(protocol: Any, *error: Any) -> None:
            complete(protocol, *error)
            connecting.cancel()

        monkeypatch.setattr(sslproto.SSLProtocol, "_on_handshake_complete", complete_and_cancel)
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.sleep(0.1)
        done.set()
        assert await asyncio.to_thread(ended.wait, 8)

    with listening(ADDRESS, PORT, says_nothing_more):
        asyncio.run(cancel_as_the_handshake_ends())
