"""What somebody tries who means harm: past the second factor, past the limit of tries, by forms that are not ours."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session
from django.test import Client

from scanner.accounts import people
from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.console import middleware
from tests.console.house import PASSWORD, House, client
from tests.console.test_signing_in import SIGN_IN, code, person, sign_in

pytestmark = pytest.mark.django_db

ACTIVATE = "/account/second-factor/totp/activate/"
ENTER = "/account/second-factor/authenticate/"
PASSWORDS = {"password": PASSWORD * 2, "again": PASSWORD * 2}
Commits = Callable[..., AbstractContextManager[Any]]


def protected(role: Role = Role.OPERATOR, email: str = "li@office.example") -> User:
    user = person(role, email)
    TOTP.activate(user, generate_totp_secret())
    return user


def link_of(user: User) -> str:
    return people.invite(user, "tests", dt.datetime.now(dt.UTC)).partition(":8440")[2]


def test_a_session_without_the_second_factor_ends_when_one_is_set_up_elsewhere(
    django_capture_on_commit_callbacks: Commits,
) -> None:
    user = person(Role.OPERATOR)
    thief, owner = client(None), client(None)
    for each in (thief, owner):
        sign_in(each)
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", owner.get(ACTIVATE).content.decode())
    with django_capture_on_commit_callbacks(execute=True):
        owner.post(ACTIVATE, {"code": code(secret)})

    assert owner.get("/findings/").status_code == 200
    assert thief.get("/findings/").headers["Location"].startswith(SIGN_IN)
    assert thief.get("/account/").headers["Location"].startswith(SIGN_IN)
    assert Entry.objects.filter(action="second-factor-added", actor=user.email).exists()
    assert secret not in str(owner.session.items())


def test_a_link_gets_nobody_past_the_second_factor_whoever_used_the_browser_before() -> None:
    user, other = protected(), protected(email="other@office.example")
    for browser in (client(None), client(user), client(other)):
        assert browser.post(link_of(user), PASSWORDS).headers["Location"] == ENTER
        assert browser.get(ENTER).status_code == 200
        assert browser.get("/findings/").headers["Location"].startswith(SIGN_IN)
        assert browser.get("/account/").headers["Location"].startswith(SIGN_IN)


@pytest.mark.parametrize(
    "sent", [{}, {"credential": "{}"}, {"credential": '{"id": "a"}'}, {"code": "\0"}, {"code": "9" * 5000}]
)
def test_what_is_no_code_is_no_second_factor_and_no_error_of_ours(sent: dict[str, str]) -> None:
    protected()
    browser = client(None)
    sign_in(browser)
    assert browser.post(ENTER, sent).headers.get("Location", ENTER) == ENTER
    assert browser.get(ENTER).status_code == 200
    assert browser.get("/findings/").headers["Location"].startswith(SIGN_IN)


def test_wrong_codes_are_in_the_log_and_stopped_after_five(caplog: pytest.LogCaptureFixture) -> None:
    protected()
    browser = client(None)
    sign_in(browser)
    for _ in range(5):
        browser.post(ENTER, {"code": "000000"})
    assert caplog.text.count("wrong second factor of li@office.example from 127.0.0.1") == 5
    assert "Too many" in browser.post(ENTER, {"code": "000000"}).content.decode()


def test_a_flood_of_tries_does_not_undo_that_guessing_was_stopped() -> None:
    person()
    for _ in range(5):
        sign_in(client(None), password="wrong")
    for number in range(30):
        elsewhere = Client(REMOTE_ADDR=f"10.0.0.{number}")
        sign_in(elsewhere, f"nobody-{number}@office.example", "wrong")
    assert sign_in(Client(REMOTE_ADDR="192.0.2.9")) == ""


def test_an_address_written_otherwise_counts_as_the_same() -> None:
    person()
    for email in (
        "li@office.example",
        "LI@office.example",
        " li@office.example",
        "Li@OFFICE.example ",
        "li@office.Example",
    ):
        sign_in(client(None), email, "wrong")
    assert sign_in(client(None), "lI@office.example") == ""


def test_the_secret_of_a_link_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    link = link_of(person())
    Client(enforce_csrf_checks=True).post(link, PASSWORDS)
    client(None).get(f"{link}more/")
    assert "Forbidden" in caplog.text
    assert "Not Found: /invitation/…/more/" in caplog.text
    assert link.split("/")[2] not in caplog.text


def test_a_changed_password_voids_links_that_were_made_before() -> None:
    user, browser = person(), client(None)
    sign_in(browser)
    link, new = link_of(user), f"{PASSWORD} and by day"
    browser.post("/account/password/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert client(None).get(link).status_code == 404


def test_a_session_is_a_new_one_after_signing_in_and_none_after_signing_out() -> None:
    person()
    browser = client(None)
    planted = browser.session
    planted["by"] = "somebody else"
    planted.save()
    sign_in(browser)
    key = browser.cookies["session"].value
    assert key != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()
    browser.post("/account/sign-out/")
    assert not Session.objects.filter(session_key=key).exists()


def test_a_session_ends_twelve_hours_after_signing_in_whatever_was_done_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person()
    browser = client(None)
    sign_in(browser)
    browser.post(ACTIVATE, {"code": "000000"})  # what changes the session
    Session.objects.update(expire_date=dt.datetime.now(dt.UTC) + dt.timedelta(days=9))

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Later:
            return cls.fromtimestamp(dt.datetime.now(tz).timestamp() + 12 * 3600 + 60, tz)

    assert browser.get("/account/").status_code == 200
    monkeypatch.setattr(middleware, "datetime", Later)
    assert browser.get("/account/").headers["Location"].startswith(SIGN_IN)


@pytest.mark.parametrize(
    "evil",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "///evil.example", "http:evil.example",
     "\t//evil.example", "javascript:alert(1)", "https:///evil.example", "/\t/evil.example"],
)  # fmt: skip
def test_no_page_of_the_entrance_leads_elsewhere(evil: str) -> None:
    person()
    browser = client(None)
    told = [sign_in(browser, next=evil), sign_in(browser, next=evil), browser.get(SIGN_IN, {"next": evil})["Location"]]
    told += [
        browser.post("/account/again/", sent, query_params={"next": evil}).headers["Location"]
        for sent in ({"password": PASSWORD, "next": evil}, {"password": PASSWORD})
    ]
    told.append(browser.post("/language/", {"language": "en", "next": evil}).headers["Location"])
    told.append(browser.post("/account/sign-out/", {"next": evil}).headers["Location"])
    assert set(told) <= {"/", SIGN_IN}


@pytest.mark.parametrize("until", ["9999-12-31", "9999-12-30", "0001-01-01"])
def test_an_end_that_no_calendar_holds_is_refused(house: House, until: str) -> None:
    sent = {"kind": "accepted", "reason": "It is old.", "owner": "Li", "until": until}
    answer = house.browser(Role.UNIT_MANAGER).post(f"/findings/{house.finding.pk}/ask/", sent)
    assert answer.status_code == 200
    assert house.finding.exemptions.count() == 0


def test_what_a_retired_organisation_had_is_there_to_be_read_alone(house: House) -> None:
    house.water.retired_at = dt.datetime.now(dt.UTC)
    house.water.save()
    browser, office = house.browser(Role.UNIT_MANAGER), house.browser(Role.OPERATOR)
    page = browser.get(f"/findings/{house.finding.pk}/").content.decode()
    assert "/claim/" not in page
    assert "/ask/" not in page
    for act in ("claim", "ask"):
        assert browser.post(f"/findings/{house.finding.pk}/{act}/").status_code == 404
    assert office.post(f"/findings/{house.asked.pk}/decide/").status_code == 404
    assert (
        office.post("/rounds/new/", {"organisations": "water", "profile": "standard", "ports": "80"}).status_code == 200
    )
    house.finding.refresh_from_db()
    assert house.finding.state == "open"
    assert "1 request to decide" not in office.get("/").content.decode()


def test_what_people_write_turns_no_line_round_on_the_pages_of_others(house: House) -> None:
    evil = "Reviewed\nand \u202eevil\u202c \x1b[31m"
    sent = {
        "kind": "accepted",
        "reason": evil,
        "owner": "Director",
        "proof": "Order 7",
        "until": f"{dt.datetime.now(dt.UTC).year + 1}-12-31",
    }
    unit, office = house.browser(Role.UNIT_MANAGER), house.browser(Role.OPERATOR)
    assert unit.post(f"/findings/{house.finding.pk}/ask/", sent).status_code == 302
    unit.post(f"/findings/{house.exempt.pk}/ask/", sent)
    office.post("/stop/", {"act": "stop", "reason": evil})
    html = office.get(f"/findings/{house.finding.pk}/").content.decode()
    assert "Reviewed" in html
    assert not re.search("[\u202e\u202c\x1b]", html)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=x" % number for number in range(1001))),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 3_000_000),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nc'),
        ("application/x-www-form-urlencoded; charset=nonsense", b"\xff=\xfe"),
        ("application/json", b"{" * 1000),
    ],
)
def test_a_body_that_is_no_form_of_ours_is_no_error_of_ours(house: House, kind: str, body: bytes) -> None:
    answer = house.browser(Role.UNIT_MEMBER).generic("POST", f"/findings/{house.other.pk}/claim/", body, kind)
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/people/1/", {"role": "x\0"}),
        ("/people/invite/", {"name": "a\nBcc: b", "email": "a@b.example\nBcc: c@d.example", "role": "operator"}),
        ("/people/invite/", {"name": "a", "email": "李@b.example", "role": "operator"}),
        ("/people/99999999999999999999999/end/", {}),
        ("/people/1/roles/99999999999999999999999/take/", {}),
        ("/rounds/99999999999999999999999/cancel/", {}),
        ("/rounds/new/", {"organisations": "water", "profile": "standard", "ports": "top99999999999999999999999"}),
        ("/rounds/new/", {"organisations": "\0", "profile": "standard", "ports": "0-9999999999\n"}),
        ("/language/", {"language": "en", "next": "/a\r\nX: y"}),
    ],
)
def test_odd_values_in_forms_are_no_error_of_ours(house: House, path: str, sent: dict[str, str]) -> None:
    answer = house.browser(Role.ADMINISTRATOR).post(path, sent)
    assert answer.status_code in (200, 302, 404)
    assert "X" not in answer.headers


def test_no_one_ends_sessions_of_somebody_else() -> None:
    person()
    person(email="other@office.example")
    mine, theirs = client(None), client(None)
    sign_in(mine)
    sign_in(theirs, "other@office.example")
    mine.post("/account/sessions/", {"session": "2", "id": "2"})
    assert theirs.get("/account/").status_code == 200


class Unread:
    """A body that nobody may look at."""

    def read(self, *_: int) -> bytes:
        raise AssertionError("it was read")

    readline = read


@pytest.mark.parametrize("path", [SIGN_IN, "/import/", "/invitation/none/", "/api/v1/findings", "/nowhere/"])
def test_a_large_body_of_a_stranger_is_refused_before_it_is_read(house: House, path: str) -> None:
    body = b"a=" + b"x" * 200_000
    unread: dict[str, Any] = {"wsgi.input": Unread()}
    for browser in (client(None), Client(headers={"cookie": "session=nobodys"}), Client(enforce_csrf_checks=True)):
        answer = browser.generic("POST", path, body, "application/x-www-form-urlencoded", **unread)
        assert answer.status_code == 413
    assert house.browser(Role.OPERATOR).generic("POST", path, body).status_code != 413


def test_who_was_refused_what_is_in_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    unit = house.browser(Role.UNIT_MEMBER)
    for path in ("/people/", f"/findings/{house.other.pk}/", "/invitation/secret/"):
        unit.get(path)
    who = "was refused to unit-member@office.example from 127.0.0.1"
    assert f"GET /people/ {who}: 403" in caplog.text
    assert f"GET /findings/{house.other.pk}/ {who}: 404" in caplog.text


def test_a_code_of_an_app_works_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = time.time()
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", SimpleNamespace(time=lambda: moment))
    user, secret = person(), generate_totp_secret()
    TOTP.activate(user, secret)
    same = code(secret)
    first, second = client(None), client(None)
    for each in (first, second):
        sign_in(each)
    assert first.post(ENTER, {"code": same})["Location"] == "/"
    assert second.post(ENTER, {"code": same}).status_code == 200
    assert "wrong second factor of li@office.example" in caplog.text
