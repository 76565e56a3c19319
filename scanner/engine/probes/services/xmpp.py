"""XMPP (RFC 6120): does a stream, of clients or of other servers, continue inside TLS for those who ask?

Attributes: ``tls`` (see :mod:`.channel`), absent when the server has no such domain as it was asked for.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade
from scanner.engine.probes.starttls import EHLO_NAME, xmpp_offers_tls, xmpp_stream

# The server's own stream header has an id (section 4.7.3), which ours has not; what is no XML earns a stream error.
_STREAM = re.compile(
    rb"\A\s*(?:<\?xml[^>]{0,100}>\s*)?<stream:stream\s(?=[^>]{0,1000}\bhttp://etherx\.jabber\.org/streams\b)"
    rb"(?=[^>]{0,1000}\sid=)[^>]{0,1000}>"
)
_SERVER = re.compile(rb"""\A[^>]{0,100}>?[^>]{0,1000}\sxmlns=["']jabber:server["']""")
_LIMIT = 16_384


def recognises_clients(reply: bytes) -> bool:
    """Tell whether the reply opens a stream, or refuses one, on a port for clients."""
    return bool(_STREAM.match(reply)) and not _SERVER.match(reply)


def recognises_servers(reply: bytes) -> bool:
    """Tell whether the reply opens a stream, or refuses one, on a port for other servers."""
    return bool(_STREAM.match(reply) and _SERVER.match(reply))


def _probe(protocol: str, ports: set[int], of_servers: bool) -> ServiceProbe:
    async def look(contact: Contact) -> ServiceFacts:
        request = xmpp_stream(contact.target.hostname or EHLO_NAME, of_servers=of_servers)
        async with contact.open() as conversation:
            await conversation.send(request)
            reply = await conversation.receive_until(_told, limit=_LIMIT)
        evidence = (exchange(request, reply),)
        if b"<stream:error" in reply:
            ended = "The XMPP server has no such domain; whether it continues inside TLS is not known."
            return ServiceFacts("XMPP", Access.UNKNOWN, exchanges=evidence, ended="" if contact.tls else ended)
        if b"</stream:features>" not in reply:
            raise UnexpectedReply("The XMPP server did not say what it offers.")
        return ServiceFacts(
            "XMPP", Access.UNKNOWN, attributes=upgrade(contact, xmpp_offers_tls(reply)), exchanges=evidence
        )

    recognises = recognises_servers if of_servers else recognises_clients
    return ServiceProbe(
        protocol,
        frozenset(ports),
        xmpp_stream(EHLO_NAME, of_servers=of_servers),
        recognises,
        look,
        also_recognises=recognises,
        own_ports_only=True,
    )


def _told(data: bytes) -> bool:
    return b"</stream:features>" in data or b"<stream:features/>" in data or b"<stream:error" in data


PROBES = (_probe("xmpp", {5222, 5223}, of_servers=False), _probe("xmpp-server", {5269, 5270}, of_servers=True))
"""Elsewhere an XMPP server is known by its refusal of what is no XML, such as a web request."""
