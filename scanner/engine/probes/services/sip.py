"""SIP: what can you do (OPTIONS, RFC 3261 section 11)? Nobody is called and nobody is registered.

The request may be passed on by no one (``Max-Forwards: 0``), so that no third party hears of it. Attribute ``status``:
the code of the answer.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_CALL = b"rm526d6170@roundsman.invalid"
_STATUS = re.compile(rb"\ASIP/2\.0 ([1-6]\d\d) [^\r\n]*\r?\n")
_OURS = re.compile(rb"(?im)^(?:Call-ID|i)[ \t]*:[ \t]*" + re.escape(_CALL) + rb"[ \t]*\r?$")
_SOFTWARE = re.compile(rb"(?im)^(?:Server|User-Agent)[ \t]*:[ \t]*([^\r\n]{1,100})\r?$")
_NAME_AND_VERSION = re.compile(r"\A(.{1,40}?)[ /(-]+(?:v(?:ersion )?)?(\d[\w.+~-]{0,30})")
_LIMIT = 8192
_UNAUTHORISED = {"401", "403", "407"}


def options(transport: str) -> bytes:
    """Return the request; ``rport`` lets the answer come back to where it was sent from (RFC 3581)."""
    lines = (
        "OPTIONS sip:nobody@roundsman.invalid SIP/2.0",
        f"Via: SIP/2.0/{transport} roundsman.invalid;branch=z9hG4bK526d6170;rport",
        "Max-Forwards: 0",
        "From: <sip:nobody@roundsman.invalid>;tag=526d6170",
        "To: <sip:nobody@roundsman.invalid>",
        f"Call-ID: {_CALL.decode()}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


OVER_UDP, OVER_TCP = options("UDP"), options("TCP")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a response to our call, with its head whole."""
    return bool(_STATUS.match(reply)) and b"\r\n\r\n" in reply and bool(_OURS.search(reply))


async def look(contact: Contact) -> ServiceFacts:
    """Ask once more, and read the answer's code and the software's name."""
    if contact.endpoint.transport is Transport.UDP:
        request = OVER_UDP
        reply = await contact.ask(request)
    else:
        request = OVER_TCP
        async with contact.open() as conversation:
            await conversation.send(request)
            reply = await conversation.receive_until(lambda data: b"\r\n\r\n" in data, limit=_LIMIT)
    status = _STATUS.match(reply)
    if status is None or not recognises(reply):
        raise UnexpectedReply("The SIP server answered with something else than before.")
    code = status[1].decode()
    software = _SOFTWARE.search(reply)
    product, version = _named(software[1]) if software else ("", "")
    access = Access.RESTRICTED if code in _UNAUTHORISED else Access.UNKNOWN
    return ServiceFacts("SIP", access, product, version, (("status", code),), (exchange(request, reply),))


def _named(header: bytes) -> tuple[str, str]:
    text = line_bytes(header, 100)
    found = _NAME_AND_VERSION.match(text)
    return (found[1], found[2]) if found else (text, "")


PROBES = (
    ServiceProbe("sip", frozenset({5060, 5061}), OVER_TCP, recognises, look, own_ports_only=True),
    ServiceProbe("sip", frozenset({5060}), OVER_UDP, recognises, look, Transport.UDP),
)
