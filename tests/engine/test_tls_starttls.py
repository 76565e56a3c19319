"""TLS inside other protocols, on the real servers of the lab."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import starttls, tls_ask
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.starttls import STARTTLS, ServerBusy, upgrade
from scanner.engine.probes.tls_ask import Asker
from scanner.engine.probes.tls_deep import look_deeper
from scanner.engine.probes.tls_hello import look
from scanner.engine.rules.tls_base import s_client_options
from tests.lab.case import case_folder
from tests.lab.odd_tls import ADDRESS, relay_unless, server
from tests.lab.odd_tls import running as running_tls
from tests.lab.registry import all_cases
from tests.lab.scripted import Speak


@contextlib.contextmanager
def running(case_name: str, address: str) -> Iterator[None]:
    """Run a lab server on an address of this test's own, so that it can run beside the lab."""
    case = next(case for case in all_cases() if case.name == case_name)
    folder = case_folder(case.name)
    try:
        with case.start(address, folder):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def contact_for(address: str, port: int) -> Contact:
    return Contact(Dialer(lambda _: None), Target(address, address), Endpoint(address, port), Level.READ)


def sweep(case_name: str, port: int, protocol: str) -> TlsFacts:
    address = f"127.10.4.{100 + sorted(STARTTLS).index(protocol)}"
    with running(case_name, address):
        return asyncio.run(look(contact_for(address, port), server_name=None, starttls=protocol))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("case", "port", "protocol"),
    [
        ("postgresql-tls-and-scram-odd-port", 15432, "postgresql"),
        ("mariadb-with-tls", 3306, "mysql"),
        ("ftp-tls-required", 21, "ftp"),
        ("ldap-anonymous-reads-nothing", 389, "ldap"),
        ("postfix-closed", 25, "smtp"),
        ("dovecot-tls-required", 143, "imap"),
        ("dovecot-tls-required", 110, "pop3"),
        ("rdp-xrdp", 3389, "rdp"),
    ],
)
def test_a_real_server_is_swept_after_its_upgrade(case: str, port: int, protocol: str) -> None:
    facts = sweep(case, port, protocol)
    assert Answer.YES in (facts.accepts(TlsVersion.TLS12), facts.accepts(TlsVersion.TLS13))
    assert facts.complete, facts.ended
    assert facts.chains
    assert facts.starttls == protocol


@pytest.mark.lab
@pytest.mark.parametrize(
    ("case", "port", "protocol"),
    [
        ("postfix-open-relay-odd-port", 2526, "smtp"),
        ("dovecot-passwords-in-clear", 143, "imap"),
        ("dovecot-passwords-in-clear", 110, "pop3"),
        ("mariadb-in-clear-odd-port", 13306, "mysql"),
        ("postgresql-password-in-clear", 5432, "postgresql"),
        ("ftp-anonymous", 21, "ftp"),
        ("redis-open", 6379, "smtp"),
    ],
)
def test_a_server_that_declines_the_upgrade_is_a_probe_error(
    case: str, port: int, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wait in ("REPLY_WAIT", "GREETING_WAIT"):
        monkeypatch.setattr(starttls, wait, 1.0)
    with pytest.raises(ProbeError):
        sweep(case, port, protocol)


def test_an_unknown_protocol_is_the_callers_mistake() -> None:
    assert "telnet" not in STARTTLS

    async def ask() -> None:
        await upgrade(None, "telnet")  # type: ignore[arg-type]  # never gets that far

    with pytest.raises(ValueError, match="telnet"):
        asyncio.run(ask())


def _ask_a_server_that_is_busy(times: int) -> int:
    """Ask one hello of an SMTP server that turns away so many connections; return how many it took."""
    left = [times]

    def behave(connection: socket.socket) -> None:
        left[0] -= 1
        busy = left[0] >= 0
        connection.sendall(b"421 mx: Too many concurrent SMTP connections\r\n" if busy else b"220 mx\r\n")
        answers = {b"EHLO": b"250-mx\r\n250 STARTTLS\r\n", b"STAR": b"220 Go\r\n"}
        while not busy and (reply := answers.get(connection.recv(4096)[:4])):
            connection.sendall(reply)

    async def ask(port: int) -> int:
        asker = Asker(contact_for(ADDRESS, port), None, "smtp")
        await asker.ask(asker.hello(TlsVersion.TLS12, (0xC02F,)))
        return asker.connections

    with server(behave) as port:
        return asyncio.run(ask(port))


def test_a_server_that_takes_no_more_connections_for_now_is_asked_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_ask, "BUSY_PAUSES", (0.01, 0.01))
    assert _ask_a_server_that_is_busy(2) == 3
    with pytest.raises(ServerBusy):
        _ask_a_server_that_is_busy(3)


def jabber(connection: socket.socket, features: bytes) -> bool:
    """Speak the opening of an XMPP server (RFC 6120 section 5.4). True when TLS is due."""
    connection.recv(4096)
    connection.sendall(
        b"<?xml version='1.0'?><stream:stream id='1' xmlns:stream='http://etherx.jabber.org/streams'>"
        b"<stream:features>" + features + b"</stream:features>"
    )
    if not connection.recv(4096).startswith(b"<starttls"):
        return False
    connection.sendall(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    return True


def try_upgrade(behave: Speak, protocol: str) -> None:
    async def ask(port: int) -> None:
        async with contact_for(ADDRESS, port).open() as conversation:
            await upgrade(conversation, protocol, "lab.example")

    with server(behave) as port:
        asyncio.run(ask(port))


@pytest.mark.lab
def test_xmpp_is_swept_after_its_upgrade() -> None:
    offer = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
    with running_tls("tls-only-rsa-key-exchange") as (address, port):

        def behave(connection: socket.socket) -> None:
            if jabber(connection, offer):
                relay_unless(lambda _: None, address, port)(connection)

        with server(behave) as jabbering:
            contact = contact_for(ADDRESS, jabbering)
            facts = asyncio.run(look(contact, server_name="lab.example", starttls="xmpp"))
    assert facts.complete, facts.ended
    assert facts.accepts(TlsVersion.TLS12) is Answer.YES
    assert facts.chains


def _sieve(answer: bytes) -> Speak:
    def behave(connection: socket.socket) -> None:
        connection.sendall(b'"IMPLEMENTATION" "Lab"\r\n"SASL" ""\r\n"STARTTLS"\r\nOK "Ready."\r\n')
        assert connection.recv(4096) == b"STARTTLS\r\n"
        connection.sendall(answer)

    return behave


def test_managesieve_is_upgraded_by_its_own_words() -> None:
    try_upgrade(_sieve(b'OK "Begin TLS negotiation now."\r\n'), "sieve")
    with pytest.raises(UnexpectedReply):
        try_upgrade(_sieve(b'NO "Not now."\r\n'), "sieve")


def _news(greeting: bytes, answer: bytes) -> Speak:
    def behave(connection: socket.socket) -> None:
        connection.sendall(greeting)
        assert connection.recv(4096) == b"STARTTLS\r\n"
        connection.sendall(answer)

    return behave


def test_news_is_upgraded_by_its_own_words() -> None:
    try_upgrade(_news(b"201 NNTP server ready\r\n", b"382 Continue with TLS negotiation\r\n"), "nntp")
    for greeting, answer, error in (
        (b"200 NNTP server ready\r\n", b"580 Can not initiate TLS negotiation\r\n", UnexpectedReply),
        (b"502 No permission\r\n", b"", UnexpectedReply),
        (b"400 Too many connections\r\n", b"", ServerBusy),
    ):
        with pytest.raises(error):
            try_upgrade(_news(greeting, answer), "nntp")


def test_openssl_is_told_the_domain_that_the_stream_was_opened_to() -> None:
    seen = TlsFacts(sni="chat.lab.example", starttls="xmpp-server")
    told = "-servername chat.lab.example -starttls xmpp-server -name chat.lab.example"
    assert s_client_options(seen) == told
    assert s_client_options(replace(seen, sni=None)) == "-noservername -starttls xmpp-server"


def test_xmpp_that_offers_no_tls_is_declined() -> None:
    def behave(connection: socket.socket) -> None:
        jabber(connection, b"")

    with pytest.raises(UnexpectedReply):
        try_upgrade(behave, "xmpp")


def replies(*pieces: bytes) -> Speak:
    """Return a behaviour that answers the first message with ``pieces``, each in a segment of its own."""

    def behave(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.recv(4096)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.02)  # else the kernel puts the pieces together again
        connection.recv(1)

    return behave


_ACTIVE_DIRECTORY = bytes.fromhex("30840000002802010178840000001f0a010004000400") + (b"\x8a\x161.3.6.1.4.1.1466.20037")
"""Active Directory writes every length in five bytes."""


def test_ldap_is_upgraded_whatever_form_its_lengths_have() -> None:
    try_upgrade(replies(_ACTIVE_DIRECTORY), "ldap")
    try_upgrade(replies(_ACTIVE_DIRECTORY[:6], _ACTIVE_DIRECTORY[6:]), "ldap")


@pytest.mark.parametrize(
    ("protocol", "reply"),
    [
        ("ldap", bytes.fromhex("300c02010178070a013504000400")),
        ("rdp", bytes.fromhex("0300000b06d00000123400")),
        ("rdp", bytes.fromhex("030000130ed000001234000300080005000000")),
        ("rdp", b"HTTP/1.1 400 Bad Request"),
        ("postgresql", b"N"),
    ],
    ids=["ldap refuses", "rdp of Windows XP", "rdp without TLS", "not rdp", "postgresql refuses"],
)
def test_an_upgrade_that_is_refused_is_declined_at_once(protocol: str, reply: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        try_upgrade(replies(reply), protocol)


@pytest.mark.lab
def test_sslyze_answers_what_needs_a_handshake_and_leaves_the_rest_untested() -> None:
    with running("tls-nginx-old-versions", "127.10.4.120"):
        contact = contact_for("127.10.4.120", 443)
        facts = asyncio.run(look(contact, server_name=None))
        before = contact.dialer.connections["127.10.4.120"]
        deeper = asyncio.run(look_deeper(contact, facts))
        by_sslyze = contact.dialer.connections["127.10.4.120"] - before
        cut_off = asyncio.run(look_deeper(contact, facts, deadline=0.05))
        nothing_again = asyncio.run(look_deeper(contact, facts, again=deeper))
    assert by_sslyze > 20
    assert deeper.heartbleed is deeper.ccs_injection is deeper.client_renegotiation is Answer.NO
    assert deeper.robot == "none"
    assert deeper.early_data is Answer.UNTESTED
    assert replace(cut_off, heartbleed=Answer.UNTESTED) == facts
    assert nothing_again == facts


@pytest.mark.lab
def test_heartbleed_is_not_said_to_be_absent_where_tls_1_3_hides_it() -> None:
    with running("tls-modern-nginx", "127.10.4.120"):
        contact = contact_for("127.10.4.120", 443)
        deeper = asyncio.run(look_deeper(contact, asyncio.run(look(contact, server_name=None))))
    assert deeper.heartbleed is deeper.ccs_injection is Answer.UNTESTED
