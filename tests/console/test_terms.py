"""Authorisations with their documents, exclusions and contacts on pages."""

from __future__ import annotations

import datetime as dt
import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.console import bounds
from targets.documents import LARGEST
from targets.models import Authorisation, AuthorisationFile, Contact, Exclusion
from targets.registry.document import LARGEST_FILE
from tests.console.house import House, client
from tests.console.test_register import WHO, agreed, errors

ORDER = {
    "organisation": "water",
    "document": "Order 2",
    "allowed_by": "Director",
    "valid_from": "2026-11-01",
    "valid_until": "2027-10-31",
    "scope": "192.0.2.0/24\nWWW.water.example",
    "ports": "1-65535",
    "level": "1",
}


def docx() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as parts:
        parts.writestr("word/document.xml", "<w:document/>")
    return content.getvalue()


def test_an_authorisation_is_registered_with_its_document(house: House) -> None:
    file = SimpleUploadedFile("../../etc/令 2.exe", b"%PDF-1.7 signed", content_type="text/html")
    browser = house.browser(Role.OPERATOR)
    answer = browser.post("/authorisations/add/", {**ORDER, "file": file})
    assert errors(answer.content.decode()) == []

    made = Authorisation.objects.get(document="Order 2")
    assert answer.headers["Location"] == f"/authorisations/{made.pk}/"
    assert made.scope == ["192.0.2.0/24", "www.water.example"]
    # Days are those of Shanghai, and the last one belongs to it.
    assert made.valid_from == dt.datetime(2026, 10, 31, 16, tzinfo=dt.UTC)
    assert made.valid_until == dt.datetime(2027, 10, 31, 16, tzinfo=dt.UTC)
    kept = made.files.get()
    assert (kept.name, kept.kind, kept.added_by) == ("令 2.pdf", "pdf", WHO)
    actions = set(Entry.objects.filter(actor=WHO).values_list("action", flat=True))
    assert {"authorisation-added", "authorisation-document-kept"} <= actions


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valid_until": "2026-10-31"}, "ends before it begins"),
        ({"scope": "192.0.2.1, not a name!"}, "holds a space"),
        ({"scope": " \n "}, "required"),
        ({"ports": "99999"}, "out of range"),
        ({"level": "3"}, "not one of the available choices"),
        ({"document": "Order 1"}, "registered already"),
        ({"document": "Order 2\nBcc: x"}, "Write one line"),
        ({"organisation": "nobody"}, "not registered and active"),
    ],
)
def test_what_is_no_authorisation_is_told_beside_its_field(house: House, change: dict[str, str], said: str) -> None:
    answer = house.browser(Role.OPERATOR).post("/authorisations/add/", {**ORDER, **change})
    assert said in " ".join(errors(answer.content.decode()))
    assert not Authorisation.objects.filter(document__startswith="Order 2").exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"\x89PNG\r\n\x1a\n..", "png"), (b"\xff\xd8\xff..", "jpg"), (docx(), "docx")],
)
def test_a_document_is_what_its_content_is(house: House, content: bytes, kind: str) -> None:
    where = f"/authorisations/{house.authorisation.pk}/"
    house.browser(Role.OPERATOR).post(where, {"file": SimpleUploadedFile("order.pdf", content)})
    assert house.authorisation.files.latest("pk").name == f"order.{kind}"


@pytest.mark.parametrize(
    "content", [b"<html><script>x</script>", b"PK\x03\x04 broken", b"MZ", b"%PDF-" + b"x" * LARGEST], ids=len
)
def test_other_documents_and_large_ones_are_refused(house: House, content: bytes) -> None:
    browser, where = house.browser(Role.OPERATOR), f"/authorisations/{house.authorisation.pk}/"
    answer = browser.post(where, {"file": SimpleUploadedFile("order.pdf", content, content_type="application/pdf")})
    assert "The document" in answer.content.decode()
    assert AuthorisationFile.objects.count() == 1


def test_the_server_takes_a_request_with_the_largest_upload() -> None:
    assert max(LARGEST, LARGEST_FILE) + 512 * 1024 < bounds.LARGEST


def test_a_document_is_saved_and_never_shown_by_a_browser(house: House) -> None:
    answer = house.browser(Role.UNIT_MEMBER).get(f"/authorisations/files/{house.file.pk}/")
    assert answer.content == b"%PDF-1.7 order"
    assert answer["Content-Disposition"] == 'attachment; filename="Order 1.pdf"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert client(house.stranger).get(f"/authorisations/files/{house.file.pk}/").status_code == 404


def test_what_ends_soon_is_told(house: House) -> None:
    browser = house.browser(Role.AUDITOR)
    assert "Order 1" not in browser.get("/authorisations/?state=soon").content.decode()
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=9)
    Authorisation.objects.filter(pk=house.authorisation.pk).update(valid_until=soon)
    html = browser.get("/authorisations/?state=soon").content.decode()
    assert "days left" in html
    assert "Order 1" in html


def test_an_authorisation_is_ended_after_a_look(house: House) -> None:
    browser, where = house.browser(Role.OPERATOR), f"/authorisations/{house.authorisation.pk}/end/"
    html = browser.get(where).content.decode()
    assert 'class="act retire"' in html
    assert browser.post(where, {}).status_code == 200
    assert Authorisation.objects.get(pk=house.authorisation.pk).retired_at is None
    assert browser.post(where, agreed(html)).headers["Location"] == "/authorisations/"
    assert Authorisation.objects.get(pk=house.authorisation.pk).retired_at is not None
    assert Entry.objects.filter(action="authorisation-ended", actor=WHO).exists()


def test_exclusions_are_added_for_one_or_for_all_and_ended(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    for organisation in ("water", ""):
        sent = {"organisation": organisation, "value": "192.0.2.77", "ports": "502", "reason": "A controller"}
        assert errors(browser.post("/exclusions/add/", sent).content.decode()) == []
    assert set(Exclusion.objects.filter(value="192.0.2.77").values_list("organisation__slug", flat=True)) == {
        "water",
        None,
    }
    for row in Exclusion.objects.all():
        where = f"/exclusions/{row.pk}/end/"
        browser.post(where, agreed(browser.get(where).content.decode()))
    assert not Exclusion.objects.filter(retired_at=None).exists()
    assert Entry.objects.filter(action="exclusion-ended", actor=WHO).count() == 3


def test_contacts_are_added_changed_and_removed(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    sent = {"name": "Wang", "email": "wang@water.example", "role": "leader", "language": "zh-Hans"}
    browser.post("/organisations/water/contacts/add/", {**sent, "declines": ["digest", "reminder"]})
    made = Contact.objects.get(email="wang@water.example")
    assert (made.role, made.language, made.declined) == ("leader", "zh-Hans", ["digest", "reminder"])

    browser.post(f"/contacts/{made.pk}/change/", {**sent, "email": "wang.wei@water.example"})
    made.refresh_from_db()
    assert made.retired_at is not None
    other = Contact.objects.get(email="wang.wei@water.example")
    assert other.declined == []

    where = f"/contacts/{other.pk}/remove/"
    browser.post(where, agreed(browser.get(where).content.decode()))
    other.refresh_from_db()
    assert other.retired_at is not None
    assert browser.get(where).status_code == 404


@pytest.mark.parametrize("email", ["a@b.example\nBcc: x@y.example", "no address", "security@water.example"])
def test_a_mail_address_is_one_and_new(house: House, email: str) -> None:
    sent = {"name": "Wang", "email": email, "role": "leader", "language": "en"}
    answer = house.browser(Role.OPERATOR).post("/organisations/water/contacts/add/", sent)
    assert errors(answer.content.decode())
    assert house.water.contacts.count() == 1
