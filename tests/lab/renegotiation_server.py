"""A TLS 1.2 server that lets clients renegotiate three times and hangs up, as Node.js does: ``address port folder``."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

_ALLOWED = 3
"""Node.js's ``tls.CLIENT_RENEG_LIMIT``."""
_MAY_RENEGOTIATE = 1 << 8
"""OpenSSL's SSL_OP_ALLOW_CLIENT_RENEGOTIATION, for which Python has no name."""
_ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Serve until the process is ended."""
    address, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with socket.create_server((address, port)) as server:
        while True:
            threading.Thread(target=_talk, args=(server.accept()[0], folder), daemon=True).start()


def _talk(connection: socket.socket, folder: Path) -> None:
    hellos, line = 0, connection.dup()

    def count(_: Any, direction: str, version: Any, kind: Any, message: Any, __: bytes) -> None:
        nonlocal hellos
        del version, kind
        hellos += direction == "read" and getattr(message, "name", "") == "CLIENT_HELLO"
        if hellos > 1 + _ALLOWED:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= _MAY_RENEGOTIATE
    context._msg_callback = count  # type: ignore[attr-defined]  # the only way to see renegotiations from Python
    with (
        contextlib.suppress(OSError),
        context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as tls,
    ):
        while data := tls.recv(4096):
            if data.endswith(b"\r\n\r\n"):
                tls.sendall(_ANSWER)
                break
    line.close()


if __name__ == "__main__":
    main()
