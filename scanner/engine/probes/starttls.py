"""Opens TLS inside a plain-text protocol: the few lines that each protocol says before the ClientHello."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial

from scanner.engine.errors import ConnectionLost, UnexpectedReply
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services import ber, mssql
from scanner.engine.probes.services.replies import REPLY_LIMIT
from scanner.engine.probes.tds import WithinTds

EHLO_NAME = "roundsman.invalid"
"""A name under which the inspection greets mail servers; RFC 2606 keeps it from belonging to anyone."""

REPLY_WAIT = 10.0
"""Seconds to wait for a line of SMTP or FTP."""

GREETING_WAIT = 30.0
"""Seconds to wait for the first one: mail servers hold their greeting back to annoy spammers (RFC 5321 section
4.5.3.2.1 has clients wait for five minutes)."""

# LDAP ExtendedRequest 1.3.6.1.4.1.1466.20037, message 1 (RFC 4511 section 4.14).
_LDAP_REQUEST = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
_LDAP_EXTENDED_RESPONSE = 0x78
# PostgreSQL SSLRequest (protocol documentation, section "Message Formats").
_POSTGRES_REQUEST = bytes.fromhex("0000000804d2162f")
# TPKT, X.224 connection request, RDP negotiation request for TLS and CredSSP (MS-RDPBCGR 2.2.1.1).
_RDP_REQUEST = bytes.fromhex("030000130ee000000000000100080003000000")
# CLIENT_SSL, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION and CLIENT_PLUGIN_AUTH, 16 MiB packets, utf8
# (MySQL "Protocol::SSLRequest").
_MYSQL_REQUEST = bytes.fromhex("20000001018a080000000001210000000000000000000000000000000000000000000000")
_MYSQL_CLIENT_SSL = 0x0800
_NATS_TLS = re.compile(rb'"tls_(?:required|available)":\s*true')
_INFO_LIMIT = 32 * 1024


async def upgrade(conversation: Conversation, protocol: str, name: str | None = None) -> Conversation:
    """Bring ``conversation`` to the point where a ClientHello is due. ``name`` is what XMPP streams are opened to.

    Returns what the handshake goes over: the same conversation, or SQL Server's packets on it.

    Raises ``UnexpectedReply`` when the server declines or speaks something else, ``HostSilent``, ``ConnectionLost``;
    ``ValueError`` when ``protocol`` is not among ``STARTTLS``.
    """
    if protocol not in _UPGRADES:
        raise ValueError(f"There is no STARTTLS for {protocol!r}.")
    await _UPGRADES[protocol](conversation, name or EHLO_NAME)
    return WithinTds(conversation) if protocol == "mssql" else conversation


class ServerBusy(ConnectionLost):
    """The server turned the connection away for now: it takes only so many at a time."""


def _declined(protocol: str) -> UnexpectedReply:
    return UnexpectedReply(f"The {protocol} server does not offer STARTTLS, or declined it.")


def _reply_whole(data: bytes) -> bool:
    """A reply of SMTP, FTP or NNTP ends with a line whose code is followed by a space (RFC 5321 section 4.2.1)."""
    return bool(re.search(rb"(?:^|\n)\d{3}(?: [^\n]*)?\r?\n$", data))


async def _reply(conversation: Conversation, wait: float = REPLY_WAIT) -> bytes:
    return await conversation.receive_until(_reply_whole, limit=REPLY_LIMIT, timeout=wait)


async def _greeted(conversation: Conversation, protocol: str) -> None:
    """Read the greeting of SMTP or FTP; 421 says to come back later (RFC 5321 section 4.2.1, RFC 959 section 5.4)."""
    greeting = await _reply(conversation, GREETING_WAIT)
    if greeting.startswith(b"421"):
        raise ServerBusy(f"The {protocol} server takes no more connections for now.")
    if not greeting.startswith(b"220"):
        raise _declined(protocol)


async def _smtp(conversation: Conversation, _: str, *, hello: str = "EHLO", protocol: str = "SMTP") -> None:
    await _greeted(conversation, protocol)
    await conversation.send(f"{hello} {EHLO_NAME}\r\n".encode())
    if b"STARTTLS" not in (await _reply(conversation)).upper():
        raise _declined(protocol)
    await conversation.send(b"STARTTLS\r\n")
    if not (await _reply(conversation)).startswith(b"220"):
        raise _declined(protocol)


async def _ftp(conversation: Conversation, _: str) -> None:
    await _greeted(conversation, "FTP")
    await conversation.send(b"AUTH TLS\r\n")
    if not (await _reply(conversation)).startswith(b"234"):
        raise _declined("FTP")


async def _line(conversation: Conversation, wait: float | None = None) -> bytes:
    return await conversation.receive_until(lambda data: data.endswith(b"\n"), timeout=wait)


async def _imap(conversation: Conversation, _: str) -> None:
    if not (await _line(conversation, GREETING_WAIT)).startswith(b"* OK"):
        raise _declined("IMAP")
    await conversation.send(b"a1 STARTTLS\r\n")
    reply = await conversation.receive_until(lambda data: bool(re.search(rb"(?:^|\n)a1 [^\n]*\n", data)))
    if not re.search(rb"(?:^|\n)a1 OK", reply):
        raise _declined("IMAP")


async def _pop3(conversation: Conversation, _: str) -> None:
    if not (await _line(conversation, GREETING_WAIT)).startswith(b"+OK"):
        raise _declined("POP3")
    await conversation.send(b"STLS\r\n")
    if not (await _line(conversation)).startswith(b"+OK"):
        raise _declined("POP3")


def sieve_told(data: bytes) -> bool:
    """Tell whether a reply of ManageSieve has come to its end (RFC 5804 section 1.2)."""
    return bool(re.search(rb"(?i)(?:^|\n)(?:OK|NO|BYE)\b[^\n]*\n", data))


async def _sieve(conversation: Conversation, _: str) -> None:
    await conversation.receive_until(sieve_told, limit=8192, timeout=REPLY_WAIT)
    await conversation.send(b"STARTTLS\r\n")
    if not (await conversation.receive_until(sieve_told)).upper().startswith(b"OK"):
        raise _declined("ManageSieve")


async def _nntp(conversation: Conversation, _: str) -> None:
    greeting = await _reply(conversation)
    if greeting.startswith(b"400"):  # for now (RFC 3977 section 5.1.1)
        raise ServerBusy("The NNTP server takes no more connections for now.")
    if not greeting.startswith((b"200", b"201")):
        raise _declined("NNTP")
    await conversation.send(b"STARTTLS\r\n")
    if not (await _reply(conversation)).startswith(b"382"):
        raise _declined("NNTP")


async def _ldap(conversation: Conversation, _: str) -> None:
    await conversation.send(_LDAP_REQUEST)
    reply = await conversation.receive_until(lambda data: bool(ber.whole_messages(data)))
    if ber.operation(reply)[1] != _LDAP_EXTENDED_RESPONSE or ber.result_code(reply) != 0:
        raise _declined("LDAP")


def xmpp_stream(name: str, *, of_servers: bool = False) -> bytes:
    """Return what opens a stream to the domain ``name`` (RFC 6120 section 4.2), as a client or as another server."""
    quoted, side = re.sub(r"[^A-Za-z0-9.:-]", "", name), "server" if of_servers else "client"
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='jabber:{side}' xmlns:stream='http://etherx.jabber.org/streams' "
        f"to='{quoted}' version='1.0'>".encode()
    )


def xmpp_offers_tls(features: bytes) -> bool:
    """Tell whether a server's stream features hold STARTTLS (RFC 6120 section 5.3.1)."""
    return b"urn:ietf:params:xml:ns:xmpp-tls" in features


def xmpp_told(data: bytes) -> bool:
    """Tell whether a server's answer to a stream has come to its end: features, or an error instead of them."""
    return b"</stream:features>" in data or b"<stream:features/>" in data or b"<stream:error" in data


async def _xmpp(conversation: Conversation, name: str, *, of_servers: bool = False) -> None:
    await conversation.send(xmpp_stream(name, of_servers=of_servers))
    features = await conversation.receive_until(xmpp_told, limit=16_384)
    if not xmpp_offers_tls(features):
        raise _declined("XMPP")
    await conversation.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    if b"<proceed" not in await conversation.receive_until(lambda data: data.rstrip().endswith(b">")):
        raise _declined("XMPP")


async def _postgresql(conversation: Conversation, _: str) -> None:
    await conversation.send(_POSTGRES_REQUEST)
    if await conversation.receive(1) != b"S":
        raise _declined("PostgreSQL")


async def _mysql(conversation: Conversation, _: str) -> None:
    head = await conversation.receive_exactly(4)
    packet = await conversation.receive_exactly(min(int.from_bytes(head[:3], "little"), 4096))
    version_end = packet.find(b"\0", 1)
    # Capability flags follow the version, the thread id (4), eight bytes of challenge and a filler.
    flags = int.from_bytes(packet[version_end + 14 : version_end + 16], "little")
    if packet[:1] != b"\x0a" or version_end < 0 or not flags & _MYSQL_CLIENT_SSL:
        raise _declined("MySQL")
    await conversation.send(_MYSQL_REQUEST)


async def _mssql(conversation: Conversation, _: str) -> None:
    await conversation.send(mssql.PRELOGIN)
    if not mssql.encrypts(await conversation.receive_until(mssql.whole, limit=1024)):
        raise _declined("SQL Server")


async def _nats(conversation: Conversation, _: str) -> None:
    """The server tells all of itself first, and expects the hello right after (client protocol, section INFO)."""
    banner = await conversation.receive_until(lambda data: b"\r\n" in data, limit=_INFO_LIMIT, timeout=GREETING_WAIT)
    if not _NATS_TLS.search(banner):
        raise _declined("NATS")


async def _rdp(conversation: Conversation, _: str) -> None:
    await conversation.send(_RDP_REQUEST)
    head = await conversation.receive_exactly(4)
    length = int.from_bytes(head[2:])
    if head[:1] != b"\x03" or not 11 <= length <= 64:
        raise UnexpectedReply("The reply is not RDP.")
    reply = head + await conversation.receive_exactly(length - 4)
    # A negotiation response (type 2) that selects TLS (1) or CredSSP (2); anything else, and a reply without one, is
    # standard RDP security.
    if length < 19 or reply[5] & 0xF0 != 0xD0 or reply[11] != 2 or reply[15] not in (1, 2):
        raise _declined("RDP")


_UPGRADES: dict[str, Callable[[Conversation, str], Awaitable[None]]] = {
    "smtp": _smtp,
    "lmtp": partial(_smtp, hello="LHLO", protocol="LMTP"),
    "ftp": _ftp,
    "imap": _imap,
    "pop3": _pop3,
    "sieve": _sieve,
    "nntp": _nntp,
    "ldap": _ldap,
    "xmpp": _xmpp,
    "xmpp-server": partial(_xmpp, of_servers=True),
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mssql": _mssql,
    "nats": _nats,
    "rdp": _rdp,
}
STARTTLS: frozenset[str] = frozenset(_UPGRADES)
"""The protocols, by the name given to a port, that can be upgraded."""
