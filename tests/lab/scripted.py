"""Lab servers that follow a script, for software that Debian doesn't ship or states that loopback can't show."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.case import Start

Answer = Callable[[bytes], bytes | None]
"""What is sent back for one received request; None hangs up."""


def scripted(port: int, answer: Answer, *, banner: bytes = b"", once: bool = False) -> Start:
    """Return a server that sends ``banner`` on connection, then answers each request until it has no answer.

    With ``once`` it hangs up after the first answer.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.settimeout(10)
                if banner:
                    self.request.sendall(banner)
                while request := self.request.recv(4096):
                    reply = answer(request)
                    if reply is None:
                        return
                    self.request.sendall(reply)
                    if once:
                        return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        with Server((address, port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    return start


def hangs_up(_: bytes) -> None:
    """The answer of a server that has nothing to say to anyone."""
