"""Mail addresses, as they are sent and counted."""

from __future__ import annotations

import idna

from scanner.engine.errors import Refused
from scanner.engine.hostile import line

_LOCAL_LIMIT, _DOMAIN_LIMIT = 64, 255
"""Octets of both halves of an address (RFC 5321 section 4.5.3.1)."""

_NEEDS_QUOTES = frozenset('"(),:;<>@[\\]')
"""What a local part may hold between quotes only, as a dot at its ends or beside another (RFC 5321 section 4.1.2)."""

_DOMAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")


def ascii_address(address: str) -> str:
    """Return the address as it is sent: its domain in ASCII (IDNA 2008).

    Raises ``Refused`` when it is none, or when its local part needs more than ASCII, which only servers with
    SMTPUTF8 (RFC 6531) could deliver.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or address != line(address, len(address)) or " " in address:
        raise Refused(f"{line(address)} is no mail address.", "no-mail-address", text=address)
    if not local.isascii():
        raise Refused(
            f"{line(address)}: the part before the @ must be ASCII; register an address that is.",
            "mail-not-ascii",
            text=address,
        )
    if set(local) & _NEEDS_QUOTES or not all(local.split(".")) or len(local) > _LOCAL_LIMIT:
        raise Refused(
            f"{line(address)}: the part before the @ can't be used; register another address.",
            "mail-unusable",
            text=address,
        )
    try:
        name = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise Refused(
            f"{line(address)}: {line(domain)} is no domain name.", "mail-domain", text=address, domain=domain
        ) from error
    if len(name) > _DOMAIN_LIMIT or not all(name.split(".")) or set(name) - _DOMAIN_CHARACTERS:
        raise Refused(f"{line(address)}: {line(domain)} is no domain name.", "mail-domain", text=address, domain=domain)
    return f"{local}@{name}"


def domain_of(address: str) -> str:
    """Return the domain of an address, for counting."""
    return address.rpartition("@")[2].lower()
