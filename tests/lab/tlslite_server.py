"""A server on tlslite-ng, which still speaks SSL 3.0, RC4, 3DES and NULL.

``address port folder settings-as-json [key]``; ``key`` names its key pair in the folder, ``server`` when left out.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

_PAGE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def serve(
    address: str,
    port: int,
    pair: Path,
    settings: HandshakeSettings,
    wrap: Callable[[socket.socket], Any] = lambda connected: connected,
) -> None:
    """Serve one page over TLS, for good. The key pair lies in ``pair`` with ``.pem`` and ``.key`` added."""
    chain = X509CertChain()
    chain.parsePemList(pair.with_suffix(".pem").read_text())
    key = parsePEMKey(pair.with_suffix(".key").read_text(), private=True)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(5)
            connection: Any = TLSConnection(wrap(self.request))
            try:
                connection.handshakeServer(
                    certChain=chain, privateKey=key, settings=settings, alpn=[bytearray(b"http/1.1")]
                )
                connection.read(max=4096, min=1)
                connection.write(_PAGE)
                connection.close()
            except Exception:  # noqa: BLE001 - most of the lab's hellos are never finished
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    with Server((address, port), Handler) as server:
        server.serve_forever()


def main() -> None:
    address, port, folder, wanted = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
    settings = HandshakeSettings()
    for name, value in wanted.items():
        setattr(settings, name, tuple(value) if name in ("minVersion", "maxVersion") else value)
    if "versions" in wanted:
        settings.versions = [tuple(version) for version in wanted["versions"]]
    serve(address, port, folder / (sys.argv[5] if len(sys.argv) > 5 else "server"), settings)


if __name__ == "__main__":
    main()
