"""Apache Kafka: are the cluster's brokers told to a client that did not authenticate?

A controller of KRaft knows no brokers' metadata; it is asked for the state of its quorum instead.
Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``, ``brokers``: how many were named.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import ConnectionLost, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, clear_only
from scanner.engine.probes.wire import Fields

_METADATA, _API_VERSIONS, _DESCRIBE_QUORUM = 3, 18, 55
_CORRELATION = 0x726F756E
_CLIENT = b"roundsman"
_UNASKED: tuple[Access, Attributes] = (Access.UNKNOWN, ())
_MAX_APIS = 500
_LIMIT = 32 * 1024


def _request(api: int, version: int, body: bytes = b"") -> bytes:
    head = struct.pack(">hhih", api, version, _CORRELATION, len(_CLIENT)) + _CLIENT
    return struct.pack(">i", len(head) + len(body)) + head + body


API_VERSIONS = _request(_API_VERSIONS, 0)

QUORUM = _request(_DESCRIBE_QUORUM, 0, b"\0\x02\x13__cluster_metadata\x02\0\0\0\0\0\0\0")
"""DescribeQuorum of the one partition that controllers keep, in the compact form (KIP-482, KIP-595): no field beside
those of the header, one topic, its name, one partition of number 0, and no further fields."""
_REFUSED = 31
"""CLUSTER_AUTHORIZATION_FAILED."""


def recognises(reply: bytes) -> bool:
    """Tell whether the reply repeats our correlation id and goes on as ApiVersions (version 0) does."""
    if len(reply) < 14 or reply[4:8] != struct.pack(">i", _CORRELATION):
        return False
    size, _, error, count = struct.unpack_from(">iihi", reply)
    well_formed: bool = size == 10 + 6 * count and error == 0 and 0 < count <= _MAX_APIS
    return well_formed or (error == 35 and size >= 10)


async def look(contact: Contact) -> ServiceFacts:
    """Ask which requests the broker knows, then (at the level of reads) for the metadata of no topic at all."""
    async with contact.open() as conversation:
        await conversation.send(API_VERSIONS)
        reply = await _response(conversation)
        evidence = [exchange(API_VERSIONS, reply)]
        access, attributes = _UNASKED
        if contact.level.at_least(Level.READ):
            known = _known(reply)
            controls = _METADATA not in known and _DESCRIBE_QUORUM in known
            request, brokers_at = (QUORUM, 0) if controls else _metadata_request(known)
            await conversation.send(request)
            try:
                reply = await _response(conversation)
            except ConnectionLost:
                reply = b""
            evidence.append(exchange(request, reply))
            access, attributes = _judge_quorum(reply) if controls else _judge(reply, brokers_at)
    attributes = (*clear_only(contact), *attributes)
    return ServiceFacts("KAFKA", access, "Apache Kafka", "", attributes, tuple(evidence))


async def _response(conversation: Conversation) -> bytes:
    size = await conversation.receive_exactly(4)
    length = int.from_bytes(size, "big")
    if not 4 <= length <= _LIMIT:
        raise UnexpectedReply("Kafka's response has an impossible length.")
    return size + await conversation.receive_exactly(length)


def _known(versions: bytes) -> dict[int, tuple[int, int]]:
    """Return the lowest and highest version of each request that the broker listed."""
    fields = Fields(versions)
    fields.take(4 + 4 + 2)
    count = min(fields.signed(4), _MAX_APIS)
    return {fields.unsigned(2): (fields.unsigned(2), fields.unsigned(2)) for _ in range(count)}


def _metadata_request(known: dict[int, tuple[int, int]]) -> tuple[bytes, int]:
    """Return the request in a version both sides know, and where the brokers start in its response."""
    lowest, highest = known.get(_METADATA, (1, 1))
    if lowest <= 1 <= highest:
        return _request(_METADATA, 1, struct.pack(">i", 0)), 8
    if lowest <= 4 <= highest:
        return _request(_METADATA, 4, struct.pack(">i?", 0, False)), 12  # no topic, none made; throttle time first
    raise UnexpectedReply("Kafka knows no version of the metadata request that is spoken here.")


def _judge(reply: bytes, brokers_at: int) -> tuple[Access, Attributes]:
    """A broker that wants authentication first hangs up on the metadata request."""
    if not reply:
        return Access.RESTRICTED, (("refusal", "credentials"),)
    fields = Fields(reply)
    fields.take(brokers_at)
    brokers = fields.signed(4)
    if brokers > 0:
        return Access.OPEN, (("brokers", str(brokers)),)
    return Access.UNKNOWN, ()


def _judge_quorum(reply: bytes) -> tuple[Access, Attributes]:
    """Judge by the error that follows the header with its empty list of further fields."""
    if not reply:
        return Access.RESTRICTED, (("refusal", "credentials"),)
    fields = Fields(reply)
    fields.take(4 + 4 + 1)
    error = fields.signed(2)
    if error == _REFUSED:
        return Access.RESTRICTED, (("refusal", "credentials"),)
    return (Access.OPEN if error == 0 else Access.UNKNOWN), ()


PROBE = ServiceProbe("kafka", frozenset({9092, 9093, 9094}), API_VERSIONS, recognises, look)
