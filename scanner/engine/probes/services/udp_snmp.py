"""SNMP: does an agent answer strangers, and (with permission) does it take a well-known community?

Attributes: ``engine``: the engine id, hexadecimal; ``community``: the well-known community that was accepted;
``system``: what sysDescr said.
"""

from __future__ import annotations

from scanner.engine.errors import HostSilent, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level, Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services import ber
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

COMMUNITIES = (b"public", b"private")
_COMMUNITY_WAIT = 1.0
"""Seconds; an agent that doesn't know a community keeps silent, and there are four questions, each asked twice."""

_SEQUENCE, _GET, _RESPONSE, _REPORT = 0x30, 0xA0, 0xA2, 0xA8
_VERSION_1, _VERSION_2C, _VERSION_3 = 0, 1, 3
_REQUEST_ID = 0x526D
_REPORTABLE, _USM = b"\x04", 3
_SYS_DESCR = bytes((0x2B, 6, 1, 2, 1, 1, 1, 0))  # 1.3.6.1.2.1.1.1.0


def _pdu(bindings: bytes) -> bytes:
    numbers = ber.integer(_REQUEST_ID) + ber.integer(0) + ber.integer(0)
    return ber.tlv(_GET, numbers + ber.tlv(_SEQUENCE, bindings))


def _discovery() -> bytes:
    """An engine discovery (RFC 3414 section 4): SNMPv3 without user, authentication or privacy."""
    header = ber.integer(_REQUEST_ID) + ber.integer(65507) + ber.octets(_REPORTABLE) + ber.integer(_USM)
    nobody = ber.octets(b"") + ber.integer(0) + ber.integer(0) + ber.octets(b"") * 3
    scoped = ber.tlv(_SEQUENCE, ber.octets(b"") + ber.octets(b"") + _pdu(b""))
    parts = (ber.integer(_VERSION_3), ber.tlv(_SEQUENCE, header), ber.octets(ber.tlv(_SEQUENCE, nobody)), scoped)
    return ber.tlv(_SEQUENCE, b"".join(parts))


def get_sys_descr(version: int, community: bytes) -> bytes:
    """Return a GET of sysDescr.0; nothing else is ever read and nothing is set."""
    binding = ber.tlv(_SEQUENCE, ber.tlv(0x06, _SYS_DESCR) + ber.tlv(0x05, b""))
    return ber.tlv(_SEQUENCE, ber.integer(version) + ber.octets(community) + _pdu(binding))


DISCOVERY = _discovery()


def recognises(reply: bytes) -> bool:
    """Tell whether the datagram is an SNMPv3 report."""
    try:
        return bool(_engine(reply))
    except UnexpectedReply:
        return False


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the engine id; with permission read sysDescr with the well-known communities, version 2c before 1.

    Agents ignore a community they don't know, so silence there is a refusal.
    """
    reply = await contact.ask(DISCOVERY)
    evidence = [exchange(DISCOVERY, reply)]
    attributes: Attributes = (("engine", _engine(reply).hex()),)
    access = Access.UNKNOWN
    if contact.level.at_least(Level.CREDENTIAL):
        accepted = await _community(contact, evidence)
        access = Access.OPEN if accepted else Access.RESTRICTED
        attributes = (*attributes, *accepted)
    return ServiceFacts("SNMP", access, attributes=attributes, exchanges=tuple(evidence))


def takes_community(reply: bytes) -> bool:
    """Tell whether the datagram is the response of version 1 or 2c to our GET of sysDescr."""
    try:
        _sys_descr(reply)
        return _message(reply)[0] in (_VERSION_1, _VERSION_2C)
    except UnexpectedReply:
        return False


async def look_without_engine(contact: Contact) -> ServiceFacts:
    """Look at an agent that is older than version 3: it answers to a community or not at all."""
    evidence: list[Exchange] = []
    accepted = await _community(contact, evidence)
    if not accepted:
        raise HostSilent("The SNMP agent no longer answers to the community.")
    return ServiceFacts("SNMP", Access.OPEN, attributes=accepted, exchanges=tuple(evidence))


async def _community(contact: Contact, evidence: list[Exchange]) -> Attributes:
    for community in COMMUNITIES:
        for version in (_VERSION_2C, _VERSION_1):
            request = get_sys_descr(version, community)
            try:
                reply = await contact.ask(request, timeout=_COMMUNITY_WAIT)
                system = _sys_descr(reply)
            except HostSilent:
                continue
            evidence.append(exchange(request, reply))
            return (("community", community.decode()), ("system", line(system, 120)))
    return ()


def _engine(reply: bytes) -> bytes:
    """Return the authoritative engine id of a report."""
    version, rest = _message(reply)
    if version != _VERSION_3:
        raise UnexpectedReply("The SNMP agent answered engine discovery in another version.")
    parts = list(ber.elements(rest))
    if len(parts) != 3 or parts[2][0] != _SEQUENCE or _REPORT not in [tag for tag, _ in ber.elements(parts[2][1])]:
        raise UnexpectedReply("The SNMP agent did not report its engine.")
    _, parameters, _ = ber.take(parts[1][1])
    _, engine, _ = ber.take(parameters)
    return engine


def _sys_descr(reply: bytes) -> str:
    """Return the value in a response to the GET, whatever its type is."""
    _, rest = _message(reply)
    parts = list(ber.elements(rest))
    if len(parts) < 2 or parts[1][0] != _RESPONSE:
        raise UnexpectedReply("The SNMP agent answered a GET with something else.")
    fields = list(ber.elements(parts[1][1]))
    if len(fields) != 4 or int.from_bytes(fields[0][1], "big") != _REQUEST_ID:  # some agents write it in four octets
        raise UnexpectedReply("The SNMP agent's response is not to our GET.")
    bindings = fields[3][1]
    values = [value for _, binding in ber.elements(bindings) for _, value in ber.elements(binding)]
    return values[1].decode("utf-8", "backslashreplace") if len(values) > 1 else ""


def _message(reply: bytes) -> tuple[int, bytes]:
    tag, content, _ = ber.take(reply)
    version_tag, version, rest = ber.take(content)
    if tag != _SEQUENCE or version_tag != 0x02:
        raise UnexpectedReply("This is no SNMP message.")
    return int.from_bytes(version, "big"), rest


PROBE = ServiceProbe(
    protocol="snmp",
    ports=frozenset({161}),
    greeting=DISCOVERY,
    recognises=recognises,
    look=look,
    transport=Transport.UDP,
)
OLD_PROBES = tuple(
    ServiceProbe(
        protocol="snmp",
        ports=frozenset({161}),
        greeting=get_sys_descr(version, COMMUNITIES[0]),
        recognises=takes_community,
        look=look_without_engine,
        transport=Transport.UDP,
        greeting_level=Level.CREDENTIAL,
    )
    for version in (_VERSION_2C, _VERSION_1)
)
"""Agents without version 3 keep silent unless their community is named."""
