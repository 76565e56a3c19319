"""The key exchanges against quantum computers: what a right server enciphers for our keys, we read."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from kyber_py.ml_kem import ML_KEM_768, ML_KEM_1024  # type: ignore[import-untyped]  # the library has no types

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.ssh_hybrid import (
    Hybrid,
    mlkem768_nistp256,
    mlkem768_x25519,
    mlkem1024_nistp384,
    sntrup761_x25519,
)


def _value(exchange: Hybrid) -> bytes:
    return exchange.public[4:]


def test_the_message_of_ml_kem_is_read_out_of_its_ciphertext() -> None:
    exchange = mlkem768_x25519()
    ours = _value(exchange)
    lattice, ciphertext = ML_KEM_768.encaps(ours[:-32])
    server = x25519.X25519PrivateKey.generate()
    curve = server.exchange(x25519.X25519PublicKey.from_public_bytes(ours[-32:]))
    public = server.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    agreed = hashlib.sha256(lattice + curve).digest()
    assert exchange.secret(ciphertext + public) == len(agreed).to_bytes(4, "big") + agreed


@pytest.mark.parametrize(
    ("exchange", "server", "curve", "size", "hash_name"),
    [
        (mlkem768_nistp256(), ML_KEM_768, ec.SECP256R1(), 65, "sha256"),
        (mlkem1024_nistp384(), ML_KEM_1024, ec.SECP384R1(), 97, "sha384"),
    ],
)
def test_so_it_is_beside_nists_curves(
    exchange: Hybrid, server: Any, curve: ec.EllipticCurve, size: int, hash_name: str
) -> None:
    ours = _value(exchange)
    lattice, ciphertext = server.encaps(ours[:-size])
    private = ec.generate_private_key(curve)
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, ours[-size:]))
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    agreed = hashlib.new(hash_name, lattice + shared).digest()
    assert exchange.secret(ciphertext + public)[4:] == agreed


@pytest.mark.parametrize("theirs", [b"", bytes(1039 + 32), bytes(1039 + 31), b"\xff" * (1039 + 32)])
def test_a_value_that_is_none_is_not_worked_with(theirs: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        sntrup761_x25519().secret(theirs)
