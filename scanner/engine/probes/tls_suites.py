"""Cipher suites and named groups by number, and the order in which they are offered."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import resources

from scanner.engine.facts.tls import TlsVersion

_TABLES: dict[str, dict[str, str]] = tomllib.loads(
    resources.files(__package__).joinpath("tls_suites.toml").read_text(encoding="utf-8")
)


def _numbered(table: str) -> dict[int, str]:
    return {int(number, 16): name for number, name in _TABLES[table].items()}


TLS13_SUITES = _numbered("tls13")
SSL2_SUITES = _numbered("ssl2")
TLCP_SUITES = _numbered("tlcp")
_CLASSIC = _numbered("tls")
NAMES: dict[int, str] = {**_CLASSIC, **TLS13_SUITES, **TLCP_SUITES, **SSL2_SUITES}

# AEAD, SHA-256 and SHA-384 suites are defined for TLS 1.2 only (RFC 5246 A.5, 5288 section 4, 5289 section 4).
_NEEDS_TLS12 = ("_GCM_", "_CCM", "_POLY1305", "_SHA256", "_SHA384", "_GOSTR341112", "_OMAC", "_MGM")

_RARE = ("PSK", "KRB5", "SRP", "_DSS_", "GOST", "ECCPWD", "_DH_RSA", "_ECDH_", "ARIA", "CAMELLIA", "SEED", "IDEA")


def _rank(number: int) -> tuple[int, bool, bool, int]:
    """Order common before rare and strong before weak, so that the first 64 hold what servers really use."""
    name = _CLASSIC[number]
    rare = 2 if any(part in name for part in _RARE[:6]) else int(any(part in name for part in _RARE[6:]))
    return rare, "DHE_" not in name, not ("GCM" in name or "POLY1305" in name), -number


_OFFER = tuple(sorted(_CLASSIC, key=_rank))
_OLD_OFFER = tuple(number for number in _OFFER if not any(part in _CLASSIC[number] for part in _NEEDS_TLS12))


def offer(version: TlsVersion) -> tuple[int, ...]:
    """Return every suite that may be offered under ``version``, the common ones first."""
    if version is TlsVersion.TLS13:
        return (0x1301, 0x1302, 0x1303, *(number for number in TLS13_SUITES if number not in (0x1301, 0x1302, 0x1303)))
    if version is TlsVersion.TLCP:
        return tuple(TLCP_SUITES)
    if version is TlsVersion.SSL2:
        return tuple(SSL2_SUITES)
    return _OFFER if version is TlsVersion.TLS12 else _OLD_OFFER


_PIECES = ("TLS_ECDHE_RSA", "TLS_ECDHE_ECDSA", "TLS_DHE_RSA", "TLS_RSA", "TLS_ECDH_anon", "TLS_DH_anon", "TLS_DHE_DSS")


def by_exchange(suites: Iterable[int]) -> list[list[int]]:
    """Sort suites of TLS 1.2 and older by their key exchange; the rare ones are together in the last list."""
    pieces: dict[str, list[int]] = {exchange: [] for exchange in (*_PIECES, "")}
    for suite in suites:
        exchange = name_of(suite).partition("_WITH_")[0]
        pieces[exchange if exchange in pieces else ""].append(suite)
    return [piece for piece in pieces.values() if piece]


def name_of(number: int) -> str:
    """Return the IANA name of a suite, or its number when it has none."""
    return NAMES.get(number, f"0x{number:04X}")


# IANA registry "TLS Supported Groups": number, name. Bits are those of the field (RFC 8422, 7027, 7919, 8998).
_GROUP_TABLE = """
1 sect163k1 163|2 sect163r1 163|3 sect163r2 163|4 sect193r1 193|5 sect193r2 193|6 sect233k1 233|7 sect233r1 233
8 sect239k1 239|9 sect283k1 283|10 sect283r1 283|11 sect409k1 409|12 sect409r1 409|13 sect571k1 571
14 sect571r1 571|15 secp160k1 160|16 secp160r1 160|17 secp160r2 160|18 secp192k1 192|19 secp192r1 192
20 secp224k1 224|21 secp224r1 224|22 secp256k1 256|23 secp256r1 256|24 secp384r1 384|25 secp521r1 521
26 brainpoolP256r1 256|27 brainpoolP384r1 384|28 brainpoolP512r1 512|29 x25519 255|30 x448 448
31 brainpoolP256r1tls13 256|32 brainpoolP384r1tls13 384|33 brainpoolP512r1tls13 512|41 curveSM2 256
256 ffdhe2048 2048|257 ffdhe3072 3072|258 ffdhe4096 4096|259 ffdhe6144 6144|260 ffdhe8192 8192
512 MLKEM512 0|513 MLKEM768 0|514 MLKEM1024 0|4587 SecP256r1MLKEM768 256|4588 X25519MLKEM768 255
4589 SecP384r1MLKEM1024 384|25497 X25519Kyber768Draft00 255
"""
GROUPS: dict[int, tuple[str, int]] = {
    int(number): (name, int(bits))
    for number, name, bits in (row.split() for row in _GROUP_TABLE.replace("\n", "|").split("|") if row)
}
GROUPS_TLS12 = (29, 23, 24, 25, 30, 28, 27, 26, 22, *range(14, 0, -1), *range(21, 14, -1))
GROUPS_TLS13 = (29, 23, 24, 25, 30, 4588, 4587, 4589, 25497, 256, 257, 258, 259, 260, 31, 32, 33, 41, 512, 513, 514)
CURVES_BELOW_256 = tuple(number for number in range(1, 22) if GROUPS[number][1] < 256)


def group_name(number: int) -> str:
    """Return the IANA name of a group, or its number when it has none."""
    return GROUPS[number][0] if number in GROUPS else f"0x{number:04X}"
