"""AMQP brokers: the mechanisms of Connection.Start (AMQP 0-9-1 section 1.4.2), or those of an AMQP 1.0 broker.

Attributes: ``tls`` (see :mod:`.channel`), ``mechanisms``: SASL mechanisms; ``refusal``: ``credentials``;
``anonymous``: ``listed`` when the mechanism is, and whether it lets anyone in was not asked.
"""

from __future__ import annotations

import re

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services import amqp_sasl
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import clear_only
from scanner.engine.probes.wire import Fields

HEADER = b"AMQP\x00\x00\x09\x01"

_OTHER_HEADERS = (b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"AMQP\x02\x01\x00\x00", b"AMQP\x01\x01\x00\x0a")
_METHOD_FRAME = 1
_CONNECTION_START = b"\x00\x0a\x00\x0a"
_FRAME_END = b"\xce"
_TEXT = rb"S\x00\x00\x00([\x00-\x7f])"
_PRODUCT = re.compile(rb"\x07product" + _TEXT)
_VERSION = re.compile(rb"\x07version" + _TEXT)


_CONNECTION_CLOSE = b"\x00\x0a\x00\x32"
_ACCESS_REFUSED = 403
_ANONYMOUS = "ANONYMOUS"
_LISTS_IT_TO_ALL = re.compile(r"[4-9]\.")
"""RabbitMQ since 4.0: the mechanism is among the default ones, for the user ``guest``, who may come from its own
machine alone."""


def _start_ok() -> bytes:
    """Connection.Start-Ok with the anonymous mechanism (AMQP 0-9-1 section 1.4.2.2), from a client that wants to hear
    of a refusal (RabbitMQ's ``authentication_failure_close``)."""
    told = b"\x1cauthentication_failure_closet\x01"
    properties = b"\x0ccapabilitiesF" + len(told).to_bytes(4, "big") + told
    arguments = len(properties).to_bytes(4, "big") + properties
    arguments += bytes([len(_ANONYMOUS)]) + _ANONYMOUS.encode() + bytes(4) + b"\x05en_US"
    payload = b"\x00\x0a\x00\x0b" + arguments
    return bytes([_METHOD_FRAME, 0, 0]) + len(payload).to_bytes(4, "big") + payload + _FRAME_END


START_OK = _start_ok()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is Connection.Start of protocol 0-9, or another version's header."""
    return _starts(reply) or reply in _OTHER_HEADERS


def _starts(reply: bytes) -> bool:
    return reply[:1] == bytes((_METHOD_FRAME,)) and reply[7:11] == _CONNECTION_START and reply[11:13] == b"\x00\x09"


def also_recognises(reply: bytes) -> bool:
    """Recognise the header that a broker sends back to whatever is not AMQP."""
    return reply == HEADER or reply in _OTHER_HEADERS


async def look(contact: Contact) -> ServiceFacts:
    """Send the protocol header and read what the broker starts with. Nobody logs in.

    Where the broker lists ``ANONYMOUS``, it is asked with permission whether that lets a stranger in. What it doesn't
    refuse counts as open; nothing is opened. Without permission the list is believed, but not RabbitMQ 4's, which holds
    it by default and lets in its own machine alone. A broker that answers with the header of version 1.0 is asked in
    that.
    """
    async with contact.open() as conversation:
        await conversation.send(HEADER)
        reply = await conversation.receive_until(_whole, limit=16 * 1024)
        evidence: tuple[Exchange, ...] = (exchange(HEADER, reply),)
        refused = tried = False
        offered = _mechanisms(reply).split() if _starts(reply) else []
        if _ANONYMOUS in offered and contact.level.at_least(Level.CREDENTIAL):
            answer = await _anonymous(conversation)
            evidence, refused, tried = (*evidence, exchange(START_OK, answer)), _refuses(answer), True
    channel = clear_only(contact)
    if reply in _OTHER_HEADERS:
        access, told, more = await amqp_sasl.look(contact)
        return ServiceFacts("AMQP", access, attributes=(*channel, *told), exchanges=(*evidence, *more))
    if not _starts(reply):
        raise UnexpectedReply("The AMQP broker answered its header with something else.")
    mechanisms, product, version = _mechanisms(reply), _property(_PRODUCT, reply), _property(_VERSION, reply)
    attributes = (*channel, ("mechanisms", mechanisms))
    if _ANONYMOUS not in mechanisms.split() or refused:
        access, attributes = Access.RESTRICTED, (*attributes, ("refusal", "credentials"))
    elif tried:
        access = Access.OPEN
    elif product == "RabbitMQ" and _LISTS_IT_TO_ALL.match(version):
        access = Access.UNKNOWN
    else:
        access, attributes = Access.OPEN, (*attributes, ("anonymous", "listed"))
    return ServiceFacts("AMQP", access, product, version, attributes, evidence)


async def _anonymous(conversation: Conversation) -> bytes:
    """Return what the broker answers to the anonymous mechanism; nothing when it hangs up or keeps silent."""
    try:
        await conversation.send(START_OK)
        return await conversation.receive_until(_whole, limit=4096)
    except ProbeError:
        return b""


def _refuses(answer: bytes) -> bool:
    """Tell whether the answer is Connection.Close with the code of a refused log-in."""
    return answer[7:11] == _CONNECTION_CLOSE and answer[11:13] == _ACCESS_REFUSED.to_bytes(2, "big")


def _whole(data: bytes) -> bool:
    if data.startswith(b"AMQP"):
        return len(data) >= len(HEADER)
    return len(data) >= 7 and len(data) >= int.from_bytes(data[3:7], "big") + 8


def _mechanisms(reply: bytes) -> str:
    fields = Fields(reply)
    fields.take(7 + 4 + 2)  # frame header, class and method, protocol version
    fields.take(fields.unsigned(4))  # server properties
    return " ".join(sorted(line(fields.take(fields.unsigned(4)).decode("ascii", errors="replace")).split()))


def _property(pattern: re.Pattern[bytes], reply: bytes) -> str:
    match = pattern.search(reply)
    if match is None:
        return ""
    return line(reply[match.end() : match.end() + match[1][0]].decode("utf-8", errors="replace"), 40)


PROBE = ServiceProbe(
    protocol="amqp",
    ports=frozenset({5671, 5672}),
    greeting=HEADER,
    recognises=recognises,
    also_recognises=also_recognises,
    look=look,
)
