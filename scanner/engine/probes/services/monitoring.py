"""Monitoring agents that answer whoever reaches them: NRPE, Munin's node and Ganglia's gmond.

All three know only address rules; an answer to us means that the rule lets strangers in. Attributes of Munin:
``name``: what the node calls itself.
"""

from __future__ import annotations

import re
import struct
import zlib

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_NRPE = struct.Struct(">hhIh1024s2x")
"""Version, kind, checksum, result and text of a packet of version 2 (NRPE's ``common.h``)."""
_QUERY, _RESPONSE = 1, 2
_NRPE_TEXT = re.compile(rb"\ANRPE v?(\d[\w.-]{0,20})")

_MUNIN = re.compile(rb"\A# munin (?:node|client) at ([^\n]{1,200})\n")
_MUNIN_VERSION = re.compile(rb"munins node on [^\n]{1,200} version: (\d[\w.-]{0,20})")
_GANGLIA = re.compile(rb'<GANGLIA_XML VERSION="(\d[\w.-]{0,20})" SOURCE="gmond"')
_GANGLIA_LIMIT = 16384


def nrpe_packet(kind: int, text: bytes) -> bytes:
    """Return a packet of version 2 with its checksum."""
    blank = _NRPE.pack(2, kind, 0, 0, text)
    return _NRPE.pack(2, kind, zlib.crc32(blank), 0, text)


NRPE_CHECK = nrpe_packet(_QUERY, b"_NRPE_CHECK")
"""Asks the agent for its own version; no command is run for it."""


def is_nrpe(reply: bytes) -> bool:
    """Tell whether the reply is a response of version 2 whose checksum is right."""
    if len(reply) != _NRPE.size or reply[:4] != struct.pack(">hh", 2, _RESPONSE):
        return False
    return zlib.crc32(reply[:4] + bytes(4) + reply[8:]) == int.from_bytes(reply[4:8], "big")


def is_munin(banner: bytes) -> bool:
    """Tell whether the banner is a Munin node's."""
    return bool(_MUNIN.match(banner))


def is_ganglia(banner: bytes) -> bool:
    """Tell whether the banner is the beginning of Ganglia's XML, with the definition of its own type."""
    return banner.startswith(b"<?xml ") and b"<!DOCTYPE GANGLIA_XML [" in banner[:200]


async def look_at_nrpe(contact: Contact) -> ServiceFacts:
    """Ask for the version: who may ask that may have every command run that the agent defines."""
    async with contact.open() as conversation:
        await conversation.send(NRPE_CHECK)
        reply = await conversation.receive_exactly(_NRPE.size)
    if not is_nrpe(reply):
        raise UnexpectedReply("The NRPE agent answered with something that is no response.")
    version = _NRPE_TEXT.match(reply[10:])
    return ServiceFacts(
        "NRPE",
        Access.OPEN,
        "NRPE",
        version[1].decode() if version else "",
        exchanges=(exchange(NRPE_CHECK.rstrip(b"\0"), reply.rstrip(b"\0")),),
    )


async def look_at_munin(contact: Contact) -> ServiceFacts:
    """Read the greeting and, at the level of reads, ask for the version: no plugin is run."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(lambda data: b"\n" in data, limit=512)
        name = _MUNIN.match(banner)
        if name is None:
            raise UnexpectedReply("The Munin node greeted with something else than before.")
        attributes = (("name", printable_bytes(name[1], 80)),)
        evidence = (exchange(b"", banner),)
        if not contact.level.at_least(Level.READ):
            return ServiceFacts("MUNIN", Access.UNKNOWN, "Munin", attributes=attributes, exchanges=evidence)
        await conversation.send(b"version\n")
        reply = await conversation.receive_until(lambda data: b"\n" in data, limit=512)
    version = _MUNIN_VERSION.match(reply)
    return ServiceFacts(
        "MUNIN",
        Access.OPEN if version else Access.UNKNOWN,
        "Munin",
        version[1].decode() if version else "",
        attributes,
        (*evidence, exchange(b"version\n", reply)),
    )


async def look_at_ganglia(contact: Contact) -> ServiceFacts:
    """Read until the version; the rest, the state of every host of the cluster, is left unread."""
    async with contact.open() as conversation:
        xml = await conversation.receive_until(lambda data: bool(_GANGLIA.search(data)), limit=_GANGLIA_LIMIT)
    version = _GANGLIA.search(xml)
    if version is None:
        raise UnexpectedReply("Ganglia's XML doesn't name its version where it should.")
    return ServiceFacts("GANGLIA", Access.OPEN, "Ganglia", version[1].decode(), exchanges=(exchange(b"", version[0]),))


PROBES = (
    ServiceProbe(
        "nrpe",
        frozenset({5666}),
        NRPE_CHECK,
        is_nrpe,
        look_at_nrpe,
        greeting_level=Level.READ,
        own_ports_only=True,
    ),
    ServiceProbe("munin", frozenset({4949}), b"", is_munin, look_at_munin),
    ServiceProbe("ganglia", frozenset({8649}), b"", is_ganglia, look_at_ganglia),
)
