"""TLS inside other protocols, on the real servers of the lab."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import tls_ask
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.starttls import STARTTLS, ServerBusy, upgrade
from scanner.engine.probes.tls_ask import Asker
from scanner.engine.probes.tls_deep import look_deeper
from scanner.engine.probes.tls_hello import look
from tests.lab.case import case_folder
from tests.lab.registry import all_cases


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
def test_a_server_that_declines_the_upgrade_is_a_probe_error(case: str, port: int, protocol: str) -> None:
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

    def answer(request: bytes) -> bytes | None:
        return {b"EHLO": b"250-mx\r\n250 STARTTLS\r\n", b"STAR": b"220 Go\r\n"}.get(request[:4])

    class Server(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            left[0] -= 1
            self.request.sendall(b"421 mx: Too many concurrent SMTP connections\r\n" if left[0] >= 0 else b"220 mx\r\n")
            while left[0] < 0 and (reply := answer(self.request.recv(4096))):
                self.request.sendall(reply)

    async def ask(port: int) -> int:
        asker = Asker(contact_for("127.10.4.6", port), None, "smtp")
        await asker.ask(asker.hello(TlsVersion.TLS12, (0xC02F,)))
        return asker.connections

    with socketserver.ThreadingTCPServer(("127.10.4.6", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            return asyncio.run(ask(server.server_address[1]))
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_takes_no_more_connections_for_now_is_asked_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_ask, "BUSY_PAUSES", (0.01, 0.01))
    assert _ask_a_server_that_is_busy(2) == 3
    with pytest.raises(ServerBusy):
        _ask_a_server_that_is_busy(3)


class _Jabber(socketserver.BaseRequestHandler):
    """The opening of an XMPP server that requires TLS (RFC 6120 section 5.4); none is part of the lab."""

    features = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"

    def handle(self) -> None:
        self.request.settimeout(3)
        self.request.recv(4096)
        self.request.sendall(
            b"<?xml version='1.0'?><stream:stream id='1' xmlns:stream='http://etherx.jabber.org/streams'>"
            b"<stream:features>" + self.features + b"</stream:features>"
        )
        if self.request.recv(4096).startswith(b"<starttls"):
            self.request.sendall(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")


class _JabberWithoutTls(_Jabber):
    features = b""


def _upgrade_jabber(handler: type[socketserver.BaseRequestHandler]) -> None:
    async def ask(port: int) -> None:
        contact = contact_for("127.10.4.5", port)
        async with contact.open() as conversation:
            await upgrade(conversation, "xmpp", "lab.example")

    with socketserver.ThreadingTCPServer(("127.10.4.5", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            asyncio.run(ask(server.server_address[1]))
        finally:
            server.shutdown()
            thread.join()


def test_xmpp_is_upgraded_where_it_is_offered_and_declined_where_not() -> None:
    _upgrade_jabber(_Jabber)
    with pytest.raises(UnexpectedReply):
        _upgrade_jabber(_JabberWithoutTls)


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
