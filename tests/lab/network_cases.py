"""SNMP, TFTP, DNS, NTP and the UDP services that amplify."""

from __future__ import annotations

import contextlib
import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.probes.services import ber
from tests.lab.case import LabCase, Start, process, program
from tests.lab.dns_servers import on_loopback
from tests.lab.udp import scripted_udp, wait_until_bound


def udp_process(port: int, *command: str) -> Start:
    """Run a real UDP server; ``{address}`` and ``{folder}`` in its command are this case's."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o777)
        words = [word.format(address=address, folder=folder) for word in command]
        with process([program(words[0]), *words[1:]], folder=folder):
            wait_until_bound(address, port)
            yield

    return start


def snmpd(port: int, *lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "snmpd.conf"
        configuration.write_text("\n".join(lines) + "\n")
        command = [program("snmpd"), "-f", "-Lo", "-C", "-c", str(configuration), "-p", str(folder / "pid")]
        environment = {"SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)}
        with process([*command, f"udp:{address}:{port}"], folder=folder, env=environment):
            wait_until_bound(address, port)
            yield

    return start


_ZONE = """\
$TTL 60
@ IN SOA ns hostmaster 1 60 60 60 60
@ IN NS ns
ns IN A 192.0.2.53
@ IN A 192.0.2.1
payroll IN A 192.0.2.20
"""


def named(*options: str, zones: tuple[str, ...] = ()) -> Start:
    """Run BIND with these options as the primary of these zones."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "zone").write_text(_ZONE)
        statements = [
            f'directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";',
            f"listen-on port 53 {{ {address}; }}; listen-on-v6 {{ none; }}; dnssec-validation no;",
            *options,
        ]
        configuration = folder / "named.conf"
        configuration.write_text(
            "options {\n"
            + "\n".join(statements)
            + "\n};\ncontrols { };\n"
            + "".join(f'zone "{zone}" {{ type primary; file "zone"; }};\n' for zone in zones)
        )
        command = [program("named"), "-g", "-c", str(configuration), "-n", "1"]
        with on_loopback(address), process(command, folder=folder, wait_for=(address, 53)):
            yield

    return start


@contextlib.contextmanager
def _open_resolver(address: str, folder: Path) -> Iterator[None]:
    """A resolver for everyone, and behind it, on 127.10.11.240, a server that plays the Internet."""
    upstream = folder / "upstream"
    upstream.mkdir()
    resolver = named("recursion yes; allow-recursion { any; }; forward only; forwarders { 127.10.11.240; };")
    with named("recursion no;", zones=("example.org",))("127.10.11.240", upstream), resolver(address, folder):
        yield


def _ntpd_of_old(request: bytes) -> bytes | None:
    """Answer as ntpd 4.2.6 without restrictions: time, variables, and the list of clients."""
    mode = request[0] & 0x07
    if mode == 3 and len(request) >= 48:
        return b"\x24\x02\x00\xec" + bytes(20) + request[40:48] + bytes(16)
    if mode == 6:
        variables = b'version="ntpd 4.2.6p5@1.2349-o", processor="x86_64", system="Linux/3.10", leap=0, stratum=2'
        return bytes((0x16, 0x82, 0, 1, 0, 0, 0, 0, 0, 0)) + struct.pack(">H", len(variables)) + variables
    if mode == 7:
        return bytes((0x97, 0, 3, 42)) + struct.pack(">HH", 6, 72) + bytes(6 * 72)
    return None


def _ntpd_of_today(request: bytes) -> bytes | None:
    """Tell the time and nothing else, as ``restrict default noquery`` has it."""
    return _ntpd_of_old(request) if request[0] & 0x07 == 3 else None


@contextlib.contextmanager
def _limiting_ntpd(address: str, folder: Path) -> Iterator[None]:
    """Tell the time no second time within four seconds, as ``restrict default limited`` has it; variables always."""
    asked = [-math.inf]

    def answer(request: bytes) -> bytes | None:
        if request[0] & 0x07 != 3:
            return _ntpd_of_old(request)
        asked.append(time.monotonic())
        return _ntpd_of_old(request) if asked[-1] - asked[-2] > 4 else None

    with scripted_udp(123, answer)(address, folder):
        yield


def _chargen(_: bytes) -> bytes:
    """Two lines of the rotating character set (RFC 864)."""
    ring = bytes(range(32, 127))
    return ring[:72] + b"\r\n" + ring[1:73] + b"\r\n"


def _echo(request: bytes) -> bytes:
    return request


def _bmc(allows: int) -> Start:
    """A management controller's answer to Get Channel Authentication Capabilities (IPMI 2.0 section 22.13)."""

    def answer(request: bytes) -> bytes | None:
        if request[:4] != b"\x06\x00\xff\x07" or len(request) < 20:
            return None
        head = b"\x06\x00\xff\x07" + bytes(9) + b"\x10\x81\x1c\x63\x20\x04\x38"
        return head + bytes((0, 1, 0x14, allows, 2, 0, 0, 0, 0)) + b"\x00"

    return scripted_udp(623, answer)


def _sql_browser(request: bytes) -> bytes | None:
    if request != b"\x02":
        return None
    text = b"ServerName;LAB;InstanceName;MSSQLSERVER;IsClustered;No;Version;15.0.2000.5;tcp;1433;;"
    return b"\x05" + struct.pack("<H", len(text)) + text


def _node_status(request: bytes) -> bytes | None:
    """Answer a node status request with two names (RFC 1002 section 4.2.18)."""
    if request[46:48] != b"\0\x21":
        return None
    names = b"".join(name.ljust(15) + b"\0\x04\0" for name in (b"LAB", b"WORKGROUP"))
    data = b"\x02" + names + bytes(46)
    answer = request[:2] + struct.pack(">HHHHH", 0x8400, 0, 1, 0, 0) + request[12:46]
    return answer + struct.pack(">HHIH", 0x21, 1, 0, len(data)) + data


def _ssdp(request: bytes) -> bytes | None:
    if not request.startswith(b"M-SEARCH"):
        return None
    return (
        b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLOCATION: http://192.0.2.1:5000/rootDesc.xml\r\n"
        b"SERVER: Linux/3.14 UPnP/1.1 MiniUPnPd/1.9\r\nST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n"
    )


def _old_agent(request: bytes) -> bytes | None:
    """The same, writing numbers in four octets always, which is more than they take."""
    reply = _printer_agent(request)
    number = ber.integer(_SNMP_REQUEST)
    longer = ber.tlv(0x02, _SNMP_REQUEST.to_bytes(4, "big"))
    if reply is None or number not in reply:
        return None
    head, pdu = reply[: reply.index(b"\xa2")], ber.take(reply[reply.index(b"\xa2") :])[1]
    return ber.tlv(0x30, head[2:] + ber.tlv(0xA2, pdu.replace(number, longer, 1)))


_SNMP_REQUEST = 0x526D


def _printer_agent(request: bytes) -> bytes | None:
    """An agent that knows version 1 and the community public only (RFC 1157 section 4.1)."""
    wanted = ber.tlv(0x06, bytes((0x2B, 6, 1, 2, 1, 1, 1, 0)))
    if not request[2:].startswith(ber.integer(0) + ber.octets(b"public")) or wanted not in request:
        return None
    binding = ber.tlv(0x30, wanted + ber.octets(b"Lab printer 1.0"))
    _, pdu = list(ber.elements(ber.take(request)[1]))[2]
    number = ber.tlv(*ber.take(pdu)[:2])
    response = ber.tlv(0xA2, number + ber.integer(0) * 2 + ber.tlv(0x30, binding))
    return ber.tlv(0x30, ber.integer(0) + ber.octets(b"public") + response)


CASES = (
    LabCase(
        name="snmp-version-1-only",
        address="127.10.11.20",
        ports="U:161",
        start=scripted_udp(161, _printer_agent),
        expected=frozenset({("161/udp", "CLR-SNMP12-PUBLIC")}),
        services=frozenset({(161, "snmp")}),
        level=2,
    ),
    LabCase(
        name="snmp-version-1-with-long-numbers",
        address="127.10.160.3",
        ports="U:161",
        start=scripted_udp(161, _old_agent),
        expected=frozenset({("161/udp", "CLR-SNMP12-PUBLIC")}),
        level=2,
    ),
    LabCase(
        name="snmp-version-1-not-asked",
        address="127.10.11.21",
        ports="U:161",
        start=scripted_udp(161, _printer_agent),
        silent=frozenset({"CLR-SNMP12-PUBLIC", "SNMP-EXPOSED"}),
    ),
    LabCase(
        name="snmp-public",
        address="127.10.11.1",
        ports="U:161",
        start=snmpd(161, "rocommunity public"),
        expected=frozenset({("161/udp", "CLR-SNMP12-PUBLIC")}),
        silent=frozenset({"SNMP-EXPOSED"}),
        services=frozenset({(161, "snmp")}),
        level=2,
        needs=("snmpd",),
    ),
    LabCase(
        name="snmp-other-community-odd-port",
        address="127.10.11.2",
        ports="U:1161",
        start=snmpd(1161, "rocommunity only-for-the-lab"),
        expected=frozenset({("1161/udp", "SNMP-EXPOSED")}),
        silent=frozenset({"CLR-SNMP12-PUBLIC"}),
        services=frozenset({(1161, "snmp")}),
        level=2,
        needs=("snmpd",),
    ),
    LabCase(
        name="snmp-public-not-asked",
        address="127.10.11.3",
        ports="U:161",
        start=snmpd(161, "rocommunity public"),
        expected=frozenset({("161/udp", "SNMP-EXPOSED")}),
        silent=frozenset({"CLR-SNMP12-PUBLIC"}),
        needs=("snmpd",),
    ),
    LabCase(
        name="tftp",
        address="127.10.11.4",
        ports="U:69",
        start=udp_process(69, "in.tftpd", "-L", "-a", "{address}:69", "-u", "nobody", "-s", "{folder}"),
        expected=frozenset({("69/udp", "CLR-TFTP")}),
        services=frozenset({(69, "tftp")}),
        needs=("in.tftpd",),
    ),
    LabCase(
        name="dns-open-resolver",
        address="127.10.11.5",
        ports="53",
        start=_open_resolver,
        expected=frozenset({("53/udp", "DNS-RECURSION"), ("53/udp", "DNS-VERSION"), (53, "DNS-VERSION")}),
        silent=frozenset({"DNS-AXFR"}),
        services=frozenset({(53, "dns")}),
        needs=("named",),
    ),
    LabCase(
        name="dns-recursion-without-upstream",
        address="127.10.11.6",
        ports="53",
        start=named("recursion yes; allow-recursion { any; }; forward only; forwarders { 127.10.11.250; };"),
        expected=frozenset({("53/udp", "DNS-AMP-ANY")}),
        silent=frozenset({"DNS-RECURSION", "DNS-AXFR"}),
        services=frozenset({(53, "dns")}),
        needs=("named",),
    ),
    LabCase(
        name="dns-zone-for-everyone",
        address="127.10.11.7",
        ports="53",
        hostname="www.lab.example",
        start=named("recursion no; allow-transfer { any; };", zones=("lab.example",)),
        expected=frozenset({(53, "DNS-AXFR"), (53, "DNS-VERSION"), ("53/udp", "DNS-VERSION")}),
        silent=frozenset({"DNS-RECURSION"}),
        level=2,
        needs=("named",),
    ),
    LabCase(
        name="dns-sound",
        address="127.10.11.8",
        ports="53",
        hostname="www.lab.example",
        start=named("recursion no; allow-transfer { none; }; version none;", zones=("lab.example",)),
        silent=frozenset({"DNS-RECURSION", "DNS-AXFR", "DNS-VERSION"}),
        services=frozenset({(53, "dns")}),
        level=2,
        needs=("named",),
    ),
    LabCase(
        name="memcached-udp",
        address="127.10.11.9",
        ports="U:11211",
        start=udp_process(11211, "memcached", "-l", "{address}", "-p", "0", "-U", "11211", "-u", "memcache"),
        expected=frozenset({("11211/udp", "AMP-MEMCACHED")}),
        services=frozenset({(11211, "memcached-udp")}),
        needs=("memcached",),
    ),
    LabCase(
        name="ntp-of-old",
        address="127.10.11.10",
        ports="U:123",
        start=scripted_udp(123, _ntpd_of_old),
        expected=frozenset({("123/udp", "NTP-MODE6"), ("123/udp", "NTP-MONLIST")}),
        services=frozenset({(123, "ntp")}),
        level=2,
    ),
    LabCase(
        name="ntp-of-today",
        address="127.10.11.11",
        ports="U:123",
        start=scripted_udp(123, _ntpd_of_today),
        silent=frozenset({"NTP-MODE6", "NTP-MONLIST"}),
        services=frozenset({(123, "ntp")}),
        level=2,
    ),
    LabCase(
        name="ntp-that-limits-its-clients",
        address="127.10.11.241",
        ports="U:123",
        start=_limiting_ntpd,
        expected=frozenset({("123/udp", "NTP-MODE6")}),
        services=frozenset({(123, "ntp")}),
    ),
    LabCase(
        name="udp-echo",
        address="127.10.11.12",
        ports="U:7777",
        start=scripted_udp(7777, _echo),
        outcome="partial",
    ),
    LabCase(
        name="chargen",
        address="127.10.11.13",
        ports="U:19",
        start=scripted_udp(19, _chargen),
        expected=frozenset({("19/udp", "AMP-CHARGEN")}),
        silent=frozenset({"AMP-QOTD"}),
    ),
    LabCase(
        name="qotd",
        address="127.10.11.14",
        ports="U:17",
        start=scripted_udp(17, lambda _: b'"The early bird gets the worm, but the second mouse gets the cheese."\r\n'),
        expected=frozenset({("17/udp", "AMP-QOTD")}),
        silent=frozenset({"AMP-CHARGEN"}),
    ),
    LabCase(
        name="ipmi-user-without-name-and-password",
        address="127.10.11.15",
        ports="U:623",
        start=_bmc(allows=0x07),
        expected=frozenset({("623/udp", "SVC-IPMI-UNAUTH")}),
        services=frozenset({(623, "ipmi")}),
    ),
    LabCase(
        name="ipmi-user-without-a-name-who-has-a-password",
        address="127.10.160.1",
        ports="U:623",
        start=_bmc(allows=0x06),
        expected=frozenset({("623/udp", "SVC-IPMI-EXPOSED")}),
        silent=frozenset({"SVC-IPMI-UNAUTH"}),
    ),
    LabCase(
        name="ipmi-named-users",
        address="127.10.11.16",
        ports="U:623",
        start=_bmc(allows=0x04),
        expected=frozenset({("623/udp", "SVC-IPMI-EXPOSED")}),
        silent=frozenset({"SVC-IPMI-UNAUTH"}),
    ),
    LabCase(
        name="sql-browser",
        address="127.10.11.17",
        ports="U:1434",
        start=scripted_udp(1434, _sql_browser),
        expected=frozenset({("1434/udp", "AMP-MSSQL")}),
    ),
    LabCase(
        name="ssdp",
        address="127.10.11.18",
        ports="U:1900",
        start=scripted_udp(1900, _ssdp),
        expected=frozenset({("1900/udp", "AMP-SSDP")}),
    ),
    LabCase(
        name="netbios-name-service",
        address="127.10.11.19",
        ports="U:137",
        start=scripted_udp(137, _node_status),
        expected=frozenset({("137/udp", "AMP-NETBIOS"), ("137/udp", "SVC-NETBIOS-EXPOSED")}),
    ),
)
