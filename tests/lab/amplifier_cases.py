"""UDP services that answer more than they are asked, beside the same ones that answer less; and the r-commands.

Scripted from the protocols' documents: each needs a machine around it (a domain controller, a printer) to be real.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from scanner.engine.plan import Profile
from scanner.engine.probes.services import ber
from tests.lab.case import LabCase
from tests.lab.scripted import hangs_up, scripted
from tests.lab.udp import scripted_udp

_SERVICE_TYPES = ("_ipp", "_printer", "_http", "_scanner", "_pdl-datastream")


def _labels(*labels: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"


def _multicast_dns(*types: str) -> Callable[[bytes], bytes | None]:
    """Answer the question for all service types (RFC 6763 section 9) with these, as an answer to one asker."""

    def answer(request: bytes) -> bytes | None:
        name = _labels("_services", "_dns-sd", "_udp", "local")
        if name not in request:
            return None
        targets = [_labels(each, "_tcp", "local") for each in types]
        records = b"".join(name + struct.pack(">HHIH", 12, 1, 10, len(target)) + target for target in targets)
        return request[:2] + struct.pack(">HHHHH", 0x8400, 0, len(targets), 0, 0) + records

    return answer


def _directory(entry: bytes) -> Callable[[bytes], bytes | None]:
    """Answer a search for all attributes over connection-less LDAP (RFC 1798 section 4) with ``entry``, and that it is
    done; a search for one, without a word of who asks, earns the latter alone."""
    done = ber.ldap_message(1, ber.tlv(0x65, ber.enumerated(0) + ber.octets(b"") + ber.octets(b"")))

    def answer(request: bytes) -> bytes | None:
        if b"objectClass" not in request:
            return None
        return entry + done if request.endswith(b"\x30\x00") else done

    return answer


def _root_dse() -> bytes:
    """What a domain controller tells anyone of itself ([MS-ADTS] section 3.1.1.3.2); the values are made up."""
    names = (b"namingContexts", b"defaultNamingContext", b"schemaNamingContext", b"dnsHostName", b"ldapServiceName")
    values = ber.tlv(0x31, ber.octets(b"CN=Configuration,DC=lab,DC=example"))
    attributes = b"".join(ber.tlv(0x30, ber.octets(name) + values) for name in names)
    return ber.ldap_message(1, ber.tlv(0x64, ber.octets(b"") + ber.tlv(0x30, attributes)))


def _port_mapper(programs: int) -> Callable[[bytes], bytes | None]:
    """Answer DUMP (RFC 1833 section 3) with so many programs."""

    def answer(request: bytes) -> bytes | None:
        if request[4:8] != bytes(4):
            return None
        entries = b"".join(struct.pack(">5I", 1, 100000 + number, 2, 17, 111) for number in range(programs))
        return request[:4] + struct.pack(">5I", 1, 0, 0, 0, 0) + entries + bytes(4)

    return answer


CASES = (
    LabCase(
        name="mdns-many-services",
        address="127.10.12.1",
        ports="U:5353",
        start=scripted_udp(5353, _multicast_dns(*_SERVICE_TYPES)),
        expected=frozenset({("5353/udp", "AMP-MDNS")}),
    ),
    LabCase(
        name="mdns-that-answers-nothing-to-one-asker",
        address="127.10.12.2",
        ports="U:5353",
        start=scripted_udp(5353, lambda request: request[:2] + struct.pack(">HHHHH", 0x8400, 0, 0, 0, 0)),
        silent=frozenset({"AMP-MDNS"}),
    ),
    LabCase(
        name="cldap-domain-controller",
        address="127.10.12.3",
        ports="U:389",
        start=scripted_udp(389, _directory(_root_dse())),
        expected=frozenset({("389/udp", "AMP-CLDAP")}),
    ),
    LabCase(
        name="cldap-that-tells-nothing",
        address="127.10.12.4",
        ports="U:389",
        start=scripted_udp(389, _directory(b"")),
        silent=frozenset({"AMP-CLDAP"}),
    ),
    LabCase(
        name="portmap-over-udp",
        address="127.10.12.5",
        ports="U:111",
        start=scripted_udp(111, _port_mapper(6)),
        expected=frozenset({("111/udp", "AMP-PORTMAP")}),
    ),
    LabCase(
        name="portmap-over-udp-without-programs",
        address="127.10.12.6",
        ports="U:111",
        start=scripted_udp(111, _port_mapper(0)),
        silent=frozenset({"AMP-PORTMAP"}),
    ),
    LabCase(
        name="rlogin",
        address="127.10.12.7",
        ports="513",
        start=scripted(513, hangs_up, banner=b"\x01rlogind: Permission denied.\r\n"),
        expected=frozenset({(513, "CLR-RSH")}),
        services=frozenset({(513, "rsh")}),
    ),
    LabCase(
        name="syslog-on-the-port-of-rsh",
        address="127.10.12.8",
        ports="514",
        start=scripted(514, lambda _: b""),
        silent=frozenset({"CLR-RSH"}),
        outcome="partial",
        profile=Profile.QUICK,
    ),
)
