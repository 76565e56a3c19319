"""Notices and bulletins to an organisation with a password: what leaves is encrypted, or names nothing."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import docx
import msoffcrypto
import pikepdf
import pytest
from django.test import override_settings

from scanner.delivery import reports
from scanner.delivery.bulletin_files import Wanted
from scanner.delivery.bulletins import send_bulletin
from scanner.delivery.models import Message, MessageKind, Notice
from scanner.delivery.notice_document import notice_model
from scanner.delivery.outbox import Letter, enqueue, key_of
from scanner.delivery.passwords import set_password
from scanner.delivery.posting import post
from scanner.delivery.replies import notice_of, plan_import
from scanner.delivery.reply_form import Column, bare, reply_form
from scanner.delivery.reply_read import read_form
from scanner.delivery.reports import Post, built
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.reports.pdf import LibraryMissingError
from tests.delivery.office import NOW, contact, installed
from tests.delivery.test_notice_document import notice  # noqa: F401 - a fixture
from tests.reports.district import District, day
from tests.reports.test_pdf import text_of
from tests.rounds.world import open_redis

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse 电池"
FOUND = ("192.0.2.", "Redis", "FTP lets", "FTP-ANON", "expired", "CERT-EXPIRED")
"""What a notice tells of findings: where they are, and what they are. Three letters alone stand in one of a hundred
encrypted documents by chance."""


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


def left(folder: Path, limit: int = 8_000_000) -> EmailMessage:
    mail = message_from_bytes(
        built(Message.objects.get(kind__in=("notice", "bulletin")), Post(folder, limit)), policy=default
    )
    assert isinstance(mail, EmailMessage)
    return mail


def files(mail: EmailMessage) -> dict[str, bytes]:
    return {
        str(part.get_filename()).rpartition(".")[2]: part.get_payload(decode=True)  # type: ignore[misc]  # untyped library
        for part in mail.iter_attachments()
    }


def text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def readable(mail: EmailMessage) -> str:
    """All that can be read of a mail by whoever has no password."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return f"{mail['Subject']} {b' '.join(parts).decode('utf-8', 'replace')}"  # type: ignore[arg-type]  # untyped library


def opened_docx(content: bytes) -> str:
    sealed, plain = msoffcrypto.OfficeFile(io.BytesIO(content)), io.BytesIO()
    assert sealed.is_encrypted()
    sealed.load_key(password=PASSWORD, verify_password=True)
    sealed.decrypt(plain, verify_integrity=True)
    (table,) = docx.Document(plain).tables
    return " ".join(cell.text for row in table.rows for cell in row.cells)


def test_of_a_notice_nothing_can_be_read_without_the_password(notice: Notice, tmp_path: Path) -> None:  # noqa: F811 - a fixture
    set_password(notice.organisation, PASSWORD, "ops", NOW)
    post(notice, NOW)
    mail = left(tmp_path)
    attached = files(mail)

    assert list(attached) == ["pdf", "docx", "csv"]
    assert [word for word in FOUND if word in readable(mail)] == []
    assert "they open with the password that was agreed with the office" in text(mail)
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(io.BytesIO(attached["pdf"]))
    plain = io.BytesIO()
    with pikepdf.open(io.BytesIO(attached["pdf"]), password=PASSWORD) as opened:
        assert (opened.encryption.R, opened.encryption.bits) == (6, 256)
        opened.save(plain, encryption=False)
    assert "192.0.2." in text_of(plain.getvalue())
    assert "Redis serves anyone" in opened_docx(attached["docx"])


def test_the_form_that_names_numbers_only_is_read_back(notice: Notice) -> None:  # noqa: F811 - a fixture
    rows = list(csv.reader(io.StringIO(bare(reply_form(notice_model(notice), Language.EN)).decode("utf-8-sig"))))
    answers = {Column.ANSWER: "fixed", Column.MEASURES: "closed"}
    for column, value in answers.items():
        rows[3][list(Column).index(column)] = value
    out = io.StringIO()
    csv.writer(out).writerows(rows)

    form = read_form(out.getvalue().encode())
    (step,) = plan_import(form, notice_of(form), NOW).new
    assert step.item.finding_id == notice_model(notice).findings[0].number
    assert {cell for row in rows[3:] for cell in row[1:5]} == {""}


def test_what_was_posted_before_the_password_is_encrypted_all_the_same(notice: Notice, tmp_path: Path) -> None:  # noqa: F811 - a fixture
    post(notice, NOW)
    assert list(files(left(tmp_path))) == ["pdf", "html", "docx", "csv"]
    set_password(notice.organisation, PASSWORD, "ops", NOW)

    attached = files(left(tmp_path))
    assert list(attached) == ["pdf", "docx", "csv"]
    assert b"192.0.2." not in b"".join(attached.values())


def test_where_no_pdf_can_be_made_or_has_no_room_the_notice_is_to_be_asked_for(
    notice: Notice,  # noqa: F811 - a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_password(notice.organisation, PASSWORD, "ops", NOW)
    post(notice, NOW)

    def missing(_: object) -> bytes:
        raise LibraryMissingError("no Pango")

    small = left(tmp_path, limit=1000)
    monkeypatch.setattr(reports, "kept_pdf", missing)
    for mail in (small, left(tmp_path)):
        assert list(files(mail)) == ["docx", "csv"]
        assert "Ask Security Office for the notice itself" in text(mail)
        assert [word for word in FOUND if word in readable(mail)] == []


def test_a_password_that_can_not_be_read_any_more_holds_back_documents_and_no_alert(
    notice: Notice,  # noqa: F811 - a fixture
    tmp_path: Path,
) -> None:
    set_password(notice.organisation, PASSWORD, "ops", NOW)
    post(notice, NOW)
    key = key_of(MessageKind.URGENT_ALERT, "ops@office.example")
    alert = Letter(
        key, MessageKind.URGENT_ALERT, "ops@office.example", "en", "S", "alert", "alert", notice.organisation
    )
    enqueue(alert, NOW)

    with override_settings(SECRET_KEY="another" * 10):
        assert b"alert" in built(Message.objects.get(key=key), Post(tmp_path, 8_000_000))
        with pytest.raises(InputError, match="another secret key"):
            left(tmp_path)


def test_a_notice_without_a_password_names_its_files_and_what_was_found(notice: Notice, tmp_path: Path) -> None:  # noqa: F811 - a fixture
    post(notice, NOW)

    told = text(left(tmp_path))
    assert "attached (notice-R2026-1.pdf, notice-R2026-1.html), a reply slip" in told
    assert "192.0.2.10:6379/tcp" in told
    assert "attached (notice-R2026-1.html), a reply slip" in text(left(tmp_path, limit=1000))


def test_a_bulletin_to_an_organisation_with_a_password_is_an_encrypted_pdf(tmp_path: Path) -> None:
    district = District()
    city = district.unit("city", None, 0, 0, name_en="City Office")
    contact(city)
    district.answers["192.0.1.1"] = open_redis
    district.round(1, district.unit("water", city, 3, 1))
    set_password(city, PASSWORD, "ops", NOW)
    send_bulletin(Wanted(city, dt.date(2026, 9, 1), dt.date(2026, 9, 30)), day(30))
    mail = left(tmp_path)

    assert list(files(mail)) == ["pdf"]
    assert "It opens with the password" in text(mail)
    assert "192.0.1." not in readable(mail)
    assert files(left(tmp_path, limit=1000)) == {}
