"""Controllers and medical systems: asked one question where the level allows it, and nothing anywhere else.

The answers are those of pymodbus 3.16 (Modbus), python-snap7 3.3 (S7), cpppo 5.2 (EtherNet/IP), c104 2.2 (IEC 104),
asyncua 2.1 (OPC UA) and pynetdicom 3.0 (DICOM); those of BACnet, DNP3, Fox and FINS follow their documents.
"""

from __future__ import annotations

import struct

from scanner.engine.probes.services.devices import telecontrol
from tests.lab.case import LabCase, Start
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, hangs_up, scripted
from tests.lab.udp import scripted_udp


def to(*answers: tuple[bytes, bytes]) -> Answer:
    """Answer requests that begin so with that, and hang up (over UDP: keep silent) at any other."""
    return lambda request: next((reply for begin, reply in answers if request.startswith(begin)), None)


MODBUS = to(
    (b"Rm\0\0\0\x05\xff\x2b\x0e\x01\0", b"Rm\0\0\0\x18\xff\x2b\x0e\x01\x83\0\0\x03\0\x03Lab\x01\x04LB-1\x02\x032.1")
)
MODBUS_WITHOUT_IDENTIFICATION = to((b"Rm\0\0\0\x05\xff\x2b", b"Rm\0\0\0\x03\xff\xab\x01"))
S7 = to(
    (b"\x03\0\0\x16\x11\xe0", b"\x03\0\0\x16\x11\xd0rm\0\x01\0\xc0\x01\n\xc1\x02\x01\0\xc2\x02\x01\x02"),
    (b"\x03\0\0\x19\x02\xf0\x802\x01", b"\x03\0\0\x1b\x02\xf0\x802\x03\0\0rm\0\x08\0\0\0\0\xf0\0\0\x01\0\x01\x01\xe0"),
)
ENIP = to(
    (
        b"c\0\0\0",
        b"c\0<\0" + bytes(8) + b"roundman" + bytes(4) + b"\x01\0\x0c\x006\0\x01\0\0\x02\xaf\x12" + bytes(12)
        + b"\x01\0\x0e\x006\0\x14\x0b`1\x1a\x06l\0\x141756-L61/B LOGIX5561\xff",
    )
)  # fmt: skip
BACNET = to((b"\x81\n\0\x11\x01\x04\0\x05m\x0c", b"\x81\n\0\x1c\x01\x000m\x0c\x0c\x02\0\0M\x19y>u\x08\0Lab Ltd?"))
IEC104 = to((telecontrol.TEST_ACTIVATE, telecontrol.TEST_CONFIRM))
DNP3 = to((telecontrol.LINK_STATUS_REQUEST, telecontrol.frame(0x0B, 1024, 1)))
_STATION = (
    b"fox a 0 -1 fox hello\n{\nfox.version=s:1.0\nid=i:1\nhostName=s:lab\napp.name=s:Station\napp.version=s:3.8.38\n"
    b"vm.name=s:Java HotSpot(TM) Client VM\n};;\n"
)
FOX = to((b"fox a 1 -1 fox hello\n{", _STATION))
_MODEL = b"CJ2M-CPU33".ljust(20, b"\0") + b"02.01".ljust(20, b"\0") + bytes(52)
FINS = to((b"\x80\0\x02\0\0\0\0\x63\0\x6d\x05\x01", b"\xc0\0\x02\0\x63\0\0\0\0\x6d\x05\x01\0\0" + _MODEL))


def dicom(accepts: bool) -> Answer:
    """Accept an association or reject it: the called application's name is not known (PS3.8 section 9.3.4)."""
    user = b"Q\0\0\x04\0\0?\xfeR\0\0 1.2.826.0.1.3680043.9.3811.3.0.4U\0\0\x0ePYNETDICOM_304"
    context = b"!\0\0\x19\x01\0\0\0@\0\0\x111.2.840.10008.1.2P\0" + struct.pack(">H", len(user)) + user
    body = b"\0\x01\0\0ANY-SCP         ROUNDSMAN       " + bytes(32) + b"\x10\0\0\x151.2.840.10008.3.1.1.1" + context
    acceptance = b"\x02\0" + struct.pack(">I", len(body)) + body
    answer = acceptance if accepts else b"\x03\0\0\0\0\x04\0\x01\x01\x07"
    return to((b"\x01\0\0\0", answer), (b"\x05\0\0\0", b"\x06\0\0\0\0\x04\0\0\0\0"))


def _text(data: bytes) -> bytes:
    return struct.pack("<i", len(data)) + data


def opcua(*endpoints: tuple[int, int]) -> Answer:
    """An OPC UA server with these endpoints: security mode, and kind of user."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("<I", 8 + len(body)) + body

    def response(identifier: int, body: bytes) -> bytes:
        head = struct.pack("<IIBBHqIIBi", 2, 2, 1, 0, identifier, 0, 2, 0, 0, 0) + bytes(3)
        return head + body

    def described(mode: int, user: int) -> bytes:
        server = _text(b"urn:lab") + _text(b"urn:lab:server") + b"\x02" + _text(b"Lab server")
        server += struct.pack("<I", 0) + _text(b"") * 2 + struct.pack("<i", 1) + _text(b"opc.tcp://lab:4840/")
        token = _text(b"policy") + struct.pack("<I", user) + _text(b"") * 3
        description = _text(b"opc.tcp://lab:4840/") + server + _text(b"") + struct.pack("<I", mode)
        policy = _text(b"http://opcfoundation.org/UA/SecurityPolicy#None")
        return description + policy + struct.pack("<i", 1) + token + _text(b"") + b"\0"

    opened = struct.pack("<I", 6) + _text(b"http://opcfoundation.org/UA/SecurityPolicy#None") + _text(b"") * 2
    opened += response(449, struct.pack("<IIIqI", 0, 6, 13, 0, 10000) + _text(b""))
    listed = struct.pack("<i", len(endpoints)) + b"".join(described(*endpoint) for endpoint in endpoints)
    return to(
        (b"HELF", message(b"ACKF", struct.pack("<IIIII", 0, 65535, 65535, 0, 0))),
        (b"OPNF", message(b"OPNF", opened)),
        (b"MSGF", message(b"MSGF", struct.pack("<II", 6, 13) + response(431, listed))),
    )


def _plant() -> Start:
    return together(
        scripted(102, S7),
        scripted(502, MODBUS),
        scripted(1911, FOX),
        scripted(2404, IEC104),
        scripted(4840, opcua((1, 0), (3, 1))),
        scripted(20000, DNP3),
        scripted(44818, ENIP),
        scripted_udp(9600, FINS),
        scripted_udp(44818, ENIP),
        scripted_udp(47808, BACNET),
    )


_PORTS = "T:102,502,1911,2404,4840,20000,44818,U:9600,44818,47808"
_EXPOSED = frozenset(
    f"SVC-{code}-EXPOSED"
    for code in ("S7", "MODBUS", "FOX", "IEC104", "DNP3", "ENIP", "FINS", "BACNET", "OPCUA", "DICOM")
)

CASES = (
    LabCase(
        name="controllers-with-permission",
        address="127.10.42.1",
        ports=_PORTS,
        start=_plant(),
        expected=frozenset(
            {
                (102, "SVC-S7-EXPOSED"),
                (502, "SVC-MODBUS-EXPOSED"),
                (1911, "SVC-FOX-EXPOSED"),
                (2404, "SVC-IEC104-EXPOSED"),
                (4840, "SVC-OPCUA-UNAUTH"),
                (20000, "SVC-DNP3-EXPOSED"),
                (44818, "SVC-ENIP-EXPOSED"),
                ("9600/udp", "SVC-FINS-EXPOSED"),
                ("44818/udp", "SVC-ENIP-EXPOSED"),
                ("47808/udp", "SVC-BACNET-EXPOSED"),
            }
        ),
        silent=frozenset({"SVC-OPCUA-EXPOSED"}),
        services=frozenset({(102, "s7"), (502, "modbus"), (4840, "opcua"), (47808, "bacnet")}),
        level=2,
    ),
    LabCase(
        name="controllers-without-permission",
        address="127.10.42.2",
        ports=_PORTS,
        start=_plant(),
        silent=_EXPOSED | {"SVC-OPCUA-UNAUTH"},
    ),
    LabCase(
        name="other-things-on-the-ports-of-controllers",
        address="127.10.42.3",
        ports=_PORTS + ",T:104,11112",
        start=together(
            *(scripted(port, lambda request: request) for port in (102, 502, 1911, 2404, 4840, 44818)),
            *(scripted(port, lambda _: b"what do you want?\r\n") for port in (104, 20000)),
            scripted(11112, hangs_up),
            *(scripted_udp(port, lambda request: request) for port in (9600, 44818, 47808)),
        ),
        silent=_EXPOSED | {"SVC-OPCUA-UNAUTH"},
        level=2,
        outcome="partial",
    ),
    LabCase(
        name="devices-that-restrict-strangers",
        address="127.10.42.4",
        ports="T:104,502,4840",
        start=together(
            scripted(104, dicom(accepts=False)),
            scripted(502, MODBUS_WITHOUT_IDENTIFICATION),
            scripted(4840, opcua((3, 1), (1, 1))),
        ),
        expected=frozenset({(104, "SVC-DICOM-EXPOSED"), (502, "SVC-MODBUS-EXPOSED"), (4840, "SVC-OPCUA-EXPOSED")}),
        silent=frozenset({"SVC-OPCUA-UNAUTH"}),
        services=frozenset({(104, "dicom")}),
        level=2,
    ),
    LabCase(
        name="medical-archive-with-permission",
        address="127.10.42.5",
        ports="T:11112",
        start=scripted(11112, dicom(accepts=True)),
        expected=frozenset({(11112, "SVC-DICOM-EXPOSED")}),
        services=frozenset({(11112, "dicom")}),
        level=2,
    ),
)
