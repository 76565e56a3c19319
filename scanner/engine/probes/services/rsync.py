"""The rsync daemon: which modules does it list, and which does it serve without a password?

Attributes: ``modules``: listed names, joined by commas; ``open_modules``: those that need no password. At most
``MODULE_LIMIT`` modules are asked; no file list is ever requested.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe

HELLO = b"@RSYNCD: 31.0\n"
LIST = b"#list\n"
MODULE_LIMIT = 32
"""Modules that are asked, each on a connection of its own; of a server with more, not all is known."""

LIST_LIMIT = 32 * 1024
"""Bytes of the message of the day and the list."""

_BANNER = re.compile(rb"\A@RSYNCD: \d{1,3}(?:\.\d{1,3})?(?: [^\n]{0,200})?\n")
"""Before version 3.0 (2008) there was no number behind the point; openrsync still has none."""
_MODULE = re.compile(rb"^([^\s@#\n][^\t\n]{0,63}?)[ ]*\t", re.MULTILINE)
_NO_MODULE = b"@ERROR: Unknown module"
"""Said of a line of the message of the day that looks like a module's."""
_FULL = b"@ERROR: max connections"
"""A module that others use at the moment; who may use it is not told."""
_VERDICT = re.compile(rb"^(@RSYNCD: OK|@RSYNCD: AUTHREQD|%s|@ERROR)" % _NO_MODULE, re.MULTILINE)


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is an rsync daemon's: it greets with its protocol version."""
    return bool(_BANNER.match(banner))


async def look(contact: Contact) -> ServiceFacts:
    """List the modules and open each until the daemon says whether it wants a password."""
    async with contact.open(timeout=8) as conversation:
        banner = await _greet(conversation)
        evidence = [exchange(HELLO, banner)]
        if not contact.level.at_least(Level.READ):
            return ServiceFacts("RSYNC", Access.UNKNOWN, "rsync", exchanges=tuple(evidence))
        await conversation.send(LIST)
        reply = await conversation.receive_until(_listed, limit=LIST_LIMIT)
    evidence.append(exchange(LIST, reply))
    modules = list(dict.fromkeys(match[1] for match in _MODULE.finditer(reply)))
    opened: list[bytes] = []
    for module in modules[:MODULE_LIMIT]:
        verdict, said = await _open_module(contact, module)
        evidence.append(said)
        opened += [module] if verdict == b"@RSYNCD: OK" else []
        if verdict == _NO_MODULE:
            modules.remove(module)
    ended = f"Only {MODULE_LIMIT} of its modules were asked." if len(modules) > MODULE_LIMIT else ""
    attributes = (("modules", _names(modules)), ("open_modules", _names(opened)))
    access = Access.OPEN if opened else Access.RESTRICTED
    return ServiceFacts("RSYNC", access, "rsync", attributes=attributes, exchanges=tuple(evidence), ended=ended)


async def _greet(conversation: Conversation) -> bytes:
    banner = await conversation.receive_until(lambda data: b"\n" in data, limit=512)
    await conversation.send(HELLO)
    return banner


def _listed(data: bytes) -> bool:
    return b"@RSYNCD: EXIT" in data or b"@ERROR" in data


async def _open_module(contact: Contact, module: bytes) -> tuple[bytes, Exchange]:
    """Return the daemon's verdict on a stranger who names ``module``; the message of the day may come first.

    Raises ``ProbeError`` when it gives none: a connection that broke off is no refusal.
    """
    request = module + b"\n"
    async with contact.open(timeout=8) as conversation:
        await _greet(conversation)
        await conversation.send(request)
        reply = await conversation.receive_until(lambda data: bool(_VERDICT.search(data)), limit=4096)
    verdict = _VERDICT.search(reply)
    if verdict is None or _FULL in reply:
        raise UnexpectedReply("The rsync daemon did not say whether the module needs a password.")
    return verdict[1], exchange(request, reply)


def _names(modules: list[bytes]) -> str:
    return ", ".join(printable_bytes(module, 64) for module in modules)


PROBE = ServiceProbe(protocol="rsync", ports=frozenset({873}), greeting=b"", recognises=recognises, look=look)
