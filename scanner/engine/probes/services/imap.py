"""IMAP: may a password be sent before TLS?

Attributes: ``tls`` (see :mod:`.channel`); ``clear_login``: ``accepted`` or ``refused`` outside TLS.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade

CAPABILITY = b"a1 CAPABILITY\r\n"
BANNER_TIMEOUT = 15.0

_BANNER = re.compile(rb"\A\* (?:OK|PREAUTH|BYE)[ \r]", re.IGNORECASE)
_CAPABILITIES = re.compile(rb"^\* CAPABILITY ([^\r\n]+)", re.MULTILINE | re.IGNORECASE)
_TAGGED = re.compile(rb"^a1 [^\r\n]*\r?\n", re.MULTILINE)


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is an untagged IMAP greeting (RFC 3501 section 7.1).

    Its text may be anything. Cyrus's MUPDATE alone greets alike, and says so; a farewell must name IMAP.
    """
    said = banner.upper()
    if not _BANNER.match(banner) or b"MUPDATE" in said:
        return False
    return not said.startswith(b"* BYE") or b"IMAP" in said or b"CAPABILITY" in said


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the capabilities: without LOGINDISABLED, or with a password mechanism, log-ins in clear are taken."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(lambda data: b"\n" in data, limit=1024, timeout=BANNER_TIMEOUT)
        if not banner.upper().startswith(b"* OK"):
            raise UnexpectedReply("The IMAP server greets, but takes no one now.")
        await conversation.send(CAPABILITY)
        reply = await conversation.receive_until(lambda data: bool(_TAGGED.search(data)), limit=4096)
    listed = _CAPABILITIES.search(reply)
    if listed is None:
        raise UnexpectedReply("The IMAP server did not list its capabilities.")
    capabilities = set(listed[1].upper().split())
    attributes = upgrade(contact, offered=b"STARTTLS" in capabilities)
    if not contact.tls:
        clear = b"LOGINDISABLED" not in capabilities or bool(capabilities & {b"AUTH=PLAIN", b"AUTH=LOGIN"})
        attributes = (*attributes, ("clear_login", "accepted" if clear else "refused"))
    product = "Dovecot" if b"Dovecot" in banner else ""
    evidence = (exchange(b"", banner), exchange(CAPABILITY, reply))
    return ServiceFacts("IMAP", Access.UNKNOWN, product, attributes=attributes, exchanges=evidence)


PROBE = ServiceProbe(protocol="imap", ports=frozenset({143, 993}), greeting=b"", recognises=recognises, look=look)
