"""POP3: may a password be sent before TLS?

Attributes: ``tls`` (see :mod:`.channel`); ``clear_login``: ``accepted`` or ``refused`` outside TLS; absent when the
server has no CAPA and the level allows no further question.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade

CAPA = b"CAPA\r\n"
USER = b"USER roundsman\r\n"
BANNER_TIMEOUT = 15.0

_BANNER = re.compile(rb"\A\+OK[ \r][^\n]{0,500}\n")


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is POP3's (RFC 1939 section 4): no other protocol speaks first with ``+OK``."""
    return bool(_BANNER.match(banner))


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the capabilities (RFC 2449); a server without them is offered a user name at the level of reads."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(lambda data: b"\n" in data, limit=512, timeout=BANNER_TIMEOUT)
        if not recognises(banner):
            raise UnexpectedReply("The POP3 server greets, but takes no one now.")
        await conversation.send(CAPA)
        reply = await conversation.receive_until(_whole, limit=4096)
        evidence = [exchange(b"", banner), exchange(CAPA, reply)]
        if contact.tls:
            attributes: Attributes = ()
        elif reply.startswith(b"+OK"):
            attributes = _listed(contact, reply)
        else:
            attributes = await _ask(contact, conversation)
    product = "Dovecot" if b"Dovecot" in banner else ""
    return ServiceFacts("POP3", Access.UNKNOWN, product, attributes=attributes, exchanges=tuple(evidence))


def _whole(data: bytes) -> bool:
    return data.endswith(b"\r\n.\r\n") or (not data.startswith(b"+OK") and b"\n" in data)


def _listed(contact: Contact, reply: bytes) -> Attributes:
    capabilities = {words[0]: set(words[1:]) for text in reply.upper().splitlines()[1:] if (words := text.split())}
    clear = b"USER" in capabilities or bool(capabilities.get(b"SASL", set()) & {b"PLAIN", b"LOGIN"})
    login = ("clear_login", "accepted" if clear else "refused")
    return (*upgrade(contact, offered=b"STLS" in capabilities), login)


async def _ask(contact: Contact, conversation: Conversation) -> Attributes:
    if not contact.level.at_least(Level.READ):
        return ()
    await conversation.send(USER)
    reply = await conversation.receive_until(lambda data: b"\n" in data, limit=512)
    return (*upgrade(contact, offered=False), ("clear_login", "accepted" if reply.startswith(b"+OK") else "refused"))


PROBE = ServiceProbe(protocol="pop3", ports=frozenset({110, 995}), greeting=b"", recognises=recognises, look=look)
