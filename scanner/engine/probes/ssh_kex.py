"""The key exchanges that our side of SSH can do: X25519, NIST P-256, the 2048-bit group 14 and the 1024-bit group 1."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.ssh_transport import mpint, string

# RFC 3526 section 3.
_GROUP14 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)
# RFC 2409 section 6.2: the only group of many old devices, whose host keys are as short.
_GROUP1 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
_BAD_VALUE = "The server's key exchange value is not valid."


class KeyExchange(Protocol):
    """One exchange. ``public`` is our value as it stands in our message, ``secret`` the shared one as an mpint."""

    request: int
    reply: int
    public: bytes
    hash_name: str

    def secret(self, theirs: bytes) -> bytes:
        """Return the shared secret. Raises ``UnexpectedReply`` when the server's value is no valid one."""


class _X25519:
    """RFC 8731."""

    request, reply = 30, 31
    hash_name = "sha256"

    def __init__(self) -> None:
        self._private = x25519.X25519PrivateKey.generate()
        self.public = string(self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def secret(self, theirs: bytes) -> bytes:
        try:
            shared = self._private.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))
        except ValueError as error:
            raise UnexpectedReply(_BAD_VALUE) from error
        return mpint(int.from_bytes(shared, "big"))


class _P256:
    """RFC 5656 section 4."""

    request, reply = 30, 31
    hash_name = "sha256"

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = string(self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def secret(self, theirs: bytes) -> bytes:
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        except ValueError as error:
            raise UnexpectedReply(_BAD_VALUE) from error
        return mpint(int.from_bytes(self._private.exchange(ec.ECDH(), peer), "big"))


class _Group14:
    """RFC 4253 section 8 with the group of RFC 3526 section 3."""

    request, reply = 30, 31
    hash_name = "sha256"
    prime = _GROUP14

    def __init__(self) -> None:
        self._private = secrets.randbits(512)
        self.public = mpint(pow(2, self._private, self.prime))

    def secret(self, theirs: bytes) -> bytes:
        value = int.from_bytes(theirs, "big")
        if not 1 < value < self.prime - 1:
            raise UnexpectedReply(_BAD_VALUE)
        return mpint(pow(value, self._private, self.prime))


class _Group14Sha1(_Group14):
    hash_name = "sha1"


class _Group1Sha1(_Group14Sha1):
    """RFC 4253 section 8.1."""

    prime = _GROUP1


METHODS: dict[str, Callable[[], KeyExchange]] = {
    "curve25519-sha256": _X25519,
    "curve25519-sha256@libssh.org": _X25519,
    "ecdh-sha2-nistp256": _P256,
    "diffie-hellman-group14-sha256": _Group14,
    "diffie-hellman-group14-sha1": _Group14Sha1,
    "diffie-hellman-group1-sha1": _Group1Sha1,
}
