"""Halves of key exchanges: ours to send, and what to make of the server's answer. Nothing depends on their secrecy.

ML-KEM's vector in our key is zero, so that what the server enciphers for it stands in the ciphertext as it is, and can
be read without any lattice arithmetic; servers can't tell the difference.
"""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Half(Protocol):
    """One exchange. ``answer_size`` is how many bytes of the server's value are its."""

    public: bytes
    answer_size: int

    def shared(self, theirs: bytes) -> bytes:
        """Return the shared secret. Raises ``ValueError`` when the server's value is no valid one."""


class MlKem:
    """FIPS 203 with ``rank`` 2 (ML-KEM-512), 3 (ML-KEM-768) or 4 (ML-KEM-1024)."""

    _FIRST_BITS, _SECOND_BITS = {2: 10, 3: 10, 4: 11}, {2: 4, 3: 4, 4: 5}
    """Bits that a coefficient takes in the two parts of a ciphertext (FIPS 203, table 2)."""

    def __init__(self, rank: int) -> None:
        self.public = bytes(384 * rank) + os.urandom(32)
        self._bits = self._SECOND_BITS[rank]
        self._skipped = 32 * self._FIRST_BITS[rank] * rank
        self.answer_size = self._skipped + 32 * self._bits

    def shared(self, theirs: bytes) -> bytes:
        coefficients = int.from_bytes(theirs[self._skipped :], "little")
        quarter = 1 << (self._bits - 2)
        message = 0
        for at in range(256):
            coefficient = (coefficients >> (self._bits * at)) % (1 << self._bits)
            message |= (quarter <= coefficient < 3 * quarter) << at
        digest = hashlib.sha3_256(self.public).digest()
        return hashlib.sha3_512(message.to_bytes(32, "little") + digest).digest()[:32]


class X25519:
    """RFC 7748."""

    answer_size = 32

    def __init__(self) -> None:
        self._private = x25519.X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def shared(self, theirs: bytes) -> bytes:
        return self._private.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))


class Curve:
    """An elliptic curve in the form of Weierstrass: NIST's and Brainpool's."""

    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._private = ec.generate_private_key(curve)
        self.public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.answer_size = len(self.public)

    def shared(self, theirs: bytes) -> bytes:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(self._private.curve, theirs)
        return self._private.exchange(ec.ECDH(), peer)


class X448:
    """RFC 7748."""

    answer_size = 56

    def __init__(self) -> None:
        self._private = x448.X448PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def shared(self, theirs: bytes) -> bytes:
        return self._private.exchange(x448.X448PublicKey.from_public_bytes(theirs))


_ADDED = {2048: 560316, 3072: 2625351, 4096: 5736041, 6144: 15705020, 8192: 10965728}
"""What makes each of the numbers of RFC 7919 appendix A a prime."""
_EXPONENT_SIZE = 64
"""Bytes of our secret: twice what the largest group is worth (RFC 7919 section 5.2)."""


class FiniteField:
    """The groups of RFC 7919, whose primes are made of the digits of e (appendix A), with the generator 2."""

    def __init__(self, bits: int) -> None:
        self.prime = (1 << bits) - (1 << (bits - 64)) + ((_digits_of_e(bits - 130) + _ADDED[bits]) << 64) - 1
        self.answer_size = bits // 8
        self._exponent = int.from_bytes(os.urandom(_EXPONENT_SIZE))
        self.public = pow(2, self._exponent, self.prime).to_bytes(self.answer_size)

    def shared(self, theirs: bytes) -> bytes:
        value = int.from_bytes(theirs)
        if not 1 < value < self.prime - 1:
            raise ValueError("The value is no member of the group.")
        return pow(value, self._exponent, self.prime).to_bytes(self.answer_size)


def _digits_of_e(bits: int) -> int:
    """Return e * 2**bits, rounded down: the sum of 1/n!."""
    guard = 64
    total, term, number = 0, 1 << (bits + guard), 0
    while term:
        total += term
        number += 1
        term //= number
    return total >> guard
