"""MySQL and its relatives, by the handshake packet that the server sends first.

One connection, nothing sent: whether an account without a password exists is not asked. Every connection that ends
before a log-in counts against the caller: after ``max_connect_errors`` of them (100) the server turns its address
away until an administrator intervenes, so there must be few.
OceanBase, which tells itself in its version, is a service of its own; behind its proxy it can't be told from MySQL.
A proxy, or a database that only speaks the protocol, has no product and no version here.
Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials`` or ``host-acl`` (this address may not log in
at all); ``auth_plugin``; ``interface``: ``x-protocol``.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade
from scanner.engine.probes.wire import Fields

BANNER_TIMEOUT = 15.0
"""Seconds that a server may take to greet; without ``skip_name_resolve`` it looks up the client's name first."""

_PROTOCOL_10 = 0x0A
_CLIENT_SSL = 0x0800
_ERROR = 0xFF
_HOST_NOT_PRIVILEGED = 1130
_TURNED_AWAY = {
    1040: "MySQL has no connection to spare; inspect it again later.",
    1129: "MySQL blocks our address after too many broken connections; FLUSH HOSTS on the server lifts that.",
    1203: "MySQL has no connection to spare; inspect it again later.",
}
"""ER_CON_COUNT_ERROR, ER_HOST_IS_BLOCKED, ER_TOO_MANY_USER_CONNECTIONS: they hide what the server is like."""

_X_PROTOCOL_HELLO = b"\x05\x00\x00\x00\x0b\x08\x05\x1a\x00"
"""The notice with which MySQL's X Protocol greets (Mysqlx.Notice SERVER_HELLO)."""

_RELATIVES = (
    ("MariaDB", re.compile(r"^(?:5\.5\.5-)?(\d+\.\d+\.\d+)-MariaDB")),
    ("TiDB", re.compile(r"-TiDB-v?(\d+\.\d+\.\d+)")),
    ("OceanBase", re.compile(r"-OceanBase(?:[_ A-Z]*)-v?(\d+\.\d+\.\d+)", re.IGNORECASE)),
    (
        "MySQL",
        re.compile(
            r"^(\d+\.\d+\.\d+)(?:-(?:\d[\w.+~]*|debug|log|nt|max|standard|community|commercial"
            r"|enterprise|advanced|classic|pro|gpl|cluster|server|cll|lve|rds|google|azure))*$"
        ),
    ),
)
"""A name and what follows it in the text of the version. What puts other words behind the number is none of MySQL's:
proxies (MaxScale, Mycat, ShardingSphere) and databases (ClickHouse, Manticore, PolarDB-X) name a MySQL that their
clients know, which says nothing of their age."""
_NOBODYS = frozenset({"5.1.0", "5.5.30", "5.7.99"})
"""What StarRocks, ProxySQL and Doris call themselves unless told otherwise, without a word of their own."""


def recognises(banner: bytes) -> bool:
    """Tell whether the server's first bytes are a handshake (version 10), a refusal by host, or X Protocol's hello."""
    if banner.startswith(_X_PROTOCOL_HELLO):
        return True
    if len(banner) < 8 or int.from_bytes(banner[:3], "little") != len(banner) - 4 or banner[3] > 1:
        return False
    if banner[4] == _ERROR:
        code = int.from_bytes(banner[5:7], "little")
        return code == _HOST_NOT_PRIVILEGED or code in _TURNED_AWAY
    return banner[4] == _PROTOCOL_10 and bool(re.match(rb"\d+\.\d+[\x20-\x7e]{0,100}\0", banner[5:]))


async def look(contact: Contact) -> ServiceFacts:
    """Read the first packet: version, capabilities, or why this address is turned away."""
    async with contact.open(timeout=BANNER_TIMEOUT) as conversation:
        banner = await conversation.receive_until(_whole, limit=1024)
    evidence = (exchange(b"", banner),)
    if banner.startswith(_X_PROTOCOL_HELLO):
        attributes: Attributes = (("interface", "x-protocol"),)
        return ServiceFacts("MYSQL", Access.RESTRICTED, "MySQL", "", attributes, evidence)
    packet = Fields(banner[4:], "little")
    kind = packet.unsigned(1)
    if kind == _ERROR:
        code = packet.unsigned(2)
        product = "MariaDB" if b"MariaDB" in banner else ""
        if code != _HOST_NOT_PRIVILEGED:
            why = _TURNED_AWAY.get(code, f"MySQL answered with error {code} instead of its handshake.")
            if not contact.pause:
                raise UnexpectedReply(why)  # its connections may have been our own, and it is asked again after a pause
            return ServiceFacts("MYSQL", Access.UNKNOWN, product, exchanges=evidence, ended=why)
        return ServiceFacts("MYSQL", Access.RESTRICTED, product, "", (("refusal", "host-acl"),), evidence)
    if kind != _PROTOCOL_10:
        raise UnexpectedReply(f"MySQL's handshake has version {kind}, which is not known.")
    product, version, capabilities, plugin = _handshake(packet)
    attributes = (*upgrade(contact, bool(capabilities & _CLIENT_SSL)), ("refusal", "credentials"))
    if plugin:
        attributes = (*attributes, ("auth_plugin", plugin))
    service = "OCEANBASE" if product == "OceanBase" else "MYSQL"
    return ServiceFacts(service, Access.RESTRICTED, product, version, attributes, evidence)


def _whole(data: bytes) -> bool:
    return len(data) >= 9 and len(data) >= int.from_bytes(data[:3], "little") + 4


def _handshake(packet: Fields) -> tuple[str, str, int, str]:
    """Return product, version, capability flags and authentication plug-in of a HandshakeV10 payload."""
    text = packet.text_until_nul().decode("ascii", errors="replace")
    known = ((name, match[1]) for name, pattern in _RELATIVES if (match := pattern.search(text)))
    product, version = ("", "") if text in _NOBODYS else next(known, ("", ""))
    packet.take(4 + 8 + 1)  # thread id, first part of the nonce, filler
    capabilities = packet.unsigned(2)
    if not packet.left:
        return product, version, capabilities, ""
    packet.take(1 + 2)  # character set, status
    capabilities |= packet.unsigned(2) << 16
    nonce_length = packet.unsigned(1)
    packet.take(10 + max(13, nonce_length - 8))
    plugin = packet.text_until_nul().decode("ascii", errors="replace") if packet.left else ""
    return product, version, capabilities, line(plugin, 64)


PROBE = ServiceProbe(
    protocol="mysql",
    ports=frozenset({3306, 3307, 33060, 4000, 2881, 2883}),
    greeting=b"",
    recognises=recognises,
    look=look,
)
