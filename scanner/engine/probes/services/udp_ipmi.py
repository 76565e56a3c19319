"""IPMI over LAN: which log-ins does the management controller allow (IPMI 2.0 section 22.13)?

Attributes: ``anonymous``: ``yes`` when log-ins without a password are enabled; ``types``: authentication types, joined
by commas.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

# RMCP header, no session, then "Get Channel Authentication Capabilities" for this channel, privilege administrator.
CAPABILITIES = bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5")
_TYPES = ((0x01, "none"), (0x02, "MD2"), (0x04, "MD5"), (0x10, "password"), (0x20, "OEM"))
_ANONYMOUS, _NO_AUTHENTICATION = 0x01, 0x01
"""A user without name and password is enabled; or none need say who they are. The bit beside the first tells of one
without a name who has a password, which OpenBMC says of every machine."""
_BODY = 20
"""Where the completion code stands in the reply."""


def recognises(reply: bytes) -> bool:
    """Tell whether the datagram is an RMCP message with the response to our IPMI command."""
    return reply[:4] == CAPABILITIES[:4] and len(reply) >= _BODY + 9 and reply[19] == 0x38 and reply[_BODY] == 0


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the authentication capabilities; no session is opened."""
    reply = await contact.ask(CAPABILITIES)
    if not recognises(reply):
        raise UnexpectedReply("The management controller did not tell its authentication capabilities.")
    types, logins = reply[_BODY + 2], reply[_BODY + 3]
    free = bool(types & _NO_AUTHENTICATION or logins & _ANONYMOUS)
    names = ", ".join(name for bit, name in _TYPES if types & bit)
    attributes = (("anonymous", "yes" if free else "no"), ("types", names))
    access = Access.OPEN if free else Access.RESTRICTED
    return ServiceFacts("IPMI", access, attributes=attributes, exchanges=(exchange(CAPABILITIES, reply),))


PROBE = ServiceProbe(
    protocol="ipmi",
    ports=frozenset({623}),
    greeting=CAPABILITIES,
    recognises=recognises,
    look=look,
    transport=Transport.UDP,
)
