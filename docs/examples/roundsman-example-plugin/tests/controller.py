"""A door controller to try the plugin on: ``python tests/controller.py ADDRESS PORT [--log-in]``."""

from __future__ import annotations

import contextlib
import socketserver
import sys


class Controller(socketserver.ThreadingTCPServer):
    """Speaks the protocol that the README describes; with ``log_in`` it tells strangers its version and no more."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str, port: int, *, log_in: bool) -> None:
        self.log_in = log_in
        super().__init__((address, port), _Talk)

    def answer(self, request: bytes) -> bytes | None:
        """Return the answer to one request, None when it is not understood."""
        status = b"DENIED\r\n" if self.log_in else b"OK 1 of 3 doors open\r\n"
        return {b"IDENT\r\n": b"ACME-DOORS/1 2.4.1\r\n", b"STATUS\r\n": status}.get(request)


class _Talk(socketserver.BaseRequestHandler):
    server: Controller

    def handle(self) -> None:
        self.request.settimeout(10)
        with contextlib.suppress(OSError):
            while request := self.request.recv(4096):
                answer = self.server.answer(request)
                self.request.sendall(answer or b"WHAT?\r\n")
                if answer is None:
                    return


if __name__ == "__main__":
    with Controller(sys.argv[1], int(sys.argv[2]), log_in="--log-in" in sys.argv) as controller:
        controller.serve_forever()
