"""IPP over HTTP (RFC 8010, RFC 8011): CUPS, the print server, and printers that speak it themselves."""

from __future__ import annotations

import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, title

_SERVER = re.compile(r"CUPS/(\d[\w.]{0,20})")
_TITLE = re.compile(r"(?:^| - )CUPS(?: v?(\d[\w.]{0,20}))?$")
_STYLE = "/cups.css"
"""Title and style sheet of each of its pages, those of errors too, for where a proxy put its own Server header."""


def _attribute(tag: int, name: bytes, value: bytes) -> bytes:
    """Encode one IPP attribute (RFC 8010 section 3.1.4)."""
    return bytes([tag]) + len(name).to_bytes(2) + name + len(value).to_bytes(2) + value


def _request(operation: int, *attributes: bytes) -> bytes:
    """Encode request 1 of IPP 1.1 with its operation attributes (RFC 8010 section 3.1)."""
    language = _attribute(0x47, b"attributes-charset", b"utf-8") + _attribute(
        0x48, b"attributes-natural-language", b"en"
    )
    return b"\x01\x01" + operation.to_bytes(2) + b"\x00\x00\x00\x01\x01" + language + b"".join(attributes) + b"\x03"


# CUPS-Get-Printers asks for one attribute of one printer. It only reads.
_GET_PRINTERS = _request(
    0x4002, _attribute(0x21, b"limit", (1).to_bytes(4)), _attribute(0x44, b"requested-attributes", b"printer-name")
)
_IPP = {"Content-Type": "application/ipp"}

_PRINT_PATH = "/ipp/print"
"""Where a printer takes IPP (PWG 5100.14, IPP Everywhere, section 4.3.1)."""

_MODEL = b"printer-make-and-model"
_MODEL_VALUE = re.compile(rf"A\x00\x16{_MODEL.decode()}\x00([\x01-\x7f])")

# Status codes of RFC 8011 section 4.1.6: successful, client-error-not-found (there are no printers).
_ANSWERED = frozenset({0x0000, 0x0001, 0x0002, 0x0406})


def _is_cups(root: HttpReply) -> bool:
    server = root.header("server") or ""
    named = _SERVER.match(server) is not None and "IPP/" in server
    return named or (_TITLE.search(title(root)) is not None and _STYLE in root.body)


async def _look_at_cups(session: HttpSession, level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    if not _is_cups(root):
        return None
    access = Access.RESTRICTED if root.status in (401, 403) else Access.UNKNOWN
    if level.at_least(Level.READ):
        printers = await dialogue.ask("/", method="POST", headers=_IPP, content=_GET_PRINTERS, keep_body=False)
        access = _ipp_access(printers)
    version = _SERVER.match(root.header("server") or "") or _TITLE.search(title(root))
    return dialogue.facts("CUPS", access, "CUPS", (version[1] or "") if version else "")


def _ipp_access(reply: HttpReply) -> Access:
    if reply.status in (401, 403):
        return Access.RESTRICTED
    if not _is_ipp(reply):
        return Access.UNKNOWN
    status = ord(reply.body[2]) << 8 | ord(reply.body[3])
    return Access.OPEN if status in _ANSWERED else Access.RESTRICTED


def _is_ipp(reply: HttpReply) -> bool:
    return reply.status == 200 and reply.header("content-type") == "application/ipp" and len(reply.body) >= 8


def _speaks_ipp(root: HttpReply) -> bool:
    return "IPP/" in (root.header("server") or "") and not _is_cups(root)


async def _look_at_printer(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Ask for make and model, which printers tell everyone; nothing is printed, and no job is asked for."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    uri = f"ipp://{session.host}{_PRINT_PATH}".encode()
    question = _request(
        0x000B, _attribute(0x45, b"printer-uri", uri), _attribute(0x44, b"requested-attributes", _MODEL)
    )
    reply = await dialogue.ask(_PRINT_PATH, method="POST", headers=_IPP, content=question)
    found = _MODEL_VALUE.search(reply.body)
    if not _is_ipp(reply) or found is None:
        return None
    model = reply.body[found.end() : found.end() + ord(found[1])]
    return dialogue.facts("IPP", Access.UNKNOWN, line(model, 80))


CUPS = WebServiceProbe("CUPS", frozenset({631}), suspects=_is_cups, look=_look_at_cups)

IPP = WebServiceProbe("IPP", frozenset({631}), suspects=_speaks_ipp, look=_look_at_printer)
