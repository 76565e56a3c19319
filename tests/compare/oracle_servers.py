"""Runs the servers of many configurations at once."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from base64 import encodebytes
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tests import lab
from tests.compare.oracle_configs import Configuration, Kind
from tests.lab.case import process, program
from tests.lab.lab_ca import INTERMEDIATE, der, issue, rsa_key
from tests.lab.tls_servers import nginx_server, run_nginx, write_pair

NAME = "oracle.lab"
"""The name that every server has, and that both sides send."""

_CURVES: dict[str, ec.EllipticCurve] = {
    "p224": ec.SECP224R1(),
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "brainpool256": ec.BrainpoolP256R1(),
}
_OWN_512 = int(
    "8DF8316C0A6D6CEFC3FA9E92895A49348FDBA7D2899B51AEEFA138E01F6FFBDE"
    "3588808AB9E4CAF6EE86E4F8D8EE8187B70B963B71DFFAD1A0D4FBE84D5AFFDF",
    16,
)
"""A safe prime made by ``openssl dhparam 512``; nobody published one so short."""
_KNOWN = {768: 149686, 1024: 129093, 1536: 741804, 2048: 124476, 3072: 1690314, 4096: 240904}
"""Primes that everyone has (RFC 2409 section 6, RFC 3526), by their bits: what is added to the digits of pi."""
_TLSLITE_SERVER = str(Path(lab.__file__).with_name("tlslite_server.py"))


def _primes() -> dict[int, int]:
    """Return every prime by its bits: 2^b - 2^(b-64) - 1 + 2^64 * (floor(2^(b-130) * pi) + x)."""
    known = {
        bits: 2**bits - 2 ** (bits - 64) - 1 + 2**64 * ((_pi(4096) >> (4096 - bits + 130)) + extra)
        for bits, extra in _KNOWN.items()
    }
    return {512: _OWN_512, **known}


def _pi(bits: int) -> int:
    """Return pi times two to the power of ``bits`` (Machin's formula, with spare bits that are cut off again)."""
    one = 1 << (bits + 32)

    def arctan_of_inverse(x: int) -> int:
        return sum((one // x ** (2 * k + 1) // (2 * k + 1)) * (-1) ** k for k in range((bits + 32) // 4))

    return (16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)) >> 32


def prepare(folder: Path) -> None:
    """Write every key pair and every set of DH parameters into ``folder``."""
    for bits in (1024, 2048, 3072):
        write_pair(folder, issue(NAME, INTERMEDIATE, names=[NAME], key=rsa_key(bits)), f"rsa{bits}")
    for name, curve in _CURVES.items():
        write_pair(folder, issue(NAME, INTERMEDIATE, names=[NAME], key=ec.generate_private_key(curve)), name)
    _openssl(folder, "genpkey -algorithm ed25519 -out ed25519.key")
    _openssl(folder, "dsaparam -genkey -noout -out dsa1024.key 1024")
    for name in ("ed25519", "dsa1024"):
        _openssl(folder, f"req -x509 -new -key {name}.key -subj /CN={NAME} -days 60 -out {name}.pem")
    for bits, prime in _primes().items():
        # PKCS #3 section 9; libraries write known primes in another form, which GnuTLS doesn't read
        parameters = der(0x30, der(0x02, b"\x00" + prime.to_bytes(bits // 8)) + der(0x02, b"\x02"))
        pem = b"-----BEGIN DH PARAMETERS-----\n" + encodebytes(parameters) + b"-----END DH PARAMETERS-----\n"
        (folder / f"dh{bits}.pem").write_bytes(pem)


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run([program("openssl"), *arguments.split()], cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def serving(configurations: Sequence[Configuration], folder: Path) -> Iterator[None]:
    """Run all ``configurations`` until the block ends; ``folder`` has been prepared."""
    with contextlib.ExitStack() as running:
        blocks = [each for each in configurations if each.kind is Kind.NGINX]
        if blocks:
            running.enter_context(run_nginx(blocks[0].address, blocks[0].port, folder, "".join(map(_block, blocks))))
        for each in configurations:
            if each.kind is not Kind.NGINX:
                where = (each.address, each.port)
                running.enter_context(process(_COMMANDS[each.kind](each, folder), folder=folder, wait_for=where))
        yield


def _block(configuration: Configuration) -> str:
    first, *more = configuration.keys
    second = "".join(f"ssl_certificate {key}.pem; ssl_certificate_key {key}.key; " for key in more)
    listen = f"{configuration.address}:{configuration.port} ssl"
    return nginx_server(listen, second + " ".join(configuration.options), name=first)


def _s_server(configuration: Configuration, _: Path) -> list[str]:
    command = [program("openssl"), "s_server", "-www", "-accept", f"{configuration.address}:{configuration.port}"]
    for prefix, key in zip(("", "d"), configuration.keys, strict=False):
        command += [f"-{prefix}cert", f"{key}.pem", f"-{prefix}key", f"{key}.key"]
    return [*command, *configuration.options]


def _gnutls(configuration: Configuration, _: Path) -> list[str]:
    command = [program("gnutls-serv"), "--quiet", "--http", "--port", str(configuration.port)]
    for key in configuration.keys:
        command += ["--x509certfile", f"{key}.pem", "--x509keyfile", f"{key}.key"]
    return [*command, *configuration.options]


def _tlslite(configuration: Configuration, folder: Path) -> list[str]:
    (key,) = configuration.keys
    where = [configuration.address, str(configuration.port), str(folder)]
    return [sys.executable, _TLSLITE_SERVER, *where, *configuration.options, key]


_COMMANDS = {Kind.S_SERVER: _s_server, Kind.GNUTLS: _gnutls, Kind.TLSLITE: _tlslite}
