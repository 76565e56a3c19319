"""SSH protocol version 1: what a server that still speaks it says of its key and of the ways to log in.

It says so at once, before any key is exchanged: one message (draft-ylonen-ssh-protocol-00, "SSH_SMSG_PUBLIC_KEY").
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from dataclasses import dataclass, replace

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Exchange
from scanner.engine.facts.ssh import RSA1, SshFacts, SshHostKey
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.wire import Fields

CLIENT_BANNER = b"SSH-1.5-Roundsman\n"
BANNER_TIMEOUT = 15.0
"""Seconds that a server may take to identify itself."""

_BANNER_LIMIT, _PACKET_LIMIT = 255, 8192
"""Bytes; a message with keys of 16,384 bits would fit."""

_PUBLIC_KEY = 2
_METHODS = {
    1: "rhosts",
    2: "publickey",
    3: "password",
    4: "hostbased",
    5: "keyboard-interactive",
    6: "kerberos",
}
"""Ways to log in by their bit in the mask, by the names that version 2 has for them."""

_CIPHERS = {0: "none", 1: "idea", 2: "des", 3: "3des", 5: "arcfour", 6: "blowfish"}


@dataclass(frozen=True, slots=True)
class _Told:
    host_key: SshHostKey
    methods: tuple[str, ...]
    evidence: Exchange


async def with_version_1(contact: Contact, facts: SshFacts) -> SshFacts:
    """Return ``facts`` of a server whose identification offers version 1, with what that version tells.

    Its host key counts where there is no other version: beside version 2 it is a key of its own, that no client of
    version 2 sees. That version 1 takes passwords tells at any level; that it takes none tells nothing of version 2.
    Raises ``RefusedByScope``; a server that says nothing to a client of version 1 leaves the facts as they are.
    """
    try:
        told = await _ask(contact)
    except ProbeError:
        return facts
    evidence = (*facts.exchanges, told.evidence)
    if not facts.kex:
        return replace(facts, host_keys=(told.host_key,), auth_methods=told.methods, exchanges=evidence)
    methods = facts.auth_methods
    if methods is not None or "password" in told.methods:
        methods = tuple(dict.fromkeys((*(methods or ()), *told.methods)))
    return replace(facts, auth_methods=methods, exchanges=evidence)


async def _ask(contact: Contact) -> _Told:
    async with contact.open() as conversation:
        await conversation.receive_until(lambda data: data.endswith(b"\n"), limit=_BANNER_LIMIT, timeout=BANNER_TIMEOUT)
        await conversation.send(CLIENT_BANNER)
        fields = Fields(await _message(conversation))
    if fields.unsigned(1) != _PUBLIC_KEY:
        raise UnexpectedReply("The server's first message of version 1 is not its public key.")
    fields.take(8)  # a cookie against spoofed addresses
    _key(fields)  # the server's own, made anew each hour
    exponent, modulus = _key(fields)
    fields.take(4)  # flags of the protocol
    ciphers, methods = (_names(known, fields.unsigned(4)) for known in (_CIPHERS, _METHODS))
    bits = int.from_bytes(modulus, "big").bit_length()
    fingerprint = b64encode(hashlib.sha256(exponent + b"\0" + modulus).digest()).decode().rstrip("=")
    said = f"host-key=rsa1 {bits} ciphers={','.join(ciphers)} log-in={','.join(methods)}"
    return _Told(SshHostKey(RSA1, bits, fingerprint), methods, exchange(CLIENT_BANNER, said.encode()))


async def _message(conversation: Conversation) -> bytes:
    """Return the content of one packet: length, padding to whole blocks, content, and a checksum of the last two."""
    length = int.from_bytes(await conversation.receive_exactly(4), "big")
    if not 5 <= length <= _PACKET_LIMIT:
        raise UnexpectedReply("The server's reply is no packet of SSH version 1.")
    packet = await conversation.receive_exactly(8 - length % 8 + length)
    if zlib.crc32(packet[:-4], 0xFFFFFFFF) ^ 0xFFFFFFFF != int.from_bytes(packet[-4:], "big"):
        raise UnexpectedReply("A packet of SSH version 1 has a wrong checksum.")
    return packet[8 - length % 8 : -4]


def _key(fields: Fields) -> tuple[bytes, bytes]:
    """Read a public key: its size in bits, exponent and modulus, each with its own size in bits before it."""
    fields.take(4)
    exponent = fields.take((fields.unsigned(2) + 7) // 8)
    return exponent, fields.take((fields.unsigned(2) + 7) // 8)


def _names(known: dict[int, str], mask: int) -> tuple[str, ...]:
    return tuple(name for bit, name in known.items() if mask >> bit & 1)
