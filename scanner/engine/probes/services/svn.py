"""svnserve: may strangers read the repository that the server's root is?

It greets first; told the address of its root, it names the ways to log in, ``ANONYMOUS`` among them only where it lets
strangers read (subversion/libsvn_ra_svn/protocol, sections 2 and 3.1). No path is guessed, nothing is logged in to.
Attributes: ``refusal``: ``credentials``.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_PRODUCT = "Subversion (svnserve)"

# Versions, mechanisms (none since 1.0), capabilities.
_GREETING = re.compile(
    rb"\A\( success \( \d{1,3} \d{1,3} \( (?:[A-Z0-9-]{1,20} ){0,8}\) \( (?:[\w-]{1,40} ){0,40}\) \) \) "
)
_MECHANISMS = re.compile(rb"\A\( success \( \( ((?:[A-Z0-9-]{1,20} ){0,8})\) \d{1,3}:[^\n]{0,300} \) \) \Z")
_NO_REPOSITORY = b"( failure ( ( 210005 "
"""SVN_ERR_RA_SVN_REPOS_NOT_FOUND: the root holds repositories, if any, at paths that we don't know."""


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is the whole greeting of svnserve."""
    return bool(_GREETING.match(banner))


async def look(contact: Contact) -> ServiceFacts:
    """Read the greeting and, at the level of reads, the ways to log in to the server's root."""
    request = _response(contact)
    async with contact.open() as conversation:
        banner = await conversation.receive_until(recognises, limit=1024)
        if not recognises(banner):
            raise UnexpectedReply("svnserve greeted with something else than before.")
        evidence = (exchange(b"", banner),)
        if not contact.level.at_least(Level.READ):
            return ServiceFacts("SVN", Access.UNKNOWN, _PRODUCT, exchanges=evidence)
        await conversation.send(request)
        reply = await conversation.receive_until(lambda data: data.endswith(b") ) "), limit=1024)
    access, attributes = _judge(reply)
    return ServiceFacts("SVN", access, _PRODUCT, "", attributes, (*evidence, exchange(request, reply)))


def _response(contact: Contact) -> bytes:
    """The client's half of the greeting: version 2, what svnserve demands of a client, and the address of the root."""
    address = contact.endpoint.address
    host = contact.target.hostname or (f"[{address}]" if ":" in address else address)
    url = f"svn://{host}:{contact.endpoint.port}".encode()
    return b"( 2 ( edit-pipeline svndiff1 ) %d:%s ) " % (len(url), url)


def _judge(reply: bytes) -> tuple[Access, Attributes]:
    if mechanisms := _MECHANISMS.match(reply):
        if b"ANONYMOUS" in mechanisms[1].split():
            return Access.OPEN, ()
        return Access.RESTRICTED, (("refusal", "credentials"),)
    if not reply.startswith(_NO_REPOSITORY):
        raise UnexpectedReply("svnserve answered the address of its root with something unknown.")
    return Access.UNKNOWN, ()


PROBE = ServiceProbe("svn", frozenset({3690}), b"", recognises, look)
