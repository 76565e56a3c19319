"""Apache RocketMQ's brokers and name servers, by their remoting protocol: do they tell strangers how they fare?

A broker is asked for its run-time figures (GET_BROKER_RUNTIME_INFO), a name server, which knows no such request, for
the cluster's brokers (GET_BROKER_CLUSTER_INFO). Both only read. Attributes: ``refusal``: ``credentials``.
"""

from __future__ import annotations

import json
import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_RUNTIME, _CLUSTER = 28, 106
_SUCCESS, _NOT_SUPPORTED, _NO_PERMISSION = 0, 3, 16
_OURS = 0x526D6170
"""The number by which a response tells which request it answers (``opaque``)."""
_IS_RESPONSE = 1
_LIMIT = 48 * 1024
_REFUSAL = re.compile(r"AclException|AuthenticationException|AuthorizationException|accessKey")
"""How a broker words in the remark that it wants a log-in: those of version 4 have no code for it."""
_VERSION = re.compile(rb'"brokerVersionDesc":"V(\d+)_(\d+)_(\d+)')


def request(code: int) -> bytes:
    """Return a request without fields: the frame's length, the header's (JSON: kind 0), and the header."""
    fields = {"code": code, "flag": 0, "language": "JAVA", "opaque": _OURS}
    header = json.dumps({**fields, "serializeTypeCurrentRPC": "JSON", "version": 401}).encode()
    return (4 + len(header)).to_bytes(4, "big") + len(header).to_bytes(4, "big") + header


RUNTIME, CLUSTER = request(_RUNTIME), request(_CLUSTER)


def _header(reply: bytes) -> tuple[int, str] | None:
    """Return the code and the remark of a response to our request, whose body may be cut."""
    size = int.from_bytes(reply[4:8], "big")
    if not 2 <= size <= int.from_bytes(reply[:4], "big") - 4 or size > len(reply) - 8:
        return None
    try:
        header = json.loads(reply[8 : 8 + size])
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or header.get("opaque") != _OURS or not isinstance(header.get("code"), int):
        return None
    is_response = isinstance(header.get("flag"), int) and header["flag"] & _IS_RESPONSE
    return (header["code"], str(header.get("remark") or "")) if is_response else None


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a response to our request."""
    return _header(reply) is not None


async def look(contact: Contact) -> ServiceFacts:
    """Ask as a broker is asked, then as a name server; the figures are not kept."""
    evidence: list[Exchange] = []
    async with contact.open() as conversation:
        reply, code, remark = await _ask(conversation, RUNTIME, evidence)
        if code == _NOT_SUPPORTED:
            reply, code, remark = await _ask(conversation, CLUSTER, evidence)
    access, attributes = _judge(code, remark)
    version = _VERSION.search(reply)
    text = b".".join(version.groups()).decode() if version else ""
    return ServiceFacts("ROCKETMQ", access, "Apache RocketMQ", text, attributes, tuple(evidence))


def _judge(code: int, remark: str) -> tuple[Access, Attributes]:
    if code == _SUCCESS:
        return Access.OPEN, ()
    if code == _NO_PERMISSION or _REFUSAL.search(remark):
        return Access.RESTRICTED, (("refusal", "credentials"),)
    return Access.UNKNOWN, ()


async def _ask(conversation: Conversation, sent: bytes, evidence: list[Exchange]) -> tuple[bytes, int, str]:
    await conversation.send(sent)
    size = await conversation.receive_exactly(4)
    length = int.from_bytes(size, "big")
    if not 4 <= length <= _LIMIT:
        raise UnexpectedReply("RocketMQ's response has an impossible length.")
    reply = size + await conversation.receive_exactly(length)
    header = _header(reply)
    if header is None:
        raise UnexpectedReply("RocketMQ answered with something that is no response to what was asked.")
    evidence.append(exchange(sent, reply[: 8 + int.from_bytes(reply[4:8], "big")]))
    return reply, *header


PROBE = ServiceProbe(
    "rocketmq",
    frozenset({9876, 10909, 10911, 10912}),
    RUNTIME,
    recognises,
    look,
    greeting_level=Level.READ,
)
