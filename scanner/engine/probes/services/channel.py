"""Whether what a service says travels in clear: the ``tls`` attribute that data services share.

``("tls", "offered")``: the protocol's own upgrade, or TLS on the same port, is there for those who ask;
``("tls", "refused")``: whoever talks to this port talks in clear. Absent when the connection is inside TLS
already, or when nothing could be told.
"""

from __future__ import annotations

from scanner.engine.errors import ConnectionLost, HostSilent
from scanner.engine.probes.contact import Contact, permissive_tls

Attributes = tuple[tuple[str, str], ...]


def clear_only(contact: Contact) -> Attributes:
    """Return the attribute of a protocol that has no upgrade: inside TLS from the first byte, or in clear."""
    return () if contact.tls else (("tls", "refused"),)


def upgrade(contact: Contact, offered: bool) -> Attributes:
    """Return the attribute of a protocol whose own handshake tells whether it can continue inside TLS."""
    if contact.tls:
        return ()
    return (("tls", "offered" if offered else "refused"),)


async def same_port(contact: Contact) -> Attributes:
    """Return the attribute of a service that may take TLS and clear text on one port, by trying a handshake.

    No answer to the hello tells nothing, so the attribute is then absent.
    """
    if contact.tls:
        return ()
    try:
        async with contact.dialer.connect(contact.endpoint, tls=permissive_tls(), server_name=contact.target.hostname):
            return upgrade(contact, offered=True)
    except ConnectionLost:
        return upgrade(contact, offered=False)
    except HostSilent:
        return ()
