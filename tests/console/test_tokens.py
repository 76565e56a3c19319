"""API tokens and webhooks on pages: secrets are shown once, who may make and end which, and what a call says."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client

from scanner.accounts.roles import Role
from scanner.api.models import Token
from scanner.api.tokens import recognised
from scanner.audit.models import Entry
from scanner.console.views import webhooks as views
from scanner.webhooks import caller
from scanner.webhooks.hooks import secret_of
from scanner.webhooks.models import Call, Webhook
from scanner.webhooks.post import Told, signature
from tests.console.house import House, client

ADD = "/account/tokens/add/"
NEW = {"name": "mine", "scopes": ["findings:read", "findings:write"], "days": "30"}
HOOK = {
    "name": "siem",
    "url": "https://siem.example/in",
    "events": ["finding-opened"],
    "account": "Auditor@office.example",
}


def said(answer: Any) -> str:
    return str(answer.content.decode())


def secret_in(page: str) -> str:
    (found,) = re.findall(r'<pre class="secret">([^<]+)</pre>', page)
    return str(found)


def test_a_token_of_one_s_own_is_shown_once_and_does_no_more_than_its_account(house: House) -> None:
    browser, now = house.browser(Role.UNIT_MEMBER), dt.datetime.now(dt.UTC)
    form = said(browser.get(ADD))
    assert 'value="findings:write"' in form
    assert 'value="switch:write"' not in form, "what opens nothing to a unit is not offered"
    assert "Select a valid choice" in said(browser.post(ADD, {**NEW, "scopes": ["switch:write"]}))

    secret = secret_in(said(browser.post(ADD, NEW)))

    token = recognised(secret, now)
    assert token is not None
    assert (token.user, token.scopes) == (house.users[Role.UNIT_MEMBER], NEW["scopes"])
    assert dt.timedelta(days=29) < token.expires - now < dt.timedelta(days=31)
    entry = Entry.objects.get(action="token-added", subject="token mine")
    assert entry.actor == "unit-member@office.example"
    page = said(browser.get("/account/tokens/"))
    assert "mine" in page
    assert token.hint in page
    assert "board" not in page, "those of others are not there"
    assert not any(secret in said(browser.get(where)) for where in ("/account/tokens/", ADD, "/account/"))
    assert secret not in str(Entry.objects.values_list("detail", "subject"))
    assert "There is a token mine already" in said(browser.post(ADD, NEW))
    wrong: list[dict[str, Any]] = [{"name": "a b"}, {"days": "0"}, {"days": "367"}, {"scopes": []}]
    for each in wrong:
        browser.post(ADD, {**NEW, "name": "other", **each})
        assert Token.objects.count() == 2, each


def test_a_secret_is_made_only_after_showing_once_more_who_one_is(house: House) -> None:
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(house.users[Role.ADMINISTRATOR])
    hook = Webhook.objects.get()
    for where in (ADD, "/system/webhooks/add/", f"/system/webhooks/{hook.pk}/rotate/"):
        assert browser.post(where, NEW).headers["Location"] == where
        assert browser.get(where).headers["Location"].startswith("/account/second-factor/reauthenticate/")
    assert Token.objects.count() == 1
    assert secret_of(hook) == secret_of(Webhook.objects.get())


def test_a_token_is_revoked_after_a_question_by_its_owner_or_an_administrator(house: House) -> None:
    token = Token.objects.get(name="board")
    where = f"/account/tokens/{token.pk}/revoke/"
    for role in set(Role) - {Role.ADMINISTRATOR, Role.OPERATOR}:
        assert house.browser(role).post(where).status_code == 404, role
    owner = house.browser(Role.OPERATOR)
    assert "Revoke the token board?" in said(owner.get(where))
    token.refresh_from_db()
    assert token.revoked is None, "a question does nothing"
    assert "works no more" in said(owner.post(where, follow=True))
    token.refresh_from_db()
    assert token.revoked is not None
    assert owner.post(where).status_code == 404
    secret = secret_in(said(house.browser(Role.UNIT_MEMBER).post(ADD, NEW)))
    mine = Token.objects.get(name="mine")
    administrator = house.browser(Role.ADMINISTRATOR)
    assert "unit-member@office.example" in said(administrator.get("/system/tokens/"))
    administrator.post(f"/account/tokens/{mine.pk}/revoke/")
    assert recognised(secret, dt.datetime.now(dt.UTC)) is None
    assert Entry.objects.get(action="token-revoked", subject="token mine").actor == "administrator@office.example"
    over = said(administrator.get("/system/tokens/", {"state": "over", "q": "mine"}))
    assert "revoked" in over
    assert "There is no such token" in said(administrator.get("/system/tokens/", {"q": "mine"}))


def test_an_account_without_a_role_is_offered_no_token(house: House) -> None:
    from tests.console.house import account

    browser = client(account("new@office.example", None))
    assert ADD not in said(browser.get("/account/tokens/"))
    browser.post(ADD, NEW)
    assert not Token.objects.filter(name="mine").exists()


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(house: House) -> None:
    browser = house.browser(Role.ADMINISTRATOR)
    for wrong in ({"url": "http://siem.example/"}, {"url": "https://a b/"}, {"account": "no@office.example"}):
        browser.post("/system/webhooks/add/", {**HOOK, **wrong})
        assert Webhook.objects.count() == 1, wrong

    page = said(browser.post("/system/webhooks/add/", HOOK))

    hook = Webhook.objects.get(name="siem")
    secret = secret_in(page)
    assert secret_of(hook).decode() == secret
    assert (hook.user, hook.private) == (house.users[Role.AUDITOR], False)
    assert Entry.objects.filter(action="webhook-added", subject="webhook siem").exists()
    shown = said(browser.get(f"/system/webhooks/{hook.pk}/"))
    assert "https://siem.example/in" in shown
    assert secret not in shown
    assert "siem" in said(house.browser(Role.AUDITOR).get("/system/webhooks/"))


def test_a_call_is_tried_signed_and_its_answer_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hook, browser = Webhook.objects.get(), house.browser(Role.ADMINISTRATOR)
    heard: list[tuple[str, bytes, dict[str, str]]] = []

    def post(url: str, body: bytes, headers: dict[str, str], *, private: bool) -> Told:
        heard.append((url, body, headers))
        return Told(len(heard) == 1, "HTTP 200" if len(heard) == 1 else "HTTP 500 <b>")

    monkeypatch.setattr(views, "try_out", lambda hook, by, now: caller.try_out(hook, by, now, post))
    where = f"/system/webhooks/{hook.pk}/test/"
    assert "It took the call: HTTP 200" in said(browser.post(where, follow=True))
    assert "It did not take the call: HTTP 500 &lt;b&gt;" in said(browser.post(where, follow=True))
    url, body, headers = heard[0]
    moment = int(headers["Roundsman-Signature"].partition(",")[0].removeprefix("t="))
    assert headers["Roundsman-Signature"] == signature(secret_of(hook), moment, body)
    assert headers["Roundsman-Event"] == "test"
    assert (url, b"finding" in body) == (hook.url, False)
    told = Entry.objects.filter(action="webhook-tested").order_by("pk").values_list("detail", flat=True)
    assert [each["taken"] for each in told] == [True, False]


def test_another_secret_takes_the_place_of_the_old_one_after_a_question(house: House) -> None:
    hook, browser = Webhook.objects.get(), house.browser(Role.ADMINISTRATOR)
    before = secret_of(hook)
    assert "Change the secret of tickets?" in said(browser.get(f"/system/webhooks/{hook.pk}/rotate/"))
    assert secret_of(Webhook.objects.get()) == before
    secret = secret_in(said(browser.post(f"/system/webhooks/{hook.pk}/rotate/")))
    assert secret_of(Webhook.objects.get()).decode() == secret
    assert secret.encode() != before
    assert Entry.objects.get(action="webhook-secret-changed").actor == "administrator@office.example"


def test_calls_are_shown_and_made_again_and_a_webhook_is_removed_after_a_question(house: House) -> None:
    hook, now, browser = Webhook.objects.get(), dt.datetime.now(dt.UTC), house.browser(Role.ADMINISTRATOR)
    call = Call.objects.create(
        webhook=hook,
        key="finding-opened:1",
        event="finding-opened",
        body="{}",
        state="dead",
        attempt=9,
        created=now,
        not_before=now,
        finished=now,
        reply="HTTP 500",
    )
    where = f"/system/webhooks/{hook.pk}/"
    page = said(house.browser(Role.AUDITOR).get(where))
    assert all(text in page for text in ("finding-opened:1", "given up", "9 tries", "HTTP 500"))
    assert "/retry/" not in page
    assert "1 call will be made at once" in said(browser.post(f"{where}retry/", follow=True))
    call.refresh_from_db()
    assert call.state == "queued"
    assert "never told" in said(browser.get(f"{where}remove/"))
    assert Webhook.objects.get().revoked is None
    assert "called no more" in said(browser.post(f"{where}remove/", follow=True))
    assert browser.get(where).status_code == 404
    assert Entry.objects.get(action="webhook-revoked").actor == "administrator@office.example"
