"""The forms in which a report is mailed, and their encryption with an organisation's password."""

from __future__ import annotations

import io
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import msoffcrypto
import pikepdf
import pytest
from django.test import override_settings
from openpyxl import load_workbook
from typer.testing import CliRunner

from scanner.audit.models import Entry
from scanner.cli import report as command
from scanner.delivery.models import Message, ReportPassword
from scanner.delivery.passwords import password_of, remove_password, set_password
from scanner.delivery.reports import Post, built
from scanner.delivery.tell import tell_round
from scanner.engine.errors import InputError
from scanner.reports.models import Report
from scanner.upkeep import retention
from targets.models import Organisation
from tests.delivery.office import NOW, installed, unit
from tests.remediation.looks import day, followed
from tests.rounds.world import authorise, open_redis, register

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse 电池"


@pytest.fixture
def owner() -> Iterator[Organisation]:
    owner = unit()
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24")
    with installed():
        yield owner


def told(owner: Organisation, folder: Path, limit: int = 8_000_000) -> EmailMessage:
    this = followed(owner, open_redis, 1)
    tell_round(this.pk, day(1.1))
    return sent(folder, limit)


def sent(folder: Path, limit: int = 8_000_000) -> EmailMessage:
    message = message_from_bytes(built(Message.objects.get(), Post(folder, limit)), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def files(message: EmailMessage) -> dict[str, bytes]:
    return {
        str(part.get_filename()).rpartition(".")[2]: part.get_payload(decode=True)  # type: ignore[misc]  # untyped library
        for part in message.iter_attachments()
    }


def test_the_settings_choose_the_forms_and_all_are_of_the_same_model(owner: Organisation, tmp_path: Path) -> None:
    with installed(report_formats=("html", "pdf", "xlsx")):
        attached = files(told(owner, tmp_path))

        assert list(attached) == ["html", "pdf", "xlsx"]
        assert files(sent(tmp_path)) == attached, "built again it is the same"
    assert b"Redis" in attached["html"]
    assert attached["pdf"].startswith(b"%PDF")
    assert load_workbook(io.BytesIO(attached["xlsx"])).sheetnames[0] == "Summary"


def test_a_password_encrypts_what_is_attached_and_leaves_out_the_page(owner: Organisation, tmp_path: Path) -> None:
    set_password(owner, PASSWORD, "ops", NOW)
    with installed(report_formats=("html", "pdf", "xlsx")):
        mail = told(owner, tmp_path)
    attached = files(mail)

    assert list(attached) == ["pdf", "xlsx"]
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(io.BytesIO(attached["pdf"]))
    with pikepdf.open(io.BytesIO(attached["pdf"]), password=PASSWORD) as opened:
        assert (opened.encryption.R, opened.encryption.bits) == (6, 256)
    book, plain = msoffcrypto.OfficeFile(io.BytesIO(attached["xlsx"])), io.BytesIO()
    assert book.is_encrypted()
    book.load_key(password=PASSWORD, verify_password=True)
    book.decrypt(plain, verify_integrity=True)
    assert load_workbook(plain).sheetnames[0] == "Summary"
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        assert "It opens with the password" in " ".join(body.get_content().split())
        assert not [word for word in ("Redis", "192.0.2.") if word in body.get_content()]


def test_with_a_password_html_alone_becomes_pdf_and_nothing_large_is_put_on_the_web(
    owner: Organisation, tmp_path: Path
) -> None:
    set_password(owner, PASSWORD, "ops", NOW)
    assert list(files(told(owner, tmp_path))) == ["pdf"]
    small = sent(tmp_path, limit=70_000)

    assert files(small) == {}
    assert not (tmp_path / "large-reports").exists()


def test_a_report_that_was_made_before_the_password_is_asked_for_and_never_sent_open(
    owner: Organisation, tmp_path: Path
) -> None:
    told(owner, tmp_path)
    set_password(owner, PASSWORD, "ops", NOW)
    mail = sent(tmp_path)

    assert files(mail) == {}
    assert "Ask" in str(mail.get_body(("plain",)))


def test_the_password_is_in_no_row_and_no_record_and_needs_the_same_secret_key(owner: Organisation) -> None:
    set_password(owner, PASSWORD, "ops", NOW)

    assert PASSWORD not in ReportPassword.objects.get().sealed
    assert [entry.action for entry in Entry.objects.all()][-1] == "reports-encrypted"
    assert not any(PASSWORD in str(entry.__dict__) for entry in Entry.objects.all())
    assert password_of(owner) == PASSWORD
    with override_settings(SECRET_KEY="another" * 10), pytest.raises(InputError, match="another secret key"):
        password_of(owner)
    assert remove_password(owner, "ops", NOW)
    assert password_of(owner) is None


@pytest.mark.parametrize("password", ["short", "x" * 128, "电" * 60, "tab\tin the middle"])
def test_a_password_that_programs_do_not_take_is_refused(owner: Organisation, password: str) -> None:
    with pytest.raises(InputError):
        set_password(owner, password, "ops", NOW)


def test_the_command_reads_a_password_from_standard_input_and_shows_it_nowhere(owner: Organisation) -> None:
    result = CliRunner().invoke(command.app, ["password", "water"], input=f"{PASSWORD}\n")
    assert (result.exit_code, password_of(owner)) == (0, PASSWORD), result.output
    assert PASSWORD not in result.output
    assert CliRunner().invoke(command.app, ["password", "water"], input="short\n").exit_code == 2
    assert "no password any more" in CliRunner().invoke(command.app, ["password", "water", "--remove"]).output


def test_the_forms_go_when_the_report_s_content_does(owner: Organisation, tmp_path: Path) -> None:
    with installed(report_formats=("xlsx",)):
        told(owner, tmp_path)
    assert {each.language: each.files.count() for each in Report.objects.all()} == {"en": 1, "zh-Hans": 0}
    Message.objects.all().update(state="sent")
    retention._empty_reports(Message.objects.none(), [each.pk for each in Report.objects.all()])

    assert all(each.is_pruned and not each.files.exists() for each in Report.objects.all())
