"""Key exchanges against quantum computers: ML-KEM or sntrup761 beside an elliptic curve.

Servers may offer nothing else. Our keys of the lattice half are chosen so that what the server enciphers for them can
be read without any lattice arithmetic: ML-KEM's vector is zero, so that the message stands in the ciphertext as it is,
and sntrup761's polynomial is the constant 3, so that the secret is the ciphertext's third. Nothing depends on the
secrecy of what is exchanged, only on reaching the next message; servers can't tell the difference.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.ssh_transport import string

_BAD_VALUE = "The server's key exchange value is not valid."


class _Half(Protocol):
    """One of the two exchanges. ``answer_size`` is how many bytes of the server's value are its."""

    public: bytes
    answer_size: int

    def shared(self, theirs: bytes) -> bytes:
        """Return the shared secret. Raises ``ValueError`` when the server's value is no valid one."""


class _MlKem:
    """FIPS 203 with ``rank`` 3 (ML-KEM-768) or 4 (ML-KEM-1024)."""

    _FIRST_BITS, _SECOND_BITS = {3: 10, 4: 11}, {3: 4, 4: 5}
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


_P, _Q = 761, 4591
"""Degree and modulus of sntrup761 (NTRU Prime: round 3, section 3)."""

_MIDDLE = 765
"""What the rounded coefficient 0 is encoded as: (q - 1) / 2 / 3."""


class _Sntrup761:
    answer_size = 1039

    def __init__(self) -> None:
        zero = (_Q - 1) // 2
        self.public = _encode([zero + 3, *[zero] * (_P - 1)], [_Q] * _P)

    def shared(self, theirs: bytes) -> bytes:
        small = [value - _MIDDLE + 1 for value in _decode(theirs[:-32], [(_Q + 2) // 3] * _P)]
        if not set(small) <= {0, 1, 2}:
            raise ValueError(_BAD_VALUE)
        small += [0] * (-_P % 4)
        secret = bytes(sum(small[at + place] << (2 * place) for place in range(4)) for at in range(0, _P, 4))
        return _tagged(1, _tagged(3, secret) + theirs)


def _tagged(tag: int, data: bytes) -> bytes:
    return hashlib.sha512(bytes((tag,)) + data).digest()[:32]


_RADIX = 16384


def _encode(values: Sequence[int], moduli: Sequence[int]) -> bytes:
    """Write integers, each below its modulus, in as few bytes as NTRU Prime's ``Encode`` does (section 3.2)."""
    if len(values) == 1:
        return _low_bytes(values[0], moduli[0], 1)[0]
    written = b""
    above: list[int] = []
    moduli_above: list[int] = []
    for at in range(0, len(values) - 1, 2):
        pair = values[at] + moduli[at] * values[at + 1]
        low, value, modulus = _low_bytes(pair, moduli[at] * moduli[at + 1], _RADIX - 1)
        written += low
        above.append(value)
        moduli_above.append(modulus)
    odd = len(values) % 2
    return written + _encode([*above, *values[-1:][:odd]], [*moduli_above, *moduli[-1:][:odd]])


def _low_bytes(value: int, modulus: int, enough: int) -> tuple[bytes, int, int]:
    """Take bytes off the low end until the modulus is at most ``enough``; return them, and what is left of both."""
    low = bytearray()
    while modulus > enough:
        low.append(value % 256)
        value, modulus = value // 256, (modulus + 255) // 256
    return bytes(low), value, modulus


def _decode(data: bytes, moduli: Sequence[int]) -> list[int]:
    """Read what :func:`_encode` wrote; any bytes of the right number are something."""
    if len(moduli) == 1:
        return [int.from_bytes(data, "little") % moduli[0]]
    bottom: list[tuple[int, int]] = []
    moduli_above: list[int] = []
    for at in range(0, len(moduli) - 1, 2):
        zeros, _, modulus = _low_bytes(0, moduli[at] * moduli[at + 1], _RADIX - 1)
        bottom.append((int.from_bytes(data[: len(zeros)], "little"), len(zeros)))
        data = data[len(zeros) :]
        moduli_above.append(modulus)
    odd = len(moduli) % 2
    above = _decode(data, [*moduli_above, *moduli[-1:][:odd]])
    values: list[int] = []
    for at, (low, size) in enumerate(bottom):
        pair = low + (above[at] << (8 * size))
        first, second = moduli[2 * at], moduli[2 * at + 1]
        values += [pair % first, pair // first % second]
    return values + above[len(bottom) :]


class _X25519:
    answer_size = 32

    def __init__(self) -> None:
        self._private = x25519.X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def shared(self, theirs: bytes) -> bytes:
        return self._private.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))


class _Nist:
    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._private = ec.generate_private_key(curve)
        self.public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.answer_size = len(self.public)

    def shared(self, theirs: bytes) -> bytes:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(self._private.curve, theirs)
        return self._private.exchange(ec.ECDH(), peer)


class Hybrid:
    """Both halves in one message each way, and a hash of both secrets (draft-ietf-sshm-mlkem-hybrid-kex)."""

    request, reply = 30, 31
    agreed = b""

    def __init__(self, hash_name: str, lattice: _Half, curve: _Half) -> None:
        self.hash_name = hash_name
        self.public = string(lattice.public + curve.public)
        self._lattice, self._curve = lattice, curve

    def secret(self, theirs: bytes) -> bytes:
        """Return the shared secret as a string. Raises ``UnexpectedReply`` when the server's value is no valid one."""
        size = self._lattice.answer_size
        if len(theirs) != size + self._curve.answer_size:
            raise UnexpectedReply(_BAD_VALUE)
        try:
            both = self._lattice.shared(theirs[:size]) + self._curve.shared(theirs[size:])
        except ValueError as error:
            raise UnexpectedReply(_BAD_VALUE) from error
        return string(hashlib.new(self.hash_name, both).digest())


def sntrup761_x25519() -> Hybrid:
    """Return draft-ietf-sshm-ntruprime-ssh's exchange, under whichever of its two names."""
    return Hybrid("sha512", _Sntrup761(), _X25519())


def mlkem768_x25519() -> Hybrid:
    return Hybrid("sha256", _MlKem(3), _X25519())


def mlkem768_nistp256() -> Hybrid:
    return Hybrid("sha256", _MlKem(3), _Nist(ec.SECP256R1()))


def mlkem1024_nistp384() -> Hybrid:
    return Hybrid("sha384", _MlKem(4), _Nist(ec.SECP384R1()))
