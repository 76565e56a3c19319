"""Services that are told by one greeting, scripted from their documents, beside look-alikes that must stay unnamed."""

from __future__ import annotations

import struct

from scanner.engine.plan import Profile
from tests.lab.case import LabCase
from tests.lab.http_answers import together
from tests.lab.scripted import hangs_up, scripted

_CPING, _CPONG = b"\x12\x34\x00\x01\x0a", b"AB\x00\x01\x09"
"""The ping of AJP/1.3 and its answer (Apache Tomcat's documentation of the protocol)."""


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def connection_start(mechanisms: bytes) -> bytes:
    """A broker's first frame (AMQP 0-9-1 section 1.4.2.1), with no properties of its own."""
    method = b"\x00\x0a\x00\x0a\x00\x09" + _long(b"") + _long(mechanisms) + _long(b"en_US")
    return b"\x01\x00\x00" + _long(method) + b"\xce"


def _broker_for_anyone(request: bytes) -> bytes | None:
    """Start, and go on to Connection.Tune with whoever names a mechanism."""
    if request == b"AMQP\x00\x00\x09\x01":
        return connection_start(b"ANONYMOUS PLAIN")
    tune = b"\x00\x0a\x00\x1e" + struct.pack(">HIH", 2047, 131072, 60)
    return b"\x01\x00\x00" + _long(tune) + b"\xce" if request[7:11] == b"\x00\x0a\x00\x0b" else None


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
