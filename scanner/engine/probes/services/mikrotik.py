"""MikroTik's management: Winbox and the API of RouterOS. Nobody is logged in.

Winbox is asked for the list of plug-ins that each of its clients fetches before it logs in, the API for the challenge
of a log-in; neither is sent a name.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.wire import Fields

WINBOX_LIST = b"\x12\x02list" + bytes(8) + b"\x00\x80" + bytes(4)
"""One frame (its length, type 2) that asks for the file ``list`` from its beginning."""
_PLUGIN = re.compile(rb'\{ ?crc: ?\d{1,10}, ?size: ?\d{1,8}, ?name: ?"[\w.-]{1,60}", ?unique: ?"')
_VERSION = re.compile(rb'version: ?"(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?(?:(?:alpha|beta|rc)\d{1,3})?)"')


def _sentence(*words: bytes) -> bytes:
    """Words with their lengths and the empty word that ends a sentence (wiki.mikrotik.com, Manual:API, Protocol)."""
    return b"".join(bytes([len(word)]) + word for word in (*words, b""))


API_LOGIN = _sentence(b"/login")
_ANSWERS = {b"!done", b"!trap", b"!fatal"}
_WORD_LIMIT = 0x7F
"""The longest word whose length takes a single byte; none is longer here."""


def recognises_winbox(reply: bytes) -> bool:
    """Tell whether the reply holds an entry of the list, in the list's own notation."""
    return bool(_PLUGIN.search(reply))


def recognises_api(reply: bytes) -> bool:
    """Tell whether the reply begins with a whole sentence of an answer: the challenge, or why none is given."""
    try:
        kind, *words = _first_sentence(reply)
    except (UnexpectedReply, ValueError):
        return False
    return kind in _ANSWERS and all(word.isascii() and word.decode().isprintable() for word in words)


def _first_sentence(reply: bytes) -> list[bytes]:
    fields, words = Fields(reply), list[bytes]()
    while length := fields.unsigned(1):
        if length > _WORD_LIMIT:
            raise UnexpectedReply("A word of the sentence is longer than any that is due.")
        words.append(fields.take(length))
    return words


async def look_at_winbox(contact: Contact) -> ServiceFacts:
    """Read the beginning of the list once more; its entries tell the version."""
    async with contact.open() as conversation:
        await conversation.send(WINBOX_LIST)
        reply = await conversation.receive_until(lambda data: bool(_VERSION.search(data)) or len(data) > 255, limit=512)
    if not recognises_winbox(reply):
        raise UnexpectedReply("Winbox did not list its plug-ins.")
    version = _VERSION.search(reply)
    number = version[1].decode() if version else ""
    return ServiceFacts(
        "WINBOX", Access.UNKNOWN, "MikroTik RouterOS", number, exchanges=(exchange(WINBOX_LIST, reply),)
    )


async def look_at_api(contact: Contact) -> ServiceFacts:
    """Ask for the challenge once more and hang up."""
    async with contact.open() as conversation:
        await conversation.send(API_LOGIN)
        reply = await conversation.receive_until(recognises_api, limit=512)
    if not recognises_api(reply):
        raise UnexpectedReply("The API of RouterOS did not answer with a sentence.")
    return ServiceFacts("ROUTEROS-API", Access.RESTRICTED, "MikroTik RouterOS", exchanges=(exchange(API_LOGIN, reply),))


PROBES = (
    ServiceProbe("winbox", frozenset({8291}), WINBOX_LIST, recognises_winbox, look_at_winbox, own_ports_only=True),
    ServiceProbe("routeros-api", frozenset({8728, 8729}), API_LOGIN, recognises_api, look_at_api, own_ports_only=True),
)
