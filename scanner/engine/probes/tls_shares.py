"""Key shares of TLS 1.3 by the number of their group: those that are understood here, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec

from scanner.engine.probes.key_agreement import X448, X25519, Curve, FiniteField, Half, MlKem

_HALVES: dict[int, tuple[Callable[[], Half], ...]] = {
    29: (X25519,),
    23: (partial(Curve, ec.SECP256R1()),),
    24: (partial(Curve, ec.SECP384R1()),),
    25: (partial(Curve, ec.SECP521R1()),),
    30: (X448,),
    31: (partial(Curve, ec.BrainpoolP256R1()),),
    32: (partial(Curve, ec.BrainpoolP384R1()),),
    33: (partial(Curve, ec.BrainpoolP512R1()),),
    4588: (partial(MlKem, 3), X25519),
    4587: (partial(Curve, ec.SECP256R1()), partial(MlKem, 3)),
    4589: (partial(Curve, ec.SECP384R1()), partial(MlKem, 4)),
    512: (partial(MlKem, 2),),
    513: (partial(MlKem, 3),),
    514: (partial(MlKem, 4),),
    256: (partial(FiniteField, 2048),),
    257: (partial(FiniteField, 3072),),
    258: (partial(FiniteField, 4096),),
    259: (partial(FiniteField, 6144),),
    260: (partial(FiniteField, 8192),),
}
"""By preference: what takes least comes first. Hybrids have two halves (draft-ietf-tls-ecdhe-mlkem), in that order."""


def choose(groups: Sequence[int]) -> int:
    """Return which of the server's groups to exchange keys in; x25519 where none is understood."""
    return next((group for group in _HALVES if group in groups), 29)


class Share:
    """Our fresh share of one group."""

    def __init__(self, group: int) -> None:
        self._halves = [half() for half in _HALVES[group]]
        self.public = b"".join(half.public for half in self._halves)

    def secret(self, theirs: bytes) -> bytes:
        """Return the secret that both sides then have. Raises ``ValueError`` when the server's share is not valid."""
        if len(theirs) != sum(half.answer_size for half in self._halves):
            raise ValueError("The server's share has the wrong length.")
        found = b""
        for half in self._halves:
            found += half.shared(theirs[: half.answer_size])
            theirs = theirs[half.answer_size :]
        return found
