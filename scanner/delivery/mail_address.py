"""Mail addresses, as they are sent and counted."""

from __future__ import annotations

import idna

from scanner.engine.errors import InputError
from scanner.engine.hostile import line

_LOCAL_LIMIT, _DOMAIN_LIMIT = 64, 255
"""Octets of both halves of an address (RFC 5321 section 4.5.3.1)."""

_DOMAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")


def ascii_address(address: str) -> str:
    """Return the address as it is sent: its domain in ASCII (IDNA 2008).

    Raises ``InputError`` when it is none, or when its local part needs more than ASCII, which only servers with
    SMTPUTF8 (RFC 6531) could deliver.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or address != line(address, len(address)) or " " in address:
        raise InputError(f"{line(address)} is no mail address.")
    if not local.isascii():
        raise InputError(f"{line(address)}: the part before the @ must be ASCII; register an address that is.")
    if set(local) & set('"(),:;<>[\\]') or len(local) > _LOCAL_LIMIT:
        raise InputError(f"{line(address)}: the part before the @ can't be used; register another address.")
    try:
        name = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InputError(f"{line(address)}: {line(domain)} is no domain name.") from error
    if len(name) > _DOMAIN_LIMIT or not all(name.split(".")) or set(name) - _DOMAIN_CHARACTERS:
        raise InputError(f"{line(address)}: {line(domain)} is no domain name.")
    return f"{local}@{name}"


def domain_of(address: str) -> str:
    """Return the domain of an address, for counting."""
    return address.rpartition("@")[2].lower()
