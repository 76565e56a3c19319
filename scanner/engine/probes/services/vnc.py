"""VNC (RFB, RFC 6143): which security types does the server offer to a stranger?

Attributes: ``types``: names or numbers, joined by commas; ``encrypted``: ``yes`` when at least one offered type
encrypts the session, else ``no``; of VeNCrypt alone its sub-types decide, as not all of them encrypt.
"""

from __future__ import annotations

import re

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import printable_bytes
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe

_BANNER = re.compile(rb"\ARFB (\d{3})\.(\d{3})\n")

# RFC 6143 section 8.1.2 and the registry at iana.org/assignments/rfb.
_NAMES = {
    1: "None", 2: "VNC password", 5: "RA2", 6: "RA2ne", 16: "Tight", 17: "Ultra", 18: "TLS", 19: "VeNCrypt",
    20: "SASL", 21: "MD5", 22: "xvp", 30: "Apple DH", 33: "Apple RSA", 35: "Apple Kerberos", 113: "MS-Logon II",
    114: "SecureVNC", 115: "SecureVNC", 129: "RA2-256",
}  # fmt: skip
_ENCRYPTED = {5, 13, 18, 114, 115, 129, 133}
"""Among them UltraVNC's plug-ins, which encrypt all that follows."""
_NONE, _VENCRYPT = 1, 19

# VeNCrypt sub-types: without a password, plain or inside TLS; and all that don't encrypt (Plain is a log-in in clear).
_VENCRYPT_NAMES = {
    256: "Plain", 257: "TLSNone", 258: "TLSVnc", 259: "TLSPlain", 260: "X509None", 261: "X509Vnc", 262: "X509Plain",
}  # fmt: skip
_VENCRYPT_NONE = {1, 257, 260}
_VENCRYPT_CLEAR = {1, 2, 6, 256}


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is RFB's: twelve bytes with the protocol version."""
    return bool(_BANNER.match(banner))


async def look(contact: Contact) -> ServiceFacts:
    """Read the offered security types; none is chosen but VeNCrypt, to see its sub-types, and nobody logs in."""
    async with contact.open() as conversation:
        banner = await conversation.receive_exactly(12)
        version = _BANNER.match(banner)
        if version is None:
            raise UnexpectedReply("The server's RFB version can't be read.")
        answer = b"RFB 003.003\n" if (int(version[1]), int(version[2])) < (3, 7) else b"RFB 003.008\n"
        await conversation.send(answer)
        raw, types = await _types(conversation, chosen_by_server=answer == b"RFB 003.003\n")
        names = [_NAMES.get(number, str(number)) for number in types]
        free = _NONE in types
        sub_types: tuple[int, ...] = ()
        if _VENCRYPT in types and not free:
            sub_types = await _vencrypt(conversation)
            names += [_VENCRYPT_NAMES.get(number, str(number)) for number in sub_types]
            free = bool(_VENCRYPT_NONE & set(sub_types))
    by_vencrypt = _VENCRYPT in types and (not sub_types or not set(sub_types) <= _VENCRYPT_CLEAR)
    encrypted = contact.tls or by_vencrypt or bool(_ENCRYPTED & set(types))
    attributes = (("types", ", ".join(names)), ("encrypted", "yes" if encrypted else "no"))
    evidence = (exchange(b"", banner), exchange(answer, raw))
    access = Access.OPEN if free else Access.RESTRICTED
    return ServiceFacts("VNC", access, attributes=attributes, exchanges=evidence)


async def _types(conversation: Conversation, *, chosen_by_server: bool) -> tuple[bytes, tuple[int, ...]]:
    """Read the list of types, or before RFB 3.7 the one that the server chose (RFC 6143 section 7.1.2, annex A)."""
    if chosen_by_server:
        raw = await conversation.receive_exactly(4)
        types: tuple[int, ...] = tuple(filter(None, (int.from_bytes(raw, "big"),)))
    else:
        raw = await conversation.receive_exactly(1)
        raw += await conversation.receive_exactly(raw[0])
        types = tuple(raw[1:])
    if not types:
        length = int.from_bytes(await conversation.receive_exactly(4), "big")
        reason = await conversation.receive_exactly(min(length, 200))
        raise UnexpectedReply(f"The VNC server turns everyone away: {printable_bytes(reason, 200)}")
    return raw, types


async def _vencrypt(conversation: Conversation) -> tuple[int, ...]:
    """Choose VeNCrypt and read its sub-types; a server with another version of it keeps them to itself."""
    try:
        await conversation.send(bytes([_VENCRYPT]))
        version = await conversation.receive_exactly(2)
        if version != b"\x00\x02":
            return ()
        await conversation.send(version)
        acknowledged = await conversation.receive_exactly(2)
        if acknowledged[0] != 0:
            return ()
        data = await conversation.receive_exactly(acknowledged[1] * 4)
    except ProbeError:
        return ()
    return tuple(int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4))


# TigerVNC and RealVNC count every connection that ends without a log-in, and after five turn its address away for
# ten seconds and more: whatever else is asked there would leave nothing to look with.
PROBE = ServiceProbe(
    protocol="vnc",
    ports=frozenset(range(5900, 5911)),
    greeting=b"",
    recognises=recognises,
    look=look,
    one_at_a_time=True,
)
