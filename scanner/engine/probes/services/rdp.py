"""Remote Desktop: which security does the server settle for ([MS-RDPBCGR] section 2.2.1.1)?

Attributes: ``tls`` (see :mod:`.channel`); ``nla``: ``required`` when every weaker request was refused, else
``optional`` or ``absent``; ``weakest``: ``rdp`` (its own encryption), ``tls`` or ``nla``: the least that was taken.
"""

from __future__ import annotations

from scanner.engine.errors import ConnectionLost, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade

RDP, TLS, HYBRID = 0, 1, 2
_RESPONSE, _FAILURE = 2, 3
_NAMES = {RDP: "rdp", TLS: "tls", HYBRID: "nla"}


def request(protocols: int) -> bytes:
    """An X.224 connection request in TPKT with a negotiation request for ``protocols`` (bits)."""
    negotiation = b"\x01\x00\x08\x00" + protocols.to_bytes(4, "little")
    x224 = bytes([6 + len(negotiation), 0xE0, 0, 0, 0, 0, 0]) + negotiation
    return b"\x03\x00" + (4 + len(x224)).to_bytes(2, "big") + x224


GREETING = request(TLS | HYBRID)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is an X.224 connection confirm that answers the negotiation."""
    confirm = reply[:2] == b"\x03\x00" and reply[5:6] == b"\xd0" and len(reply) == int.from_bytes(reply[2:4], "big")
    return confirm and len(reply) == 19 and reply[11] in (_RESPONSE, _FAILURE) and reply[13:15] == b"\x08\x00"


def recognises_old(reply: bytes) -> bool:
    """Tell whether the reply is a connection confirm without an answer to the negotiation, as Windows gave before it
    knew any (XP, Server 2003). Other services confirm alike, so it is Remote Desktop's on its own ports alone."""
    return len(reply) == 11 and reply.startswith(b"\x03\x00\x00\x0b\x06\xd0\x00\x00")


async def look(contact: Contact) -> ServiceFacts:
    """Ask for all protocols, then for each weaker one alone. What the server selects counts, nothing else does:
    a server that selects TLS when CredSSP is offered as well does not do NLA."""
    evidence: list[Exchange] = []
    taken: set[int] = set()
    for protocols in (TLS | HYBRID, TLS, RDP):
        selected, said = await _ask(contact, protocols)
        evidence.append(said)
        taken |= {selected} if selected is not None else set()
    if not taken:
        raise UnexpectedReply("The server refused every security protocol of Remote Desktop.")
    weakest = min(taken)
    nla = "required" if weakest == HYBRID else "optional" if HYBRID in taken else "absent"
    attributes = (*upgrade(contact, offered=bool(taken & {TLS, HYBRID})), ("nla", nla), ("weakest", _NAMES[weakest]))
    return ServiceFacts("RDP", Access.UNKNOWN, attributes=attributes, exchanges=tuple(evidence))


async def _ask(contact: Contact, protocols: int) -> tuple[int | None, Exchange]:
    """Return the protocol that the server selects, None when it refuses."""
    sent = request(protocols)
    async with contact.open() as conversation:
        await conversation.send(sent)
        try:
            reply = await conversation.receive_until(_whole, limit=512)
        except ConnectionLost as error:
            reply = error.args[1] if len(error.args) > 1 else b""
    said = exchange(sent, reply)
    if reply[5:6] != b"\xd0":
        return None, said
    if len(reply) < 19:  # no negotiation response: a server from before it existed
        return RDP, said
    selected = int.from_bytes(reply[15:19], "little")
    return (selected if reply[11] == _RESPONSE and selected in _NAMES else None), said


def _whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= int.from_bytes(data[2:4], "big")


_PORTS = frozenset({3388, 3389, 3390})
PROBES = (
    ServiceProbe("rdp", _PORTS, GREETING, recognises, look),
    ServiceProbe("rdp", _PORTS, GREETING, recognises_old, look, own_ports_only=True),
)
