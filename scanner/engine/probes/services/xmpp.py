"""XMPP (RFC 6120): does a stream, of clients or of other servers, continue inside TLS for those who ask?

Attributes: ``tls`` (see :mod:`.channel`), absent when the server has none of the domains that it was asked for;
``domain``: the one that it calls its own, where it knows nothing of the name that is registered, or none is.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade
from scanner.engine.probes.starttls import EHLO_NAME, xmpp_offers_tls, xmpp_stream, xmpp_told

# The server's own stream header has an id (section 4.7.3), which ours has not; what is no XML earns a stream error.
_STREAM = re.compile(
    rb"\A\s*(?:<\?xml[^>]{0,100}>\s*)?<stream:stream\s(?=[^>]{0,1000}\bhttp://etherx\.jabber\.org/streams\b)"
    rb"(?=[^>]{0,1000}\sid=)[^>]{0,1000}>"
)
_SERVER = re.compile(rb"""\A[^>]{0,100}>?[^>]{0,1000}\sxmlns=["']jabber:server["']""")
_FROM = re.compile(rb"""\A[^>]{0,100}>?[^>]{0,1000}\sfrom=["']([A-Za-z0-9][A-Za-z0-9.-]{0,252})["']""")
"""The domain in whose name the server answers; one that a refused stream was opened to may be another (section 4.9.3.6
has the error, section 4.7.1 the attribute)."""
_LIMIT = 16_384


def recognises_clients(reply: bytes) -> bool:
    """Tell whether the reply opens a stream, or refuses one, on a port for clients."""
    return bool(_STREAM.match(reply)) and not _SERVER.match(reply)


def recognises_servers(reply: bytes) -> bool:
    """Tell whether the reply opens a stream, or refuses one, on a port for other servers."""
    return bool(_STREAM.match(reply) and _SERVER.match(reply))


def _probe(protocol: str, ports: set[int], of_servers: bool) -> ServiceProbe:
    async def look(contact: Contact) -> ServiceFacts:
        asked = contact.target.hostname or EHLO_NAME
        reply, *evidence = await _open(contact, asked, of_servers)
        own = _own_domain(reply)
        domain: Attributes = ()
        if not contact.tls and not xmpp_offers_tls(reply) and own not in ("", asked.lower()):
            again, said = await _open(contact, own, of_servers)
            evidence.append(said)
            if b"<stream:error" not in again:
                reply, domain = again, (("domain", own),)
        if b"<stream:error" in reply:
            ended = "The XMPP server has no such domain; whether it continues inside TLS is not known."
            return ServiceFacts("XMPP", Access.UNKNOWN, exchanges=tuple(evidence), ended="" if contact.tls else ended)
        if not xmpp_told(reply):
            raise UnexpectedReply("The XMPP server did not say what it offers.")
        attributes = (*upgrade(contact, xmpp_offers_tls(reply)), *domain)
        return ServiceFacts("XMPP", Access.UNKNOWN, attributes=attributes, exchanges=tuple(evidence))

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


async def _open(contact: Contact, domain: str, of_servers: bool) -> tuple[bytes, Exchange]:
    """Return what opening a stream to the domain earns: features or an error."""
    request = xmpp_stream(domain, of_servers=of_servers)
    async with contact.open() as conversation:
        await conversation.send(request)
        reply = await conversation.receive_until(xmpp_told, limit=_LIMIT)
    return reply, exchange(request, reply)


def _own_domain(reply: bytes) -> str:
    found = _FROM.match(reply)
    return found[1].decode().lower() if found else ""


PROBES = (_probe("xmpp", {5222, 5223}, of_servers=False), _probe("xmpp-server", {5269, 5270}, of_servers=True))
"""Elsewhere an XMPP server is known by its refusal of what is no XML, such as a web request."""
