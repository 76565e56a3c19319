"""OPC UA: ask for the endpoints, which needs no session. May anyone connect without encryption and without a name?

Attributes: ``modes``: the security modes on offer, joined by commas; ``anonymous``: ``yes`` when an endpoint without
security lets anonymous users in.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.devices import opcua_messages as messages
from scanner.engine.probes.services.devices.base import DeviceProbe

_ACKNOWLEDGE, _ERROR, _OPENED, _ANSWER = b"ACKF", b"ERRF", b"OPNF", b"MSGF"
_LIMIT = 60 * 1024


async def look(contact: Contact) -> ServiceFacts:
    """Say hello, open a channel without security, ask for the endpoints, close the channel."""
    address = contact.endpoint.address
    literal = f"[{address}]" if ":" in address else address
    url = f"opc.tcp://{literal}:{contact.endpoint.port}".encode()
    async with contact.open() as conversation:
        evidence: list[Exchange] = []
        await _ask(conversation, messages.hello(url), _ACKNOWLEDGE, evidence)
        opened = await _ask(conversation, messages.open_channel(), _OPENED, evidence)
        if opened is None:
            return ServiceFacts("OPCUA", Access.RESTRICTED, exchanges=tuple(evidence))
        channel, token = messages.channel_of(opened)
        answer = await _ask(conversation, messages.get_endpoints(channel, token, url), _ANSWER, evidence)
        await conversation.send(messages.close_channel(channel, token))
    if answer is None:
        return ServiceFacts("OPCUA", Access.RESTRICTED, exchanges=tuple(evidence))
    return _facts(messages.endpoints_of(answer), tuple(evidence))


def _facts(endpoints: tuple[messages.ServerEndpoint, ...], evidence: tuple[Exchange, ...]) -> ServiceFacts:
    free = any(each.mode == messages.NO_SECURITY and messages.ANONYMOUS in each.tokens for each in endpoints)
    modes = dict.fromkeys(messages.MODES.get(each.mode, "?") for each in endpoints)
    attributes = (("modes", ", ".join(modes)), ("anonymous", "yes" if free else "no"))
    product = next((each.application for each in endpoints if each.application), "")
    return ServiceFacts("OPCUA", Access.OPEN if free else Access.RESTRICTED, product, "", attributes, evidence)


async def _ask(conversation: Conversation, request: bytes, wanted: bytes, evidence: list[Exchange]) -> bytes | None:
    """Return the message that answers; None when the server refuses, which it may do only once it has said hello."""
    await conversation.send(request)
    head = await conversation.receive_exactly(messages.HEADER)
    size = int.from_bytes(head[4:], "little")
    if head[:4] not in (wanted, _ERROR) or not messages.HEADER <= size <= _LIMIT:
        raise UnexpectedReply("This is no answer of an OPC UA server.")
    reply = head + await conversation.receive_until(
        lambda data: len(data) >= size - messages.HEADER, limit=size - messages.HEADER
    )
    evidence.append(exchange(request, reply))
    if head[:4] == _ERROR and wanted == _ACKNOWLEDGE:
        raise UnexpectedReply("The server refused the hello.")
    return reply if head[:4] == wanted else None


PROBE = DeviceProbe("opcua", frozenset({4840}), look)
