"""A round is watched: its page is brought up to date part by part, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Route, expect

from scanner.accounts.roles import Role
from scanner.console.live import LIVE_POLICY, STOP_POLLING
from scanner.console.middleware import POLICY
from scanner.console.views import rounds
from scanner.rounds.models import HostResult, Job, Round
from tests.console.house import House
from tests.delivery.office import NOW
from tests.pages.shown import browser as chromium

HTMX = {"HX-Request": "true"}


@pytest.fixture
def this(house: House) -> Round:
    """A round that runs."""
    made = Round.objects.create(
        kind="by-hand", state="running", profile="quick", ports="80", requested_by="ops", created=NOW, started=NOW
    )
    made.organisations.add(house.water)
    return made


def end(this: Round) -> None:
    Round.objects.filter(pk=this.pk).update(state="done", finished=NOW, followed=NOW)


def test_a_watched_page_runs_htmx_alone_under_a_strict_policy(house: House, this: Round) -> None:
    browser, where = house.browser(Role.AUDITOR), f"/rounds/{this.pk}/"
    calm, watched = browser.get(where), browser.get(f"{where}?watch=on")
    assert calm["Content-Security-Policy"] == POLICY
    assert "<script" not in calm.content.decode()
    assert watched["Content-Security-Policy"] == LIVE_POLICY == f"{POLICY}; script-src 'self'; connect-src 'self'"
    html = watched.content.decode()
    assert re.findall(r"<script[^>]*>", html) == [f'<script src="{_script(html)}" defer>']
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in html, "it works without a script, too"
    script = Client().get(_script(html))
    assert script["Content-Type"] == "text/javascript; charset=utf-8"
    assert b'version:"2.' in script.content


def test_a_part_is_asked_for_until_the_round_is_over(house: House, this: Round) -> None:
    browser, where = house.browser(Role.OPERATOR), f"/rounds/{this.pk}/progress/"
    same = browser.get(where, {"state": "running"}, headers=HTMX)
    assert same.status_code == 200
    assert f'data-hx-get="{where}?state=running"' in same.content.decode()
    assert "<html" not in same.content.decode()
    assert "hx-swap-oob" not in same.content.decode(), (
        "what stays the same is left alone, and a click on it is not lost"
    )
    Round.objects.filter(pk=this.pk).update(state="paused")
    assert (
        'id="round-actions" data-hx-swap-oob="true"'
        in browser.get(where, {"state": "running"}, headers=HTMX).content.decode()
    )
    end(this)
    over = browser.get(where, {"state": "paused"}, headers=HTMX)
    assert over.status_code == STOP_POLLING
    assert "hx-get" not in over.content.decode()


def test_who_is_signed_out_meanwhile_is_led_to_sign_in_and_the_form_stands_in_no_part(this: Round) -> None:
    answer = Client().get(f"/rounds/{this.pk}/progress/", headers=HTMX)
    assert (answer.status_code, answer["HX-Refresh"], answer.content) == (204, "true", b"")


def _script(html: str) -> str:
    return html.partition('<script src="')[2].partition('"')[0]


def test_progress_moves_without_a_page_load_and_goes_on_after_the_server_was_away(
    house: House, this: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the driver of the browser runs a loop in this thread
    monkeypatch.setattr(rounds, "EVERY", 0.1)
    client = house.browser(Role.OPERATOR)
    asked: list[str] = []
    said: list[str] = []
    is_away: list[bool] = []

    held = connections["default"]

    def answer(route: Route) -> None:
        connections["default"] = held  # what the driver calls has a context of its own, else with another connection
        place = urlsplit(route.request.url)
        asked.append(place.path)
        if is_away:
            route.abort("connectionrefused")
            return
        kept = {"HX-Request": "true"} if route.request.headers.get("hx-request") else {}
        told = client.get(f"{place.path}?{place.query}", headers=kept)
        route.fulfill(status=told.status_code, headers=dict(told.items()), body=told.content)

    with chromium() as running:
        connections["default"] = held
        page = running.new_page(viewport={"width": 900, "height": 300})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.route("**/*", answer)
        page.goto(f"http://localhost/rounds/{this.pk}/?watch=on")
        page.locator("#round-actions button").focus()
        page.evaluate("window.unchanged = true; window.scrollTo(0, 80)")
        where = page.evaluate("window.scrollY")

        at_work(this, house, "192.0.2.21", "192.0.2.22", "192.0.2.23")
        expect(page.locator("#round-progress li")).to_contain_text("192.0.2.21, 192.0.2.22, 192.0.2.23")
        look(this, house, "192.0.2.21")
        expect(page.locator("#round-progress li")).to_contain_text("Still to come: 192.0.2.22, 192.0.2.23")
        expect(page.locator("#look-1")).to_have_attribute("value", "1")
        assert said == [], "nothing was forbidden by the policy, nor did anything fail"

        is_away.append(True)
        before = len(asked)
        while len(asked) < before + 2:
            page.wait_for_timeout(20)
        look(this, house, "192.0.2.22")
        is_away.clear()
        expect(page.locator("#look-1")).to_have_attribute("value", "2")
        assert where > 0
        assert page.evaluate("[window.unchanged, window.scrollY]") == [True, where]
        assert page.evaluate("document.activeElement.textContent") == "Pause"

        Job.objects.filter(round=this).update(state="done")
        end(this)
        expect(page.locator("h1")).to_contain_text("done")
        expect(page.locator("#round-said")).to_contain_text("done")
        expect(page.locator("#round-progress h2")).to_have_text("What it saw")
        assert page.evaluate("window.unchanged"), "it is the same page still"
        before = len(asked)
        page.wait_for_timeout(300)
        assert len(asked) == before, "what is over is asked for no more"


def at_work(this: Round, house: House, *addresses: str) -> None:
    Job.objects.create(
        round=this, organisation=house.water, kind="look", state="running", attempt=1, worker="here:1", started=NOW,
        not_before=NOW, created=NOW, terms={"domains": False},
        hosts=[[house.target.pk, each, each, "", False] for each in addresses],
    )  # fmt: skip


def look(this: Round, house: House, address: str) -> None:
    HostResult.objects.create(
        round=this, organisation=house.water, target=house.target, label=address, address=address, hostname="",
        outcome="inspected", started=NOW, finished=NOW, facts=b"",
    )  # fmt: skip
