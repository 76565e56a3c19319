"""A conversation is encrypted, with whom it should be, and logged in before any mail is shown to anyone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from scanner.delivery.smtp import Conversation, Fate, NoServer, Security, Server, Step
from tests.delivery.post_office import (
    HERE,
    PASSWORD,
    USER,
    Keys,
    Office,
    Wire,
    authenticate,
    good,
    keys,
    open_office,
    plain,
    scripted,
)
from tests.lab.lab_ca import ROOT, Issued, issue

SENDER, RECIPIENT = "roundsman@office.example", "li@water.example"
MAIL = b"Subject: hello\r\n\r\ntext\r\n"


@pytest.fixture
def lab(tmp_path: Path) -> Keys:
    return keys(tmp_path)


@contextmanager
def office_with(
    lab: Keys, security: Security, leaf: Issued | None = None, office: Office | None = None, **options: Any
) -> Iterator[Server]:
    with open_office(office or Office(), lab.context(leaf or good()), security, **options) as port:
        yield Server(HERE, port, security, ca_file=lab.ca, timeout=5, patience=10)


def failure(server: Server) -> NoServer:
    with pytest.raises(NoServer) as caught:
        Conversation(server)
    return caught.value


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_mail_is_sent_encrypted_by_either_way(lab: Keys, security: Security) -> None:
    office, steps = Office(), []
    with office_with(lab, security, office=office) as server:
        conversation = Conversation(server, lambda step, text: steps.append(step))
        assert conversation.send(SENDER, RECIPIENT, MAIL).fate is Fate.ACCEPTED
        conversation.close()
    assert office.received == [(RECIPIENT, MAIL)]
    assert (Step.ENCRYPT in steps) is (security is Security.STARTTLS)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize(
    ("leaf", "complaint"),
    [
        (issue("mail.lab", names=["localhost"], addresses=[HERE]), "not trusted: self-signed certificate"),
        (issue("mail.lab", ROOT, names=["other.example"]), "not valid for '127.0.0.1'"),
    ],
)
def test_a_certificate_of_the_wrong_authority_or_name_ends_it_before_any_mail(
    lab: Keys, security: Security, leaf: Issued, complaint: str
) -> None:
    with office_with(lab, security, leaf) as server:
        error = failure(server)
    assert (error.step, complaint in str(error)) == (Step.ENCRYPT, True)


def test_a_server_without_starttls_gets_no_mail(lab: Keys) -> None:
    office = Office()
    with open_office(office) as port:
        error = failure(plain(port, security=Security.STARTTLS))
    assert error.step is Step.ENCRYPT
    assert "STARTTLS" in str(error)


def test_the_log_in_is_made_over_tls_and_a_refusal_says_so_without_the_password(lab: Keys) -> None:
    with office_with(lab, Security.STARTTLS, authenticator=authenticate, auth_required=True) as server:
        wrong = failure(_as(server, "wrong-password"))
        conversation = Conversation(_as(server, PASSWORD))
        assert conversation.send(SENDER, RECIPIENT, MAIL).fate is Fate.ACCEPTED
        conversation.close()
        conversation = Conversation(server)
        answer = conversation.send(SENDER, RECIPIENT, MAIL)
        conversation.close()
    assert (wrong.step, "535" in str(wrong), "wrong-password" in str(wrong)) == (Step.LOG_IN, True, False)
    assert (answer.fate, answer.reply) == (Fate.LATER, "sender: 530 5.7.0 Authentication required")


def _as(server: Server, password: str) -> Server:
    return replace(server, user=USER, password=password)


def test_no_password_is_sent_without_tls() -> None:
    with open_office(Office(), authenticator=authenticate, auth_require_tls=False) as port:
        error = failure(plain(port, user=USER, password=PASSWORD))
    assert (error.step, "over TLS only" in str(error)) == (Step.LOG_IN, True)


def test_mail_without_tls_goes_to_this_machine_only_unless_that_is_allowed() -> None:
    subprocess.run(["ip", "addr", "replace", "192.0.2.25/32", "dev", "lo"], check=True)
    with open_office(Office(), hostname="192.0.2.25") as port:
        far = Server("192.0.2.25", port, Security.NONE, timeout=5)
        error = failure(far)
        Conversation(Server("192.0.2.25", port, Security.NONE, plaintext=True, timeout=5)).close()
    assert "ROUNDSMAN_SMTP_PLAINTEXT" in str(error)


def test_a_handshake_that_drips_is_cut_when_patience_ends() -> None:
    def drip(wire: Wire) -> None:
        wire.send(b"\x16\x03\x03\x40\x00")
        for _ in range(1000):
            wire.send(b"\x00")
            Event().wait(0.02)

    with scripted(drip) as port:
        begun = time.monotonic()
        error = failure(Server(HERE, port, Security.TLS, timeout=5, patience=0.3))
    assert error.step in (Step.CONNECT, Step.ENCRYPT)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("line", [b"250-more\r\n", b"250-" + b"x" * 5000])
def test_a_reply_without_end_is_not_read_to_its_end(line: bytes) -> None:
    def flood(wire: Wire) -> None:
        wire.say("220 scripted")
        wire.hear()
        for _ in range(100_000):
            wire.send(line)

    with scripted(flood) as port:
        error = failure(plain(port))
    assert error.step is Step.GREET


@pytest.mark.parametrize(
    ("told", "limit"), [("SIZE 1000000", 1_000_000), ("SIZE 0", None), ("SIZE " + "9" * 1500, None)]
)
def test_a_size_that_makes_no_sense_is_none(told: str, limit: int | None) -> None:
    def greet(wire: Wire) -> None:
        wire.say("220 scripted")
        wire.hear()
        wire.say(f"250-scripted\r\n250 {told}")
        wire.hear()

    with scripted(greet) as port:
        conversation = Conversation(plain(port))
        assert conversation.size_limit == limit
        conversation.close()


@pytest.mark.parametrize(
    ("reply", "fate"),
    [
        ("550 5.1.1 no such user", Fate.REFUSED),
        ("554 5.7.1 Relay access denied", Fate.LATER),
        ("530 5.7.0 log in first", Fate.LATER),
        ("421 too busy", Fate.LATER),
        ("452 mailbox full", Fate.LATER),
    ],
)
def test_a_refusal_that_is_about_us_is_not_held_against_the_recipient(reply: str, fate: Fate) -> None:
    with open_office(Office(to=lambda address: reply)) as port:
        conversation = Conversation(plain(port))
        assert conversation.send(SENDER, RECIPIENT, MAIL).fate is fate
        conversation.close()


def test_a_name_that_leads_nowhere_is_told_as_such() -> None:
    error = failure(Server("mail.invalid", 25, Security.NONE))
    assert error.step is Step.LOOK_UP


def test_an_authority_file_that_is_missing_is_named(tmp_path: Path) -> None:
    error = failure(Server(HERE, 1, Security.TLS, ca_file=tmp_path / "none.pem"))
    assert "ROUNDSMAN_SMTP_CA_FILE" in str(error)


def test_the_size_that_the_server_takes_is_known(lab: Keys) -> None:
    with office_with(lab, Security.STARTTLS, data_size_limit=100_000) as server:
        conversation = Conversation(server)
        assert conversation.size_limit == 100_000
        answer = conversation.send(SENDER, RECIPIENT, MAIL + b"x\r\n" * 50_000)
        assert (answer.fate, answer.reply.startswith("sender: 552")) == (Fate.REFUSED, True)
        assert conversation.send(SENDER, RECIPIENT, MAIL).fate is Fate.ACCEPTED
        conversation.close()


def test_opening_a_conversation_with_a_server_that_is_slow_at_every_step_ends_when_patience_ends() -> None:
    def slowly(wire: Wire) -> None:
        time.sleep(0.4)
        wire.say("220 scripted")
        wire.hear()
        time.sleep(0.4)
        wire.say("250 scripted")

    with scripted(slowly) as port:
        assert failure(plain(port, patience=0.6)).step is Step.GREET
