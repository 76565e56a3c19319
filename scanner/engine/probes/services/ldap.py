"""LDAP over TCP: StartTLS, and what an anonymous bind may read.

Attributes: ``tls`` (see :mod:`.channel`); ``bind``: ``accepted`` or ``refused`` for an anonymous bind; ``read``: what
it then read: ``nothing``, ``rootDSE`` or (with permission to look further) ``entry``. A server that refuses the bind
may serve those who don't bind at all (RFC 4513 section 4; OpenLDAP's ``disallow bind_anon``); ``unbound`` is then what
they read. One that takes a bind inside TLS alone is asked there.
"""

from __future__ import annotations

from scanner.engine.errors import ConnectionLost, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange, permissive_tls
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services import ber
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade

BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x78
_START_TLS_OID = b"1.3.6.1.4.1.1466.20037"
_SUCCESS = 0
_NOT_NOW = frozenset({51, 52})
"""busy, unavailable (RFC 4511 section 4.1.9)."""
_MAY_WANT_TLS = frozenset({8, 13, 53})
"""strongerAuthRequired, confidentialityRequired (RFC 4511 section 4.1.9); unwillingToPerform is what 389 Directory
Server says below its ``nsslapd-minssf``."""

BIND = ber.ldap_message(1, ber.tlv(0x60, ber.integer(3) + ber.octets(b"") + ber.tlv(0x80, b"")))
"""An anonymous simple bind (RFC 4513 section 5.1.1)."""

START_TLS = ber.ldap_message(1, ber.tlv(0x77, ber.tlv(0x80, _START_TLS_OID)))


def search(message: int, base: bytes, *attributes: bytes) -> bytes:
    """Return a search for the base object itself, at most one entry, one second, filter ``(objectClass=*)``."""
    body = (
        ber.octets(base)
        + ber.enumerated(0)
        + ber.enumerated(0)
        + ber.integer(1)
        + ber.integer(1)
        + ber.boolean(False)
        + ber.tlv(0x87, b"objectClass")
        + ber.tlv(0x30, b"".join(map(ber.octets, attributes)))
    )
    return ber.ldap_message(message, ber.tlv(0x63, body))


CONTEXTS = 4
"""Naming contexts that are read: a server keeps its own accounts and settings in contexts of their own."""

ROOT_DSE = search(2, b"", b"namingContexts")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is an LDAP bind response to our message 1."""
    try:
        return ber.operation(reply) == (1, BIND_RESPONSE)
    except UnexpectedReply:
        return False


async def look(contact: Contact) -> ServiceFacts:
    """Bind anonymously and read the root DSE; with permission read one entry's name of a naming context.

    Where the bind is refused, the same is read without any.
    """
    attributes, evidence = await _start_tls(contact)
    inside = False
    async with contact.open() as conversation:
        code = await _bind(conversation, evidence)
        if code in _MAY_WANT_TLS and ("tls", "offered") in attributes:
            inside = await _upgrade(contact, conversation)
            code = await _bind(conversation, evidence) if inside else code
        bound = code == _SUCCESS
        attributes = (*attributes, ("bind", "accepted" if bound else "refused"))
        if bound and contact.level.at_least(Level.READ):
            read = await _read(conversation, contact.level, evidence)
            attributes = (*attributes, ("read", read))
    if not bound and contact.level.at_least(Level.CREDENTIAL):
        async with contact.open() as conversation:
            if inside:
                await _upgrade(contact, conversation)
            attributes = (*attributes, ("unbound", await _read(conversation, contact.level, evidence)))
    opened = {("read", "entry"), ("unbound", "entry")}.intersection(attributes)
    access = Access.OPEN if opened else Access.UNKNOWN if bound else Access.RESTRICTED
    return ServiceFacts("LDAP", access, attributes=attributes, exchanges=tuple(evidence))


async def _start_tls(contact: Contact) -> tuple[Attributes, list[Exchange]]:
    if contact.tls:
        return (), []
    try:
        async with contact.open() as conversation:
            reply, said = await _ask(conversation, START_TLS)
    except ConnectionLost:
        if not contact.pause:
            raise  # it may take one connection at a time, and is asked again after a pause
        # Small servers know no extended operation, and hang up on any.
        return upgrade(contact, offered=False), [exchange(START_TLS, b"")]
    offered = ber.operation(reply)[1] == EXTENDED_RESPONSE and ber.result_code(reply) == _SUCCESS
    return upgrade(contact, offered), [said]


async def _bind(conversation: Conversation, evidence: list[Exchange]) -> int:
    """Bind anonymously and return the result's code. Raises ``UnexpectedReply`` when nobody is served now."""
    reply, said = await _ask(conversation, BIND)
    evidence.append(said)
    if not recognises(reply):
        raise UnexpectedReply("The LDAP server answered the bind with something else.")
    code = ber.result_code(reply)
    if code in _NOT_NOW:
        raise UnexpectedReply(f"The LDAP server answered the bind with code {code}: it serves no one now.")
    return code


async def _upgrade(contact: Contact, conversation: Conversation) -> bool:
    """Continue inside TLS on a connection that is in clear so far; tell whether the server took it."""
    reply, _ = await _ask(conversation, START_TLS)
    if ber.operation(reply)[1] != EXTENDED_RESPONSE or ber.result_code(reply) != _SUCCESS:
        return False
    await conversation.start_tls(permissive_tls(), contact.target.hostname)
    return True


async def _read(conversation: Conversation, level: Level, evidence: list[Exchange]) -> str:
    reply, said = await _ask(conversation, ROOT_DSE)
    evidence.append(said)
    if ber.operation(reply)[1] != SEARCH_ENTRY:
        return "nothing"
    contexts = ber.attribute_values(reply, b"namingContexts")
    if not level.at_least(Level.CREDENTIAL) or not contexts:
        return "rootDSE"
    for number, context in enumerate(contexts[:CONTEXTS], start=3):
        try:
            reply, said = await _ask(conversation, search(number, context, b"1.1"))
        except ProbeError:
            return "rootDSE"
        evidence.append(said)
        if ber.operation(reply)[1] == SEARCH_ENTRY:
            return "entry"
    return "rootDSE"


async def _ask(conversation: Conversation, request: bytes) -> tuple[bytes, Exchange]:
    """Send one request and read until its first message, and of a search its end, is whole."""
    await conversation.send(request)
    is_search = ber.operation(request)[1] == 0x63

    def enough(data: bytes) -> bool:
        messages = ber.whole_messages(data)
        done = messages and (not is_search or ber.operation(messages[-1])[1] == SEARCH_DONE)
        return bool(done)

    reply = await conversation.receive_until(enough, limit=8192)
    return reply, exchange(request, reply)


PROBE = ServiceProbe(
    protocol="ldap", ports=frozenset({389, 636, 3268, 3269}), greeting=BIND, recognises=recognises, look=look
)
