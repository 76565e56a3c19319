"""Key exchanges against quantum computers: ML-KEM or sntrup761 beside an elliptic curve.

Servers may offer nothing else. Our keys of the lattice half are chosen so that what the server enciphers for them can
be read without any lattice arithmetic: ML-KEM's as :mod:`.key_agreement` says, and sntrup761's polynomial is the
constant 3, so that the secret is the ciphertext's third. Nothing depends on the secrecy of what is exchanged, only on
reaching the next message; servers can't tell the difference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.key_agreement import X25519, Curve, Half, MlKem
from scanner.engine.probes.ssh_transport import string

_BAD_VALUE = "The server's key exchange value is not valid."


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


class Hybrid:
    """Both halves in one message each way, and a hash of both secrets (draft-ietf-sshm-mlkem-hybrid-kex)."""

    request, reply = 30, 31
    agreed = b""

    def __init__(self, hash_name: str, lattice: Half, curve: Half) -> None:
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
    return Hybrid("sha512", _Sntrup761(), X25519())


def mlkem768_x25519() -> Hybrid:
    return Hybrid("sha256", MlKem(3), X25519())


def mlkem768_nistp256() -> Hybrid:
    return Hybrid("sha256", MlKem(3), Curve(ec.SECP256R1()))


def mlkem1024_nistp384() -> Hybrid:
    return Hybrid("sha384", MlKem(4), Curve(ec.SECP384R1()))
