"""Controllers and medical systems: what they are asked, when, and which answers count."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import socketserver
import struct
from collections.abc import Iterator

import pytest

from scanner.engine.errors import ProbeError
from scanner.engine.facts.service import Access
from scanner.engine.inspect import inspect
from scanner.engine.judge import judge
from scanner.engine.model import Confidence, Endpoint, Facet, GapReason, HostInspection, Level, Target, Transport
from scanner.engine.plan import Plan, parse_ports
from scanner.engine.probes.services.devices import bacnet, building, dicom, enip, modbus, opcua, s7, telecontrol
from scanner.engine.probes.services.devices.base import DeviceProbe
from scanner.engine.probes.services.devices.registry import DEVICE_PORTS, DEVICE_PROBES, own_question
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.probes.services.web.registry import WEB_PROBES
from tests.engine.data_service_replies import Respond, look
from tests.lab import device_cases as plant
from tests.lab.scripted import listening, serving

ANSWERS: dict[DeviceProbe, Respond] = {
    modbus.PROBE: plant.MODBUS,
    s7.PROBE: plant.S7,
    enip.PROBES[0]: plant.ENIP,
    enip.PROBES[1]: plant.ENIP,
    bacnet.PROBE: plant.BACNET,
    telecontrol.PROBES[0]: plant.IEC104,
    telecontrol.PROBES[1]: plant.DNP3,
    opcua.PROBE: plant.opcua((1, 0)),
    building.PROBES[0]: plant.FOX,
    building.PROBES[1]: plant.FINS,
    dicom.PROBE: plant.dicom(accepts=True),
}


def named(probe: DeviceProbe) -> str:
    return f"{probe.protocol}-{probe.transport}"


@contextlib.contextmanager
def server(address: str, port: int, answer: Respond, greeting: bytes = b"") -> Iterator[list[bytes]]:
    """A TCP server that keeps every request; connections that bring none are not kept."""
    received: list[bytes] = []

    def speak(connection: socket.socket) -> None:
        connection.sendall(greeting)
        while request := connection.recv(4096):
            received.append(request)
            connection.sendall(answer(request) or b"")

    with listening(address, port, speak):
        yield received


def inspected(address: str, ports: str, level: Level) -> HostInspection:
    async def run() -> HostInspection:
        plan = Plan((Target(address, address),), parse_ports(ports), level=level, host_deadline=30)
        async with contextlib.aclosing(inspect(plan, lambda _: None)) as inspections:
            return await anext(inspections)

    return asyncio.run(run())


@pytest.mark.lab
def test_with_permission_a_controller_gets_one_request_in_the_whole_inspection() -> None:
    with server("127.11.2.1", 502, plant.MODBUS) as received:
        inspection = inspected("127.11.2.1", "T:502", Level.CREDENTIAL)
    assert received == [modbus.READ_IDENTIFICATION]
    [finding] = judge(inspection)
    assert (finding.check, finding.confidence) == ("SVC-MODBUS-EXPOSED", Confidence.PROBABLE)
    assert inspection.coverage.covers(Facet.SERVICE, 502, Transport.TCP)


@pytest.mark.lab
def test_without_permission_a_controller_gets_nothing_over_tcp_or_udp() -> None:
    datagrams: list[bytes] = []

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            datagrams.append(self.request[0])

    with (
        server("127.11.2.2", 44818, plant.ENIP) as received,
        serving(socketserver.UDPServer(("127.11.2.2", 44818), Datagrams)),
    ):
        inspection = inspected("127.11.2.2", "44818", Level.READ)
    assert (received, datagrams, inspection.coverage.datagrams) == ([], [], 0)
    assert {(gap.reason, gap.transport) for gap in inspection.coverage.gaps} == {
        (GapReason.FRAGILE_PORT, Transport.TCP),
        (GapReason.FRAGILE_PORT, Transport.UDP),
    }


@pytest.mark.lab
def test_what_does_not_answer_in_the_port_s_own_protocol_is_asked_nothing_more() -> None:
    with server("127.11.2.3", 102, lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as received:
        inspection = inspected("127.11.2.3", "T:102", Level.CREDENTIAL)
    assert received == [s7.CONNECT]
    assert not inspection.coverage.covers(Facet.SERVICE, 102, Transport.TCP)
    assert judge(inspection) == ()


@pytest.mark.lab
def test_a_device_that_greets_like_a_mail_or_file_server_is_not_asked_which_it_is() -> None:
    with server("127.11.2.4", 2404, lambda _: None, greeting=b"220 ready\r\n") as received:
        inspection = inspected("127.11.2.4", "T:2404", Level.READ)
    assert received == []
    assert [gap.reason for gap in inspection.coverage.gaps] == [GapReason.FRAGILE_PORT]


def test_a_device_is_asked_on_its_own_ports_only_and_never_below_the_highest_level() -> None:
    for probe in DEVICE_PROBES:
        for port in probe.ports:
            endpoint = Endpoint("192.0.2.1", port, probe.transport)
            assert own_question(endpoint, Level.CREDENTIAL) is probe
            assert own_question(endpoint, Level.READ) is None
    assert own_question(Endpoint("192.0.2.1", 5020), Level.CREDENTIAL) is None
    assert own_question(Endpoint("192.0.2.1", 47808), Level.CREDENTIAL) is None, "BACnet speaks UDP"


def test_no_other_probe_is_at_home_on_a_device_s_port() -> None:
    assert {port for probe in DEVICE_PROBES for port in probe.ports} <= DEVICE_PORTS
    assert not {port for probe in PROBES for port in probe.ports} & DEVICE_PORTS
    assert not {port for probe in WEB_PROBES for port in probe.ports} & DEVICE_PORTS


def test_every_device_has_an_answer_here() -> None:
    assert set(ANSWERS) == set(DEVICE_PROBES)


@pytest.mark.parametrize("probe", DEVICE_PROBES, ids=named)
def test_an_answer_is_taken_by_its_own_protocol_and_by_no_other(probe: DeviceProbe) -> None:
    look(probe, ANSWERS[probe])
    first = _first_answer(probe)
    for other in DEVICE_PROBES:
        if other.protocol != probe.protocol:
            with pytest.raises(ProbeError):
                look(other, always(first))


def always(reply: bytes) -> Respond:
    """Answer everything with the same."""
    return lambda _: reply


def _first_answer(probe: DeviceProbe) -> bytes:
    sent: list[bytes] = []
    with contextlib.suppress(ProbeError):
        look(probe, lambda _: None, sent=sent)
    return ANSWERS[probe](sent[0]) or b""


@pytest.mark.parametrize("probe", DEVICE_PROBES, ids=named)
def test_an_echo_of_the_request_is_no_answer(probe: DeviceProbe) -> None:
    with pytest.raises(ProbeError):
        look(probe, lambda request: request)


@pytest.mark.parametrize("probe", DEVICE_PROBES, ids=named)
def test_an_answer_that_breaks_off_is_none(probe: DeviceProbe) -> None:
    reply = _first_answer(probe).rstrip(b"\n")
    needed = 14 if probe.protocol == "fins" else len(reply)  # an error of FINS is as short as its head
    for size in {0, 1, *range(2, needed, 1 + needed // 16), needed - 1}:
        with pytest.raises(ProbeError):
            look(probe, always(reply[:size]))


def test_what_a_controller_tells_of_itself_is_read() -> None:
    assert modbus.read(plant.MODBUS(modbus.READ_IDENTIFICATION) or b"") == ("Lab LB-1", "2.1")
    assert enip.read(plant.ENIP(enip.LIST_IDENTITY) or b"") == ("1756-L61/B LOGIX5561", "20.011")
    assert bacnet.read(plant.BACNET(bacnet.READ_VENDOR) or b"") == ("Lab Ltd", "")
    assert building.read_fox(plant.FOX(building.FOX_HELLO) or b"") == ("Niagara Station", "3.8.38")
    assert building.read_fins(plant.FINS(building.FINS_CONTROLLER) or b"") == ("Omron CJ2M-CPU33", "02.01")


def test_a_refusal_in_the_protocol_proves_it_as_well_as_an_answer() -> None:
    exception = b"Rm\0\0\0\x03\xff\xab\x01"
    assert modbus.read(exception) == ("", "")
    assert bacnet.read(b"\x81\x0a\0\x0d\x01\0\x50\x6d\x0c\x91\x01\x91\x1f") == ("", "")
    routed = b"\x01\x08\x00\x05\x01\x07\x60\x6d\x09"
    assert bacnet.read(b"\x81\x0a" + struct.pack(">H", 4 + len(routed)) + routed) == ("", "")
    assert telecontrol.read_dnp3(telecontrol.frame(0x0F, 1024, 1)) == ("", "")


@pytest.mark.parametrize(
    "reply",
    [
        b"Rn\0\0\0\x03\xff\xab\x01",
        b"Rm\0\0\0\x03\x01\xab\x01",
        b"Rm\0\0\0\x03\xff\xab\x0c",
        b"Rm\0\0\0\x03\xff\x83\x02",
        b"Rm\0\x01\0\x03\xff\xab\x01",
        b"Rm\0\0\0\x04\xff\xab\x01",
    ],
)
def test_a_near_miss_is_no_modbus(reply: bytes) -> None:
    with pytest.raises(ProbeError):
        modbus.read(reply)


def test_a_link_frame_needs_its_direction_its_addresses_and_its_checksum() -> None:
    assert telecontrol.checksum(b"123456789") == b"\x82\xea", "the check value of CRC-16/DNP"
    assert telecontrol.frame(0xC0, 1, 1024) == bytes.fromhex("056405c001000004e921"), "a reset of the link, as is known"
    good = telecontrol.frame(0x0B, 1024, 1)
    for reply in (
        telecontrol.frame(0x4B, 1024, 1),
        telecontrol.frame(0x0B, 1024, 2),
        telecontrol.frame(0x00, 1024, 1),
        good[:-1] + bytes((good[-1] ^ 1,)),
    ):
        with pytest.raises(ProbeError):
            telecontrol.read_dnp3(reply)


@pytest.mark.parametrize(
    ("endpoints", "access", "modes"),
    [
        (((1, 0), (3, 1)), Access.OPEN, "None, SignAndEncrypt"),
        (((1, 1), (3, 0)), Access.RESTRICTED, "None, SignAndEncrypt"),
        (((3, 1),), Access.RESTRICTED, "SignAndEncrypt"),
        ((), Access.RESTRICTED, ""),
    ],
)
def test_only_an_endpoint_without_security_for_anonymous_users_is_open(
    endpoints: tuple[tuple[int, int], ...], access: Access, modes: str
) -> None:
    facts = look(opcua.PROBE, plant.opcua(*endpoints))
    assert (facts.access, facts.attribute("modes")) == (access, modes)


def test_an_opc_ua_server_that_opens_no_channel_without_security_is_restricted() -> None:
    refusal = b"ERRF" + struct.pack("<IIi", 16, 0x80550000, -1)
    good = plant.opcua((1, 0))
    sent: list[bytes] = []
    facts = look(opcua.PROBE, lambda said: refusal if said[:3] == b"OPN" else good(said), sent=sent)
    assert (facts.access, len(sent)) == (Access.RESTRICTED, 2)


def test_an_opc_ua_answer_that_lies_about_its_counts_ends_soon_and_proves_nothing() -> None:
    good = plant.opcua((1, 0))

    def lying(said: bytes) -> bytes | None:
        reply = good(said)
        return reply.replace(b"\x01\0\0\0\x13\0\0\0opc", b"\xff\xff\xff\x7f\x13\0\0\0opc", 1) if reply else None

    with pytest.raises(ProbeError):
        look(opcua.PROBE, lying)


def test_a_medical_system_that_accepts_an_association_is_left_at_once() -> None:
    sent: list[bytes] = []
    assert look(dicom.PROBE, plant.dicom(accepts=True), sent=sent).access is Access.OPEN
    assert sent == [dicom.ASSOCIATE, dicom.RELEASE]
    sent.clear()
    assert look(dicom.PROBE, plant.dicom(accepts=False), sent=sent).access is Access.RESTRICTED
    assert sent == [dicom.ASSOCIATE]
