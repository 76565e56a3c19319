"""DNS over UDP and TCP: open recursion, the version, and (with permission) zone transfers.

Attributes: ``recursion``: ``open``, ``closed``, or ``unproven`` when recursion is said to be available but did not
succeed; ``version``: what ``version.bind`` said; ``transfer``: the zone that was handed out; ``bytes_in`` and
``bytes_out`` of the recursive question, as seen by the server; over UDP ``root_in`` and ``root_out``, the same of the
question for the root's servers, when it was answered with servers.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level, Target, Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services import dns_messages as dns
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_VERSION_ID, _RECURSION_ID, _TRANSFER_ID, _ROOT_ID = 0x526D, 0x526E, 0x526F, 0x5270
FOREIGN_NAME = "example.org"
"""A name that exists (RFC 2606) and that the inspected server has no business answering for."""

VERSION_BIND = dns.query(_VERSION_ID, "version.bind", dns.TXT, dns.CHAOS)
FOREIGN_A = dns.query(_RECURSION_ID, FOREIGN_NAME, dns.A, flags=dns.RECURSION_DESIRED)
ROOT_NS = dns.query(_ROOT_ID, ".", dns.NS)
"""No recursion is asked for: who doesn't serve the root has no reason to answer; most servers refuse."""
RECURSION_TIMEOUT = 5.0

_PRODUCTS = (
    ("BIND", re.compile(r"\A(9\.\d.*)")),
    ("Unbound", re.compile(r"\Aunbound (\d[\w.]*)")),
    ("dnsmasq", re.compile(r"\Adnsmasq-(\d[\w.]*)")),
    ("PowerDNS Authoritative Server", re.compile(r"\APowerDNS Authoritative Server (\d[\w.-]*)")),
    ("PowerDNS Recursor", re.compile(r"\APowerDNS Recursor (\d[\w.-]*)")),
)
"""How each words its version unless told otherwise; BIND's holds the distribution's mark to its end."""

Ask = Callable[[bytes], Awaitable[bytes]]


def framed(message: bytes) -> bytes:
    """Put the length in front, as TCP wants it (RFC 1035 section 4.2.2)."""
    return len(message).to_bytes(2, "big") + message


def recognises(reply: bytes) -> bool:
    """Tell whether the datagram is the response to our question for the version."""
    try:
        return dns.parse(reply).number == _VERSION_ID and reply[2] & 0x80 != 0 and len(reply) >= 12
    except UnexpectedReply:
        return False


def recognises_refusal(reply: bytes) -> bool:
    """Tell whether the datagram is the response to our question for the root's servers, whatever it says."""
    try:
        return dns.parse(reply).number == _ROOT_ID
    except UnexpectedReply:
        return False


def recognises_framed(reply: bytes) -> bool:
    """Tell whether the stream starts with the response to our question for the version."""
    return len(reply) == 2 + int.from_bytes(reply[:2], "big") and recognises(reply[2:])


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the version and a foreign name; over TCP, with permission, for the registered name's zones."""
    over_tcp = contact.endpoint.transport is Transport.TCP

    async def ask(message: bytes) -> bytes:
        if over_tcp:
            return await _stream(contact, message)
        if message == VERSION_BIND:
            return await contact.ask(message)
        return await contact.ask(message, timeout=RECURSION_TIMEOUT, tries=1)  # whoever asks that asks again

    evidence: list[Exchange] = []
    version = await _version(ask, evidence)
    attributes: Attributes = (("version", version),) if version else ()
    recursion, ended = "", ""
    try:
        if contact.level.at_least(Level.READ):
            recursion, sizes = await _recursion(ask, evidence)
            attributes = (*attributes, ("recursion", recursion), *sizes)
            if not over_tcp:
                attributes = (*attributes, *await _root(ask, evidence))
        if over_tcp and contact.level.at_least(Level.CREDENTIAL):
            attributes = (*attributes, *await _transfers(contact, evidence))
    except ProbeError as error:
        ended = str(error.args[0])
    access = Access.OPEN if recursion == "open" else Access.UNKNOWN
    return ServiceFacts("DNS", access, *_named(version), attributes, tuple(evidence), ended)


def _named(text: str) -> tuple[str, str]:
    """Return product and version of what a server says of itself."""
    found = ((product, match[1]) for product, pattern in _PRODUCTS if (match := pattern.match(text)))
    return next(found, ("", ""))


async def _version(ask: Ask, evidence: list[Exchange]) -> str:
    """Ask for the version; a server that ignores the question, as some do and some firewalls see to, must answer
    another."""
    question = VERSION_BIND
    try:
        reply = await ask(question)
    except HostSilent:
        question = ROOT_NS
        reply = await ask(question)
    evidence.append(exchange(question, reply))
    return dns.text(dns.parse(reply))


async def _answer(ask: Ask, question: bytes) -> bytes | None:
    """Return the reply, or None from a server that leaves the question unanswered on purpose.

    It was asked twice then, and still answers another question. Raises ``ProbeError`` when it answers none any more:
    what got lost proves nothing.
    """
    for _ in range(2):
        with contextlib.suppress(ProbeError):
            return await ask(question)
    await _version(ask, [])
    return None


async def _recursion(ask: Ask, evidence: list[Exchange]) -> tuple[str, Attributes]:
    """Silence on purpose means that nothing was resolved for us, so it is closed to us.

    A server that claims the foreign name for its own made the answer up, as portals for guests do (RFC 1035 section
    4.1.1, AA); what it does with others is not known.
    """
    reply = await _answer(ask, FOREIGN_A)
    if reply is None:
        return "closed", ()
    evidence.append(exchange(FOREIGN_A, reply))
    answer = dns.parse(reply)
    sizes = (("bytes_in", str(len(FOREIGN_A))), ("bytes_out", str(len(reply))))
    if not answer.recursion_available or answer.number != _RECURSION_ID:
        return "closed", sizes
    resolved = dns.answers(answer, dns.A) and not answer.authoritative
    return ("open" if resolved else "unproven"), sizes


async def _root(ask: Ask, evidence: list[Exchange]) -> Attributes:
    """Ask for the root's servers; silence and refusal are how it should be."""
    reply = await _answer(ask, ROOT_NS)
    if reply is None:
        return ()
    answer = dns.parse(reply)
    if answer.number != _ROOT_ID or not dns.refers(answer):
        return ()
    evidence.append(exchange(ROOT_NS, reply))
    return (("root_in", str(len(ROOT_NS))), ("root_out", str(len(reply))))


async def _transfers(contact: Contact, evidence: list[Exchange]) -> Attributes:
    """Ask for the transfer of each zone that the registered name may lie in, and stop at the first message.

    A server that hangs up has refused; one that falls silent, or talks of something else, has not.
    """
    for zone in _zones(contact.target):
        request = dns.query(_TRANSFER_ID, zone, dns.AXFR)
        try:
            reply = await _stream(contact, request)
        except ConnectionLost:
            continue
        answer = dns.parse(reply)
        evidence.append(exchange(request, reply))
        if answer.number == _TRANSFER_ID and dns.answers(answer, dns.SOA):
            return (("transfer", zone),)
    return ()


def _zones(target: Target) -> tuple[str, ...]:
    """The registered name and its parents of two labels or more, at most three."""
    labels = (target.hostname or "").strip(".").split(".")
    return tuple(".".join(labels[start:]) for start in range(max(0, len(labels) - 1)))[:3]


async def _stream(contact: Contact, message: bytes) -> bytes:
    async with contact.open(timeout=RECURSION_TIMEOUT) as conversation:
        await conversation.send(framed(message))
        size = int.from_bytes(await conversation.receive_exactly(2), "big")
        return await conversation.receive_exactly(min(size, 16384))


TCP_PROBE = ServiceProbe(
    protocol="dns",
    ports=frozenset({53}),
    greeting=framed(VERSION_BIND),
    recognises=recognises_framed,
    look=look,
)
UDP_PROBE = ServiceProbe(
    protocol="dns",
    ports=frozenset({53}),
    greeting=VERSION_BIND,
    recognises=recognises,
    look=look,
    transport=Transport.UDP,
)
TERSE_PROBES = (
    ServiceProbe(
        protocol="dns",
        ports=frozenset({53}),
        greeting=framed(ROOT_NS),
        recognises=lambda reply: len(reply) == 2 + int.from_bytes(reply[:2], "big") and recognises_refusal(reply[2:]),
        look=look,
        own_ports_only=True,
    ),
    ServiceProbe(
        protocol="dns",
        ports=frozenset({53}),
        greeting=ROOT_NS,
        recognises=recognises_refusal,
        look=look,
        transport=Transport.UDP,
        own_ports_only=True,
    ),
)
"""For servers that are never asked for their version, on the port that is theirs."""
