"""Remote access, mail, directories and UDP services: certain recognition, and traps for the rules."""

from __future__ import annotations

import asyncio
import datetime as dt
import struct
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access
from scanner.engine.model import (
    Confidence,
    Endpoint,
    Level,
    Target,
    Transport,
)
from scanner.engine.probes import tls_hello
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.identify_questions import HTTP_REQUEST
from scanner.engine.probes.services import (
    ber,
    dns,
    ftp,
    imap,
    ldap,
    pop3,
    rdp,
    registry,
    rpcbind,
    rsync,
    smb,
    smtp,
    socks,
    telnet,
    udp_amplifiers,
    udp_ntp,
    udp_snmp,
    udp_tftp,
    vnc,
    x11,
)
from scanner.engine.probes.services import dns_messages as messages
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.ssh import recognises_ssh
from tests.engine.data_service_replies import Respond, look
from tests.lab.access_cases import CASES
from tests.lab.check import run_case
from tests.lab.scripted import scripted
from tests.lab.sharing_cases import portmap_and_mountd

ADDRESS = "127.10.9.201"
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def contact(port: int, level: Level = Level.READ, *, udp: bool = False) -> Contact:
    transport = Transport.UDP if udp else Transport.TCP
    return Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port, transport), level)


@pytest.mark.parametrize(
    ("banner", "protocol"),
    [
        (b"220 (vsFTPd 3.0.3)\r\n", "ftp"),
        (b"220 ProFTPD Server (Debian) [::ffff:192.0.2.1]\r\n", "ftp"),
        (b"220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n", "ftp"),
        (b"220-FileZilla Server 1.7.0\r\n", "ftp"),
        (b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n", "smtp"),
        (b"220 ftp.example.org ESMTP Exim 4.96\r\n", "smtp"),
        (b"220 smtp.example.org FTP server (Version 6.4) ready.\r\n", "ftp"),
        (b"220 ftp server of the SMTP team\r\n", ""),
        (b"220 smtp.example.org\r\n", ""),
        (b"220 mx Microsoft ESMTP MAIL Service ready\r\n", "smtp"),
        (b"220 mail.example.org LMTP Cyrus 3.6.1 server ready\r\n", "lmtp"),
        (b"220 mail.example.org ESMTP or LMTP, as you like\r\n", "smtp"),
        (b"220 welcome\r\n", ""),
        (b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", "imap"),
        (b"+OK Dovecot (Debian) ready.\r\n", "pop3"),
        (b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n"SASL" ""\r\n"STARTTLS"\r\nOK "Dovecot ready."\r\n', "sieve"),
        (b"200 news.example.org InterNetNews NNRP server INN 2.7.1 ready (posting ok)\r\n", "nntp"),
        (b"201 NNTP Service Ready\r\n", "nntp"),
        (b"200 news of the day\r\n", ""),
        (b'"IMPLEMENTATION", as a word\r\n', ""),
        (b"+PONG\r\n", ""),
        (b"@RSYNCD: 32.0 sha512 sha256 md5\n", "rsync"),
        (b"@RSYNCD: 29\n", "rsync"),
        (b"@RSYNCD: soon\n", ""),
        (b"RFB 003.008\n", "vnc"),
        (b"\xff\xfd\x18\xff\xfd\x20", "telnet"),
        (b"\r\nUser Access Verification\r\n\r\nUsername: ", "telnet"),
        (b"\xff\xfb\x56", ""),
        (b"\x01Where are you?\n", "rsh"),
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"Mon Nov 23 23:37:00 2026\r\n", "daytime"),
        (b"23 NOV 2026 23:37:00 CST\r\n", "daytime"),
        (b":irc.lab.example NOTICE AUTH :*** Looking up your hostname\r\n", "irc"),
        (b"NBDMAGICIHAVEOPT\x00\x03", "nbd"),
    ],
)
def test_a_banner_is_recognised_by_one_protocol_or_by_none(banner: bytes, protocol: str) -> None:
    speak_first = (p for p in registry.PROBES if not p.greeting and p.transport is Transport.TCP)
    assert [probe.protocol for probe in speak_first if probe.recognises(banner)] == [protocol][: bool(protocol)]


_BUT_ECHO = [probe for probe in registry.PROBES if probe.protocol != "echo"]


@pytest.mark.parametrize("probe", _BUT_ECHO, ids=lambda probe: f"{probe.protocol}-{probe.transport}")
def test_no_protocol_takes_an_echo_of_its_greeting_for_an_answer(probe: ServiceProbe) -> None:
    for echo in (probe.greeting, probe.greeting + b"\r\n", probe.greeting * 2, b"> " + probe.greeting):
        assert not (probe.greeting and probe.recognises(echo)), echo


@pytest.mark.parametrize(
    "said", [HTTP_REQUEST % b"192.0.2.1", tls_hello.HELLO, tls_hello.SSL2_HELLO], ids=["http", "tls", "ssl2"]
)
def test_no_protocol_takes_an_echo_of_what_every_port_is_asked_for_its_own(said: bytes) -> None:
    for probe in registry.PROBES:
        if probe.transport is Transport.TCP:
            assert not (probe.recognises(said) and not probe.greeting), probe.protocol
            assert not (probe.also_recognises and probe.also_recognises(said)), probe.protocol
    assert not tls_hello.recognises(said)
    assert not recognises_ssh(said)


def test_an_rsync_module_whose_verdict_broke_off_is_not_taken_for_a_closed_one(tmp_path: Path) -> None:
    """The listing works; the daemon then hangs up where it should say whether the module needs a password."""

    def daemon(request: bytes) -> bytes | None:
        if request == rsync.HELLO:
            return b""
        return b"data           \tall of it\n@RSYNCD: EXIT\n" if b"#list" in request else None

    with scripted(4327, daemon, banner=b"@RSYNCD: 31.0\n")(ADDRESS, tmp_path), pytest.raises(ProbeError):
        asyncio.run(rsync.look(contact(4327)))


@pytest.mark.parametrize(
    "prompt",
    [
        b"\r\nlogin: \xff\xf9",
        b"\x1b[1;32mUsername:\x1b[0m ",
        b"\r\nUser: ",
        "\r\n用户名：".encode(),
        "密码:".encode("gb18030"),
        b"\r\nBenutzername: ",
    ],
)
def test_a_log_in_prompt_is_recognised_in_what_surrounds_it(prompt: bytes) -> None:
    assert telnet.recognises(prompt)


@pytest.mark.parametrize("banner", [b"user: unknown\r\n", b"login: see below\n", "时间：12:00".encode()])
def test_a_line_about_users_is_no_prompt(banner: bytes) -> None:
    assert not telnet.recognises(banner)


def test_of_an_rsync_server_with_very_many_modules_the_last_are_not_called_closed(tmp_path: Path) -> None:
    names = [b"m%d" % number for number in range(rsync.MODULE_LIMIT + 1)]

    def daemon(request: bytes) -> bytes | None:
        if request == rsync.HELLO:
            return b""
        listed = b"".join(b"%-15s\tall of it\n" % name for name in names) + b"@RSYNCD: EXIT\n"
        return listed if b"#list" in request else b"@RSYNCD: AUTHREQD challenge\n"

    with scripted(4327, daemon, banner=b"@RSYNCD: 31.0\n")(ADDRESS, tmp_path):
        facts = asyncio.run(rsync.look(contact(4327)))
    assert facts.attribute("open_modules") == ""
    assert facts.ended


@pytest.mark.parametrize(
    ("client", "everyone"),
    [(b"*", "yes"), (b"0.0.0.0/0", "yes"), (b"::/0", "yes"), (b"10.0.0.0/8", "no"), (b"*.lab.example", "no")],
)
def test_an_export_to_every_address_is_one_for_everyone(client: bytes, everyone: str, tmp_path: Path) -> None:
    export = _xdr(b"/srv") + _xdr(client) + bytes(8)
    with portmap_and_mountd(export)(ADDRESS, tmp_path):
        facts = asyncio.run(rpcbind.look(contact(111)))
    assert facts.attribute("everyone") == everyone


def test_of_a_list_of_exports_in_several_fragments_the_last_one_counts_too(tmp_path: Path) -> None:
    many = b"".join(_xdr(b"/srv/%04d" % number) + _xdr(b"10.0.0.0/8") + bytes(4) for number in range(400))
    export = many + _xdr(b"/srv/all") + _xdr(b"*") + bytes(8)
    with portmap_and_mountd(export)(ADDRESS, tmp_path):
        facts = asyncio.run(rpcbind.look(contact(111)))
    assert facts.attribute("exports").startswith("/srv/0000 (10.0.0.0/8); ")
    assert facts.attribute("everyone") == "yes"


def test_a_mount_daemon_that_tells_nothing_whole_was_not_asked(tmp_path: Path) -> None:
    with portmap_and_mountd(_xdr(b"/srv")[:-2])(ADDRESS, tmp_path):
        facts = asyncio.run(rpcbind.look(contact(111)))
    assert facts.attribute("exports_asked") == "failed"


def _xdr(text: bytes) -> bytes:
    """One element of a list (RFC 4506 section 4.19): here it is, its length, its bytes in whole words."""
    return struct.pack(">II", 1, len(text)) + text + bytes(-len(text) % 4)


@given(st.binary(max_size=200))
@example(b"\x30\x84\xff\xff\xff\xff")
@example(udp_snmp.DISCOVERY[:-1])
@example(ldap.BIND)
@example(b"\0\0\0\x20\xffSMBr")
def test_no_reply_makes_recognition_fail(reply: bytes) -> None:
    for probe in registry.PROBES:
        assert probe.recognises(reply) in (True, False)


def _tells_only_its_version(times: int) -> Respond:
    """A DNS server that leaves all other questions unanswered, and after so many answers that one too."""
    left = [times]

    def respond(request: bytes) -> bytes | None:
        message = request[2:]
        left[0] -= message == dns.VERSION_BIND
        asked_in_time = message == dns.VERSION_BIND and left[0] >= 0
        return dns.framed(message[:2] + b"\x81\x05" + message[4:]) if asked_in_time else None

    return respond


def test_a_dns_server_that_ignores_strangers_is_closed_only_while_it_answers_otherwise() -> None:
    ignoring = look(dns.TCP_PROBE, _tells_only_its_version(9))
    assert (ignoring.attribute("recursion"), ignoring.ended) == ("closed", "")
    gone = look(dns.TCP_PROBE, _tells_only_its_version(1))
    assert gone.attribute("recursion") == ""
    assert gone.ended


@pytest.mark.parametrize(
    ("flags", "recursion"), [(b"\x81\x80", "open"), (b"\x85\x80", "unproven"), (b"\x85\x00", "closed")]
)
def test_a_dns_server_that_answers_a_foreign_name_for_its_own_resolves_nothing(flags: bytes, recursion: str) -> None:
    def respond(request: bytes) -> bytes:
        message = request[2:]
        record = b"\xc0\x0c\x00\x01\x00\x01" + bytes(4) + b"\x00\x04\x0a\x00\x00\x01"
        asks = message[-4:] == b"\x00\x01\x00\x01"
        reply = message[:2] + flags + bytes((0, 1, 0, asks, 0, 0, 0, 0)) + message[12:] + (record if asks else b"")
        return dns.framed(reply)

    assert look(dns.TCP_PROBE, respond).attribute("recursion") == recursion


@given(st.binary(max_size=120))
def test_random_bytes_after_our_dns_id_are_read_or_refused(reply: bytes) -> None:
    try:
        messages.parse(b"\x52\x6d\x81\x80" + reply)
    except UnexpectedReply:
        return


def test_a_cut_off_element_is_refused_instead_of_read_short() -> None:
    with pytest.raises(UnexpectedReply):
        ber.take(b"\x04\x05abc")


@pytest.mark.parametrize(
    ("reply", "is_x11"),
    [
        (b"\x00\x03\x0b\x00\x00\x00\x01\x00No!\x00", True),
        (b"\x00\x03\x0b\x00\x00\x00\x01\x00No!\x00more", False),
        (b"\x01\x00\x0b\x00\x00\x00\x20\x00", True),
        (b"\x01\x00\x0a\x00\x00\x00\x20\x00", False),
    ],
)
def test_an_x11_reply_needs_its_version_and_a_length_that_fits(reply: bytes, is_x11: bool) -> None:
    assert x11.recognises(reply) is is_x11


def test_socks_is_recognised_by_exactly_two_bytes() -> None:
    assert socks.recognises(b"\x05\xff")
    assert socks.recognises(b"\x05\x02")
    assert not socks.recognises(b"\x05\x00\x00")


def test_a_remote_desktop_refusal_is_recognised_too() -> None:
    assert rdp.recognises(b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x05\x00\x00\x00")
    assert not rdp.recognises(b"\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00")


@pytest.mark.parametrize(
    ("reply", "granted"),
    [
        (b"\x82\0\0\0", True),
        (b"\x83\0\0\x01\x8f", True),
        (b"\x83\0\0\x01\x00", False),
        (b"\x82\0\0\0\0", False),
        (b"\x83\0\0\x02\x8f\0", False),
    ],
)
def test_a_session_of_netbios_is_granted_or_refused_in_few_bytes(reply: bytes, granted: bool) -> None:
    assert smb.recognises_session(reply) is granted


def test_an_rpc_service_without_the_program_is_no_port_mapper() -> None:
    accepted = b"\x80\0\0\x18Rmap" + bytes((0, 0, 0, 1, 0, 0, 0, 0)) + bytes(8)
    assert rpcbind.recognises(accepted + bytes(4))
    assert rpcbind.recognises_other(accepted + b"\0\0\0\x01")
    assert not rpcbind.recognises(accepted + b"\0\0\0\x01")
    assert not rpcbind.recognises_other(accepted[:-8] + b"\0\0\0\0\xff\xff\xff\xff" + b"\0\0\0\x01")


def test_remote_desktop_from_before_it_negotiated_is_known_on_its_own_ports_alone() -> None:
    confirm = b"\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0"
    assert rdp.recognises_old(confirm)
    assert not rdp.recognises(confirm)
    assert all(probe.own_ports_only for probe in rdp.PROBES if probe.recognises(confirm))


def test_an_ntp_answer_must_carry_our_own_time_back() -> None:
    answer = b"\x24" + bytes(23) + udp_ntp.CLIENT[40:48] + bytes(16)
    assert udp_ntp.recognises(answer)
    assert not udp_ntp.recognises(b"\x24" + bytes(47))


def test_a_tftp_error_is_recognised_and_its_data_is_not() -> None:
    assert udp_tftp.recognises(b"\x00\x05\x00\x01File not found\x00")
    assert not udp_tftp.recognises(b"\x00\x03\x00\x01data")


def test_chargen_is_no_quote_and_a_quote_is_no_chargen() -> None:
    ring = bytes(range(32, 127))
    assert udp_amplifiers.is_chargen(ring[5:77] + b"\r\n")
    assert not udp_amplifiers.is_quote(ring[5:77] + b"\r\n")
    assert udp_amplifiers.is_quote(b"All that glitters is not gold.\r\n")
    assert not udp_amplifiers.is_chargen(b"All that glitters is not gold, or so it is said by those without. " * 2)


# --- dialogues


@pytest.mark.parametrize("probe", [ftp, smtp, imap, pop3, rsync, vnc, telnet, smb, rdp, ldap, dns, socks, x11])
def test_a_server_that_hangs_up_ends_the_look_as_a_probe_error(probe: ModuleType) -> None:
    async def hang_up_on_the_look() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), ADDRESS, 0)
        async with server:
            with pytest.raises(ProbeError):
                await asyncio.wait_for(probe.look(contact(server.sockets[0].getsockname()[1])), 10)

    asyncio.run(hang_up_on_the_look())


def test_a_mail_server_that_turns_everyone_away_is_not_judged(tmp_path: Path) -> None:
    busy = scripted(4322, lambda _: None, banner=b"421 ESMTP too busy\r\n")
    with busy(ADDRESS, tmp_path), pytest.raises(UnexpectedReply):
        asyncio.run(smtp.look(contact(4322)))


def test_a_pop3_server_without_capabilities_is_asked_with_a_user_name(tmp_path: Path) -> None:
    old = scripted(
        4323, lambda request: b"+OK\r\n" if request.startswith(b"USER") else b"-ERR what?\r\n", banner=b"+OK ready\r\n"
    )
    with old(ADDRESS, tmp_path):
        assert asyncio.run(pop3.look(contact(4323))).attribute("clear_login") == "accepted"
        assert asyncio.run(pop3.look(contact(4323, Level.GREETING))).attribute("clear_login") == ""


def test_a_vnc_server_of_version_3_3_chooses_the_type_itself(tmp_path: Path) -> None:
    old = scripted(4324, lambda _: b"\0\0\0\x01", banner=b"RFB 003.003\n")
    with old(ADDRESS, tmp_path):
        facts = asyncio.run(vnc.look(contact(4324)))
    assert facts.access is Access.OPEN
    assert facts.attribute("types") == "None"


def test_a_log_in_by_another_name_does_not_count_as_relaying(tmp_path: Path) -> None:
    sent: list[bytes] = []

    def answer(request: bytes) -> bytes | None:
        sent.append(request)
        verb = request[:4].upper()
        return {b"EHLO": b"250 mx\r\n", b"MAIL": b"250 ok\r\n", b"RCPT": b"450 later\r\n"}.get(verb, b"252 hm\r\n")

    with scripted(4325, answer, banner=b"220 mx ESMTP\r\n")(ADDRESS, tmp_path):
        facts = asyncio.run(smtp.look(contact(4325, Level.CREDENTIAL)))
    assert facts.attribute("relay") == "deferred"
    assert facts.ended
    assert not any(request.upper().startswith(b"DATA") for request in sent)


@pytest.mark.parametrize(
    ("refusal", "of_bounces", "relay"),
    [
        ("450 4.2.0 <relay-test@example.net>: Recipient address rejected: Greylisted", "", "deferred"),
        ("454 4.7.1 <relay-test@example.net>: Relay access denied", "", "refused"),
        ("554 5.7.1 <relay-test@example.net>: Relay access denied", "", "refused"),
        ("550 5.7.1 <relay-test@example.net>... Relaying denied", "", "refused"),
        ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "", "refused"),
        ("554 5.7.1 <unknown[192.0.2.9]>: Client host rejected: Access denied", "", "refused"),
        ("550 5.7.1 Sender must log in first", "", "refused"),
        ("450 4.1.8 <inspection@example.org>: Sender address rejected: Domain not found", "250 ok", "accepted"),
        ("550 5.7.27 <inspection@example.org>: Sender address rejected: nullMX", "554 Relay access denied", "refused"),
        ("550 5.7.1 <inspection.example.org>: Helo command rejected: Host not found", "", "no-sender"),
        ("556 5.1.10 <relay-test@example.net>: Recipient address rejected: nullMX", "", "deferred"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using dnsbl.example", "", "deferred"),
    ],
)
def test_only_a_refusal_to_relay_tells_that_a_server_does_not(
    tmp_path: Path, refusal: str, of_bounces: str, relay: str
) -> None:
    senders: list[bytes] = []

    def answer(request: bytes) -> bytes | None:
        verb = request[:4].upper()
        if verb == b"MAIL":
            senders.append(request)
        if verb == b"RCPT":
            said = of_bounces if of_bounces and b"<>" in senders[-1] else refusal
            return f"{said}\r\n".encode()
        return b"502 no\r\n" if verb == b"VRFY" else b"250 ok\r\n"

    with scripted(4326, answer, banner=b"220 mx ESMTP\r\n")(ADDRESS, tmp_path):
        facts = asyncio.run(smtp.look(contact(4326, Level.CREDENTIAL)))
    assert facts.attribute("relay") == relay
    assert bool(facts.ended) is (relay in ("deferred", "no-sender"))


@pytest.mark.parametrize("level", [Level.GREETING, Level.READ])
def test_nothing_that_needs_permission_is_sent_without_it(tmp_path: Path, level: Level) -> None:
    sent: list[bytes] = []

    def answer(request: bytes) -> bytes | None:
        sent.append(request)
        return b"250 mx\r\n" if request.startswith(b"HELO") else b"500 no\r\n"

    with scripted(4326, answer, banner=b"220 FTP ESMTP\r\n")(ADDRESS, tmp_path):
        asyncio.run(ftp.look(contact(4326, level)))
        asyncio.run(smtp.look(contact(4326, level)))
    assert sent
    assert not any(request.upper().startswith((b"PASS", b"MAIL", b"RCPT", b"DATA")) for request in sent)


# --- judgement


@pytest.mark.lab
def test_a_vnc_server_that_counts_connections_is_left_one_for_the_second_look() -> None:
    case = next(case for case in CASES if case.name == "vnc-without-password")
    verdict = run_case(replace(case, name="vnc-counted", address="127.10.9.205"))
    assert {finding.check: finding.confidence for finding in verdict.findings} == {
        "SVC-VNC-UNAUTH": Confidence.CONFIRMED,
        "CLR-VNC": Confidence.CONFIRMED,
    }
