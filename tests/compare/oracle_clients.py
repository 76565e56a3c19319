"""What sslyze's two TLS clients can offer, which decides what it can find.

It carries OpenSSL 1.0.2 for everything up to TLS 1.2, and 1.1.1 for TLS 1.3, for suites that the older one lacks, and
for finding out whether a server speaks TLS 1.2. The lists are those of the hellos that they send.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from enum import Enum
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from scanner.engine.facts.tls import AcceptedSuite, TlsFacts, TlsVersion

_NEWER = re.compile(r"CHACHA20|_CCM|ARIA|CAMELLIA_\d+_(CBC_SHA(256|384)|GCM)|_DHE_RSA_WITH_3DES")
"""Suites of TLS 1.2 that sslyze asks for with the newer client; it knows the last by the newer name only."""
_NOT_IN_OLDER = re.compile(r"CHACHA20|_CCM|ARIA|CAMELLIA_\d+_(CBC_SHA(256|384)|GCM)")
_NOT_IN_NEWER = re.compile(r"NULL|_anon_|RC4|RC2|_DES_|EXPORT|MD5")
SHORTEST_PRIME = 1024
"""Bits of a DH prime below which both break off."""


class Client(Enum):
    """One of the two, with the curves that it offers for choice."""

    OLDER = frozenset(
        {
            *("secp256r1", "secp384r1", "secp521r1", "secp256k1", "sect283k1", "sect283r1", "sect409k1", "sect409r1"),
            *("sect571k1", "sect571r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"),
        }
    )
    NEWER = frozenset({"x25519", "x448", "secp256r1", "secp384r1", "secp521r1"})


def client_for(suite: AcceptedSuite) -> Client:
    """Return the client with which sslyze asks for one suite."""
    newer = suite.version is TlsVersion.TLS13 or (suite.version is TlsVersion.TLS12 and _NEWER.search(suite.suite))
    return Client.NEWER if newer else Client.OLDER


def offers(client: Client, suite: AcceptedSuite) -> bool:
    """Tell whether the client has this suite at all, and takes the prime that goes with it."""
    pattern = _NOT_IN_NEWER if client is Client.NEWER else _NOT_IN_OLDER
    too_short = suite.prime_sha256 and suite.group_bits < SHORTEST_PRIME
    return not pattern.search(suite.suite) and not too_short


def reaches(client: Client, suite: AcceptedSuite, facts: TlsFacts) -> bool:
    """Tell whether the client can finish the server's first flight with ``suite``: it needs a group of the server's
    and, where the key is an elliptic one, the key's curve among those that it offers."""
    if suite.version is TlsVersion.TLS13:
        return client is Client.NEWER and bool(client.value & {*facts.groups})
    if "_ECDH" in suite.suite and not client.value & {*facts.groups}:
        return False
    return "_ECDSA_" not in suite.suite or any(_takes(client, key) for key in leaf_keys(facts) if key != "RSA")


def _takes(client: Client, key: str) -> bool:
    return key in client.value or (key == "ED25519" and client is Client.NEWER)


def leaf_keys(facts: TlsFacts) -> Iterator[str]:
    """Yield what kind of key each leaf has: ``RSA``, the name of a curve, or the algorithm in capitals."""
    for leaf, *_ in facts.chains:
        yield key_of(leaf)


@cache
def key_of(leaf: str) -> str:
    """Return the kind of key of a certificate, base64 DER, as :func:`leaf_keys` names it."""
    key = x509.load_der_x509_certificate(b64decode(leaf)).public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    return (
        "RSA" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__.removesuffix("PublicKey").upper().strip("_")
    )


def authenticated_by(suite: AcceptedSuite, key: str) -> bool:
    """Tell whether a suite of TLS 1.2 or older shows a leaf with such a key."""
    exchange = suite.suite.partition("_WITH_")[0]
    if "anon" in exchange:
        return False
    return ("_RSA" in exchange) == (key == "RSA")
