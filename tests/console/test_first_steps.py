"""The first steps on the overview: what is done, what comes next, and that they end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from scanner.accounts.roles import Role
from scanner.delivery import mail_server
from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.delivery.outbox import Letter, enqueue
from scanner.delivery.smtp import Security
from scanner.rounds.models import Round
from tests.console.house import House, account, client
from tests.console.test_pages import MOST_QUERIES
from tests.rounds.world import authorise, organisation, register


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path) -> Iterator[None]:
    changed = settings.INSTALLATION.model_copy(update={"smtp_host": ""})
    with override_settings(DATA_DIR=tmp_path, INSTALLATION=changed):
        yield


def steps(browser: Client) -> tuple[int, str, str]:
    """How many are done, which is next, and where that leads."""
    with CaptureQueriesContext(connection) as asked:
        html = browser.get("/").content.decode()
    assert len(asked) <= MOST_QUERIES
    following = re.findall(r'class="state">next</span> <div>(?:<a[^>]*href="([^"]+)">)?([^<]+)', html)
    where, name = following[0] if following else ("", "")
    return html.count('<li class="done">'), name, where


def test_the_steps_go_from_nothing_to_the_first_report(db: None) -> None:
    person = account("li@office.example", Role.ADMINISTRATOR)
    browser, now = client(person), datetime.now(UTC)
    assert steps(browser) == (0, "Add an organisation", "/add-organisation/?then=overview")
    owner = organisation("water")
    assert steps(browser) == (1, "Add its targets", "/targets/add/?of=water&amp;then=overview")
    organisation("aaa")
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24", document="Old", valid_until=now - timedelta(days=1))
    assert steps(browser) == (2, "Add its authorisation", "/authorisations/add/?of=water&amp;then=overview")
    authorise(owner, "192.0.2.0/24")
    assert steps(browser) == (3, "Add a contact", "/organisations/water/contacts/add/?then=overview")
    sent = {"name": "Wang Fang", "email": "wang@water.example", "role": "security", "language": "en"}
    done = browser.post("/organisations/water/contacts/add/?then=overview", sent)
    assert done.headers["Location"] == "/", "who came from the steps comes back to them"
    assert steps(browser) == (4, "Choose the mail server", "/settings/mail/")
    operator = client(account("wang@office.example", Role.OPERATOR))
    assert steps(operator) == (4, "Choose the mail server", ""), "which is for administrators"
    known = mail_server.Chosen("mail.example", 587, Security.STARTTLS, "roundsman@office.example")
    mail_server.choose(known, "tests", now)
    assert steps(browser) == (5, "Begin the first round", "/rounds/new/")
    Round.objects.create(kind="by-hand", profile="quick", ports="80", requested_by="li", created=now)
    assert steps(browser) == (6, "Get the first report", "")


def test_they_end_with_the_first_report_and_can_be_hidden_before(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    assert steps(browser)[:2] == (6, "Choose the mail server"), "all but the one that is left"
    browser.post("/first-steps/", {"act": "hide"})
    assert steps(browser) == (0, "", "")
    browser.post("/first-steps/", {"act": "show"})
    assert steps(browser)[0] == 6
    known = mail_server.Chosen("mail.example", 587, Security.STARTTLS, "roundsman@office.example")
    mail_server.choose(known, "tests", datetime.now(UTC))
    assert "First steps" not in browser.get("/").content.decode()
    assert "First steps" not in house.browser(Role.AUDITOR).get("/").content.decode()


def test_many_dead_letters_cost_a_new_installation_no_query_more(db: None) -> None:
    browser, now = client(account("li@office.example", Role.ADMINISTRATOR)), datetime.now(UTC)
    owner = organisation("water")
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24")
    Round.objects.create(profile="quick", ports="80", requested_by="li", created=now, state="running", started=now)
    for number in range(8):
        letter = Letter(f"{number}", MessageKind.DIGEST, f"unit-{number}@water.example", "en", "A week", "text", "html")
        enqueue(letter, now)
    Message.objects.update(state=MessageState.DEAD, reply="550 no such user")
    assert steps(browser)[0] > 1
    html = browser.get("/").content.decode()
    assert "8 mails" in html
    assert html.count("550 no such user") == 5
    assert "3 more" in html
