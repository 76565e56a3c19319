"""The key exchanges that our side of SSH can do: X25519, NIST's curves, the named groups and those a server chooses.

Last, as they take more, come those of :mod:`.ssh_hybrid`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.ssh_hybrid import mlkem768_nistp256, mlkem768_x25519, mlkem1024_nistp384, sntrup761_x25519
from scanner.engine.probes.ssh_transport import mpint, string

# RFC 2409 section 6.2: the only group of many old devices, whose host keys are as short.
_GROUP1 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
_ADDENDS = {2048: 124476, 4096: 240904, 8192: 4743158}
"""By a prime's size in bits, the one number of its definition that is its own (RFC 3526 sections 3, 5 and 7)."""

_BAD_VALUE = "The server's key exchange value is not valid."

_LEAST_BITS, _MOST_BITS = 512, 8192
"""Sizes of a chosen group that are worked with: below there is no server, above it would cost seconds."""


class KeyExchange(Protocol):
    """One exchange. ``public`` is our value as it stands in our message, ``secret`` the shared one as an mpint.

    ``agreed`` is what is hashed before it of what both sides settled first.
    """

    request: int
    reply: int
    public: bytes
    agreed: bytes
    hash_name: str

    def secret(self, theirs: bytes) -> bytes:
        """Return the shared secret. Raises ``UnexpectedReply`` when the server's value is no valid one."""


class _X25519:
    """RFC 8731."""

    request, reply = 30, 31
    agreed = b""
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
    agreed = b""
    hash_name = "sha256"
    curve: ec.EllipticCurve = ec.SECP256R1()

    def __init__(self) -> None:
        self._private = ec.generate_private_key(self.curve)
        self.public = string(self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def secret(self, theirs: bytes) -> bytes:
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, theirs)
        except ValueError as error:
            raise UnexpectedReply(_BAD_VALUE) from error
        return mpint(int.from_bytes(self._private.exchange(ec.ECDH(), peer), "big"))


class _P384(_P256):
    hash_name = "sha384"
    curve = ec.SECP384R1()


class _P521(_P256):
    hash_name = "sha512"
    curve = ec.SECP521R1()


class _FiniteField:
    """RFC 4253 section 8."""

    request, reply = 30, 31
    agreed = b""
    hash_name = "sha256"

    def __init__(self, prime: int, generator: int = 2) -> None:
        self._prime = prime
        self._private = secrets.randbits(512)
        self.public = mpint(pow(generator, self._private, prime))

    def secret(self, theirs: bytes) -> bytes:
        value = int.from_bytes(theirs, "big")
        if not 1 < value < self._prime - 1:
            raise UnexpectedReply(_BAD_VALUE)
        return mpint(pow(value, self._private, self._prime))


class _Sha1(_FiniteField):
    hash_name = "sha1"


class _Sha512(_FiniteField):
    hash_name = "sha512"


@cache
def more_modular_prime(bits: int) -> int:
    """Return the prime that RFC 3526 defines for this size: 2048, 4096 or 8192 bits."""
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((_pi(bits - 130) + _ADDENDS[bits]) << 64)


def _pi(bits: int) -> int:
    """Return pi times two to the power of ``bits``, rounded down, by Machin's formula."""
    one = 1 << (bits + 32)  # the low bits hold what rounding loses
    return (4 * (4 * _arctangent(5, one) - _arctangent(239, one))) >> 32


def _arctangent(inverse: int, one: int) -> int:
    power = total = one // inverse
    divisor, sign = 1, 1
    while power:
        power //= inverse * inverse
        divisor, sign = divisor + 2, -sign
        total += sign * (power // divisor)
    return total


class GroupExchange:
    """RFC 4419: the server chooses a group of about the size that is wished for, and the exchange follows in it."""

    request = 34
    reply = 31
    wish = b"".join(bits.to_bytes(4, "big") for bits in (1024, 2048, 8192))
    """The least, the preferred and the greatest size: the least is what servers of old have."""

    def __init__(self, kind: type[_FiniteField] = _FiniteField) -> None:
        self._kind = kind

    def within(self, prime: bytes, generator: bytes) -> KeyExchange:
        """Return the exchange in the group that the server chose. Raises ``UnexpectedReply`` when it is none."""
        modulus, base = int.from_bytes(prime, "big"), int.from_bytes(generator, "big")
        if not (_LEAST_BITS <= modulus.bit_length() <= _MOST_BITS and modulus % 2 and 1 < base < modulus - 1):
            raise UnexpectedReply(_BAD_VALUE)
        exchange = self._kind(modulus, base)
        exchange.request, exchange.reply = 32, 33
        exchange.agreed = self.wish + mpint(modulus) + mpint(base)
        return exchange


METHODS: dict[str, Callable[[], KeyExchange | GroupExchange]] = {
    "curve25519-sha256": _X25519,
    "curve25519-sha256@libssh.org": _X25519,
    "ecdh-sha2-nistp256": _P256,
    "ecdh-sha2-nistp384": _P384,
    "ecdh-sha2-nistp521": _P521,
    "diffie-hellman-group14-sha256": lambda: _FiniteField(more_modular_prime(2048)),
    "diffie-hellman-group14-sha1": lambda: _Sha1(more_modular_prime(2048)),
    "diffie-hellman-group16-sha512": lambda: _Sha512(more_modular_prime(4096)),
    "diffie-hellman-group18-sha512": lambda: _Sha512(more_modular_prime(8192)),
    "diffie-hellman-group-exchange-sha256": GroupExchange,
    "diffie-hellman-group-exchange-sha1": lambda: GroupExchange(_Sha1),
    "diffie-hellman-group1-sha1": lambda: _Sha1(_GROUP1),
    "mlkem768x25519-sha256": mlkem768_x25519,
    "sntrup761x25519-sha512": sntrup761_x25519,
    "sntrup761x25519-sha512@openssh.com": sntrup761_x25519,
    "mlkem768nistp256-sha256": mlkem768_nistp256,
    "mlkem1024nistp384-sha384": mlkem1024_nistp384,
}
