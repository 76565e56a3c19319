"""The form of a question to a device: one request, in the protocol of the port, and nothing before or after it.

Other probes greet a port to learn what it is, then look, then look again. Here the look is all there is, so that a
controller gets one request of ours in an inspection, and only where the authorisation's level says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import Look

Read = Callable[[bytes], tuple[str, str]]
"""Return product and version of a reply, printable, empty where it names none. Raises ``UnexpectedReply`` on anything
but an answer to the request."""

REPLY_LIMIT = 2048


@dataclass(frozen=True, slots=True)
class DeviceProbe:
    """What is asked on the ports of one protocol. ``look`` raises ``ProbeError`` when another protocol answers."""

    protocol: str
    ports: frozenset[int]
    look: Look
    transport: Transport = Transport.TCP


def one_request(
    protocol: str,
    service: str,
    port: int,
    request: bytes,
    whole: Callable[[bytes], bool],
    read: Read,
    transport: Transport = Transport.TCP,
) -> DeviceProbe:
    """Return the probe that sends ``request``; over TCP the reply is collected until it is ``whole``."""

    async def look(contact: Contact) -> ServiceFacts:
        if transport is Transport.UDP:
            reply = await contact.ask(request, tries=1)
        else:
            async with contact.open() as conversation:
                await conversation.send(request)
                reply = await conversation.receive_until(whole, limit=REPLY_LIMIT)
        product, version = read(reply)
        return ServiceFacts(service, Access.UNKNOWN, product, version, exchanges=(exchange(request, reply),))

    return DeviceProbe(protocol, frozenset({port}), look, transport)
