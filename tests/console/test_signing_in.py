"""Ways in: a link, a password, a second factor; and what keeps others out."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client, override_settings

from scanner.accounts import people
from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from tests.console.house import PASSWORD, client

pytestmark = pytest.mark.django_db

SIGN_IN = "/account/sign-in/"


def person(role: Role | None = Role.AUDITOR, email: str = "li@office.example") -> User:
    now = dt.datetime.now(dt.UTC)
    user = people.add(email, "Li Wei", "tests", now)
    if role is not None:
        people.give(user, role, None, "tests", now)
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(browser: Client, email: str = "li@office.example", password: str = PASSWORD, **more: str) -> str:
    """Send the form; return where the answer leads, or nothing when it is refused."""
    return browser.post(SIGN_IN, {"login": email, "password": password, **more}).headers.get("Location", "")


def code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


def test_a_link_sets_a_password_and_lets_its_owner_in_once() -> None:
    user = person(email="new@office.example")
    link = people.invite(user, "tests", dt.datetime.now(dt.UTC)).partition(":8440")[2]
    browser = client(None)

    assert user.email in browser.get(link).content.decode()
    assert browser.get(link).status_code == 200, "looking uses nothing up"
    differs = browser.post(link, {"password": "one long enough to do", "again": "another one"})
    assert "not the same" in differs.content.decode()
    done = browser.post(link, {"password": PASSWORD * 2, "again": PASSWORD * 2})

    assert (done.status_code, done.headers["Location"]) == (302, "/")
    assert browser.get("/account/").status_code == 200
    assert client(None).get(link).status_code == 404
    assert Entry.objects.filter(action="signed-in", actor=user.email).exists()


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer() -> None:
    person()
    browser = client(None)
    answers = [
        browser.post(SIGN_IN, {"login": email, "password": "wrong"}).content.decode()
        for email in ("li@office.example", "nobody@office.example")
    ]
    first, second = (re.sub(r'value="[^"]*"|nobody@|li@', "", each) for each in answers)
    assert first == second
    assert "not correct" in first


def test_guessing_is_stopped_after_five_tries_even_with_the_right_password() -> None:
    person()
    browser = client(None)
    for _ in range(5):
        assert sign_in(browser, password="wrong") == ""
    assert sign_in(browser) == ""
    cache.clear()
    assert sign_in(browser) == "/"


def test_an_ended_account_can_not_sign_in_and_its_sessions_end() -> None:
    user = person()
    browser = client(None)
    assert sign_in(browser) == "/"
    people.end(user, "tests", dt.datetime.now(dt.UTC))

    assert browser.get("/account/").status_code == 302
    assert sign_in(client(None)) != "/"


def test_a_sign_in_leads_nowhere_else() -> None:
    person()
    assert sign_in(client(None), next="https://evil.example/") == "/"
    assert sign_in(client(None), next="/findings/") == "/findings/"


def test_nobody_signs_up_or_resets_a_password_by_themselves() -> None:
    for path in ("/account/signup/", "/account/sign-up/", "/accounts/signup/", "/account/password/reset/"):
        assert client(None).get(path).status_code == 404


def test_an_operator_must_set_up_a_second_factor_first_and_enter_it_from_then_on() -> None:
    user = person(Role.OPERATOR)
    browser = client(None)
    assert sign_in(browser) == "/"

    there = browser.get("/findings/")
    assert there.headers["Location"] == "/account/second-factor/totp/activate/"
    page = browser.get(there.headers["Location"]).content.decode()
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", page)
    done = browser.post(there.headers["Location"], {"code": code(secret)})
    assert done.headers["Location"] == "/account/second-factor/recovery-codes/"
    codes = re.findall(r"<li><code>(\d+)</code></li>", browser.get(done.headers["Location"]).content.decode())
    assert len(codes) == 10
    assert browser.get("/findings/").status_code == 200

    for kept in Authenticator.objects.filter(user=user):
        assert secret not in str(kept.data), "the database holds it sealed"
    again = client(None)
    assert sign_in(again) == "/account/second-factor/authenticate/"
    assert again.get("/findings/").headers["Location"].startswith(SIGN_IN)
    assert again.post("/account/second-factor/authenticate/", {"code": "000000"}).status_code == 200
    assert again.post("/account/second-factor/authenticate/", {"code": codes[0]}).headers["Location"] == "/"
    assert again.get("/findings/").status_code == 200
    third = client(None)
    sign_in(third)
    assert third.post("/account/second-factor/authenticate/", {"code": codes[0]}).status_code == 200, "used up"


def test_what_guards_an_account_changes_only_after_showing_again_who_one_is() -> None:
    person()
    browser = client(None)
    sign_in(browser)
    address = "/account/second-factor/totp/activate/"
    assert browser.get(address).status_code == 200
    with override_settings(ACCOUNT_REAUTHENTICATION_TIMEOUT=-1):
        assert browser.get(address).headers["Location"].startswith("/account/again/")
    browser.post("/account/again/", {"password": "wrong"})
    assert browser.post(f"/account/again/?next={address}", {"password": PASSWORD}).headers["Location"] == address


def test_a_changed_password_ends_all_other_sessions() -> None:
    person()
    here, there = client(None), client(None)
    sign_in(here)
    sign_in(there)
    new = f"{PASSWORD} and by day"
    sent = {"oldpassword": PASSWORD, "password1": new, "password2": new}

    assert here.post("/account/password/", sent).status_code == 302
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302
    assert sign_in(client(None)) == ""


def test_sessions_are_listed_and_the_others_can_be_ended() -> None:
    user = person()
    here, there = client(None), client(None)
    sign_in(here)
    sign_in(there)
    assert UserSession.objects.filter(user=user).count() == 2
    assert "this one" in here.get("/account/sessions/").content.decode()

    here.post("/account/sessions/")

    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200


def test_every_page_of_ones_own_account_is_there_in_both_languages() -> None:
    user = person(Role.OPERATOR)
    browser = client(None)
    sign_in(browser)
    page = browser.get("/account/second-factor/totp/activate/").content.decode()
    browser.post("/account/second-factor/totp/activate/", {"code": code(re.findall(r"<code>(\w{32})</code>", page)[0])})
    addresses = (
        "/account/", "/account/password/", "/account/sessions/", "/account/sign-out/", "/account/again/",
        "/account/second-factor/", "/account/second-factor/totp/deactivate/", "/account/second-factor/reauthenticate/",
        "/account/second-factor/recovery-codes/", "/account/second-factor/recovery-codes/generate/",
        "/account/second-factor/keys/add/", "/account/single-sign-on/again/", "/account/single-sign-on/cancelled/",
    )  # fmt: skip
    for language in ("en", "zh-Hans"):
        User.objects.filter(pk=user.pk).update(language=language)
        for address in addresses:
            answer = browser.get(address)
            assert answer.status_code == 200, address
            assert f'<html lang="{language}">' in answer.content.decode()
    assert browser.get("/account/second-factor/recovery-codes/download/").headers["Content-Disposition"]


def test_the_language_is_remembered_for_the_browser_and_for_the_account() -> None:
    user = person()
    browser = client(None)
    answer = browser.post("/language/", {"language": "zh-hans", "next": SIGN_IN})
    assert answer.headers["Location"] == SIGN_IN
    assert 'lang="zh-Hans"' in browser.get(SIGN_IN).content.decode()
    assert browser.post("/language/", {"language": "en", "next": "//evil.example"}).headers["Location"] == "/"
    sign_in(browser)
    browser.post("/language/", {"language": "zh-hans", "next": "/account/"})
    user.refresh_from_db()
    assert user.language == "zh-Hans"
