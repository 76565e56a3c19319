"""Servers that turn us away, or the version of their protocol that we speak first."""

from __future__ import annotations

from tests.lab.access import exposed, unauth
from tests.lab.case import LabCase, Start
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, hangs_up, scripted

_CONNECT, _VERSION_AT = 0x10, 8
"""The type of MQTT's first packet, and where it names its version."""


def _smtp_without_ehlo(request: bytes) -> bytes | None:
    """A mail server of RFC 821, and one behind a firewall that knows no other commands."""
    answers = {b"HELO": b"250 mx.lab.example\r\n", b"VRFY": b"252 Try it\r\n", b"QUIT": None}
    return answers.get(request[:4].upper(), b"500 Command unrecognized\r\n")


def _mqtt_5(to_others: bytes | None, to_strangers: bytes) -> Answer:
    """A broker of version 5 alone; what a client of another version is told, and one without credentials."""

    def answer(request: bytes) -> bytes | None:
        if len(request) <= _VERSION_AT or request[0] != _CONNECT:
            return None
        return to_strangers if request[_VERSION_AT] == 5 else to_others

    return answer


_ACCEPTED, _NOT_AUTHORISED, _UNSUPPORTED = b"\x20\x03\0\0\0", b"\x20\x03\0\x87\0", b"\x20\x03\0\x84\0"
_UNACCEPTABLE = b"\x20\x02\0\x01"


def _socks_4(port: int, code: int) -> Start:
    """A proxy that fails to reach everybody at once, and ends a request for one address with ``code``."""

    def answer(request: bytes) -> bytes | None:
        if request[:1] != b"\x04":
            return None if len(request) > 8 else b""  # it waits for the rest of a request
        return bytes((0, 91 if request[4:8] == b"\xff\xff\xff\xff" else code)) + bytes(6)

    return scripted(port, answer)


CASES = (
    LabCase(
        name="servers-that-turn-everyone-away",
        address="127.10.95.1",
        ports="T:21,T:25,T:110,T:143,T:587,T:2526",
        start=together(
            scripted(21, hangs_up, banner=b"421 Service not available.\r\n"),
            scripted(25, hangs_up, banner=b"554 mx.lab.example\r\n"),
            scripted(110, hangs_up, banner=b"-ERR come back later\r\n"),
            scripted(143, hangs_up, banner=b"* BYE come back later\r\n"),
            scripted(587, hangs_up, banner=b"421-mx.lab.example\r\n421 too many connections from your address\r\n"),
            scripted(2526, hangs_up, banner=b"554 mx.lab.example ESMTP not for you\r\n"),
        ),
        silent=frozenset({"CLR-FTP", "SMTP-NOSTARTTLS", "SMTP-AUTH-CLEAR", "POP-CLEAR", "IMAP-CLEAR"}),
        services=frozenset({(21, "ftp"), (25, "smtp"), (110, "pop3"), (143, "imap"), (587, "smtp"), (2526, "smtp")}),
        outcome="partial",
    ),
    LabCase(
        name="smtp-from-before-ehlo",
        address="127.10.95.2",
        ports="2500",
        start=scripted(2500, _smtp_without_ehlo, banner=b"220 mx.lab.example ready\r\n"),
        expected=frozenset({(2500, "SMTP-NOSTARTTLS")}),
        silent=frozenset({"CLR-FTP", "SMTP-AUTH-CLEAR", "SMTP-VRFY"}),
        services=frozenset({(2500, "smtp")}),
    ),
    LabCase(
        name="mqtt-brokers-of-version-5-alone",
        address="127.10.95.3",
        ports="T:1883,T:11883,T:11884,T:11885",
        start=together(
            scripted(1883, _mqtt_5(None, _ACCEPTED)),
            scripted(11883, _mqtt_5(_UNSUPPORTED, _ACCEPTED)),
            scripted(11884, _mqtt_5(_UNACCEPTABLE, _NOT_AUTHORISED)),
            scripted(11885, _mqtt_5(_UNACCEPTABLE, _UNACCEPTABLE)),
        ),
        expected=unauth(MQTT=1883)
        | unauth(MQTT=11883)
        | exposed(MQTT=11884)
        | exposed(MQTT=11885)
        | {(port, "DB-CLEARTEXT") for port in (1883, 11883, 11884, 11885)},
        services=frozenset((port, "mqtt") for port in (1883, 11883, 11884, 11885)),
    ),
    LabCase(
        name="socks-of-version-4-alone",
        address="127.10.95.4",
        ports="T:1080,T:1081,T:4145,T:9050",
        start=together(_socks_4(1080, 90), _socks_4(1081, 91), _socks_4(4145, 91), _socks_4(9050, 93)),
        expected=unauth(SOCKS=1080) | exposed(SOCKS=1081) | exposed(SOCKS=4145) | exposed(SOCKS=9050),
        services=frozenset((port, "socks") for port in (1080, 1081, 4145, 9050)),
    ),
)
