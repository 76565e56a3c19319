"""LMTP (RFC 2033), by which a mail server hands mail to a mailbox: may it continue inside TLS?

Attributes: ``tls`` (see :mod:`.channel`).
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.services import smtp
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade
from scanner.engine.probes.services.replies import NAMES_FTP, NAMES_LMTP, NAMES_SMTP, ReplyReader

HELLO = b"LHLO " + smtp.HELO_NAME
"""Only LMTP knows this command, and it knows no EHLO (section 4.1)."""

_BANNER = re.compile(rb"\A220[ -][^\n]*")


def recognises(banner: bytes) -> bool:
    """Tell whether the banner names LMTP and not SMTP; one that names neither is told by :mod:`.nameless`."""
    first = _BANNER.match(banner)
    named = first is not None and NAMES_LMTP.search(first[0])
    return bool(named) and not (NAMES_SMTP.search(banner) or NAMES_FTP.search(banner))


async def look(contact: Contact) -> ServiceFacts:
    """Say LHLO and quit. No sender and no recipient is named: here a message would go straight into a mailbox."""
    async with contact.open() as conversation:
        replies = ReplyReader(conversation)
        greeting = await replies.greeting(smtp.BANNER_TIMEOUT)
        hello = await replies.ask(HELLO)
        if hello.code != 250:
            raise UnexpectedReply(f"The LMTP server answered our name with code {hello.code}; it does not talk to us.")
        await replies.say(b"QUIT")
    offered = any(line.upper() == "STARTTLS" for line in hello.lines[1:])
    product = "Dovecot" if "Dovecot" in greeting.text else ""
    evidence = tuple(replies.evidence)
    return ServiceFacts("LMTP", Access.UNKNOWN, product, attributes=upgrade(contact, offered), exchanges=evidence)


PROBE = ServiceProbe(protocol="lmtp", ports=frozenset({24}), greeting=b"", recognises=recognises, look=look)
