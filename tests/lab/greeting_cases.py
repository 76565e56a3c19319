"""Services that are told by one greeting, scripted from their documents, beside look-alikes that must stay unnamed."""

from __future__ import annotations

import struct

from scanner.engine.plan import Profile
from tests.lab.case import LabCase
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, hangs_up, scripted

_CPING, _CPONG = b"\x12\x34\x00\x01\x0a", b"AB\x00\x01\x09"
"""The ping of AJP/1.3 and its answer (Apache Tomcat's documentation of the protocol)."""


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def connection_start(mechanisms: bytes, **properties: bytes) -> bytes:
    """A broker's first frame (AMQP 0-9-1 section 1.4.2.1), with these properties of its own, which are texts."""
    told = b"".join(bytes([len(name)]) + name.encode() + b"S" + _long(text) for name, text in properties.items())
    method = b"\x00\x0a\x00\x0a\x00\x09" + _long(told) + _long(mechanisms) + _long(b"en_US")
    return b"\x01\x00\x00" + _long(method) + b"\xce"


def _broker_for_anyone(request: bytes) -> bytes | None:
    """Start, and go on to Connection.Tune with whoever names a mechanism."""
    if request == b"AMQP\x00\x00\x09\x01":
        return connection_start(b"ANONYMOUS PLAIN")
    tune = b"\x00\x0a\x00\x1e" + struct.pack(">HIH", 2047, 131072, 60)
    return b"\x01\x00\x00" + _long(tune) + b"\xce" if request[7:11] == b"\x00\x0a\x00\x0b" else None


def _rabbitmq_4(request: bytes) -> bytes | None:
    """Start as RabbitMQ 4.2 does as it comes."""
    start = connection_start(b"PLAIN AMQPLAIN ANONYMOUS", product=b"RabbitMQ", version=b"4.2.0")
    return start if request == b"AMQP\x00\x00\x09\x01" else None


def _broker_of_version_1(outcome: int) -> Answer:
    """Speak AMQP 1.0 alone, offer the anonymous mechanism, and end its log-in so (OASIS AMQP 1.0, section 5.3)."""

    def frame(kind: int, content: bytes) -> bytes:
        body = b"\x00\x53" + bytes([kind]) + b"\xc0" + bytes([1 + len(content), 1]) + content
        return struct.pack(">I", 8 + len(body)) + b"\x02\x01\x00\x00" + body

    names = b"".join(bytes([len(name)]) + name for name in (b"PLAIN", b"ANONYMOUS"))
    mechanisms = frame(0x40, b"\xe0" + bytes([2 + len(names), 2, 0xA3]) + names)

    def answer(request: bytes) -> bytes | None:
        if request == b"AMQP\x03\x01\x00\x00":
            return request + mechanisms
        if request.startswith(b"AMQP"):
            return b"AMQP\x03\x01\x00\x00"
        chooses = request[8:11] == b"\x00\x53\x41" and b"\xa3\x09ANONYMOUS" in request
        return frame(0x44, bytes([0x50, outcome])) if chooses else None

    return answer


def _tns_refusal(request: bytes) -> bytes | None:
    """Refuse to tell the version, as a listener since 10g does to strangers (error 1189), but name its release."""
    if request[4:5] != b"\x01" or b"(COMMAND=version)" not in request:
        return None
    data = b"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=1189)(ERROR_STACK=(ERROR=(CODE=1189)(EMFI=4))))"
    return struct.pack(">HHBBHBBH", 12 + len(data), 0, 4, 0, 0, 0x22, 0, len(data)) + data


CASES = (
    LabCase(
        name="ajp-connector",
        address="127.10.12.11",
        ports="8009",
        start=scripted(8009, lambda request: _CPONG if request == _CPING else None),
        expected=frozenset({(8009, "SVC-AJP-EXPOSED")}),
        services=frozenset({(8009, "ajp")}),
    ),
    LabCase(
        name="echo-on-the-port-of-ajp",
        address="127.10.12.12",
        ports="8009",
        start=scripted(8009, lambda request: request[:64]),
        silent=frozenset({"SVC-AJP-EXPOSED"}),
        outcome="partial",
        profile=Profile.QUICK,
    ),
    LabCase(
        name="irc-server-on-an-odd-port",
        address="127.10.12.13",
        ports="7000",
        start=scripted(7000, hangs_up, banner=b":irc.lab.example NOTICE * :*** Looking up your hostname...\r\n"),
        expected=frozenset({(7000, "SVC-IRC-EXPOSED")}),
        services=frozenset({(7000, "irc")}),
    ),
    LabCase(
        name="a-notice-that-is-no-irc",
        address="127.10.12.14",
        ports="6667",
        start=scripted(6667, hangs_up, banner=b"NOTICE: this line is monitored\r\n"),
        silent=frozenset({"SVC-IRC-EXPOSED"}),
        outcome="partial",
    ),
    LabCase(
        name="amqp-broker-for-anyone-on-an-odd-port",
        address="127.10.12.15",
        ports="15673",
        start=scripted(15673, _broker_for_anyone),
        expected=frozenset({(15673, "SVC-AMQP-UNAUTH"), (15673, "DB-CLEARTEXT")}),
        silent=frozenset({"SVC-AMQP-EXPOSED"}),
        services=frozenset({(15673, "amqp")}),
    ),
    LabCase(
        name="amqp-1.0-brokers-that-offer-to-let-anyone-in",
        address="127.10.160.4",
        ports="5671,5672",
        start=together(scripted(5671, _broker_of_version_1(0)), scripted(5672, _broker_of_version_1(1))),
        expected=frozenset(
            {
                *((5671, "SVC-AMQP-UNAUTH"), (5671, "DB-CLEARTEXT")),
                *((5672, "SVC-AMQP-EXPOSED"), (5672, "DB-CLEARTEXT")),
            }
        ),
        services=frozenset({(5671, "amqp"), (5672, "amqp")}),
        level=2,
    ),
    LabCase(
        name="rabbitmq-4-that-is-not-asked",
        address="127.10.160.13",
        ports="5672",
        start=scripted(5672, _rabbitmq_4),
        expected=frozenset({(5672, "SVC-AMQP-EXPOSED"), (5672, "DB-CLEARTEXT")}),
        silent=frozenset({"SVC-AMQP-UNAUTH"}),
        tolerated=frozenset({"SW-EOL-APP", "SW-EOL-SOON", "SW-OUTDATED"}),
    ),
    LabCase(
        name="amqp-1.0-broker-that-is-not-asked",
        address="127.10.160.5",
        ports="5672",
        start=scripted(5672, _broker_of_version_1(0)),
        expected=frozenset({(5672, "SVC-AMQP-EXPOSED"), (5672, "DB-CLEARTEXT")}),
        silent=frozenset({"SVC-AMQP-UNAUTH"}),
    ),
    LabCase(
        name="oracle-listener-on-an-odd-port",
        address="127.10.12.16",
        ports="1599",
        start=scripted(1599, _tns_refusal),
        expected=frozenset({(1599, "SVC-ORACLE-EXPOSED")}),
        services=frozenset({(1599, "oracle-tns")}),
    ),
    LabCase(
        name="eight-octets-on-the-port-of-oracle",
        address="127.10.12.17",
        ports="1521",
        start=scripted(1521, lambda _: b"\0\x08\0\0\x02\0\0\0"),
        silent=frozenset({"SVC-ORACLE-EXPOSED"}),
        outcome="partial",
        profile=Profile.QUICK,
    ),
    LabCase(
        name="echo-on-the-ports-of-a-debugger-and-of-dubbo",
        address="127.10.12.18",
        ports="T:5005,20880",
        start=together(*(scripted(port, lambda request: request[:64]) for port in (5005, 20880))),
        silent=frozenset({"SVC-JDWP-UNAUTH", "SVC-DUBBO-EXPOSED"}),
        profile=Profile.QUICK,
        outcome="partial",
    ),
)
