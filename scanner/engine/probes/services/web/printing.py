"""CUPS, the print server: IPP over HTTP (RFC 8010, RFC 8011)."""

from __future__ import annotations

import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue

_SERVER = re.compile(r"CUPS/(\d[\w.]{0,20})")


def _attribute(tag: int, name: bytes, value: bytes) -> bytes:
    """Encode one IPP attribute (RFC 8010 section 3.1.4)."""
    return bytes([tag]) + len(name).to_bytes(2) + name + len(value).to_bytes(2) + value


# IPP 1.1, operation CUPS-Get-Printers (0x4002), request 1; asks for one attribute of one printer. It only reads.
_GET_PRINTERS = (
    b"\x01\x01\x40\x02\x00\x00\x00\x01\x01"
    + _attribute(0x47, b"attributes-charset", b"utf-8")
    + _attribute(0x48, b"attributes-natural-language", b"en")
    + _attribute(0x21, b"limit", (1).to_bytes(4))
    + _attribute(0x44, b"requested-attributes", b"printer-name")
    + b"\x03"
)

# Status codes of RFC 8011 section 4.1.6: successful, client-error-not-found (there are no printers).
_ANSWERED = frozenset({0x0000, 0x0001, 0x0002, 0x0406})


def _is_cups(root: HttpReply) -> bool:
    server = root.header("server") or ""
    return _SERVER.match(server) is not None and "IPP/" in server


async def _look_at_cups(session: HttpSession, level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    if not _is_cups(root):
        return None
    access = Access.RESTRICTED if root.status in (401, 403) else Access.UNKNOWN
    if level.at_least(Level.READ):
        printers = await dialogue.ask(
            "/", method="POST", headers={"Content-Type": "application/ipp"}, content=_GET_PRINTERS, keep_body=False
        )
        access = _ipp_access(printers)
    version = _SERVER.match(root.header("server") or "")
    return dialogue.facts("CUPS", access, "CUPS", version[1] if version else "")


def _ipp_access(reply: HttpReply) -> Access:
    if reply.status in (401, 403):
        return Access.RESTRICTED
    is_ipp = reply.status == 200 and reply.header("content-type") == "application/ipp" and len(reply.body) >= 8
    if not is_ipp:
        return Access.UNKNOWN
    status = ord(reply.body[2]) << 8 | ord(reply.body[3])
    return Access.OPEN if status in _ANSWERED else Access.RESTRICTED


CUPS = WebServiceProbe("CUPS", frozenset({631}), suspects=_is_cups, look=_look_at_cups)
