"""A sound but self-signed certificate for lab servers whose TLS is not what the case is about."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab.case import program


def self_signed(folder: Path, address: str, names: str = "", *, rsa: bool = False) -> tuple[Path, Path]:
    """Write a 90-day certificate into ``folder``, of P-256 or RSA; return the paths of certificate and key.

    It is for ``address``, or for ``names`` when given (the value of a subjectAltName extension).
    """
    certificate, key = folder / "server.crt", folder / "server.key"
    kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        [
            *(program("openssl"), "req", "-x509", "-newkey", *kind),
            *("-nodes", "-days", "90", "-subj", "/CN=lab", "-addext", f"subjectAltName={names or f'IP:{address}'}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    return certificate, key
