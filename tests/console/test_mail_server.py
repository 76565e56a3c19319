"""The mail server on its page: tried before it is kept, taken up by a running mailer, its password out of sight."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client, override_settings

from scanner.accounts.roles import Role
from scanner.delivery import mail_server
from scanner.delivery.models import Message, MessageState
from scanner.delivery.sender import Mailer
from scanner.delivery.smtp import Conversation, NoServer, Security
from tests.console.house import PASSWORD as OWN
from tests.console.house import House, client
from tests.console.test_register import entry_of, errors
from tests.delivery.post_office import (
    HERE,
    PASSWORD,
    USER,
    Office,
    authenticate,
    good,
    keys,
    letter,
    open_office,
    post_letters,
)

WHERE = "/settings/mail/"
SENDER = "roundsman@office.example"


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path) -> Iterator[Path]:
    """An installation without a mail server, whose machine trusts the authority of ours."""
    made = keys(tmp_path)
    changed = settings.INSTALLATION.model_copy(update={"smtp_host": "", "smtp_ca_file": made.ca})
    with override_settings(DATA_DIR=tmp_path, INSTALLATION=changed, LANGUAGE_CODE="en"):
        yield tmp_path


def sent(port: int, **fields: object) -> dict[str, object]:
    values = {"host": "localhost", "port": port, "security": "none", "sender": SENDER}
    return {**values, **fields}


def said(browser: Client, **values: object) -> str:
    return " ".join(errors(browser.post(WHERE, values).content.decode()))


def test_a_server_that_lets_us_in_is_kept_and_taken_up_by_the_mailer_that_runs(house: House, quiet: Path) -> None:
    browser, office, now = house.browser(Role.ADMINISTRATOR), Office(), datetime.now(UTC)
    mailer = Mailer(lambda: datetime.now(UTC))
    post_letters(letter(1, "ops@office.example"), now=now)
    assert mailer.send_due().sent == 1
    assert "reaches nobody" in browser.get(WHERE).content.decode()
    asking = {"authenticator": authenticate, "auth_required": True}
    with open_office(office, keys(quiet).context(good()), Security.STARTTLS, **asking) as port:
        whole = sent(port, security="starttls", user=USER)
        assert "check user name and password" in said(browser, **whole, password="wrong")
        assert mail_server.chosen() is None, "what does not work is not kept"
        assert browser.post(WHERE, {**whole, "password": PASSWORD}).headers["Location"] == WHERE

        post_letters(letter(2, "other@office.example"), now=now)
        assert mailer.send_due().sent == 1
        browser.post(f"{WHERE}test/")
        assert [address for address, _ in office.received] == ["other@office.example", "administrator@office.example"]
        assert all(SENDER in each["From"] for each in office.mails)
        assert Message.objects.get(recipient="other@office.example").message_id.endswith("@office.example>")
        page = browser.get(WHERE).content.decode()
        assert "The server took the test mail" in page

        assert browser.post(WHERE, {**whole, "sender": "it@office.example"}).status_code == 302, "the password stays"
        assert mail_server.sender_address() == "it@office.example"

        file = quiet / mail_server.FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text())["password"] == PASSWORD
        assert PASSWORD not in page + repr(mail_server.chosen()) + repr(mail_server.server())
        entry = entry_of("mail-server-chosen")
        assert (entry.actor, entry.detail["host"], "password" in entry.detail) == (
            "administrator@office.example",
            "localhost",
            False,
        )

        browser.post(f"{WHERE}none/")
        assert not file.exists()
        post_letters(letter(3, "third@office.example"), now=now)
        assert mailer.send_due().sent == 1
        assert len(list((quiet / "mail").iterdir())) == 2
        assert entry_of("mail-server-given-up").actor == "administrator@office.example"


def test_a_password_goes_to_the_server_alone_for_which_it_was_given(house: House) -> None:
    browser = house.browser(Role.ADMINISTRATOR)
    known = mail_server.Chosen("mail.example", 587, Security.STARTTLS, SENDER, USER, PASSWORD)
    mail_server.choose(known, "tests", datetime.now(UTC))
    for change in ({"host": "evil.example"}, {"port": 2525}, {"user": "other"}):
        whole = {"host": "mail.example", "port": 587, "security": "starttls", "user": USER, "sender": SENDER, **change}
        assert "Enter the password" in said(browser, **whole)
    assert "over TLS only" in said(browser, **sent(25, user=USER, password=PASSWORD))
    assert mail_server.chosen() == known


def test_what_is_no_mail_server_is_refused_and_what_it_says_not_shown(house: House) -> None:
    browser = house.browser(Role.ADMINISTRATOR)
    for change, why in (
        ({"port": 22}, "those of mail alone"),
        ({"host": "http://localhost/"}, "name of a server"),
        ({"host": "10.0.0.0/8"}, "name of a server"),
        ({"sender": "a\r\nBcc: b@c.example"}, ""),
        ({"sender": "möwe@office.example"}, "valid email"),
    ):
        told = said(browser, **{**sent(2525), **change})
        assert told, change
        assert why in told
    with socket.create_server((HERE, 0)) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            with other.accept()[0] as talk:
                talk.sendall(b"SECRET-BANNER 1.0\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        told = said(browser, **sent(port))
        thread.join()
    assert "No mail server answers there" in told
    assert "SECRET" not in told
    assert "No mail server answers there" in said(browser, **sent(port))
    assert mail_server.chosen() is None


@pytest.mark.parametrize("peer", ["169.254.169.254", "fe80::1%eth0", "::ffff:100.100.100.200", "224.0.0.1"])
def test_what_gives_secrets_away_is_told_nothing_whatever_name_leads_there(
    monkeypatch: pytest.MonkeyPatch, peer: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr(type(ours), "getpeername", lambda self: (peer, 25))
        monkeypatch.setattr("scanner.delivery.bounded_smtp.socket.create_connection", lambda *_: ours)
        chosen = mail_server.Chosen("localhost", 25, Security.TLS, SENDER)
        with pytest.raises(NoServer, match="special address"):
            Conversation(chosen.server)
        assert theirs.recv(100) == b""


def test_nobody_gets_there_who_has_not_just_shown_who_they_are(house: House) -> None:
    person = house.users[Role.ADMINISTRATOR]
    person.set_password(OWN)
    person.save()
    browser = client(person)
    session = browser.session
    session["account_authentication_methods"] = [{"method": "password", "at": 1}]
    session.save()
    back = [browser.post(where, sent(25)).headers["Location"] for where in (f"{WHERE}none/", f"{WHERE}test/", WHERE)]
    assert back == [f"{WHERE}none/", WHERE, WHERE], "nothing is done, and the page is asked for anew"
    for where in back:
        answer = browser.get(where)
        assert answer.headers["Location"].startswith("/account/again/?next=%2Fsettings%2Fmail%2F")
    again = browser.get(answer.headers["Location"]).content.decode()
    assert '<input type="hidden" name="next" value="/settings/mail/"' in again
    shown = {"password": OWN, "next": WHERE}
    assert browser.post("/account/again/", shown).headers["Location"] == WHERE
    assert browser.get(WHERE).status_code == 200
    assert SENDER not in str(dict(browser.session)), "what was entered is not kept until then"


def test_the_settings_win_and_say_so(house: House) -> None:
    browser = house.browser(Role.ADMINISTRATOR)
    changed = settings.INSTALLATION.model_copy(update={"smtp_host": "mail.example", "mail_from": "it@office.example"})
    mail_server.choose(mail_server.Chosen("other.example", 587, Security.STARTTLS, SENDER), "tests", datetime.now(UTC))
    with override_settings(INSTALLATION=changed):
        html = browser.get(WHERE).content.decode()
        assert "mail.example, port 587, from it@office.example" in html
        assert "ROUNDSMAN_SMTP_HOST" in html
        assert 'name="host"' not in html
        browser.post(WHERE, sent(25))
    found = mail_server.chosen()
    assert found is not None
    assert found.host == "other.example"


def test_while_the_file_can_not_be_read_nothing_leaves_and_nothing_is_lost(house: House, quiet: Path) -> None:
    (quiet / mail_server.FILE).write_text("{")
    post_letters(letter(4, "ops@office.example"), now=datetime.now(UTC))
    with pytest.raises(Exception, match="no mail leaves"):
        Mailer(lambda: datetime.now(UTC)).send_due()
    assert Message.objects.get(recipient="ops@office.example").state == MessageState.QUEUED
    assert "Choose the server anew" in house.browser(Role.ADMINISTRATOR).get(WHERE).content.decode()
