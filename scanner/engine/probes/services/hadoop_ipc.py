"""Hadoop's own calls (IPC), by what their ports tell web clients; on the name node's ports they are those of HDFS.

Nothing is called, so nothing is called open.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_AS_A_BROWSER = b"GET / HTTP/1.0\r\n\r\n"
_WRONG_PORT = b"It looks like you are making an HTTP request to a Hadoop IPC port."
_NAME_NODE = frozenset({8020, 9000, 9820})
"""Where ``fs.defaultFS`` commonly points to."""


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is the one that Hadoop gives to web clients (Server.java, RECEIVED_HTTP_REQ_RESPONSE)."""
    return reply.startswith(b"HTTP/1.1 404 ") and _WRONG_PORT in reply


async def look(contact: Contact) -> ServiceFacts:
    """Ask for a page once more."""
    async with contact.open() as conversation:
        await conversation.send(_AS_A_BROWSER)
        reply = await conversation.receive_until(recognises, limit=1024)
    if not recognises(reply):
        raise UnexpectedReply("The Hadoop port answered with something else than before.")
    service = "HDFS" if contact.endpoint.port in _NAME_NODE else "HADOOP-IPC"
    return ServiceFacts(service, Access.UNKNOWN, "Apache Hadoop", exchanges=(exchange(_AS_A_BROWSER, reply),))


PROBE = ServiceProbe(
    protocol="hadoop-ipc",
    ports=_NAME_NODE - {9000},
    greeting=_AS_A_BROWSER,
    recognises=recognises,
    look=look,
    also_recognises=recognises,
    own_ports_only=True,
)
