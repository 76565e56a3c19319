"""Mail on pages: the queue, one mail as its recipient gets it, and what is done to those that did not leave."""

from __future__ import annotations

import datetime as dt
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from scanner.accounts import people
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.console.views.mails import FRAMED
from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.delivery.outbox import Letter, enqueue, key_of
from scanner.delivery.reports import FOLDER
from tests.console.house import House
from tests.delivery.post_office import HERE, Office, open_office

REFUSAL = "550 no such user"


def said(answer: Any) -> str:
    return str(answer.content.decode())


def write(recipient: str = "leader@water.example", kind: MessageKind = MessageKind.REMINDER, **fields: Any) -> Message:
    key = key_of(kind, recipient, "water", "2026-11")
    values = {"subject": "Subject", "text": "Text", "html": "<p>Text</p>", "language": "en", **fields}
    enqueue(Letter(key=key, kind=kind, recipient=recipient, **values), dt.datetime.now(dt.UTC))
    return Message.objects.get(key=key)


def test_the_queue_shows_what_did_not_leave_and_by_a_filter_what_is_asked_for(house: House) -> None:
    sent = write("sent@library.example", organisation=house.library)
    Message.objects.filter(pk=sent.pk).update(state=MessageState.SENT)
    browser = house.browser(Role.AUDITOR)

    page = said(browser.get("/mails/"))
    assert f"/mails/{house.mail.pk}/" in page
    assert REFUSAL in page
    assert f"/mails/{sent.pk}/" not in page
    assert "checkbox" not in page, "an auditor changes nothing"
    for asked in ({"state": "sent"}, {"state": "any", "organisation": "library"}):
        page = said(browser.get("/mails/", asked))
        assert f"/mails/{sent.pk}/" in page
        assert f"/mails/{house.mail.pk}/" not in page
    assert "There is no such mail" in said(browser.get("/mails/", {"kind": "notice"}))


def test_the_overview_leads_to_what_was_given_up(house: House) -> None:
    page = said(house.browser(Role.OPERATOR).get("/"))
    assert 'href="/mails/?state=dead"' in page
    assert f'href="/mails/{house.mail.pk}/"' in page


def test_a_mail_s_page_tells_how_it_went_with_each_recipient(house: House) -> None:
    other = write(organisation=house.water)
    Message.objects.filter(pk=other.pk).update(state=MessageState.SENT, attempt=1, reply="250 taken")
    elsewhere = write("security@library.example", organisation=house.library)

    page = said(house.browser(Role.OPERATOR).get(f"/mails/{house.mail.pk}/"))

    assert all(text in page for text in (REFUSAL, "3 tries", "250 taken", f"/mails/{other.pk}/"))
    assert f"/mails/{elsewhere.pk}/" not in page


def test_a_mail_is_shown_as_it_is_sent_in_a_frame_where_it_can_do_nothing(house: House) -> None:
    browser, where = house.browser(Role.AUDITOR), f"/mails/{house.mail.pk}/content/"

    assert f'<iframe class="letter" sandbox title="As the recipient gets it" src="{where}html/">' in said(
        browser.get(f"/mails/{house.mail.pk}/")
    )
    shown = browser.get(f"{where}html/")
    assert said(shown).strip() == house.mail.html
    assert shown["Content-Security-Policy"] == FRAMED
    assert FRAMED.startswith("sandbox;"), "nothing is allowed in it"
    assert (shown["X-Frame-Options"], shown["Cache-Control"]) == ("SAMEORIGIN", "no-store")
    text = browser.get(f"{where}text/")
    assert (said(text).strip(), text["Content-Type"]) == ("Due: 3", "text/plain; charset=utf-8")
    assert text["Content-Security-Policy"] == FRAMED
    assert browser.get(f"{where}exe/").status_code == 404


def test_what_goes_with_a_mail_is_saved_and_never_shown(house: House) -> None:
    browser, where = house.browser(Role.AUDITOR), f"/mails/{house.mail.pk}/files/"

    assert "slip.csv" in said(browser.get(where))
    file = browser.get(f"{where}0/")
    assert (file.content, file["Content-Type"]) == (b"finding,answer\n", "application/octet-stream")
    assert file["Content-Disposition"] == 'attachment; filename="slip.csv"'
    assert browser.get(f"{where}1/").status_code == 404
    whole = browser.get(f"/mails/{house.mail.pk}/content/eml/")
    assert whole["Content-Disposition"] == f'attachment; filename="mail-{house.mail.pk}.eml"'
    mail = message_from_bytes(whole.content, _class=EmailMessage, policy=default)
    assert mail["To"] == "security@water.example"


def test_a_report_goes_as_it_would_and_a_look_at_it_writes_nothing(house: House, tmp_path: Path) -> None:
    report = write(kind=MessageKind.ROUND_REPORT, organisation=house.water, report=house.report, text="Here: \x1a")
    browser, where = house.browser(Role.AUDITOR), f"/mails/{report.pk}/"
    name = f"water-{house.round.pk}.html"

    assert name in said(browser.get(f"{where}files/"))
    assert browser.get(f"{where}files/0/").content == b"<p>report</p>"
    assert f"Here: The full report is attached: {name}" in said(browser.get(f"{where}content/text/"))
    assert said(browser.get(f"{where}content/html/")).strip() == "<p>Text</p>", "its own page, not the report's"
    small = settings.INSTALLATION.model_copy(update={"mail_size_limit": 10})
    with override_settings(INSTALLATION=small, DATA_DIR=tmp_path):
        assert "Nothing goes with it" in said(browser.get(f"{where}files/"))
    assert not (tmp_path / FOLDER).exists()


def test_a_mail_whose_content_is_gone_or_whose_address_is_none_says_so(house: House) -> None:
    browser = house.browser(Role.AUDITOR)
    Message.objects.filter(pk=house.mail.pk).update(recipient="nobody")
    assert "can&#39;t be sent: “nobody” is no mail address" in said(browser.get(f"/mails/{house.mail.pk}/files/"))
    assert "can't be sent" in said(browser.get(f"/mails/{house.mail.pk}/content/html/"))
    assert browser.get(f"/mails/{house.mail.pk}/files/0/").status_code == 404
    Message.objects.filter(pk=house.mail.pk).update(text="", html="")
    page = said(browser.get(f"/mails/{house.mail.pk}/"))
    assert "Its content was removed" in page
    assert "<iframe" not in page


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.AUDITOR])
def test_nobody_reads_a_link_that_lets_somebody_else_in(house: House, role: Role) -> None:
    people.invite_by_mail(house.users[Role.ADMINISTRATOR], "tests", dt.datetime.now(dt.UTC))
    mail = Message.objects.get(kind=MessageKind.INVITATION)
    browser, where = house.browser(role), f"/mails/{mail.pk}/"

    page = said(browser.get(where))
    assert "shown to nobody else" in page
    assert "/invitation/" not in page
    for part in ("content/html/", "content/text/", "content/eml/", "files/", "files/0/"):
        assert browser.get(where + part).status_code == 404, part


def test_what_was_given_up_is_sent_again_as_the_command_would(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    browser.post("/mails/retry/", {"mail": house.mail.pk})

    house.mail.refresh_from_db()
    assert house.mail.state == MessageState.QUEUED
    assert Entry.objects.get(action="mail-retried").actor == "operator@office.example"
    Message.objects.update(state=MessageState.DEAD)
    other = write()
    assert "Send 1 mail at once?" in said(browser.get("/mails/retry/?dead=on"))
    assert "1 mail will be sent at once" in said(browser.post("/mails/retry/", {"dead": "on"}, follow=True))
    assert Entry.objects.filter(action="mail-retried", subject=f"mail {other.pk}").count() == 0, "it waits anyway"


def test_cancelling_asks_first_and_touches_nothing_that_left(house: House) -> None:
    sent = write()
    Message.objects.filter(pk=sent.pk).update(state=MessageState.SENT)
    browser = house.browser(Role.OPERATOR)
    chosen = {"mail": [str(house.mail.pk), str(sent.pk), "x", "9" * 30]}

    page = said(browser.get("/mails/cancel/", chosen))
    assert "Cancel 1 mail?" in page
    assert "never told again" in page
    house.mail.refresh_from_db()
    assert house.mail.state == MessageState.DEAD, "a question does nothing"
    assert "1 mail was cancelled" in said(browser.post("/mails/cancel/", chosen, follow=True))
    house.mail.refresh_from_db()
    sent.refresh_from_db()
    assert (house.mail.state, sent.state) == (MessageState.CANCELLED, MessageState.SENT)
    assert Entry.objects.get(action="mail-cancelled").actor == "operator@office.example"
    assert "Nothing was chosen" in said(browser.get("/mails/cancel/", chosen, follow=True))


def test_a_test_mail_shows_each_step_and_what_to_do_when_one_fails(house: House, tmp_path: Path) -> None:
    browser = house.browser(Role.OPERATOR)
    office = Office()
    with open_office(office) as port:
        at = {"smtp_host": HERE, "smtp_port": port, "smtp_security": "none", "mail_from": "roundsman@office.example"}
        with override_settings(INSTALLATION=settings.INSTALLATION.model_copy(update=at)):
            page = said(browser.post("/mails/test/", {"address": "li@water.example"}))
    assert "The server took it" in page
    assert [address for address, _ in office.received] == ["li@water.example"]
    assert Entry.objects.get(action="mail-tested").actor == "operator@office.example"
    with override_settings(INSTALLATION=settings.INSTALLATION.model_copy(update=at)):
        page = said(browser.post("/mails/test/", {"address": "li@water.example"}))
    assert "The next step failed. No mail server answers there" in page
    assert "Name looked up" in page, "what went well is told"
    with override_settings(DATA_DIR=tmp_path):
        assert "-test.eml" in said(browser.post("/mails/test/", {"address": "li@water.example"}))
    assert "Enter a valid email" in said(browser.post("/mails/test/", {"address": "li\r\nBcc: x@y.example"}))
