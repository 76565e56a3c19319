"""Random TLS server configurations from a seed: what ``openssl s_server``, GnuTLS, nginx and tlslite-ng can be told."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

RSA_KEYS = ("rsa1024", "rsa2048", "rsa3072")
EC_KEYS = ("p256", "p256", "p384", "p521", "brainpool256", "p224")
OTHER_KEYS = ("ed25519", "dsa1024")
DH_SIZES = (1024, 1536, 2048, 3072, 4096)
SHORT_DH_SIZES = (512, 768)
"""OpenSSL refuses to serve these at any security level; GnuTLS does not."""
VERSIONS = ("1.0", "1.1", "1.2", "1.3")

_CIPHERS = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-SHA256", "AES128-SHA", "AES256-SHA")
_SUITES = (
    *(f"{exchange}-{cipher}" for exchange in ("ECDHE-RSA", "ECDHE-ECDSA", "DHE-RSA") for cipher in _CIPHERS),
    *("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-CCM8", "AES256-CCM", "AES256-SHA256", "AES128-SHA"),
    *("AES256-SHA", "CAMELLIA256-SHA", "ARIA128-GCM-SHA256", "DHE-RSA-AES128-CCM", "ECDHE-ECDSA-AES128-CCM8"),
    *("DHE-DSS-AES128-SHA", "ECDHE-ARIA256-GCM-SHA384", "DHE-RSA-CAMELLIA256-SHA", "ECDHE-RSA-CAMELLIA128-SHA256"),
)
_WEAK_SUITES = (
    *("NULL-SHA256", "NULL-SHA", "NULL-MD5", "ECDHE-RSA-NULL-SHA", "ECDHE-ECDSA-NULL-SHA", "AECDH-NULL-SHA"),
    *("AECDH-AES128-SHA", "ADH-AES128-SHA", "ADH-AES256-GCM-SHA384", "ADH-CAMELLIA128-SHA256"),
)
_CLASSES = ("ALL", "DEFAULT", "HIGH", "kRSA", "kECDHE", "kDHE", "AES", "ARIA", "CAMELLIA", "SHA1", "AESCCM", "aECDSA")
_TLS13_SUITES = (
    *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
    *("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"),
)
_GROUPS = ("X25519", "P-256", "P-384", "P-521", "X448", "ffdhe2048", "ffdhe3072")
_ODD_GROUPS = (
    *("secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "secp224r1", "prime192v1", "secp160r1"),
    *("secp192k1", "sect163k1", "sect193r1", "sect233r1", "sect283k1", "sect571r1"),
)


class Kind(StrEnum):
    """The software behind a configuration."""

    S_SERVER = "openssl s_server"
    GNUTLS = "gnutls-serv"
    NGINX = "nginx"
    TLSLITE = "tlslite-ng"


SHARES = {Kind.NGINX: 46, Kind.S_SERVER: 30, Kind.GNUTLS: 18, Kind.TLSLITE: 6}
"""Of a hundred. nginx serves many configurations from one process; tlslite-ng counts in Python, and is slow."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One server. ``options`` are arguments (s_server, GnuTLS), directives (nginx) or one JSON text (tlslite-ng).

    ``keys`` names its key pairs; each has an address of its own, since nobody else may answer there.
    """

    number: int
    kind: Kind
    keys: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def address(self) -> str:
        return f"127.50.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def port(self) -> int:
        """gnutls-serv listens on all addresses, so that no two configurations may share a port."""
        return 20_000 + self.number

    def __str__(self) -> str:
        return f"{self.kind} {self.number} ({' '.join((*self.keys, *self.options))})"


def configurations(seed: int, count: int) -> list[Configuration]:
    """Return ``count`` configurations, spread over all kinds; the same ones for the same seed."""
    made = []
    for number in range(count):
        # A configuration depends on the seed and its number alone, so that a longer run begins like a shorter one.
        random_ = random.Random(f"{seed}-{number}")
        kind = _kind(number)
        keys, options = _MAKERS[kind](random_)
        made.append(Configuration(number, kind, keys, tuple(options)))
    return made


def _kind(number: int) -> Kind:
    """Deal the kinds out evenly: any stretch of the numbers has about the shares of the whole."""
    position = number * 61 % 100  # 61 is prime to 100, so every hundred numbers meet every position once
    for kind, share in SHARES.items():
        if position < share:
            return kind
        position -= share
    raise AssertionError("The shares don't sum to a hundred.")


def _some(random_: random.Random, pool: Sequence[str], most: int) -> list[str]:
    return random_.sample(pool, random_.randint(1, min(most, len(pool))))


def _chance(random_: random.Random, *weighted: tuple[float, Sequence[str]]) -> list[str]:
    """Return the words of every entry that comes up; the number is how often of a hundred times it does."""
    return [word for percent, words in weighted if random_.random() * 100 < percent for word in words]


def _versions(random_: random.Random) -> list[str]:
    """Return versions in ascending order: mostly a row of neighbours, now and then with a gap."""
    if random_.random() < 0.2:
        return sorted(_some(random_, VERSIONS, 4))
    low = random_.randrange(4)
    return list(VERSIONS[low : random_.randrange(low, 4) + 1])


def _keys(random_: random.Random) -> tuple[str, ...]:
    rsa, ec = random_.choice(RSA_KEYS), random_.choice(EC_KEYS)
    if random_.random() < 0.06:
        return (random_.choice(OTHER_KEYS),)
    return random_.choice([(rsa,), (rsa,), (ec,), (rsa, ec), (ec, rsa)])


def _openssl_ciphers(random_: random.Random) -> str:
    words = _some(random_, _CLASSES, 3) if random_.random() < 0.35 else _some(random_, _SUITES, 14)
    if random_.random() < 0.2:
        words += _some(random_, _WEAK_SUITES, 4)
    return ":".join([*words, "@SECLEVEL=0"])


def _openssl_groups(random_: random.Random) -> str:
    pool = _GROUPS + _ODD_GROUPS if random_.random() < 0.4 else _GROUPS
    return ":".join(_some(random_, pool, 6))


def _openssl_version(version: str) -> str:
    return "TLSv1" if version == "1.0" else f"TLSv{version}"


def _s_server(random_: random.Random) -> tuple[tuple[str, ...], list[str]]:
    versions = _versions(random_)
    options = ["-min_protocol", _openssl_version(versions[0]), "-max_protocol", _openssl_version(versions[-1])]
    options += [f"-no_tls{version.replace('.', '_')}" for version in VERSIONS[1:3] if version not in versions]
    options += ["-cipher", _openssl_ciphers(random_)]
    options += _chance(
        random_,
        (50, ("-dhparam", f"dh{random_.choice(DH_SIZES)}.pem")),
        (60, ("-groups", _openssl_groups(random_))),
        (40, ("-ciphersuites", ":".join(_some(random_, _TLS13_SUITES, 5)))),
        (50, ("-serverpref",)),
        (10, ("-no_dhe",)),
        (10, ("-legacy_renegotiation",)),
        (20, ("-client_renegotiation",)),
        (15, ("-no_renegotiation",)),
        (20, ("-num_tickets", str(random_.randrange(4)))),
        (15, ("-no_ticket",)),
        (15, ("-no_etm",)),
        (15, ("-prioritize_chacha",)),
        (15, ("-comp",)),
        (15, ("-max_send_frag", str(random_.choice((512, 600, 1024))))),
        (8, ("-verify", "1")),
        (10, ("-sigalgs", "RSA+SHA1:ECDSA+SHA1:RSA+SHA256:ECDSA+SHA256:RSA-PSS+SHA256")),
    )
    return _keys(random_), options


def _nginx(random_: random.Random) -> tuple[tuple[str, ...], list[str]]:
    protocols = " ".join(map(_openssl_version, _versions(random_)))
    directives = [f"ssl_protocols {protocols};", f"ssl_ciphers {_openssl_ciphers(random_)};"]
    directives += _chance(
        random_,
        (50, ("ssl_prefer_server_ciphers on;",)),
        (60, (f"ssl_ecdh_curve {_openssl_groups(random_)};",)),
        (50, (f"ssl_dhparam dh{random_.choice(DH_SIZES)}.pem;",)),
        (30, (f"ssl_conf_command Ciphersuites {':'.join(_some(random_, _TLS13_SUITES, 5))};",)),
        (20, ("ssl_conf_command Options -ExtendedMasterSecret;",)),
        (15, ("ssl_conf_command Options UnsafeLegacyRenegotiation;",)),
        (15, ("ssl_session_tickets off;",)),
        (10, ("ssl_verify_client optional_no_ca;",)),
        (10, ("ssl_conf_command SignatureAlgorithms RSA+SHA1:ECDSA+SHA1:RSA+SHA256:ECDSA+SHA256:RSA-PSS+SHA256;",)),
    )
    return _keys(random_), directives


def _gnutls(random_: random.Random) -> tuple[tuple[str, ...], list[str]]:
    ciphers = ("AES-256-GCM", "CHACHA20-POLY1305", "AES-128-CBC", "AES-256-CBC", "CAMELLIA-128-CBC")
    rare = ("3DES-CBC", "ARCFOUR-128", "AES-128-CCM", "AES-256-CCM-8", "CAMELLIA-256-GCM", "NULL")
    exchanges = ("ECDHE-RSA", "ECDHE-ECDSA", "DHE-RSA", "RSA", "ANON-DH", "ANON-ECDH")
    groups = ("X25519", "X448", "SECP192R1", "SECP224R1", "SECP256R1", "SECP384R1", "SECP521R1", "FFDHE2048")
    versions = _versions(random_)
    words = ["NONE", *(f"+VERS-TLS{version}" for version in versions)]
    # GnuTLS ends at the first connection when nothing that is allowed goes together, so one pair always does.
    words += ["+AES-128-GCM", "+AEAD", "+SHA256"]
    words += [f"+{cipher}" for cipher in _some(random_, ciphers, 5)]
    words += [f"+{cipher}" for cipher in _chance(random_, (50, _some(random_, rare[: 6 - (versions == ["1.3"])], 4)))]
    words += [f"+{mac}" for mac in _chance(random_, (70, ["SHA1"]), (40, ["SHA384"]), (40, ["MD5"]))]
    words += [f"+{exchange}" for exchange in _some(random_, exchanges, 5)]
    words += [f"+GROUP-{group}" for group in _some(random_, groups, 6)]
    words += ["+SIGN-ALL", "+SIGN-RSA-SHA1", "+SIGN-ECDSA-SHA1", "+COMP-NULL", "+CTYPE-X509"]
    words += _chance(
        random_,
        (40, ("%SERVER_PRECEDENCE",)),
        (15, ("%DISABLE_SAFE_RENEGOTIATION",)),
        (15, ("%UNSAFE_RENEGOTIATION",)),
        (20, ("%NO_SESSION_HASH",)),
        (15, ("%NO_ETM",)),
        (10, ("%COMPAT",)),
    )
    options = ["--priority", ":".join(words)]
    options += _chance(
        random_,
        (50, ("--dhparams", f"dh{random_.choice(SHORT_DH_SIZES + DH_SIZES)}.pem")),
        (70, ("--disable-client-cert",)),
        (20, ("--noticket",)),
    )
    rsa = random_.choice(RSA_KEYS)
    return random_.choice([(rsa,), (rsa,), ("p256",), (rsa, random_.choice(EC_KEYS[:4]))]), options


def _tlslite(random_: random.Random) -> tuple[tuple[str, ...], list[str]]:
    low = random_.randrange(4)
    high = random_.randrange(low, 5)
    settings: dict[str, object] = {
        "minVersion": (3, low),
        "maxVersion": (3, high),
        "versions": [(3, minor) for minor in range(high, low - 1, -1)],
        "cipherNames": _some(random_, ("aes128gcm", "aes256", "aes128", "3des", "rc4", "null", "aes128ccm"), 5),
        "macNames": ["aead", *_some(random_, ("sha", "sha256", "md5"), 3)],
        "keyExchangeNames": _some(random_, ("rsa", "dhe_rsa", "ecdhe_rsa"), 3),
        "eccCurves": _some(random_, ("x25519", "secp256r1", "secp384r1", "brainpoolP256r1"), 3),
        "keyShares": [],
        "dhGroups": ["ffdhe2048"],
        "useExtendedMasterSecret": random_.random() < 0.6,
        "useEncryptThenMAC": random_.random() < 0.5,
    }
    return (random_.choice(("rsa1024", "rsa2048")),), [json.dumps(settings)]


_MAKERS: dict[Kind, Callable[[random.Random], tuple[tuple[str, ...], list[str]]]] = {
    Kind.S_SERVER: _s_server,
    Kind.NGINX: _nginx,
    Kind.GNUTLS: _gnutls,
    Kind.TLSLITE: _tlslite,
}
