"""Discovery and routing over UDP that answers strangers, beside the same that answers less than it is asked.

CoAP and DNS are real servers; the rest is scripted from the protocols' documents: each is a device of its own.
"""

from __future__ import annotations

import struct

from scanner.engine.probes.services import dns_messages, udp_discovery
from tests.lab.case import LabCase
from tests.lab.http_answers import together
from tests.lab.network_cases import named, udp_process
from tests.lab.scripted import Answer
from tests.lab.udp import scripted_udp


def _onvif_camera(request: bytes) -> bytes | None:
    """A camera's match (WS-Discovery section 5.3, ONVIF Core Specification section 7.3)."""
    number = request.partition(b"MessageID>")[2].partition(b"<")[0]
    if b"/discovery/Probe<" not in request or not number:
        return None
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        b' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        b' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        b' xmlns:n="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
        b"<a:MessageID>urn:uuid:8a1c0d6e-0000-4000-8000-00408cd1e2f3</a:MessageID><a:RelatesTo>"
        + number
        + b"</a:RelatesTo>"
        b"<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        b"<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header><s:Body>"
        b"<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:4d5f0000-0000-1000-8000-00408cd1e2f3"
        b"</a:Address></a:EndpointReference><d:Types>n:NetworkVideoTransmitter</d:Types><d:Scopes>"
        b"onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/LAB-1 onvif://www.onvif.org/name/lab"
        b"</d:Scopes><d:XAddrs>http://192.0.2.1/onvif/device_service</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
        b"</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    )


def _router(routes: int) -> Answer:
    """Answer a request for the whole table (RFC 1058 section 3.4.1) with so many networks."""

    def answer(request: bytes) -> bytes | None:
        if request != udp_discovery.RIP_REQUEST:
            return None
        entries = (struct.pack(">HHIIII", 2, 0, 0x0A000000 + (n << 8), 0, 0, 1 + n) for n in range(routes))
        return b"\x02\x01\0\0" + b"".join(entries)

    return answer


def _directory_agent(types: bytes) -> Answer:
    """Answer a service type request (RFC 2608 section 10.2)."""

    def answer(request: bytes) -> bytes | None:
        if request[:2] != b"\x02\x09":
            return None
        body = struct.pack(">HH", 0, len(types)) + types
        head = b"\x02\x0a" + (16 + len(body)).to_bytes(3, "big") + bytes(5) + request[10:12] + b"\0\x02en"
        return head + body

    return answer


def _mac(request: bytes) -> bytes | None:
    """What an administered Mac answers: a head, then 1,002 octets of fixed fields, mostly empty."""
    if request != b"\x00\x14\x00\x01\x03":
        return None
    return b"\x00\x01\x03\xea\x00\x31" + bytes(34) + b"\x01".ljust(966, b"\0")


def _radio(*fields: tuple[int, bytes]) -> Answer:
    """A device's description: type, length and value of each field."""

    def answer(request: bytes) -> bytes | None:
        data = b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in fields)
        return b"\x01\x00" + struct.pack(">H", len(data)) + data if request == b"\x01\x00\x00\x00" else None

    return answer


def bind_of_old(request: bytes) -> bytes | None:
    """Refer every question about what it doesn't serve to the root's servers, as BIND 9.3 did by default."""
    if request[12:13] != b"\0" or request[13:15] != b"\0\x02":
        return request[:2] + b"\x80\x05" + bytes(8)
    names = [b"\x01" + bytes((letter,)) + b"\x0croot-servers\x03net\0" for letter in b"abcdefghijklm"]
    records = b"".join(b"\0" + struct.pack(">HHIH", dns_messages.NS, 1, 60, len(name)) + name for name in names)
    return request[:2] + struct.pack(">HHHHH", 0x8000, 1, 0, len(names), 0) + request[12:] + records


CASES = (
    LabCase(
        name="discovery-for-strangers",
        address="127.10.40.1",
        ports="U:427,520,3283,3702,10001",
        start=together(
            scripted_udp(427, _directory_agent(b"service:wbem:https,service:VMwareInfrastructure,service:vcenter")),
            scripted_udp(520, _router(12)),
            scripted_udp(3283, _mac),
            scripted_udp(3702, _onvif_camera),
            scripted_udp(
                10001, _radio((0x02, bytes(10)), (0x03, b"XM.ar7240.v5.5.6"), (0x0B, b"lab"), (0x0C, b"NB-5G"))
            ),
        ),
        expected=frozenset(
            {
                ("427/udp", "AMP-SLP"),
                ("520/udp", "AMP-RIP"),
                ("3283/udp", "AMP-ARD"),
                ("3702/udp", "AMP-WSD"),
                ("10001/udp", "AMP-UBIQUITI"),
            }
        ),
        services=frozenset({(427, "slp"), (520, "rip"), (3702, "ws-discovery"), (10001, "ubiquiti-discovery")}),
    ),
    LabCase(
        name="discovery-that-tells-little-or-something-else",
        address="127.10.40.2",
        ports="U:427,520,3283,3702,10001",
        start=together(
            scripted_udp(427, _directory_agent(b"")),
            scripted_udp(520, _router(1)),
            scripted_udp(3283, lambda _: b"\x00\x01\x00\x04" + bytes(300)),
            scripted_udp(3702, lambda _: b"<s:Fault><s:Text>" + b"no such action " * 60 + b"</s:Text></s:Fault>"),
            scripted_udp(10001, _radio((0x02, bytes(60)))),
        ),
        silent=frozenset({"AMP-SLP", "AMP-RIP", "AMP-ARD", "AMP-WSD", "AMP-UBIQUITI"}),
        services=frozenset({(427, "slp"), (520, "rip")}),
        outcome="partial",
    ),
    LabCase(
        name="discovery-at-the-level-of-greetings",
        address="127.10.40.3",
        ports="U:427,520",
        start=together(scripted_udp(427, _directory_agent(bytes(200))), scripted_udp(520, _router(12))),
        silent=frozenset({"AMP-SLP", "AMP-RIP"}),
        level=0,
    ),
    LabCase(
        name="coap-server",
        address="127.10.40.4",
        ports="U:5683",
        start=udp_process(5683, "coap-server-notls", "-A", "{address}", "-v", "0"),
        expected=frozenset({("5683/udp", "AMP-COAP")}),
        services=frozenset({(5683, "coap")}),
        needs=("coap-server-notls",),
    ),
    LabCase(
        name="dns-that-refers-to-the-root",
        address="127.10.40.5",
        ports="U:53",
        start=scripted_udp(53, bind_of_old),
        expected=frozenset({("53/udp", "DNS-AMP-ANY")}),
        silent=frozenset({"DNS-RECURSION"}),
    ),
    LabCase(
        name="dns-that-serves-other-zones-only",
        address="127.10.40.6",
        ports="U:53",
        start=named("recursion no; version none;", zones=("lab.example",)),
        silent=frozenset({"DNS-RECURSION", "DNS-AMP-ANY"}),
        services=frozenset({(53, "dns")}),
        needs=("named",),
    ),
)
