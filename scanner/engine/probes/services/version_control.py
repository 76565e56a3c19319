"""Daemons that hand out source code: Git and CVS. No repository is opened.

Whether one may be read without credentials takes its path, which isn't guessed, so nothing is called open.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import Look, ServiceProbe

_NOWHERE = b"/roundsman-inspection"
"""A path where no repository is."""

# A packet line whose text is an error about the path that was asked for (gitprotocol-pack, "Initial upload-pack").
_GIT = re.compile(rb"\A([0-9a-f]{4})ERR [\x20-\x7e]{1,100}: " + re.escape(_NOWHERE) + rb"\n?\Z")

_CVS = re.compile(rb"\A[\w./-]{0,40} \[(?:p?server) aborted\]: bad auth protocol start: ")


def _packet_line(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


GIT_REQUEST = _packet_line(b"git-upload-pack " + _NOWHERE + b"\0host=roundsman.invalid\0")
CVS_LINE = b"roundsman\n"


def recognises_git(reply: bytes) -> bool:
    """Tell whether the reply is one packet line that turns our path down."""
    packet = _GIT.match(reply)
    return packet is not None and int(packet[1], 16) == len(reply)


def recognises_cvs(reply: bytes) -> bool:
    """Tell whether the reply is the CVS server's error about a line that begins no log-in."""
    return bool(_CVS.match(reply))


def _look(service: str, product: str, greeting: bytes, recognises: Callable[[bytes], bool]) -> Look:
    async def look(contact: Contact) -> ServiceFacts:
        async with contact.open() as conversation:
            await conversation.send(greeting)
            reply = await conversation.receive_until(recognises, limit=1024)
        if not recognises(reply):
            raise UnexpectedReply(f"{product} answered with something else than before.")
        return ServiceFacts(service, Access.UNKNOWN, product, exchanges=(exchange(greeting, reply),))

    return look


PROBES = (
    ServiceProbe(
        "git",
        frozenset({9418}),
        GIT_REQUEST,
        recognises_git,
        _look("GIT", "Git daemon", GIT_REQUEST, recognises_git),
        own_ports_only=True,
    ),
    ServiceProbe(
        "cvspserver",
        frozenset({2401}),
        CVS_LINE,
        recognises_cvs,
        _look("CVS", "CVS", CVS_LINE, recognises_cvs),
        also_recognises=recognises_cvs,
        own_ports_only=True,
    ),
)
