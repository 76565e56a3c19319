"""The port mapper over TCP: which programs does it tell of, and to whom does NFS export?

NFS, mount daemons and lock managers speak the same calls on ports of their own, and say that they are no port mapper;
they are named ``rpc``, and asked nothing.

Attributes: ``programs``: names or numbers, joined by commas; ``exports``: exported paths and their clients, such as
``/srv (*)``, joined by semicolons; ``everyone``: ``yes`` when at least one export has no client list, ``*``, or a
network that holds every address; ``exports_asked``: ``failed`` when the mount daemon did not tell.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Endpoint, Level, Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes
from scanner.engine.probes.wire import Fields

_ID = 0x526D6170
_PORTMAP, _MOUNT = 100000, 100005
_NULL, _DUMP, _EXPORT = 0, 4, 5
_PROGRAM_UNAVAILABLE = 1
_TCP = 6
_LAST_FRAGMENT = 0x80000000
_REPLY_LIMIT = 64 * 1024
"""Bytes of a list of programs or exports; of a longer one the beginning counts."""

_NAMES = {
    100000: "portmapper", 100003: "nfs", 100005: "mountd", 100021: "nlockmgr", 100024: "status", 100227: "nfs_acl",
    100011: "rquotad", 100004: "ypserv", 100007: "ypbind", 100001: "rstatd", 100002: "rusersd",
}  # fmt: skip


_EVERYONE = frozenset({"*", "(everyone)", "0.0.0.0/0", "0.0.0.0/0.0.0.0", "::/0", "0/0"})


def call(program: int, version: int, procedure: int) -> bytes:
    """Return an ONC RPC call without credentials or arguments (RFC 5531 section 9), with its record mark."""
    message = struct.pack(">10I", _ID, 0, 2, program, version, procedure, 0, 0, 0, 0)
    return struct.pack(">I", _LAST_FRAGMENT | len(message)) + message


GREETING = call(_PORTMAP, 2, _NULL)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is an RPC reply to our call, accepted or denied, of a server that has the program."""
    return _answers(reply) and not recognises_other(reply)


def recognises_other(reply: bytes) -> bool:
    """Tell whether the reply says that the program is unavailable (RFC 5531 section 9): it is another's port."""
    if not _answers(reply) or len(reply) < 28 or reply[12:16] != bytes(4):
        return False
    verifier = int.from_bytes(reply[20:24], "big")
    return reply[24 + verifier : 28 + verifier] == struct.pack(">I", _PROGRAM_UNAVAILABLE)


def _answers(reply: bytes) -> bool:
    return len(reply) >= 16 and reply[:1] == b"\x80" and reply[4:12] == struct.pack(">II", _ID, 1)


async def look(contact: Contact) -> ServiceFacts:
    """List the programs, at the level of reads, and the exports where a mount daemon is registered on this host.

    Nothing is mounted. The mount daemon's port is asked only where the gate allows it.
    """
    if not contact.level.at_least(Level.READ):
        await _ask(contact, GREETING)
        return ServiceFacts("RPCBIND", Access.UNKNOWN)
    request = call(_PORTMAP, 2, _DUMP)
    reply = await _ask(contact, request)
    evidence = [exchange(request, reply)]
    programs = _programs(_result(reply))
    names = dict.fromkeys(_NAMES.get(program, str(program)) for program, _, _, _ in programs)
    attributes: Attributes = (("programs", ", ".join(names)),)
    mount = next(((version, port) for program, version, protocol, port in programs if _mounts(program, protocol)), None)
    if mount is not None:
        version, port = mount
        request = call(_MOUNT, version, _EXPORT)
        endpoint = Endpoint(contact.endpoint.address, port, Transport.TCP)
        if contact.dialer.permits(endpoint):
            try:
                reply = await _ask(replace(contact, endpoint=endpoint), request)
                attributes = (*attributes, *_exports(_result(reply)))
                evidence.append(exchange(request, reply))
            except ProbeError:
                attributes = (*attributes, ("exports_asked", "failed"))
    return ServiceFacts("RPCBIND", Access.OPEN, attributes=attributes, exchanges=tuple(evidence))


async def look_at_other(contact: Contact) -> ServiceFacts:
    """Make the same call once more; which program the port is for is the port mapper's to tell."""
    reply = await _ask(contact, GREETING)
    if not recognises_other(reply):
        raise UnexpectedReply("The RPC service answered with something else than before.")
    return ServiceFacts("RPC", Access.UNKNOWN, exchanges=(exchange(GREETING, reply),))


def _mounts(program: int, protocol: int) -> bool:
    return program == _MOUNT and protocol == _TCP


async def _ask(contact: Contact, request: bytes) -> bytes:
    """Return the reply as one fragment: servers send a long one in several (RFC 5531 section 11)."""
    async with contact.open() as conversation:
        await conversation.send(request)
        message, last = b"", False
        while not last and len(message) < _REPLY_LIMIT:
            mark = int.from_bytes(await conversation.receive_exactly(4), "big")
            last = bool(mark & _LAST_FRAGMENT)
            message += await conversation.receive_exactly(min(mark & ~_LAST_FRAGMENT, _REPLY_LIMIT - len(message)))
        return struct.pack(">I", _LAST_FRAGMENT | len(message)) + message


def _result(reply: bytes) -> Fields:
    """Return what follows an accepted and successful reply's header."""
    fields = Fields(reply)
    fields.take(12)
    if fields.unsigned(4) != 0:
        raise UnexpectedReply("The RPC service denied the call.")
    fields.take(4)
    fields.take(fields.unsigned(4))
    if fields.unsigned(4) != 0:
        raise UnexpectedReply("The RPC service could not carry out the call.")
    return fields


def _programs(fields: Fields) -> list[tuple[int, int, int, int]]:
    """Read the list of DUMP: program, version, protocol, port."""
    programs: list[tuple[int, int, int, int]] = []
    while fields.left >= 4 and fields.unsigned(4) == 1 and fields.left >= 16 and len(programs) < 200:
        programs.append((fields.unsigned(4), fields.unsigned(4), fields.unsigned(4), fields.unsigned(4)))
    return programs


def _exports(fields: Fields) -> Attributes:
    """Read the list of EXPORT: a path and its groups of clients; no group means everyone (RFC 1813 appendix I)."""
    texts: list[str] = []
    everyone = False
    try:
        while fields.unsigned(4) == 1:
            path, groups = _text(fields), []
            while fields.unsigned(4) == 1:
                groups.append(_text(fields))
            everyone = everyone or not groups or bool(_EVERYONE.intersection(groups))
            texts.append(f"{path} ({', '.join(groups) or '*'})")
    except UnexpectedReply:
        if not texts:
            raise  # else it is a list that is too long for us, and ends anywhere
    if not texts:
        return ()
    return (("exports", "; ".join(texts)[:400]), ("everyone", "yes" if everyone else "no"))


def _text(fields: Fields) -> str:
    size = fields.unsigned(4)
    data = fields.take(size)
    fields.take(-size % 4)
    return printable_bytes(data, 120)


PROBES = (
    ServiceProbe("rpcbind", frozenset({111}), GREETING, recognises, look),
    ServiceProbe("rpc", frozenset({2049}), GREETING, recognises_other, look_at_other),
)
