"""Storage, printing, source code, remote management, further databases: certain recognition, and nothing too much."""

from __future__ import annotations

import asyncio
import datetime as dt
import struct
from pathlib import Path

import pytest

from scanner.engine.catalogue.load import catalogue
from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.intel.products import product_named
from scanner.engine.model import (
    Endpoint,
    HostInspection,
    Level,
    Outcome,
    Service,
    Target,
    Transport,
    Vantage,
)
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer, Limits
from scanner.engine.probes.identify import identify
from scanner.engine.probes.services import (
    afp,
    cisco_smi,
    dameng,
    drda,
    iscsi,
    lpd,
    mikrotik,
    msrpc,
    mysql,
    ndmp,
    postgresql,
    remote_control,
    svn,
    version_control,
)
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.rules import exposure
from scanner.engine.rules.base import Context
from tests.engine.data_service_replies import look
from tests.lab import further_database_cases as databases
from tests.lab import remote_cases as remote
from tests.lab import storage_cases as storage
from tests.lab.scripted import scripted

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
GIT, CVS = version_control.PROBES
RPC, RPC_OVER_HTTP = msrpc.PROBES
TEAMVIEWER, RADMIN = remote_control.PROBES
WINBOX, ROUTEROS = mikrotik.PROBES

_BIND_ACK = struct.pack("<BBBB4sHHI", 5, 0, 12, 3, b"\x10\0\0\0", 28, 0, 0x6D646E72) + bytes(12)
_LOGIN_REPLY = b"\x23\x81" + bytes(14) + b"rndm" + bytes(28)


def _answer_of(server: object, greeting: bytes) -> bytes:
    assert callable(server)
    reply = server(greeting)
    assert isinstance(reply, bytes)
    return reply


ANSWERS: list[tuple[ServiceProbe, bytes]] = [
    (iscsi.PROBE, _LOGIN_REPLY),
    (ndmp.PROBE, storage._ndmp(0, b"Connection successful")),
    (afp.PROBE, _answer_of(storage._afp, afp.GREETING)),
    (svn.PROBE, b"( success ( 2 2 ( ) ( edit-pipeline svndiff1 accepts-svndiff2 list ) ) ) "),
    (GIT, b"0047ERR access denied or repository not exported: /roundsman-inspection"),
    (RPC, _BIND_ACK),
    (RPC_OVER_HTTP, b"ncacn_http/1.0"),
    (TEAMVIEWER, remote._TEAMVIEWER),
    (cisco_smi.PROBE, remote._SMI_ANSWER),
    (ROUTEROS, _answer_of(remote._routeros_api, mikrotik.API_LOGIN)),
    (drda.PROBE, databases._DERBY),
    (dameng.PROBE, _answer_of(databases._dm(0, b"", b"", b"", b"", b"8.1.3.62"), dameng.START)),
]
"""Answers whose end can be told, so that a part of them is refused."""

NEW = [*(probe for probe, _ in ANSWERS), CVS, RADMIN, WINBOX, lpd.PROBE]


@pytest.mark.parametrize(("probe", "answer"), ANSWERS, ids=lambda value: getattr(value, "protocol", ""))
def test_an_answer_is_recognised_whole_and_in_no_part(probe: ServiceProbe, answer: bytes) -> None:
    assert probe.recognises(answer)
    for cut in range(len(answer)):
        assert not probe.recognises(answer[:cut]), cut


@pytest.mark.parametrize(("probe", "answer"), ANSWERS, ids=lambda value: getattr(value, "protocol", ""))
def test_no_other_protocol_claims_the_answer(probe: ServiceProbe, answer: bytes) -> None:
    claimed = [other.protocol for other in PROBES if other.transport is Transport.TCP and other.recognises(answer)]
    assert claimed == [probe.protocol]


@pytest.mark.parametrize("probe", NEW, ids=lambda probe: probe.protocol)
def test_web_mail_and_shell_servers_are_taken_for_none_of_them(probe: ServiceProbe) -> None:
    page = b"HTTP/1.1 404 Not Found\r\n\r\n<html>The printer queue " + probe.greeting + b" was not found</html>"
    for stranger in (page, b"220 mx ESMTP\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"ERROR\r\n", b"login: ", b"\0", b""):
        assert not probe.recognises(stranger), stranger


@pytest.mark.parametrize("probe", NEW, ids=lambda probe: probe.protocol)
def test_a_server_that_hangs_up_ends_the_look_as_a_probe_error(probe: ServiceProbe) -> None:
    with pytest.raises(ProbeError):
        look(probe, lambda _: None)


@pytest.mark.parametrize(
    "reply",
    [
        b"lab: lpd: Malformed from address\n",
        b"lab.example: lpd: Your host does not have line printer access\n",
        b"0781-201 ill-formed FROM address.",
        b"\x01no connect permissions\n",
        b"no entries\n",
        b"Printer: roundsman-inspection@lab - ERROR: spool queue for 'roundsman-inspection' does not exist\n",
        b"roundsman-inspection: unknown printer\n",
    ],
)
def test_a_line_printer_daemon_is_told_by_what_it_says_of_the_queue_or_of_us(reply: bytes) -> None:
    assert lpd.recognises(reply)


@pytest.mark.parametrize(
    "reply",
    [
        lpd.QUEUE_STATE,
        b"unknown command: roundsman-inspection\n",
        b"no entries found for your search\n",
        b"lpd ready\n",
    ],
)
def test_what_merely_repeats_the_queue_is_no_line_printer_daemon(reply: bytes) -> None:
    assert not lpd.recognises(reply)


def test_a_message_of_dm_needs_its_check_byte() -> None:
    answer = bytearray(_answer_of(databases._dm(0, b"", b"", b"", b"", b"8.1.3.62"), dameng.START))
    answer[19] ^= 1
    assert not dameng.recognises(bytes(answer))


def test_dm_and_db2_tell_their_versions() -> None:
    dm = look(dameng.PROBE, databases._dm(0, b"", b"", b"", b"", b"8.1.3.62"))
    assert (dm.version, dm.attribute("tls")) == ("8.1.3.62", "refused")
    db2 = look(drda.PROBE, databases._drda(databases._db2("QDB2/LINUXX8664", "SQL11055")))
    assert (db2.product, db2.version, db2.attribute("class")) == ("IBM Db2", "11.5.5", "QDB2/LINUXX8664")
    on_i = look(drda.PROBE, databases._drda(databases._db2("QAS", "QSQ07040")))
    assert (on_i.product, on_i.version) == ("IBM Db2", "7.4.0")
    derby = look(drda.PROBE, databases._drda(databases._DERBY))
    assert (derby.product, derby.version) == ("Apache Derby", "10.14.2.0")


def test_what_tells_its_version_is_a_product_whose_vulnerabilities_can_be_looked_up() -> None:
    winbox = look(WINBOX, remote._winbox)
    assert (winbox.product, winbox.version) == ("MikroTik RouterOS", "6.45.2")
    db2 = look(drda.PROBE, databases._drda(databases._db2("QDB2/LINUXX8664", "SQL11055")))
    assert {known.cpe[0] for name in (winbox.product, db2.product) if (known := product_named(name))} == {
        "mikrotik:routeros",
        "ibm:db2",
    }


def test_oceanbase_is_a_service_of_its_own_and_mysql_is_not_it() -> None:
    assert look(mysql.PROBE, banner=databases._mysql(b"5.7.25-OceanBase-v4.2.1.0")).service == "OCEANBASE"
    assert look(mysql.PROBE, banner=databases._mysql(b"5.7.25")).service == "MYSQL"


def test_postgresql_is_greeted_with_a_version_that_old_servers_too_refuse_with_fields() -> None:
    _, major, _ = struct.unpack(">ihh", postgresql.UNKNOWN_VERSION)
    assert major > 3
    assert major != 1234, "that one is taken for requests of another kind"


def test_open_gauss_is_named_by_its_log_in_and_never_given_postgresqls_version() -> None:
    facts = look(postgresql.PROBE, databases._open_gauss)
    assert (facts.product, facts.version, facts.access) == ("openGauss/GaussDB", "", Access.RESTRICTED)


@pytest.mark.parametrize(
    ("refusal", "product", "version"),
    [
        (b"unsupported frontend protocol 255.255.", "openGauss/GaussDB", ""),
        (b"unsupported frontend protocol 255.255: server supports 1.0 to 3.0", "PostgreSQL", "9.2.4"),
    ],
)
def test_a_server_that_trusts_us_is_open_gauss_only_by_how_it_refuses_a_version(
    refusal: bytes, product: str, version: str
) -> None:
    let_in = b"R" + struct.pack(">ii", 8, 0) + b"S" + struct.pack(">i", 25) + b"server_version\x009.2.4\0"
    fields = b"SFATAL\0C0A000\0M" + refusal + b"\0\0"

    def server(request: bytes) -> bytes:
        if request == postgresql.SSL_REQUEST:
            return b"N"
        if request == postgresql.UNKNOWN_VERSION:
            return b"E" + struct.pack(">i", 4 + len(fields)) + fields
        return let_in

    facts = look(postgresql.PROBE, server)
    assert (facts.access, facts.product, facts.version) == (Access.OPEN, product, version)


def _svnserve(answer: bytes, sent: list[bytes], level: Level = Level.READ) -> ServiceFacts:
    greeting = b"( success ( 2 2 ( ) ( edit-pipeline svndiff1 list ) ) ) "
    return look(svn.PROBE, lambda _: answer, banner=greeting, sent=sent, level=level)


def test_svnserve_is_open_only_where_it_offers_to_log_strangers_in() -> None:
    sent: list[bytes] = []
    assert _svnserve(b"( success ( ( ANONYMOUS CRAM-MD5 ) 3:lab ) ) ", sent).access is Access.OPEN
    assert _svnserve(b"( success ( ( CRAM-MD5 ) 9:ANONYMOUS ) ) ", sent).access is Access.RESTRICTED
    assert _svnserve(b"( failure ( ( 210005 13:No repository 0: 0 ) ) ) ", sent).access is Access.UNKNOWN
    assert sent == [b"( 2 ( edit-pipeline svndiff1 ) 17:svn://192.0.2.1:1 ) "] * 3


def test_svnserve_is_only_listened_to_at_the_level_of_greetings() -> None:
    sent: list[bytes] = []
    assert _svnserve(b"", sent, Level.GREETING).access is Access.UNKNOWN
    assert sent == []


def test_no_target_is_asked_for_at_the_level_of_greetings() -> None:
    sent: list[bytes] = []
    facts = look(iscsi.PROBE, lambda _: _LOGIN_REPLY, level=Level.GREETING, sent=sent)
    assert (facts.access, sent) == (Access.UNKNOWN, [iscsi.GREETING])


def test_a_discovery_session_lists_targets_and_logs_out() -> None:
    sent: list[bytes] = []
    listed = b"TargetName=iqn.2026-01.example.lab:disk\0TargetAddress=192.0.2.1:3260,1\0"
    text = b"\x24\x80\0\0" + len(listed).to_bytes(4, "big") + bytes(8) + b"rndm" + bytes(28) + listed
    replies = iter([_LOGIN_REPLY, b"\x23\x87" + _LOGIN_REPLY[2:], text + bytes(-len(listed) % 4), b""])
    facts = look(iscsi.PROBE, lambda _: next(replies), sent=sent)
    assert (facts.access, facts.attribute("targets")) == (Access.OPEN, "1")
    assert [request[0] for request in sent] == [0x43, 0x43, 0x04, 0x46]


def test_a_portal_that_lists_nothing_is_not_called_open() -> None:
    text = b"\x24\x80" + bytes(14) + b"rndm" + bytes(28)
    replies = iter([_LOGIN_REPLY, b"\x23\x87" + _LOGIN_REPLY[2:], text, b""])
    assert look(iscsi.PROBE, lambda _: next(replies)).access is Access.UNKNOWN


def test_a_portal_that_rejects_what_we_offer_is_closed() -> None:
    keys = b"AuthMethod=Reject\0"
    reply = b"\x23\0\0\0" + len(keys).to_bytes(4, "big") + _LOGIN_REPLY[8:] + keys + bytes(-len(keys) % 4)
    assert look(iscsi.PROBE, lambda _: reply).access is Access.RESTRICTED


@pytest.mark.parametrize(
    ("status", "outcome"), [((2, 1), Access.RESTRICTED), ((2, 2), Access.RESTRICTED), ((3, 1), None)]
)
def test_a_portal_is_closed_only_when_it_says_so(status: tuple[int, int], outcome: Access | None) -> None:
    reply = _LOGIN_REPLY[:36] + bytes(status) + _LOGIN_REPLY[38:]
    if outcome is None:
        with pytest.raises(UnexpectedReply):
            look(iscsi.PROBE, lambda _: reply)
    else:
        assert look(iscsi.PROBE, lambda _: reply).access is outcome


def test_greetings_that_belong_to_their_own_ports_are_sent_to_no_other(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def answer(request: bytes) -> None:
        heard.append(request)

    address = "127.11.0.41"
    contact = Contact(Dialer(lambda _: None, Limits()), Target("t", address), Endpoint(address, 7041), Level.READ)
    with scripted(7041, answer)(address, tmp_path):
        assert not asyncio.run(identify(contact)).known
    said_anywhere = {probe.greeting for probe in PROBES if not probe.own_ports_only}  # by another probe, maybe
    kept = {probe.greeting for probe in PROBES if probe.own_ports_only} - said_anywhere
    assert iscsi.GREETING in heard
    assert len(kept) > 5
    assert not kept & set(heard)


def _printing(*others: Service, protocol: str = "unknown") -> list[str]:
    raw = Service(Endpoint("192.0.2.1", 9100), protocol)
    services = (raw, *others)
    host = HostInspection(
        Target("t", "192.0.2.1"), Outcome.INSPECTED, NOW, NOW, Vantage.INTERNET, Level.CREDENTIAL, services=services
    )
    context = Context(catalogue(), host, NOW)
    return [finding.check for rule in exposure.RULES for finding in rule.judge(raw, context)]


def _agent(system: str) -> Service:
    facts = ServiceFacts("SNMP", Access.OPEN, attributes=(("system", system),))
    return Service(Endpoint("192.0.2.1", 161, Transport.UDP), "snmp", facts=facts)


def test_a_silent_port_9100_is_a_printers_only_when_the_host_says_so_itself() -> None:
    printer = _agent("HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT,JD153")
    over_ipp = Service(Endpoint("192.0.2.1", 631), "http", facts=ServiceFacts("IPP", Access.UNKNOWN, "Lab 400"))
    print_server = Service(Endpoint("192.0.2.1", 631), "http", facts=ServiceFacts("CUPS", Access.OPEN, "CUPS"))
    assert _printing(printer) == _printing(over_ipp) == ["SVC-JETDIRECT-EXPOSED"]
    assert _printing(print_server) == []
    assert _printing(printer, protocol="http") == []
    assert _printing(_agent("Linux node1 6.1.0-13-amd64 #1 SMP x86_64")) == []
    assert _printing() == []
