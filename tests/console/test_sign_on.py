"""The single sign-on: who is known here gets in by it, whatever the provider or a stranger says, and nobody else."""

from __future__ import annotations

import datetime as dt
import hmac
import itertools
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.cache import cache
from django.test import Client, RequestFactory, override_settings

from scanner.accounts import people
from scanner.accounts.models import User
from scanner.accounts.oidc import SignOnClient
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.delivery.models import Message
from scanner.engine.errors import InputError
from scanner.installation import load
from tests.console.house import PASSWORD, account, client
from tests.console.provider import START, Provider, provider
from tests.console.test_signing_in import SIGN_IN, person, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.lab]

LI = "li@office.example"
CODE = "/account/second-factor/authenticate/"
_subjects = (f"subject-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture
def login(running: Provider) -> Iterator[Provider]:
    with running.used():
        yield running


def known(login: Provider, email: str = LI, *, verified: object = True) -> str:
    """Somebody whom the provider knows."""
    subject = next(_subjects)
    login.knows(subject, email=email, email_verified=verified)
    return subject


def test_who_was_invited_gets_in_and_is_known_by_the_subject_from_then_on(login: Provider) -> None:
    user = account(LI, Role.AUDITOR, factor=False)
    subject, browser = known(login, "LI@office.example"), client(None)
    page = browser.get(SIGN_IN).content.decode()
    assert "Sign in with City Login" in page
    answer = browser.get(login.lead_back(browser, subject, next="/findings/"))
    assert (answer.status_code, answer["Location"]) == (302, "/findings/")
    assert browser.get("/findings/").status_code == 200
    assert Entry.objects.filter(action="signed-in", actor=LI, detail__by="single sign-on").count() == 1
    assert "linked to one of City Login" in Message.objects.get(kind="account").text.replace("\n", " ")
    assert SocialAccount.objects.get(user=user).extra_data == {}, "nothing else is kept of what the provider says"

    login.knows(subject, email="married@elsewhere.example", email_verified=False)
    again = client(None)
    assert again.get(login.lead_back(again, subject))["Location"] == "/"
    other, thief = known(login), client(None)
    assert "no account for you" in thief.get(login.lead_back(thief, other)).content.decode()
    assert thief.get("/account/").status_code == 302


@pytest.mark.parametrize("verified", [False, "false", None, 1.5])
def test_an_address_that_the_provider_did_not_verify_is_nobodys(login: Provider, verified: object) -> None:
    account(LI, Role.AUDITOR)
    browser = client(None)
    page = browser.get(login.lead_back(browser, known(login, verified=verified))).content.decode()
    assert "no account for you" in page
    assert browser.get("/account/").headers["Location"].startswith(SIGN_IN)


def test_who_is_not_known_or_was_ended_stays_out_and_no_account_is_made(login: Provider) -> None:
    linked, unlinked = account(LI, Role.AUDITOR, factor=False), account("wang@office.example", Role.AUDITOR)
    subject, browser = known(login), client(None)
    assert browser.get(login.lead_back(browser, subject))["Location"] == "/"
    for each in (linked, unlinked):
        people.end(each, "tests", dt.datetime.now(dt.UTC))
    assert browser.get("/account/").status_code == 302, "the session is over"
    for who in (subject, known(login, "wang@office.example"), known(login, "nobody@office.example")):
        stranger = client(None)
        stranger.get(login.lead_back(stranger, who))
        assert stranger.get("/account/").headers["Location"].startswith(SIGN_IN)
    assert User.objects.count() == 2


def test_a_link_is_made_while_signed_in_and_taken_away_again(login: Provider) -> None:
    user, subject = person(), known(login, "private@elsewhere.example", verified=False)
    browser = client(None)
    sign_in(browser)
    with override_settings(ACCOUNT_REAUTHENTICATION_TIMEOUT=-1):
        assert browser.post(f"{START}link/")["Location"].startswith("/account/again/")
    assert browser.get(login.lead_back(browser, subject, f"{START}link/"))["Location"] == "/account/"
    assert "The accounts are linked." in browser.get("/account/").content.decode()
    elsewhere = client(None)
    assert elsewhere.get(login.lead_back(elsewhere, subject))["Location"] == "/"

    person(email="wang@office.example")
    sign_in(other := client(None), "wang@office.example")
    other.get(login.lead_back(other, subject, f"{START}link/"))
    assert "linked to somebody else" in other.get("/account/").content.decode()
    assert SocialAccount.objects.get().user == user

    browser.post(f"{START}unlink/")
    assert not SocialAccount.objects.exists()
    assert [each.action for each in Entry.objects.filter(action__startswith="sign-on")] == [
        "sign-on-linked", "sign-on-unlinked"
    ]  # fmt: skip


def test_a_second_factor_is_asked_for_here_unless_the_provider_is_said_to_ask(running: Provider) -> None:
    user = account(LI, Role.OPERATOR)
    with running.used():
        subject, browser = known(running), client(None)
        assert browser.get(running.lead_back(browser, subject))["Location"] == CODE
        assert browser.get("/findings/").status_code == 302
        Authenticator.objects.all().delete()
        bare = client(None)
        assert bare.get(running.lead_back(bare, subject))["Location"] == "/"
        assert bare.get("/findings/")["Location"] == "/account/second-factor/totp/activate/"
    with running.used(oidc_second_factor=True):
        trusting = client(None)
        trusting.get(running.lead_back(trusting, subject))
        assert trusting.get("/findings/").status_code == 200
        user.refresh_from_db()
        user.set_password(PASSWORD)
        user.save()
        sign_in(by_password := client(None))
        assert by_password.get("/findings/")["Location"] == "/account/second-factor/totp/activate/"


def test_who_has_nothing_else_shows_at_the_provider_who_they_are(login: Provider) -> None:
    account(LI, Role.AUDITOR, factor=False)
    subject, browser = known(login), client(None)
    browser.get(login.lead_back(browser, subject))
    with override_settings(ACCOUNT_REAUTHENTICATION_TIMEOUT=-1):
        asked = browser.get("/account/second-factor/totp/activate/")
    assert asked["Location"].startswith(f"{START}again/")
    assert "Sign in with City Login" in browser.get(asked["Location"]).content.decode()
    assert "prompt=login" in browser.post(START).content.decode()
    assert "no password" in browser.post(f"{START}unlink/", follow=True).content.decode()
    assert SocialAccount.objects.count() == 1
    found = people.invited(
        people.invite(User.objects.get(), "tests", dt.datetime.now(dt.UTC)).split("/")[-2], dt.datetime.now(dt.UTC)
    )
    assert found is not None
    people.take_up(found, PASSWORD, dt.datetime.now(dt.UTC))
    assert not SocialAccount.objects.exists(), "whoever was let in by a link before is not any more"


def test_what_does_not_come_from_the_provider_signs_nobody_in(login: Provider) -> None:
    account(LI, Role.AUDITOR, factor=False)
    subject, browser, other = known(login), client(None), client(None)
    back = login.lead_back(browser, subject)
    assert other.get(back).status_code == 401, "somebody else's browser"
    assert browser.get(back).status_code == 302
    assert browser.get(back).status_code == 401, "once is all"
    for wrong in ("", "?code=a", "?code=a&state=b", "?error=server_error&state=b"):
        assert Client().get(f"{START}back/{wrong}").status_code == 401
    declined = client(None)
    assert declined.get(login.lead_back(declined, None))["Location"] == f"{START}cancelled/"
    assert "Nobody was signed in" in declined.get(f"{START}cancelled/").content.decode()
    lured = client(None)
    assert lured.get(login.lead_back(lured, subject, next="https://evil.example/"))["Location"] == "/"
    page = client(None).post(f"{START}?auth_params=redirect_uri%3Dhttps://evil.example&scope=all").content.decode()
    assert "evil" not in page
    assert Client(enforce_csrf_checks=True).post(START).status_code == 403


def test_a_provider_that_is_away_or_another_than_was_named_signs_nobody_in(running: Provider) -> None:
    named = running.issuer.replace("127.0.0.1", "localhost")
    for issuer in ("http://127.0.0.1:9", f"{running.issuer}/nowhere", f"{named}/."):
        with Provider(issuer).used():
            answer = Client().post(START)
            assert (answer.status_code, "Nobody was signed in" in answer.content.decode()) == (401, True)
        cache.clear()
    assert Client().post(START).status_code == 404, "none is named"
    with running.used():
        assert [Client().post(START).status_code for _ in range(31)].count(429) == 1


def test_only_a_token_that_the_provider_signed_for_us_and_just_now_holds(
    login: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = ours.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = jwt.algorithms.RSAAlgorithm.to_jwk(ours.public_key(), as_dict=True)
    asker = SignOnClient(RequestFactory().get("/"))
    assert asker.openid_config["issuer"] == login.issuer
    monkeypatch.setattr(SignOnClient, "_fetch", lambda *_: {"keys": [{**key, "kid": "a"}]})
    now = int(dt.datetime.now(dt.UTC).timestamp())
    good = {"iss": login.issuer, "sub": "1", "aud": "roundsman", "iat": now, "exp": now + 300}

    def made(key: Any = ours, algorithm: str | None = "RS256", kid: str = "a", **claims: object) -> str:
        told = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(told, key, algorithm=algorithm, headers={"kid": kid})

    assert asker._verified(made(), "roundsman")["sub"] == "1"
    head, body, signature = made().split(".")
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"a"}').decode()
    confused = f"{header}.{body}"
    by_public_key = jwt.utils.base64url_encode(hmac.digest(public, confused.encode(), "sha256")).decode()
    bad = [
        *("", "a.b.c", f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA", f"{confused}.{by_public_key}"),
        *(made(theirs), made(kid="b"), made(None, "none")),
        *(made(iss="https://evil.example"), made(aud="another"), made(azp="another"), made(sub=None)),
        *(made(exp=now - 120), made(iat=now + 600), made(exp=None), made(iat=None)),
    ]
    for each in bad:
        with pytest.raises(OAuth2Error):
            asker._verified(each, "roundsman")


@pytest.mark.parametrize(
    "issuer", ["http://login.example.org", "login.example.org", "https://login.example.org/?a", "javascript:alert(1)"]
)
def test_a_provider_without_tls_or_secret_is_refused(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    monkeypatch.setenv("ROUNDSMAN_OIDC_ISSUER", issuer)
    with pytest.raises(InputError, match="ROUNDSMAN_OIDC_ISSUER"):
        load()
    monkeypatch.setenv("ROUNDSMAN_OIDC_ISSUER", "https://login.example.org/realms/city")
    with pytest.raises(InputError, match="ROUNDSMAN_OIDC_CLIENT_SECRET"):
        load()
