"""SSH before anyone logs in: identification, algorithm lists, one host key, and (with permission) the log-in methods.

One connection serves all of it (RFC 4253). The key exchange is ours, so that servers far older than any library
still supports can be looked at; nothing depends on its secrecy, only on reaching the next message.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from scanner.engine.errors import HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Exchange
from scanner.engine.facts.ssh import CERTIFIED, SshFacts, SshHostKey
from scanner.engine.hostile import line_bytes, printable
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.ssh1 import with_version_1
from scanner.engine.probes.ssh_kex import METHODS, GroupExchange, KeyExchange
from scanner.engine.probes.ssh_transport import (
    AUTHENTIC,
    CBC,
    CTR,
    MACS,
    Packets,
    name_list,
    string,
    take_name_list,
    take_string,
)
from scanner.engine.probes.wire import Fields

CLIENT_BANNER = b"SSH-2.0-Roundsman"
BANNER_LIMIT = 8192
"""Bytes of lines that a server may send before its identification string (RFC 4253 section 4.2 sets no limit)."""

BANNER_TIMEOUT = 15.0
"""Seconds that a server may take to identify itself; with TCP wrappers it looks up the client's name first."""

BANNER_HEAD_START = 1.0
"""Seconds for which the server is left to begin."""

_KEXINIT, _NEWKEYS = 20, 21
_IGNORABLE = {2, 4}  # MSG_IGNORE, MSG_DEBUG
_SERVICE_REQUEST, _SERVICE_ACCEPT = 5, 6
_USERAUTH_REQUEST, _USERAUTH_FAILURE, _USERAUTH_SUCCESS = 50, 51, 52

# RSA first: its size is what a host key is judged by.
_HOST_KEY_ALGORITHMS = (
    "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ssh-dss",
    "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519",
)  # fmt: skip
_KEY_PARTS = {"ssh-dss": 4, "ssh-ed25519": 1}
"""Fields of a public key after its algorithm; RSA has two, and so have the NIST curves."""

_EC_BITS = {"ecdsa-sha2-nistp256": 256, "ecdsa-sha2-nistp384": 384, "ecdsa-sha2-nistp521": 521, "ssh-ed25519": 256}


def recognises_ssh(banner: bytes) -> bool:
    """Tell whether the greeting holds an SSH identification string (RFC 4253 section 4.2)."""
    return any(text.startswith((b"SSH-1.", b"SSH-2.0-")) for text in banner.split(b"\n"))


@dataclass(frozen=True, slots=True)
class _Offer:
    """The name lists of a KEXINIT message, client-to-server direction where there are two."""

    payload: bytes
    kex: tuple[str, ...]
    host_key_algorithms: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    compression: tuple[str, ...]


async def look(contact: Contact) -> SshFacts:
    """Read the identification string and KEXINIT, then exchange keys to see a host key.

    At the level of credentials the log-in methods are asked for with method ``none`` and a random user, which a
    server logs as one failed log-in. ``host_keys`` stays empty and ``auth_methods`` None when the server shares no
    algorithm with us, or when the conversation breaks off after the lists, which ``ended`` tells. A server that offers
    version 1 is asked in it, too. Raises ``ProbeError`` when not even the lists were seen.
    """
    facts = await _look_for_key(contact)
    return await with_version_1(contact, facts) if facts.banner.startswith("SSH-1.") else facts


async def _look_for_key(contact: Contact) -> SshFacts:
    certified = tuple(name + CERTIFIED for name in _HOST_KEY_ALGORITHMS)
    facts = await _look(contact, (*_HOST_KEY_ALGORITHMS, *certified))
    if not facts.ended or facts.host_keys:
        return facts
    # Some releases of Dropbear offer RSA without having such a key, and hang up when it is chosen.
    second = await _look(contact, tuple(reversed(_HOST_KEY_ALGORITHMS)))
    if not second.host_keys:
        return facts
    # The first time may have been bad luck, and what was known of the RSA key must not look gone by that.
    third = await _look(contact, _HOST_KEY_ALGORITHMS)
    return third if third.host_keys else second


async def _look(contact: Contact, host_key_algorithms: tuple[str, ...]) -> SshFacts:
    async with contact.open() as conversation:
        banner, rest, introduced = await _banner(conversation)
        evidence = [exchange(b"", banner)]
        text = line_bytes(banner, 255)
        if not banner.startswith((b"SSH-2.", b"SSH-1.99-")):
            return SshFacts(text, exchanges=tuple(evidence))
        if not introduced:
            await conversation.send(CLIENT_BANNER + b"\r\n")
        packets = Packets(conversation, rest)
        offer = _parse(await _next(packets))
        evidence.append(_lists(offer, evidence[0].at))
        keys: tuple[SshHostKey, ...] = ()
        methods: tuple[str, ...] | None = None
        ended = ""
        try:
            secured = await _exchange_keys(packets, banner, offer, host_key_algorithms)
            if secured is not None:
                keys = (_host_key(secured.host_key),)
                if contact.level.at_least(Level.CREDENTIAL) and secured.speakable:
                    methods = await _auth_methods(packets, secured)
        except ProbeError as error:
            ended = str(error.args[0])
    if methods is not None:
        evidence.append(exchange(b"USERAUTH_REQUEST none", ",".join(methods).encode()))
    return SshFacts(
        banner=text,
        kex=offer.kex,
        host_key_algorithms=offer.host_key_algorithms,
        ciphers=offer.ciphers,
        macs=offer.macs,
        compression=offer.compression,
        host_keys=keys,
        auth_methods=methods,
        exchanges=tuple(evidence),
        ended=ended,
    )


async def _banner(conversation: Conversation) -> tuple[bytes, bytes, bool]:
    """Return the identification string, what came after it, and whether we had to identify ourselves first.

    A multiplexer waits for what its client says before it connects anyone (RFC 4253 section 4.2 lets either begin).
    """
    introduced = False
    try:
        data = await conversation.receive_until(_has_identification, limit=BANNER_LIMIT, timeout=BANNER_HEAD_START)
    except HostSilent as silence:
        begun: bytes = silence.args[1]
        introduced = not begun
        if introduced:
            await conversation.send(CLIENT_BANNER + b"\r\n")
        data = begun + await conversation.receive_until(
            lambda more: _has_identification(begun + more), limit=BANNER_LIMIT, timeout=BANNER_TIMEOUT
        )
    while b"\n" in data:
        text, _, data = data.partition(b"\n")
        if text.startswith(b"SSH-"):
            return text.rstrip(b"\r"), data, introduced
    raise UnexpectedReply("The server sent no SSH identification string.")


def _has_identification(data: bytes) -> bool:
    return any(text.startswith(b"SSH-") for text in data.split(b"\n")[:-1])


async def _next(packets: Packets) -> bytes:
    """Return the next message that asks for something."""
    for _ in range(16):
        payload = await packets.receive()
        if payload and payload[0] not in _IGNORABLE:
            return payload
    raise UnexpectedReply("The server sends nothing but messages to be ignored.")


def _parse(payload: bytes) -> _Offer:
    fields = Fields(payload)
    if fields.unsigned(1) != _KEXINIT:
        raise UnexpectedReply("The server's first message is not KEXINIT.")
    fields.take(16)
    lists = [tuple(printable(name, 80) for name in take_name_list(fields)) for _ in range(8)]
    kex, host_key, c2s_cipher, s2c_cipher, c2s_mac, s2c_mac, compression, _ = lists
    ciphers = tuple(dict.fromkeys((*c2s_cipher, *s2c_cipher)))
    macs = tuple(dict.fromkeys((*c2s_mac, *s2c_mac)))
    return _Offer(payload, kex, host_key, ciphers, macs, compression)


def _lists(offer: _Offer, at: str) -> Exchange:
    received = (
        f"kex={','.join(offer.kex)} host-key={','.join(offer.host_key_algorithms)} "
        f"ciphers={','.join(offer.ciphers)} macs={','.join(offer.macs)}"
    )
    return Exchange(printable(CLIENT_BANNER.decode()), printable(received), at)


def _first_common(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str | None:
    return next((name for name in ours if name in theirs), None)


@dataclass(frozen=True, slots=True)
class _Secured:
    """The outcome of a key exchange: the host key blob, and what the session keys are derived from."""

    host_key: bytes
    cipher: str
    mac: str
    derive: Callable[[bytes, int], bytes]

    @property
    def speakable(self) -> bool:
        """Whether we could go on under these keys. The host key comes before them, and needs no cipher of ours."""
        return self.cipher in AUTHENTIC or (self.cipher in (*CTR, *CBC) and self.mac in MACS)


async def _exchange_keys(
    packets: Packets, server_banner: bytes, offer: _Offer, host_key_algorithms: tuple[str, ...]
) -> _Secured | None:
    kex = _first_common(tuple(METHODS), offer.kex)
    host_key = _first_common(host_key_algorithms, offer.host_key_algorithms)
    if kex is None or host_key is None or not (offer.ciphers and offer.macs):
        return None
    mac = _first_common(tuple(MACS), offer.macs)
    speakable = (*CTR, *AUTHENTIC, *CBC) if mac else AUTHENTIC
    cipher = _first_common(speakable, offer.ciphers) or offer.ciphers[0]
    mac = mac or offer.macs[0]
    names = (kex, host_key, cipher, cipher, mac, mac, "none", "none", "", "")
    ours = bytes([_KEXINIT]) + os.urandom(16) + b"".join(name_list(name) for name in names) + bytes(5)
    await packets.send(ours)
    method = await _settled(packets, METHODS[kex]())
    await packets.send(bytes([method.request]) + method.public)
    reply = Fields(await _next(packets))
    if reply.unsigned(1) != method.reply:
        raise UnexpectedReply("The server refused the key exchange.")
    blob, theirs = take_string(reply), take_string(reply)
    secret = method.secret(theirs)
    texts = (CLIENT_BANNER, server_banner, ours, offer.payload, blob)
    values = method.agreed + method.public + string(theirs) + secret
    hashed = hashlib.new(method.hash_name, b"".join(map(string, texts)) + values).digest()

    def derive(letter: bytes, size: int) -> bytes:
        key = hashlib.new(method.hash_name, secret + hashed + letter + hashed).digest()
        while len(key) < size:
            key += hashlib.new(method.hash_name, secret + hashed + key).digest()
        return key[:size]

    return _Secured(blob, cipher, mac, derive)


async def _settled(packets: Packets, method: KeyExchange | GroupExchange) -> KeyExchange:
    """Return the exchange itself, after the server has chosen a group where the method leaves it to it."""
    if not isinstance(method, GroupExchange):
        return method
    await packets.send(bytes([method.request]) + method.wish)
    group = Fields(await _next(packets))
    if group.unsigned(1) != method.reply:
        raise UnexpectedReply("The server refused the key exchange.")
    return method.within(take_string(group), take_string(group))


def _host_key(blob: bytes) -> SshHostKey:
    """Read algorithm and size from a public key blob (RFC 4253 section 6.6, RFC 5656 section 3.1)."""
    fields = Fields(blob)
    algorithm = take_string(fields).decode("ascii", "replace")
    if algorithm.endswith(CERTIFIED):
        blob = _key_in_certificate(algorithm.removesuffix(CERTIFIED), fields)
        fields = Fields(blob)
        algorithm = take_string(fields).decode("ascii", "replace")
    if algorithm == "ssh-rsa":
        take_string(fields)
    bits = _EC_BITS.get(algorithm) or int.from_bytes(take_string(fields), "big").bit_length()
    fingerprint = b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return SshHostKey(printable(algorithm, 80), bits, fingerprint)


def _key_in_certificate(algorithm: str, fields: Fields) -> bytes:
    """Return the key of a certificate as it stands alone: between a nonce and what the authority says of it."""
    take_string(fields)
    parts = _KEY_PARTS.get(algorithm, 2)
    return string(algorithm.encode()) + b"".join(string(take_string(fields)) for _ in range(parts))


async def _auth_methods(packets: Packets, secured: _Secured) -> tuple[str, ...]:
    """Ask with method ``none`` which methods may continue (RFC 4252 section 5.2)."""
    await packets.send(bytes([_NEWKEYS]))
    if (await _next(packets))[0] != _NEWKEYS:
        raise UnexpectedReply("The server did not take the new keys.")
    packets.secure(secured.cipher, secured.mac, secured.derive)
    await packets.send(bytes([_SERVICE_REQUEST]) + string(b"ssh-userauth"))
    user = f"roundsman-{os.urandom(4).hex()}".encode()
    request = bytes([_USERAUTH_REQUEST]) + string(user) + string(b"ssh-connection") + string(b"none")
    for _ in range(8):
        payload = await _next(packets)
        if payload[0] == _SERVICE_ACCEPT:
            await packets.send(request)
        elif payload[0] == _USERAUTH_FAILURE:
            return tuple(printable(name, 80) for name in take_name_list(Fields(payload[1:])))
        elif payload[0] == _USERAUTH_SUCCESS:
            return ("none",)
    raise UnexpectedReply("The server did not say which log-in methods it takes.")
