"""The roots that the machine trusts: where a certificate's path may end."""

from __future__ import annotations

import warnings
from collections import defaultdict
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509

SYSTEM_STORE = Path("/etc/ssl/certs/ca-certificates.crt")
"""Debian's bundle of Mozilla's roots and the administrator's own; kept up to date by the system."""


@cache
def trusted_roots() -> dict[bytes, tuple[x509.Certificate, ...]]:
    """Return the trusted roots by DER-encoded subject, from the system's store or, without one, from certifi's."""
    store = SYSTEM_STORE if SYSTEM_STORE.is_file() else Path(certifi.where())
    roots: defaultdict[bytes, list[x509.Certificate]] = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old roots have serial numbers that are no longer allowed
        for root in x509.load_pem_x509_certificates(store.read_bytes()):
            roots[root.subject.public_bytes()].append(root)
    return {subject: tuple(found) for subject, found in roots.items()}
