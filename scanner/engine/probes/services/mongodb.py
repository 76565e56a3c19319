"""MongoDB: may a stranger list the databases? Only their number is kept.

``hello`` and ``buildInfo`` are answered without credentials by design and prove nothing.
Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``, ``databases``: how many were listed.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services import bson
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, same_port

# MongoDB wire protocol: message length, request id, response to, opcode; all little-endian.
_HEADER = struct.Struct("<iiii")
_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_REQUEST_ID = 0x52444D4E
_OP_MSG_SINCE = 6
"""The wire version (MongoDB 3.6) from which OP_MSG is understood."""
_SECONDARY_OK = 4
_FROM_ANY = {"mode": "secondaryPreferred"}
"""Without one of these a replica set's secondary refuses to list its databases, whoever asks."""
_UNAUTHORISED = frozenset({13, 18, 31, 8000})
"""Unauthorized, AuthenticationFailed, and what hosted services answer instead."""
_NO_PRIMARY = frozenset({10107, 13435, 13436})
"""NotWritablePrimary, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary: a member of a replica set that was never
initiated, or still recovers, answers no question of data; who may not ask is told that before."""
_OF_HELLO = (b"maxBsonObjectSize\0", b"ismaster\0", b"isWritablePrimary\0", b"maxWireVersion\0")
"""Fields of the answer to ``hello``, by its old and its new name."""
_LIMIT = 48 * 1024
_UNASKED: tuple[Access, Attributes] = (Access.UNKNOWN, ())


def _query(command: dict[str, bool | int | str]) -> bytes:
    """A command as OP_QUERY: understood by every server for the first greeting, by old ones for all commands."""
    body = struct.pack("<i", _SECONDARY_OK) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode(command)
    return _HEADER.pack(_HEADER.size + len(body), _REQUEST_ID, 0, _OP_QUERY) + body


def _message(command: dict[str, bool | int | str]) -> bytes:
    body = struct.pack("<i", 0) + b"\0" + bson.encode({**command, "$db": "admin", "$readPreference": _FROM_ANY})
    return _HEADER.pack(_HEADER.size + len(body), _REQUEST_ID, 0, _OP_MSG) + body


HELLO = _query({"isMaster": 1})


def recognises(reply: bytes) -> bool:
    """Tell whether the reply answers our greeting: our request id, a reply opcode, and a field of its own."""
    if len(reply) < _HEADER.size:
        return False
    length, _, answers, opcode = _HEADER.unpack_from(reply)
    ours = answers == _REQUEST_ID and opcode in (_OP_REPLY, _OP_MSG) and length >= len(reply[:length])
    return ours and any(name in reply for name in _OF_HELLO)


def also_recognises(reply: bytes) -> bool:
    """Recognise what an HTTP request earns on the driver's port."""
    return b"It looks like you are trying to access MongoDB over HTTP on the native driver port." in reply


async def look(contact: Contact) -> ServiceFacts:
    """Say hello, ask for the version, and (at the level of reads) for the number of databases."""
    async with contact.open() as conversation:
        hello, raw = await _ask(conversation, HELLO)
        wire_version = hello.get("maxWireVersion", 0)
        modern = isinstance(wire_version, int) and wire_version >= _OP_MSG_SINCE
        evidence = [exchange(HELLO, raw)]
        product, version = "MongoDB", ""
        access, attributes = _UNASKED
        if contact.level.at_least(Level.READ):
            encode = _message if modern else _query
            build, _ = await _ask(conversation, encode({"buildInfo": 1}))
            if any(name.lower().startswith("ferretdb") for name in build):
                product = "FerretDB"  # the version that it gives is the MongoDB that it stands in for
            else:
                version = line(str(build.get("version", "")), 32)
            request = encode({"listDatabases": 1, "nameOnly": True})
            access, attributes, summary = _judge(await _ask(conversation, request))
            evidence.append(exchange(request, summary))
    attributes = (*await same_port(contact), *attributes)
    return ServiceFacts("MONGODB", access, product, version, attributes, tuple(evidence))


def _judge(answer: tuple[dict[str, bson.Value], bytes]) -> tuple[Access, Attributes, bytes]:
    """Return the access, its attributes, and what may be kept of the reply: never the names of databases."""
    document, raw = answer
    if document.get("ok") == 1:
        count = bson.array_length(document.get("databases"))
        return Access.OPEN, (("databases", str(count)),), f"ok: 1, databases: {count} (names not kept)".encode()
    if document.get("code") in _NO_PRIMARY:
        return Access.OPEN, (), raw
    if document.get("code") in _UNAUTHORISED or "auth" in str(document.get("errmsg", "")):
        return Access.RESTRICTED, (("refusal", "credentials"),), raw
    return Access.UNKNOWN, (), raw


async def _ask(conversation: Conversation, request: bytes) -> tuple[dict[str, bson.Value], bytes]:
    """Send a command; return the document of its reply, and the reply."""
    await conversation.send(request)
    header = await conversation.receive_exactly(_HEADER.size)
    length, _, answers, opcode = _HEADER.unpack(header)
    if answers != _REQUEST_ID or not _HEADER.size < length <= _LIMIT:
        raise UnexpectedReply("MongoDB's reply is not to what was asked.")
    body = await conversation.receive_until(
        lambda data: len(data) >= length - _HEADER.size, limit=length - _HEADER.size
    )
    # OP_REPLY: flags, cursor id, starting from, number returned. OP_MSG: flags, then a section of kind 0.
    skip = {_OP_REPLY: 20, _OP_MSG: 5}.get(opcode)
    if skip is None:
        raise UnexpectedReply(f"MongoDB replied with opcode {opcode}.")
    return bson.decode(body[skip:]), header + body


PROBE = ServiceProbe(
    protocol="mongodb",
    ports=frozenset({27017, 27018, 27019}),
    greeting=HELLO,
    recognises=recognises,
    also_recognises=also_recognises,
    look=look,
)
