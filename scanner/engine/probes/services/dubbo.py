"""Apache Dubbo, by the help of the telnet console that its ports (and those of its QOS) speak besides RPC.

The console can call every service; only ``help`` is sent. Attributes: ``refusal``: ``host-acl`` where QOS turns
strangers away (``qos.accept.foreign.ip``).
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

HELP = b"help\r\n"

_COMMANDS = (b"trace [service] [method] [times]", b'Please input "help [command]" show detail.')
_QOS_PROMPT = b"dubbo>"
_NOT_FROM_HERE = b"Foreign Ip Not Permitted"


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is Dubbo's: its list of commands, the prompt of QOS, or QOS' refusal."""
    return any(mark in reply for mark in (*_COMMANDS, _QOS_PROMPT, _NOT_FROM_HERE))


async def look(contact: Contact) -> ServiceFacts:
    """Ask for help. What is listed there is not tried: it calls services and changes log levels."""
    async with contact.open() as conversation:
        await conversation.send(HELP)
        reply = await conversation.receive_until(lambda data: data.rstrip().endswith(b"dubbo>"), limit=4096)
    if not recognises(reply):
        raise UnexpectedReply("Dubbo answered help with something else.")
    refused = (("refusal", "host-acl"),) if _NOT_FROM_HERE in reply else ()
    access = Access.RESTRICTED if refused else Access.UNKNOWN
    return ServiceFacts("DUBBO", access, "Apache Dubbo", attributes=refused, exchanges=(exchange(HELP, reply),))


PROBE = ServiceProbe(
    "dubbo", frozenset({20880, 20881, 20882, 22222}), HELP, recognises, look, greeting_level=Level.READ
)
