"""Usual ports of services on which something else answers: a port's number names nothing."""

from __future__ import annotations

from tests.lab.case import LabCase
from tests.lab.http_answers import answers, page, together
from tests.lab.udp import scripted_udp

_HTTP_PORTS = (13, 19, 23, 111, 139, 389, 445, 554, 1080, 1099, 1433, 2181, 3306, 3389, 4369, 6000, 10809, 61616)
_UDP_PORTS = (53, 69, 111, 123, 137, 161, 389, 427, 520, 623, 1434, 1900, 3283, 3702, 5683, 10001, 11211)

_NAMED_BY_PORT = frozenset(
    {
        *("CLR-RPCBIND", "CLR-TELNET", "CLR-X11", "LDAP-ANON", "NFS-EXPORT", "SVC-ACTIVEMQ-EXPOSED"),
        *("SVC-CHARGEN-EXPOSED", "SVC-DAYTIME-EXPOSED", "SVC-EPMD-EXPOSED", "SVC-JAVA-RMI-EXPOSED"),
        *("SVC-LDAP-EXPOSED", "SVC-MSSQL-EXPOSED", "SVC-MYSQL-EXPOSED", "SVC-NBD-EXPOSED", "SVC-NETBIOS-EXPOSED"),
        *("SVC-RDP-EXPOSED", "SVC-RTSP-EXPOSED", "SVC-SMB-EXPOSED", "SVC-SOCKS-EXPOSED", "SVC-ZOOKEEPER-EXPOSED"),
    }
)
_NAMED_BY_UDP_PORT = frozenset(
    {
        *("AMP-MEMCACHED", "AMP-MSSQL", "AMP-NETBIOS", "AMP-SSDP", "AMP-CLDAP", "AMP-PORTMAP"),
        *("AMP-COAP", "AMP-WSD", "AMP-RIP", "AMP-SLP", "AMP-ARD", "AMP-UBIQUITI", "DNS-AMP-ANY"),
        *("CLR-TFTP", "SVC-IPMI-EXPOSED", "SVC-NETBIOS-EXPOSED", "CLR-RPCBIND"),
    }
)


def _echo(datagram: bytes) -> bytes:
    """Send back what came: the shortest answer that can look like a protocol's."""
    return datagram


def _noise(datagram: bytes) -> bytes:
    """Answer every question with the same, in no protocol."""
    del datagram
    return b"\x00\x01what do you want?\r\n"


CASES = (
    LabCase(
        name="lookalike-web-servers",
        address="127.10.32.1",
        ports="T:" + ",".join(map(str, _HTTP_PORTS)),
        start=together(*(answers(port, {}, page("Not found", "", 404)) for port in _HTTP_PORTS)),
        silent=_NAMED_BY_PORT,
        tolerated=frozenset({"WEB-HTTP-ONLY"}),
        services=frozenset((port, "http") for port in _HTTP_PORTS if port not in (13, 19, 23)),
    ),
    LabCase(
        name="lookalike-udp-echo",
        address="127.10.32.2",
        ports="U:" + ",".join(map(str, _UDP_PORTS)),
        start=together(*(scripted_udp(port, _echo) for port in _UDP_PORTS)),
        silent=_NAMED_BY_UDP_PORT,
        outcome="partial",
    ),
    LabCase(
        name="lookalike-udp-noise",
        address="127.10.32.3",
        ports="U:" + ",".join(map(str, _UDP_PORTS)),
        start=together(*(scripted_udp(port, _noise) for port in _UDP_PORTS)),
        silent=_NAMED_BY_UDP_PORT,
        outcome="partial",
    ),
)
