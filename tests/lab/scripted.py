"""Lab servers that follow a script, for software that Debian doesn't ship or states that loopback can't show."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.case import Start

Answer = Callable[[bytes], bytes | None]
"""What is sent back for one received request; None hangs up."""

Speak = Callable[[socket.socket], object]
"""What a server does with one connection, which is closed when it returns or loses it."""

SECONDS = 20
"""How long one ``recv`` waits; a client of the lab is gone long before."""


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Let the server serve in a thread for the length of the block, then close it."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def listening(address: str, port: int, speak: Speak) -> Iterator[int]:
    """Let ``speak`` do as it likes with each connection; yields the port, which is a free one for port 0."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.settimeout(SECONDS)
                speak(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    server = Server((address, port), Handler)
    with serving(server):
        yield server.server_address[1]


def speaks(port: int, speak: Speak) -> Start:
    """Return a server that lets ``speak`` do as it likes with each connection."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        with listening(address, port, speak):
            yield

    return start


def scripted(port: int, answer: Answer, *, banner: bytes = b"", once: bool = False) -> Start:
    """Return a server that sends ``banner`` on connection, then answers each request until it has no answer.

    With ``once`` it hangs up after the first answer.
    """

    def speak(connection: socket.socket) -> None:
        if banner:
            connection.sendall(banner)
        while request := connection.recv(4096):
            reply = answer(request)
            if reply is None:
                return
            connection.sendall(reply)
            if once:
                return

    return speaks(port, speak)


def hangs_up(_: bytes) -> None:
    """The answer of a server that has nothing to say to anyone."""
