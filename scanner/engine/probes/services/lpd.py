"""The line printer daemon (RFC 1179): it is asked for the short state of a queue that doesn't exist.

Nothing is printed, queued or removed. Attributes: ``refusal``: ``host-acl`` when it turns this address or port away.
"""

from __future__ import annotations

import re

from scanner.engine.errors import ConnectionLost, HostSilent, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_QUEUE = b"roundsman-inspection"
QUEUE_STATE = b"\x03" + _QUEUE + b"\n"
"""Section 5.3: send queue state (short), for all jobs of the queue."""

# What daemons of the BSD family (also LPRng, AIX, System V's lpsched) say to hosts and source ports they don't serve.
_TURNED_AWAY = re.compile(
    rb"(?:\blp(?:d|sched): (?:[Mm]alformed from address|[Yy]our host does not have line printer access|"
    rb"[Hh]ost ?name for your address|address for your hostname)|"
    rb"\A\d{4}-20[12] (?:your host does not have line printer access|ill-formed FROM address)|"
    rb"\Alpd \[@[\w.-]{1,80}\]: (?:Print-services are not available|connected from invalid port)|"
    rb"\A\x01?no connect permissions)"
)
_PRINTING = re.compile(rb"\b(?:printers?|print queue|queues?|lpd|lpsched)\b", re.IGNORECASE)
_NO_JOBS = re.compile(rb"\A(?:[^\n]{0,80}\r?\n)?no entries\r?\n\0?\Z")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply speaks of our queue as a printer's, says that none waits, or turns this address away."""
    if reply.startswith((b"HTTP/", b"<", b"\x03")):
        return False
    names_queue = _QUEUE in reply and bool(_PRINTING.search(reply.replace(_QUEUE, b"")))
    return names_queue or bool(_NO_JOBS.match(reply) or _TURNED_AWAY.search(reply))


async def look(contact: Contact) -> ServiceFacts:
    """Ask once more; the daemon ends its answer by closing."""
    async with contact.open() as conversation:
        await conversation.send(QUEUE_STATE)
        try:
            reply = await conversation.receive_until(recognises, limit=1024)
        except (ConnectionLost, HostSilent) as ended:
            reply = ended.args[1]
    if not recognises(reply):
        raise UnexpectedReply("The line printer daemon did not tell the state of a queue.")
    evidence = (exchange(QUEUE_STATE, reply),)
    if _TURNED_AWAY.search(reply):
        refusal: Attributes = (("refusal", "host-acl"),)
        return ServiceFacts("LPD", Access.RESTRICTED, attributes=refusal, exchanges=evidence)
    return ServiceFacts("LPD", Access.UNKNOWN, exchanges=evidence)


PROBE = ServiceProbe("printer", frozenset({515}), QUEUE_STATE, recognises, look, own_ports_only=True)
