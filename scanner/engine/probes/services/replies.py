"""Replies of three digits and text, over one or more lines, as FTP and SMTP give them (RFC 959 section 4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Exchange
from scanner.engine.probes.contact import exchange
from scanner.engine.probes.dial import Conversation

REPLY_LIMIT = 32 * 1024
"""Bytes that one reply may have; some greet with pages of terms of use."""

_ALONE = rb"(?<![\w.])(?:%s)\b(?![\w-]*\.\w)"
"""A word that is no part of the name of a host, which may do anything whatever it is called."""

NAMES_FTP = re.compile(
    rb"(?i)(?:%s)|FileZilla|Serv-U|Xlight|ftp server" % (_ALONE % rb"[sv]?s?ftpd?|proftpd|pure-?ftpd")
)
NAMES_SMTP = re.compile(rb"(?i)%s" % (_ALONE % rb"E?SMTP"))
NAMES_LMTP = re.compile(rb"(?i)%s" % (_ALONE % rb"LMTP"))
"""All three greet with code 220, and mostly say what they are. Who names two of them leaves it open."""

_LINE = re.compile(rb"\A(\d{3})([ -]|\Z)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code and its lines without code."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


class ReplyReader:
    """Reads replies one after another and keeps what was said as evidence.

    Raises ``UnexpectedReply`` when a reply does not start with three digits, and what ``Conversation`` raises.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._pending = b""
        self.evidence: list[Exchange] = []

    async def greeting(self, timeout: float) -> Reply:
        """Return the reply that the server sends unasked within ``timeout`` seconds."""
        return await self._read(b"", timeout)

    async def ask(self, command: bytes, timeout: float = 10.0) -> Reply:
        """Send one command line (without its line end) and return its reply."""
        await self._conversation.send(command + b"\r\n")
        return await self._read(command, timeout)

    async def say(self, command: bytes) -> None:
        """Send one command line whose reply doesn't matter, as the last of a conversation."""
        await self._conversation.send(command + b"\r\n")

    async def _read(self, command: bytes, timeout: float) -> Reply:
        def enough(data: bytes) -> bool:
            return _end(self._pending + data) is not None

        if not enough(b""):
            self._pending += await self._conversation.receive_until(enough, limit=REPLY_LIMIT, timeout=timeout)
        end = _end(self._pending)
        if end is None:
            raise UnexpectedReply("The server's reply does not end.")
        data, self._pending = self._pending[:end], self._pending[end:]
        self.evidence.append(exchange(command, data))
        lines = data.splitlines()
        first = _LINE.match(lines[0]) if lines else None
        if first is None:
            raise UnexpectedReply("The server's reply does not start with a code of three digits.")
        return Reply(int(first[1]), tuple(_text(line) for line in lines))


def _end(data: bytes) -> int | None:
    """Return where the first whole reply ends: after the line with the first line's code and no hyphen."""
    first = data.find(b"\n") + 1
    if not first:
        return None
    start = _LINE.match(data)
    if start is None or start[2] != b"-":
        return first
    last = re.compile(rb"^" + start[1] + rb"(?: [^\n]*|\r?)\n", re.MULTILINE).search(data, first)
    return last.end() if last else None


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").strip()
    return text[4:] if re.match(r"\d{3}[ -]", text) else text
