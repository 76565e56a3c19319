"""``mail`` at the command line: show what waits, try, send, retry and cancel it; failures say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from typer.testing import CliRunner, Result

from scanner.audit.models import Entry
from scanner.cli import mail
from scanner.delivery.models import Message, MessageState
from scanner.delivery.smtp import Step
from tests.delivery.post_office import HERE, Office, letter, open_office, post_letters

pytestmark = pytest.mark.django_db


@contextmanager
def installed(folder: Path, **fields: Any) -> Iterator[None]:
    values = {"mail_from": "roundsman@office.example", "office_name_en": "The Office", **fields}
    changed = settings.INSTALLATION.model_copy(update=values)
    with override_settings(INSTALLATION=changed, DATA_DIR=folder, LANGUAGE_CODE="en"):
        yield


@contextmanager
def connected(folder: Path, office: Office) -> Iterator[None]:
    with (
        open_office(office) as port,
        installed(folder, smtp_host=HERE, smtp_port=port, smtp_security="none"),
    ):
        yield


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Path]:
    with installed(tmp_path):
        yield tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(mail.app, arguments)


def test_every_step_has_advice() -> None:
    assert mail.ADVICE.keys() == set(Step)


def test_a_test_mail_shows_each_step_and_arrives(tmp_path: Path) -> None:
    office = Office()
    with connected(tmp_path, office):
        result = run("test", "li@water.example")
    assert result.exit_code == 0, result.output
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [
        *("server", "look up", "connect", "greet", "sender", "recipient", "content")
    ]
    (sent,) = office.mails
    assert sent["Subject"] == "Test mail of The Office"
    assert not Message.objects.exists()


def test_a_test_mail_that_is_refused_says_by_whom_and_what_to_do(tmp_path: Path) -> None:
    with connected(tmp_path, Office(to=lambda address: "554 relaying denied")):
        result = run("test", "li@water.example")
    assert result.exit_code == 1
    assert "Failed at: recipient: 554 relaying denied" in result.stderr
    assert "may this machine send there?" in result.stderr


def test_a_server_that_is_not_there_is_told_with_the_settings_to_check(tmp_path: Path) -> None:
    with installed(tmp_path, smtp_host=HERE, smtp_port=1):
        result = run("test", "li@water.example")
    assert result.exit_code == 1
    assert "Failed at: connect: " in result.stderr
    assert "ROUNDSMAN_SMTP_PORT" in result.stderr


def test_without_a_server_a_test_mail_is_a_file(quiet: Path) -> None:
    result = run("test", "li@water.example")
    assert result.exit_code == 0
    (path,) = (quiet / "mail").iterdir()
    assert str(path) in result.stdout


def test_a_test_mail_to_no_address_is_refused(quiet: Path) -> None:
    result = run("test", "li")
    assert (result.exit_code, result.stderr) == (2, "Error: li is no mail address.\n")


def test_the_queue_shows_what_waits_and_what_was_given_up_and_why(quiet: Path) -> None:
    post_letters(letter(1), letter(2), letter(3))
    Message.objects.filter(key="test:2").update(state=MessageState.DEAD, reply="550 no\x1b[31m such user")
    Message.objects.filter(key="test:3").update(state=MessageState.SENT)
    result = run("queue")
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["dead", "queued"]
    assert "550 no\\x1b[31m such user" in result.stdout
    assert "next 2026-11-26 08:00Z" in result.stdout
    assert len(run("queue", "--all").stdout.splitlines()) == 3
    assert "… and 2 more" in run("queue", "--all", "--limit", "1").stdout


def test_one_mail_is_shown_with_its_headers_and_text_and_kept_as_files(quiet: Path) -> None:
    post_letters(letter(1, text="first line\nsecond \x1b[31mline\n"))
    number = str(Message.objects.get().pk)
    result = run("show", number, "--html", str(quiet / "a.html"), "--eml", str(quiet / "a.eml"))
    assert result.exit_code == 0, result.output
    assert "Auto-Submitted: auto-generated" in result.stdout
    assert "first line\nsecond \\x1b[31mline\n" in result.stdout
    assert (quiet / "a.html").read_text() == "<p>Text 1</p>"
    assert b"Message-ID: " in (quiet / "a.eml").read_bytes()
    assert (quiet / "a.eml").stat().st_mode & 0o777 == 0o600


def test_a_mail_that_can_t_be_built_is_shown_with_the_reason(quiet: Path) -> None:
    post_letters(letter(1, recipient="nobody"))
    result = run("show", str(Message.objects.get().pk))
    assert result.exit_code == 0
    assert "It can't be sent: nobody is no mail address." in result.stdout


def test_what_is_due_is_sent_without_serve(quiet: Path) -> None:
    post_letters(letter(1), letter(2, recipient="nobody"))
    result = run("send")
    assert (result.exit_code, result.stdout) == (1, "1 sent, 0 put off, 1 given up.\n")
    dead = Message.objects.get(state=MessageState.DEAD)
    assert Entry.objects.get(action="mail-dead").subject == f"mail {dead.pk}"
    assert run("send").exit_code == 0


def test_a_dead_mail_is_sent_after_retry_and_a_cancelled_one_never(tmp_path: Path) -> None:
    post_letters(letter(1), letter(2))
    Message.objects.update(state=MessageState.DEAD)
    first, second = Message.objects.values_list("pk", flat=True)
    office = Office()
    with connected(tmp_path, office):
        assert run("cancel", str(second)).exit_code == 2, "nobody can be asked"
        assert run("cancel", str(second), "--yes").exit_code == 0
        assert run("retry", "--dead").stdout == "1 mail(s) will be sent at once.\n"
        assert run("send").exit_code == 0
        assert run("cancel", str(first), "--yes").exit_code == 2
    assert [address for address, _ in office.received] == ["contact1@water.example"]
    assert list(Entry.objects.values_list("action", flat=True)) == ["mail-cancelled", "mail-retried"]
    refused = run("retry", str(second))
    assert (refused.exit_code, "Not waiting and not given up" in refused.stderr) == (2, True)
    assert run("retry").exit_code == 2
