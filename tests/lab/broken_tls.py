"""Answers hellos as servers did that no package contains any more: SSL 2.0, export suites, TLCP and the like.

``address port folder mode``, where mode is ``ssl2``, ``export``, ``tlcp``, ``des``, ``compression`` (DEFLATE is taken),
``plain`` (TLS 1.2 and nothing odd) or ``no-scsv`` (TLS 1.1 and 1.2, and RFC 7507's signal is not noticed). It speaks
up to the end of the server's first flight, which is all that an inspection sees; there is no real server in Debian
that still does this.
"""

from __future__ import annotations

import os
import socketserver
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

EXPORT_SUITES = (0x0003, 0x0006, 0x0008, 0x0062, 0x0064)
TLCP_SUITES = (0xE013, 0xE053)
MODES = {
    "export": ((0x0301,), EXPORT_SUITES),
    "tlcp": ((0x0101,), TLCP_SUITES),
    "des": ((0x0301,), (0x0009, 0x000A)),
    "compression": ((0x0303,), (0x002F, 0x0035)),
    "plain": ((0x0303,), (0x002F, 0x0035)),
    "no-scsv": ((0x0302, 0x0303), (0x002F, 0x0035)),
}
"""Mode → versions spoken and suites taken."""

HANDSHAKE_FAILURE, PROTOCOL_VERSION = 40, 70


def _vector(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _ssl2_hello(certificate: bytes) -> bytes:
    specs = bytes.fromhex("0100800700c0")
    body = b"\x04\x00\x01\x00\x02" + b"".join(len(part).to_bytes(2, "big") for part in (certificate, specs, bytes(16)))
    body += certificate + specs + os.urandom(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def offered(message: bytes) -> tuple[int, tuple[int, ...], bytes]:
    """Return the version, the suites and the compression methods of a ClientHello."""
    version = int.from_bytes(message[4:6], "big")
    at = 39 + message[38]
    length = int.from_bytes(message[at : at + 2], "big")
    suites = message[at + 2 : at + 2 + length]
    methods = message[at + 2 + length + 1 : at + 2 + length + 1 + message[at + 2 + length]]
    return version, tuple(int.from_bytes(suites[i : i + 2], "big") for i in range(0, length, 2)), methods


def _flight(version: int, suite: int, compression: int, chain: list[bytes]) -> bytes:
    chosen = suite.to_bytes(2, "big") + bytes([compression])
    hello = version.to_bytes(2, "big") + os.urandom(32) + b"\x00" + chosen
    messages = b"\x02" + _vector(hello, 3)
    messages += b"\x0b" + _vector(_vector(b"".join(_vector(der, 3) for der in chain), 3), 3)
    messages += b"\x0e\x00\x00\x00"
    return b"\x16" + version.to_bytes(2, "big") + _vector(messages, 2)


def alert(code: int) -> bytes:
    return b"\x15\x03\x01\x00\x02\x02" + bytes([code])


def answer(mode: str, data: bytes, chain: list[bytes]) -> bytes:
    """Return what this server says to the first bytes of a client; nothing makes it close the connection."""
    if data[:1] >= b"\x80":
        return _ssl2_hello(chain[0]) if mode == "ssl2" else b""
    if mode == "ssl2" or data[:1] != b"\x16":
        return b""
    version, suites, methods = offered(data[5:])
    known, own = MODES[mode]
    if version not in known:
        return alert(PROTOCOL_VERSION)
    chosen = next((suite for suite in own if suite in suites), None)
    compression = int(mode == "compression" and 1 in methods)
    return _flight(version, chosen, compression, chain) if chosen else alert(HANDSHAKE_FAILURE)


def main() -> None:
    address, port, folder, mode = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    certificates = x509.load_pem_x509_certificates((folder / "server.pem").read_bytes())
    chain = [certificate.public_bytes(Encoding.DER) for certificate in certificates]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(3)
            try:
                reply = answer(mode, self.request.recv(16_384), chain)
                self.request.sendall(reply)
                if reply:
                    self.request.recv(1)
            except (OSError, IndexError):
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    with Server((address, port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
