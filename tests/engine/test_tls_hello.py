"""The hello sweep against servers that are slow, short of temper, or not TLS at all."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from scanner.engine.errors import ConnectionRefused, ProbeError, UnexpectedReply
from scanner.engine.facts.tls import Answer, TlsVersion
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import tls_hello
from scanner.engine.probes.contact import Contact, permissive_tls
from scanner.engine.probes.dial import Dialer, Limits
from scanner.engine.probes.tls_ask import BYTES_LIMIT, Asker, ConnectionLimited
from scanner.engine.probes.tls_flight import MESSAGE_LIMIT, FlightReader
from scanner.engine.probes.tls_hello import HELLO, SSL2_HELLO, recognises
from tests.lab.lab_ca import INTERMEDIATE, issue, rsa_key
from tests.lab.odd_tls import ADDRESS, relay_after, relay_unless, running, server, sweep
from tests.lab.tls_servers import modern_nginx


def test_a_web_server_without_tls_is_told_apart() -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with server(plain) as port, pytest.raises(ProbeError):
        sweep(port)


def test_a_silent_server_is_given_up_within_seconds() -> None:
    with server(lambda connection: connection.recv(1) and connection.recv(65_536)) as port:
        started = asyncio.new_event_loop()
        try:
            before = started.time()
            with pytest.raises(ProbeError):
                sweep(port)
            assert started.time() - before < 5
        finally:
            started.close()


def test_a_server_slower_than_usual_is_swept_and_swept_again() -> None:
    """A small device with a long key; what it takes is more than the time-out, and less than patience."""

    def ponder(hello: bytes) -> bytes | None:
        time.sleep(0.6)
        return None

    with running("tls-only-1.1") as (address, port), server(relay_unless(ponder, address, port)) as slow:
        facts = sweep(slow)
        again = sweep(slow, again=facts)
    assert facts.complete
    assert facts.accepts(TlsVersion.TLS11) is Answer.YES
    assert facts.accepts(TlsVersion.TLS12) is Answer.NO
    assert facts.chains == again.chains
    assert again.complete


def test_a_slow_server_has_longer_for_all_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_hello, "SECONDS", 1.0)

    def ponder(hello: bytes) -> bytes | None:
        time.sleep(0.3)
        return None

    with running("tls-only-1.1") as (address, port), server(relay_unless(ponder, address, port)) as slow:
        assert sweep(slow).complete
        monkeypatch.setattr(tls_hello, "LONGEST", 1.0)
        assert sweep(slow).ended == "The look took longer than 1 seconds."


def test_a_handshake_that_takes_longer_than_an_answer_may_is_waited_for() -> None:
    def ponder(hello: bytes) -> bytes | None:
        time.sleep(0.9)
        return None

    async def shake(port: int) -> None:
        dialer = Dialer(lambda _: None, Limits(connect_timeout=0.4, read_timeout=0.4))
        async with dialer.connect(Endpoint(ADDRESS, port), tls=permissive_tls()):
            pass

    with running("tls-only-1.3") as (address, port), server(relay_unless(ponder, address, port)) as slow:
        asyncio.run(shake(slow))


def test_endless_data_is_cut() -> None:
    def flood(connection: socket.socket) -> None:
        for _ in range(200):  # three times what one answer may hold
            connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\x00\xff\xff" + bytes(16_380))

    with server(flood) as port, pytest.raises(ProbeError):
        sweep(port)


@pytest.mark.parametrize(
    "reply",
    [
        b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00",
        b"\x16\x03\x03\xff\xff" + bytes(70_000),
        b"\x15\x03\x03\x00\x00",
        b"\x80\x02\x04\x00",
        bytes(64),
    ],
)
def test_a_malformed_reply_is_a_probe_error_and_never_a_crash(reply: bytes) -> None:
    def garble(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(reply)

    with server(garble) as port, pytest.raises(ProbeError):
        sweep(port)


def test_a_closed_port_is_refused() -> None:
    with server(lambda _: None) as port:
        pass
    with pytest.raises(ConnectionRefused):
        sweep(port)


@pytest.mark.lab
def test_a_server_that_limits_connections_is_never_said_not_to_accept_something() -> None:
    with running("tls-nginx-old-versions") as (address, port), server(relay_after(3, address, port)) as limited:
        facts = sweep(limited)
    assert facts.accepts(TlsVersion.TLS12) is Answer.YES
    assert not facts.complete
    assert facts.ended
    assert facts.accepts(TlsVersion.TLS10) is not Answer.NO
    assert facts.accepts(TlsVersion.TLS11) is not Answer.NO


@pytest.mark.lab
def test_a_server_that_refuses_by_closing_is_understood_as_refusing() -> None:
    """Schannel closes without an alert; the relay turns nginx's alerts into that."""

    with running("tls-nginx-old-versions") as (address, port):

        def mute_alerts(connection: socket.socket) -> None:
            with socket.create_connection((address, port), timeout=3) as real:
                real.sendall(connection.recv(16_384))
                while (data := real.recv(16_384)) and data[:1] != b"\x15":
                    connection.sendall(data)

        with server(mute_alerts) as muted:
            facts = sweep(muted)
    assert facts.complete, facts.ended
    assert facts.accepts(TlsVersion.TLS13) is Answer.NO
    assert facts.accepts(TlsVersion.SSL3) is Answer.NO
    assert facts.accepts(TlsVersion.TLS10) is Answer.YES


@pytest.mark.lab
def test_a_server_that_chokes_on_long_hellos_is_swept_in_pieces() -> None:

    with running("tls-nginx-old-versions") as (address, port):
        whole = sweep(port, address)

        def choke(connection: socket.socket) -> None:
            hello = connection.recv(16_384)
            if len(hello) > 480:
                return
            with socket.create_connection((address, port), timeout=3) as real:
                real.sendall(hello)
                while data := real.recv(16_384):
                    connection.sendall(data)

        with server(choke) as choking:
            pieces = sweep(choking)
    strong = {suite.suite for suite in whole.suites if suite.version is TlsVersion.TLS12}
    assert {suite.suite for suite in pieces.suites if suite.version is TlsVersion.TLS12} == strong


@pytest.mark.lab
def test_records_that_arrive_byte_by_byte_are_put_together() -> None:

    with running("tls-only-rsa-key-exchange") as (address, port):

        def drip(connection: socket.socket) -> None:
            with socket.create_connection((address, port), timeout=3) as real:
                real.sendall(connection.recv(16_384))
                while data := real.recv(97):
                    connection.sendall(data)

        with server(drip) as dripping:
            facts = sweep(dripping)
    assert facts.complete
    assert facts.accepts(TlsVersion.TLS12) is Answer.YES
    assert facts.chains


@pytest.mark.lab
def test_both_leaves_of_a_server_with_two_certificates_are_seen_under_tls_1_3(tmp_path: Path) -> None:
    rsa = issue("two.lab", INTERMEDIATE, names=["two.lab"], key=rsa_key(2048))
    ec = issue("two.lab", INTERMEDIATE, names=["two.lab"])
    (tmp_path / "second.pem").write_bytes(rsa.pem + INTERMEDIATE.pem)
    (tmp_path / "second.key").write_bytes(rsa.key_pem)
    second = "TLSv1.3; ssl_certificate second.pem; ssl_certificate_key second.key"
    with modern_nginx(4455, ec, protocols=second)("127.10.4.2", tmp_path):
        facts = sweep(4455, "127.10.4.2")
    assert facts.complete, facts.ended
    assert len(facts.chains) == 2


@pytest.mark.lab
def test_an_ordinary_nginx_costs_few_connections_and_its_confirmation_far_fewer() -> None:
    with running("tls-modern-nginx") as (address, port):
        first = sweep(port, address, name="good.lab")
        second = sweep(port, address, name="good.lab", again=first)
    assert first.connections <= 60
    assert second.connections <= 12
    assert second.chains == first.chains
    assert second.accepts(TlsVersion.TLS12) is second.accepts(TlsVersion.TLS13) is Answer.YES


@pytest.mark.lab
def test_a_server_that_demands_a_name_is_untested_and_not_refusing() -> None:
    with running("tls-demands-a-name") as (address, port):
        facts = sweep(port, address)
    assert facts.needs_name
    assert not facts.complete
    assert {answer for _, answer in facts.versions} == {Answer.UNTESTED}


def test_tls_replies_are_recognised_and_others_are_not() -> None:
    assert recognises(b"\x15\x03\x01\x00\x02\x02\x28")
    assert recognises(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
    assert not recognises(b"HTTP/1.1 400 Bad Request")
    assert not recognises(b"SSH-2.0-OpenSSH_9.2")
    assert not recognises(HELLO)
    assert not recognises(SSL2_HELLO)
    assert not recognises(b"")


def test_a_server_that_sends_without_end_is_given_up() -> None:
    target = Target("192.0.2.1", "192.0.2.1")
    contact = Contact(Dialer(lambda endpoint: None), target, Endpoint("192.0.2.1", 443), Level.GREETING)
    asker = Asker(contact, None, "")
    asker.count(BYTES_LIMIT)
    with pytest.raises(ConnectionLimited, match="64 MiB"):
        asker.count(1)


def test_a_message_that_is_too_long_is_refused_before_it_is_kept() -> None:
    reader = FlightReader()
    announced = b"\x0b" + (MESSAGE_LIMIT + 1).to_bytes(3, "big")
    with pytest.raises(UnexpectedReply, match="too long"):
        reader.feed(b"\x16\x03\x03" + (len(announced)).to_bytes(2, "big") + announced)
