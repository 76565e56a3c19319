"""Security keys and passkeys as a second factor, with a browser's own: a real one, but for the metal."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client, RequestFactory

from scanner.accounts.roles import Role
from scanner.console.keys import SCRIPTED_POLICY, can_have_keys
from scanner.console.middleware import POLICY
from tests.console.house import PASSWORD, account, client
from tests.console.provider import provider
from tests.console.test_journey import Tab, link_of
from tests.console.test_production import served
from tests.console.test_signing_in import SIGN_IN, person, sign_in
from tests.installation import Installation
from tests.pages.shown import browser

FACTOR = "/account/second-factor/"
ADD = f"{FACTOR}keys/add/"


def said(**response: str) -> str:
    """What a key says, in its form."""
    return json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})


NONSENSE = [
    "",
    "{}",
    "[" * 5000,
    '"text"',
    '{"id": "a"}',
    '{"id": 1, "rawId": [], "type": {}, "response": 7}',
    '{"id": "%s"}' % ("A" * 100_000),
    said(),
    said(clientDataJSON="AA", attestationObject="AA"),
    said(clientDataJSON="e30", attestationObject="oA"),
    said(clientDataJSON="e30", authenticatorData="AA", signature="AA"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_what_no_key_says_is_no_key_and_no_error_of_ours(nonsense: str, caplog: pytest.LogCaptureFixture) -> None:
    user = person()
    here = client(None)
    sign_in(here)
    assert here.get(ADD).status_code == 200
    assert here.post(ADD, {"name": "A", "credential": nonsense}).status_code == 200
    assert not Authenticator.objects.filter(user=user).exists()
    protected = account("wang@office.example", Role.OPERATOR)
    protected.set_password(PASSWORD)
    protected.save()
    there = client(None)
    sign_in(there, protected.email)
    assert there.post(f"{FACTOR}authenticate/", {"credential": nonsense}).status_code == 200
    assert there.get("/findings/").headers["Location"].startswith(SIGN_IN)
    if nonsense.startswith('{"id": "AA"'):
        assert "wrong second factor of wang@office.example" in caplog.text


@pytest.mark.django_db
def test_only_pages_about_keys_run_a_script_and_it_is_ours() -> None:
    person()
    here = client(None)
    sign_in(here)
    page = here.get(ADD)
    assert page["Content-Security-Policy"] == SCRIPTED_POLICY == f"{POLICY}; script-src 'self'"
    source = page.content.decode().partition('<script src="')[2].partition('"')[0]
    script = Client().get(source)
    assert script["Content-Type"] == "text/javascript; charset=utf-8"
    assert script["X-Content-Type-Options"] == "nosniff"
    assert page.content.decode().count("<script") == 1
    assert 'value="Security key 1"' in page.content.decode()
    assert here.get(FACTOR)["Content-Security-Policy"] == POLICY
    challenges = {re.findall(r"challenge&#34;: &#34;([\w-]+)", here.get(ADD).content.decode())[0] for _ in range(3)}
    assert [len(each) >= 43 for each in challenges] == [True] * 3, "256 bits, and others each time"
    assert Client().get("/assets/0000/keys.js").status_code == 404
    assert Client().get(source.replace("keys.js", "urls.py")).status_code == 404


@pytest.mark.parametrize(
    ("host", "can"), [("localhost:8440", True), ("127.0.0.1:8440", False), ("[::1]:8440", False), ("127.0.0.1", False)]
)
def test_a_key_needs_a_name_of_the_site(host: str, can: bool) -> None:
    assert can_have_keys(RequestFactory(SERVER_NAME="x", headers={"host": host}).get("/")) == can


@pytest.mark.slow
@pytest.mark.lab
def test_a_key_is_registered_named_used_and_removed_and_a_single_sign_on_used(
    installation: Installation, tmp_path: Path
) -> None:
    first = installation.roundsman("init", "--email", "li@office.example", "--name", "Li Wei")
    with ExitStack() as stack:
        login = stack.enter_context(provider())
        login.knows("li", email="li@office.example", email_verified=True)
        installation.environment.update(
            ROUNDSMAN_OIDC_ISSUER=login.issuer, ROUNDSMAN_OIDC_CLIENT_ID="roundsman", ROUNDSMAN_OIDC_CLIENT_SECRET="s"
        )
        _, port = stack.enter_context(served(installation))
        context = stack.enter_context(browser()).new_context(locale="en-GB", bypass_csp=False)
        tab = Tab(context, f"http://localhost:{port}", tmp_path)
        context.route(re.compile(r"^https?://(?!localhost|127\.0\.0\.1)"), lambda route: route.abort())
        devices = context.new_cdp_session(tab.page)
        devices.send("WebAuthn.enable")
        key = {"protocol": "ctap2", "transport": "usb", "hasUserVerification": True, "isUserVerified": True}
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": key})

        tab.go(link_of(first))
        for name in ("#id_password", "#id_again"):
            tab.page.fill(name, PASSWORD)
        tab.press("Set the password and sign in")
        tab.link("Use a security key or a passkey instead")
        tab.look("add")
        tab.page.fill("#id_name", "The blue one")
        tab.press("Add a security key")
        tab.page.get_by_role("heading", name="Recovery codes").wait_for()
        tab.go("/people/")
        assert "/people/" in tab.page.url, "the role's demand is met"

        tab.go("/account/sign-out/")
        tab.press("Sign out")
        tab.page.fill("#id_login", "li@office.example")
        tab.page.fill("#id_password", PASSWORD)
        tab.press("Sign in")
        tab.page.get_by_role("button", name="Use a security key").wait_for()
        tab.look("ask")
        tab.press("Use a security key")
        tab.page.wait_for_url(f"http://localhost:{port}/")
        tab.go(f"{FACTOR}keys/again/?next=/account/")
        tab.press("Use a security key")
        tab.page.wait_for_url(f"http://localhost:{port}/account/")

        tab.go(FACTOR)
        tab.look("list")
        assert "The blue one" in tab.page.content()
        tab.page.get_by_role("link", name="Rename: The blue one").click()
        tab.page.fill("#id_name", "The red one")
        tab.press("Rename")
        tab.page.get_by_role("link", name="Remove: The red one").click()
        tab.press("Remove")
        assert "red one" not in tab.page.locator("section").all_inner_texts()[1]
        assert tab.wrong == []

        tab.go("/account/sign-out/")
        tab.press("Sign out")
        tab.press("Sign in with Single sign-on")
        tab.page.wait_for_url(f"{login.issuer}/**")
        tab.page.fill("input[name=sub]", "li")
        tab.page.locator("form button").first.click()
        tab.page.wait_for_url("**/totp/activate/")
        assert not any("Content Security Policy" in each for each in tab.wrong)
    with installation.sql() as database:
        mails = database.execute("SELECT subject FROM delivery_message WHERE kind = 'account'").fetchall()
        factors = database.execute("SELECT count(*) FROM mfa_authenticator").fetchall()
    assert [subject.partition("】")[2] for (subject,) in mails] == [
        "已启用双因素验证", "双因素验证方式已移除", "已关联统一身份认证"
    ]  # fmt: skip
    assert factors == [(0,)]
