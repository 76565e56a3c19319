"""Telnet (RFC 854): a log-in prompt that sends everything in clear.

Attributes: ``prompt``: ``yes`` when a log-in or password prompt was shown.
"""

from __future__ import annotations

import re
import time

from scanner.engine.errors import ConnectionLost, HostSilent
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe

PROMPT_TIMEOUT = 6.0
"""Seconds for options to be settled and the prompt to appear, each time that something came."""

TALK_LIMIT = 20.0
"""Seconds for all of it: a server that talks on, octet by octet, would keep us for hours."""

READ_LIMIT = 4096
"""Bytes of banner that are read in search of a prompt."""

_ENTER = b"\r\n"
_ASKS_FOR_A_KEY = re.compile(
    rb"(?i)(?:press|hit|strike|type)\b[^\r\n]{0,30}\b(?:enter|return|key|cr)\b[^\r\n]{0,60}\s*\Z|%s[^\r\n]{0,60}\s*\Z"
    % b"|".join(word.encode(code) for word in ("任意键", "回车") for code in ("utf-8", "gb18030"))
)
"""What switches and console servers show before their prompt."""

_WILL, _WONT, _DO, _DONT = 0xFB, 0xFC, 0xFD, 0xFE
_NEGOTIATION = re.compile(rb"\xff([\xfb-\xfe])(.)", re.DOTALL)
# Options of the IANA registry: 0 to 49, and 200 upwards for what games added.
_STARTS = re.compile(rb"\A\xff[\xfb-\xfe][\x00-\x31]")
_NOISE = re.compile(rb"\xff[\xf0-\xf9]|\x1b\[[0-9;?]*[A-Za-z]|\x00")
"""Commands of one octet, such as "go ahead" after a prompt where options were refused (RFC 854), and colours."""
_WORDS = (
    *(
        "用户名",
        "用户",
        "账号",
        "帐号",
        "登录",
        "密码",
        "口令",
        "使用者",
        "密碼",
        "ユーザー名",
        "パスワード",
        "사용자",
        "암호",
    ),
    *("Benutzer", "Anmeldename", "Passwort", "Kennwort", "utilisateur", "identifiant", "mot de passe", "usuario"),
    *("contraseña", "usuário", "senha", "utente", "логин", "Логин", "пользователя", "пароль", "Пароль"),
)
_PROMPT = re.compile(
    rb"(?i)(?:login|user(?: ?name| ?id)?|account|password|%s)[^\n:]{0,20}(?::|\xef\xbc\x9a|\xa3\xba) ?\Z"
    % b"|".join({re.escape(word.encode(code, "ignore")) for word in _WORDS for code in ("utf-8", "gb18030")})
)
"""A word that asks for a name or a password, in the encodings that consoles have, and a colon, which may be wide."""


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is Telnet's: it starts to negotiate options, or ends in a log-in prompt."""
    return bool(_STARTS.match(banner) or _PROMPT.search(_text(banner)))


async def look(contact: Contact) -> ServiceFacts:
    """Refuse every option and read on until a prompt shows; no name is ever entered, and Enter pressed only once, where
    the server asks for a key before it shows its prompt."""
    async with contact.open(timeout=PROMPT_TIMEOUT) as conversation:
        received, talks_on = await _read_to_prompt(conversation)
    if not received:
        raise ConnectionLost("The server closed the connection without a word.")
    prompt = bool(_PROMPT.search(_text(received)))
    attributes = (("prompt", "yes" if prompt else "no"),)
    ended = "The Telnet server talked on without asking for anything." if talks_on else ""
    return ServiceFacts(
        "TELNET", Access.UNKNOWN, attributes=attributes, exchanges=(exchange(b"", received),), ended=ended
    )


async def _read_to_prompt(conversation: Conversation) -> tuple[bytes, bool]:
    """Return what the server said, and whether it was still at it when its time was up."""
    received, answered, pressed = b"", 0, False
    until = time.monotonic() + TALK_LIMIT
    try:
        while len(received) < READ_LIMIT and not _PROMPT.search(_text(received)):
            if time.monotonic() >= until:
                return received, True
            data = await conversation.receive()
            if not data:
                break
            received += data
            wanted = list(_NEGOTIATION.finditer(received, answered))
            if wanted:
                answered = wanted[-1].end()
                await conversation.send(b"".join(map(_refuse, wanted)))
            if not pressed and _ASKS_FOR_A_KEY.search(_text(received)):
                pressed = True
                await conversation.send(_ENTER)
    except (HostSilent, ConnectionLost):
        if not received:
            raise
    return received, False


def _refuse(wanted: re.Match[bytes]) -> bytes:
    """Answer an offer with DONT and a request with WONT; a refusal needs no answer (RFC 1143)."""
    answer = {_WILL: _DONT, _DO: _WONT}.get(wanted[1][0])
    return bytes([0xFF, answer]) + wanted[2] if answer else b""


def _text(data: bytes) -> bytes:
    return _NOISE.sub(b"", _NEGOTIATION.sub(b"", data))[-200:]


PROBE = ServiceProbe(protocol="telnet", ports=frozenset({23, 2323}), greeting=b"", recognises=recognises, look=look)
