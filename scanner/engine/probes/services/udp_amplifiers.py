"""UDP services that answer a small datagram with a larger one, whoever seems to have sent it.

Each gets one smallest request. Attributes of all: ``bytes_in`` and ``bytes_out`` as seen by the server; the answer may
have had more datagrams than the first, which alone is counted.
"""

from __future__ import annotations

import string
import struct
from collections.abc import Callable

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level, Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services import ber, ldap
from scanner.engine.probes.services import dns_messages as dns
from scanner.engine.probes.services.base import ServiceProbe

_MEMCACHED_FRAME = b"\x52\x6d\0\0\0\x01\0\0"
MEMCACHED_VERSION = _MEMCACHED_FRAME + b"version\r\n"
MEMCACHED_STATS = _MEMCACHED_FRAME + b"stats\r\n"
NETBIOS_STATUS = b"\x52\x6d" + bytes((0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + b"\x20CK" + b"A" * 30 + b"\0\0\x21\0\x01"
"""A node status request for ``*`` (RFC 1002 section 4.2.17)."""

SSDP_SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMan: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n'
)
MDNS_SERVICES = dns.query(0x526D, "_services._dns-sd._udp.local", dns.PTR)
CLDAP_ROOT_DSE = ldap.search(1, b"")
"""All of the root DSE, as attackers ask for it. By name, ``netlogon`` is told only to those who say in the filter what
they are ([MS-ADTS] section 6.3.3)."""
SQL_BROWSER = b"\x02"
PORTMAP_DUMP = struct.pack(">10I", 0x526D6170, 0, 2, 100000, 2, 4, 0, 0, 0, 0)
"""A call of the port mapper's DUMP (RFC 1833 section 3)."""

NOTHING = b"\0"
_CHARGEN_LINE = 72


def is_memcached(reply: bytes) -> bool:
    """Tell whether the datagram is memcached's: our request id in its frame, then the version."""
    return reply[:2] == _MEMCACHED_FRAME[:2] and reply[8:].startswith(b"VERSION ")


def is_netbios(reply: bytes) -> bool:
    """Tell whether the datagram is a node status response to our request."""
    return reply[:2] == NETBIOS_STATUS[:2] and len(reply) > 56 and reply[2] & 0x80 != 0 and reply[46:48] == b"\0\x21"


def is_ssdp(reply: bytes) -> bool:
    """Tell whether the datagram answers a search: an HTTP status line with the headers of UPnP."""
    head = reply.upper()
    return head.startswith(b"HTTP/1.1 200") and b"\r\nST:" in head and b"\r\nUSN:" in head


def is_mdns(reply: bytes) -> bool:
    """Tell whether the datagram is a DNS response that lists service types."""
    try:
        return b"\x04_tcp" in reply.lower() and dns.answers(dns.parse(reply), dns.PTR)
    except UnexpectedReply:
        return False


def is_cldap(reply: bytes) -> bool:
    """Tell whether the datagram is the answer to our search, over connection-less LDAP."""
    try:
        number, operation = ber.operation(reply)
    except UnexpectedReply:
        return False
    return number == 1 and operation in (ldap.SEARCH_ENTRY, ldap.SEARCH_DONE)


def is_sql_browser(reply: bytes) -> bool:
    """Tell whether the datagram is SQL Server Browser's list ([MC-SQLR] section 2.2.5)."""
    return reply[:1] == b"\x05" and b"ServerName;" in reply and int.from_bytes(reply[1:3], "little") == len(reply) - 3


def is_portmap(reply: bytes) -> bool:
    """Tell whether the datagram is an accepted reply to our call."""
    return len(reply) >= 24 and reply[:8] == PORTMAP_DUMP[:4] + b"\0\0\0\x01" and reply[20:24] == bytes(4)


def is_chargen(reply: bytes) -> bool:
    """Tell whether the datagram holds a line of the rotating character set (RFC 864)."""
    ring = "".join(chr(code) for code in range(32, 127))
    text = reply.decode("ascii", "replace").lstrip("\r\n")[:_CHARGEN_LINE]
    return len(text) == _CHARGEN_LINE and (text in ring * 2 or text in ring[1:] * 2)


def is_quote(reply: bytes) -> bool:
    """Tell whether the datagram is a text, in answer to a single NUL, of at most 512 characters (RFC 865)."""
    try:
        text = reply.decode("utf-8")
    except UnicodeDecodeError:
        return False
    readable = all(char in string.printable or char > "\x9f" for char in text)
    return 16 <= len(reply) <= 512 and readable and " " in text and not is_chargen(reply)


def amplifier(
    protocol: str,
    service: str,
    port: int,
    request: bytes,
    recognises: Callable[[bytes], bool],
    level: Level = Level.GREETING,
) -> ServiceProbe:
    """Return the probe of one service that is asked ``request`` and nothing else, at ``level`` and above."""

    async def look(contact: Contact) -> ServiceFacts:
        reply = await contact.ask(request, any_port=True)
        if not recognises(reply):
            raise UnexpectedReply(f"The {protocol} service answered with something else than before.")
        return _facts(service, request, reply)

    return ServiceProbe(
        protocol,
        frozenset({port}),
        request,
        recognises,
        look,
        Transport.UDP,
        answers_elsewhere=True,
        greeting_level=level,
    )


def _facts(service: str, request: bytes, reply: bytes) -> ServiceFacts:
    sizes = (("bytes_in", str(len(request))), ("bytes_out", str(len(reply))))
    return ServiceFacts(service, Access.OPEN, attributes=sizes, exchanges=(exchange(request, reply),))


async def _look_at_memcached(contact: Contact) -> ServiceFacts:
    """Ask for the version, and at the level of reads for the statistics, whose size tells the factor."""
    reply = await contact.ask(MEMCACHED_VERSION)
    if not is_memcached(reply):
        raise UnexpectedReply("The memcached service answered with something else than before.")
    if not contact.level.at_least(Level.READ):
        return _facts("MEMCACHED-UDP", MEMCACHED_VERSION, reply)
    try:
        statistics = await contact.ask(MEMCACHED_STATS)
    except ProbeError:
        return _facts("MEMCACHED-UDP", MEMCACHED_VERSION, reply)
    return _facts("MEMCACHED-UDP", MEMCACHED_STATS, statistics)


MEMCACHED = ServiceProbe(
    "memcached-udp", frozenset({11211}), MEMCACHED_VERSION, is_memcached, _look_at_memcached, Transport.UDP
)

PROBES = (
    MEMCACHED,
    amplifier("netbios", "NETBIOS", 137, NETBIOS_STATUS, is_netbios),
    amplifier("ssdp", "SSDP", 1900, SSDP_SEARCH, is_ssdp),
    amplifier("mdns", "MDNS", 5353, MDNS_SERVICES, is_mdns),
    amplifier("cldap", "CLDAP", 389, CLDAP_ROOT_DSE, is_cldap),
    amplifier("mssql-browser", "MSSQL-BROWSER", 1434, SQL_BROWSER, is_sql_browser),
    amplifier("portmap", "PORTMAP", 111, PORTMAP_DUMP, is_portmap),
    amplifier("chargen-udp", "CHARGEN-UDP", 19, NOTHING, is_chargen),
    amplifier("qotd", "QOTD", 17, NOTHING, is_quote),
)
