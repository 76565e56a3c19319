"""A TLS 1.2 server with one of the flaws of old libraries: ``address port folder mode``.

``heartbleed`` answers a heartbeat that claims more than it holds (CVE-2014-0160), with bytes of its own making, never
memory; ``ccs`` takes a ChangeCipherSpec before the keys are there (CVE-2014-0224); ``robot`` tells bad PKCS #1 padding
from good (Bleichenbacher's oracle). No package contains a library with these flaws any more, so they are added to
tlslite-ng here, as the advisories describe what a client sees of them.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

from tlslite import keyexchange
from tlslite.api import HandshakeSettings

from tests.lab.tlslite_server import serve

_CHANGE_CIPHER_SPEC, _HEARTBEAT = 20, 24
_BAD_RECORD_MAC = b"\x15\x03\x03\x00\x02\x02\x14"
_HEARTBEAT_REPLY = b"\x18\x03\x03\x40\x00" + b"\x02\x3f\xfd" + b"\x01" * 0x3FFD


class _Flawed:
    """A socket that handles some records as the flawed library did, and hands the others on, one at a time."""

    def __init__(self, real: socket.socket, mode: str) -> None:
        self._real = real
        self._mode = mode
        self._ready = b""
        self._records = 0
        self._plain = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def recv(self, size: int) -> bytes:
        if self._plain and not self._ready:
            return self._real.recv(size)
        while not self._ready:
            record = self._record()
            self._records += 1
            if record[:1] == bytes([_HEARTBEAT]) and self._mode == "heartbleed":
                self._real.sendall(_HEARTBEAT_REPLY)
            elif record[:1] == bytes([_CHANGE_CIPHER_SPEC]) and self._records == 2 and self._mode == "ccs":
                self._record()
                self._real.sendall(_BAD_RECORD_MAC)
                raise ConnectionAbortedError("an early ChangeCipherSpec was taken")
            else:
                self._ready = record
                break
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def _record(self) -> bytes:
        """Return the next record; what is none, as an SSL 2.0 hello, is handed on from there as it comes."""
        head = self._exactly(5)
        self._plain = head[0] not in range(20, 25)
        return head if self._plain else head + self._exactly(int.from_bytes(head[3:5], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._real.recv(size - len(data))
            if not part:
                raise ConnectionResetError("the client has gone")
            data += part
        return data


def _tell_bad_padding(self: Any, message: Any) -> bytearray:
    """Decrypt the premaster secret, and break off where its padding is wrong."""
    plain = self.privateKey._raw_private_key_op_bytes(message.encryptedPreMasterSecret)
    if plain[:2] != b"\x00\x02" or len(plain) < 59 or plain[-49] != 0:
        raise ConnectionAbortedError("bad padding")
    return bytearray(plain[-48:])


def main() -> None:
    address, port, folder, mode = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    settings.versions = [(3, 3)]
    settings.cipherNames = ["aes128gcm", "aes128"]
    settings.keyExchangeNames = ["ecdhe_rsa", "rsa"]
    settings.use_heartbeat_extension = False
    if mode == "robot":
        keyexchange.RSAKeyExchange.processClientKeyExchange = _tell_bad_padding
    serve(address, port, folder / "server", settings, lambda connected: _Flawed(connected, mode))


if __name__ == "__main__":
    main()
