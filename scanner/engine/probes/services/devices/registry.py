"""Which question may be put to a device's port, and when."""

from __future__ import annotations

from scanner.engine.model import Endpoint, Level
from scanner.engine.probes.services.devices import bacnet, building, dicom, enip, modbus, opcua, s7, telecontrol
from scanner.engine.probes.services.devices.base import DeviceProbe

LEVEL = Level.CREDENTIAL
"""What the authorisation must allow before a device is asked anything."""

DEVICE_PROBES: tuple[DeviceProbe, ...] = (
    modbus.PROBE,
    s7.PROBE,
    *enip.PROBES,
    bacnet.PROBE,
    *telecontrol.PROBES,
    opcua.PROBE,
    *building.PROBES,
    dicom.PROBE,
)

CONTROL_PORTS = frozenset(
    {102, 502, 789, 1217, 1911, 1962, 2404, 2455, 4840, 4911, 5006, 5007, 5094, 9600, 18245, 20000, 20547}
    | {34962, 34963, 34964, 44818, 47808}
)
"""Industrial control: S7, Modbus, Fox, IEC 104, OPC UA, DNP3, PROFINET, EtherNet/IP, BACnet and others. A controller
must not be sent bytes that it doesn't expect."""

MEDICAL_PORTS = frozenset({104, 2575, 11112})
"""DICOM and HL7: what a medical system doesn't understand, it may file or stop at."""

DEVICE_PORTS = CONTROL_PORTS | MEDICAL_PORTS
"""Nothing is sent to these, over TCP or UDP, but what :func:`own_question` returns."""


def own_question(endpoint: Endpoint, level: Level) -> DeviceProbe | None:
    """Return the one question that may be put to this port; None below ``LEVEL``, and where none is at home."""
    if not level.at_least(LEVEL):
        return None
    at_home = (probe for probe in DEVICE_PROBES if endpoint.port in probe.ports)
    return next((probe for probe in at_home if probe.transport is endpoint.transport), None)
