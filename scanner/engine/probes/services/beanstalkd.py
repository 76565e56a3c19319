"""beanstalkd, a work queue without any log-in: told by how it refuses what is no command of its own.

The protocol is in ``doc/protocol.txt`` of its source.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import clear_only

GREETING = b"roundsman\r\n"
"""No command: nothing is asked of the queue."""

_REFUSAL = re.compile(rb"\A(?:UNKNOWN_COMMAND\r\n)+\Z")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply refuses our lines in beanstalkd's words, and says nothing else."""
    return bool(_REFUSAL.match(reply))


async def look(contact: Contact) -> ServiceFacts:
    """Say the line that is no command, and read the refusal."""
    async with contact.open() as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_until(recognises, limit=512)
    if not recognises(reply):
        raise UnexpectedReply("beanstalkd answered with something else.")
    evidence = (exchange(GREETING, reply),)
    return ServiceFacts("BEANSTALKD", Access.UNKNOWN, attributes=clear_only(contact), exchanges=evidence)


PROBE = ServiceProbe(
    protocol="beanstalkd",
    ports=frozenset({11300}),
    greeting=GREETING,
    recognises=recognises,
    look=look,
    also_recognises=recognises,
)
