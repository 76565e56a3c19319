"""One journey on real parts: inspect, find, invite, sign in by the link, claim, be inspected again, closed.

A service in a process of its own, a Redis that is open to everyone, and Debian's Chromium. Each page on the way is held
to WCAG 2.2 A and AA, as far as axe-core can tell.
"""

from __future__ import annotations

import re
import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.console.house import PASSWORD
from tests.console.test_production import served
from tests.installation import Installation
from tests.lab.case import process, program
from tests.pages.shown import browser
from tests.pages.test_in_browser import AXE, LEVELS, VIOLATIONS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
]

ADDRESS = "127.61.0.9"
PATIENCE = 120.0
"""Seconds that a round may take on a busy machine."""


OTHERS = [
    "/people/1/",
    "/people/invite/",
    "/organisations/",
    "/organisations/water/",
    "/findings/1/",
    "/findings/1/ask/",
    "/rounds/",
    "/mails/?state=any",
    "/mails/1/",
    "/system/",
    "/system/audit/",
    "/stop/",
    "/account/",
    "/account/sessions/",
    "/account/tokens/add/",
    "/account/second-factor/totp/activate/",
]
"""Pages that the journey does not come by."""


class Tab:
    """A page of somebody, and what was wrong with what it showed."""

    def __init__(self, context: BrowserContext, base: str, folder: Path) -> None:
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self._base, self._folder = base, folder
        self.page.on("console", lambda message: self.wrong.append(message.text))

    def go(self, path: str) -> None:
        self.page.goto(f"{self._base}{path}")

    def press(self, text: str) -> None:
        self.page.get_by_role("button", name=text, exact=True).click()

    def link(self, text: str) -> None:
        self.page.get_by_role("link", name=text, exact=True).first.click()

    def look(self, name: str) -> None:
        """Keep a picture of the page, and note what keeps people out, or runs over the screen."""
        self.page.screenshot(path=self._folder / f"{name}.png", full_page=True)
        found = self.page.evaluate(f"async levels => {{ {AXE}; return await ({VIOLATIONS})(levels); }}", LEVELS)
        self.wrong += [f"{name}: {each}" for each in found]
        if self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            self.wrong.append(f"{name}: wider than the screen")

    def until(self, shows: str) -> None:
        """Load the page again until it shows something."""
        ends = time.monotonic() + PATIENCE
        while shows not in self.page.content():
            assert time.monotonic() < ends, self.page.content()
            time.sleep(1)
            self.page.reload()


def link_of(printed: str) -> str:
    (link,) = re.findall(r"/invitation/[\w-]+/", printed)
    return str(link)


def test_from_an_open_redis_to_one_that_is_proven_closed(installation: Installation, tmp_path: Path) -> None:
    installation.environment["ROUNDSMAN_SECOND_FACTOR"] = "none"
    installation.python(
        f"""
        from tests.rounds.world import authorise, organisation, register
        owner = organisation("water")
        register(owner, {ADDRESS!r})
        authorise(owner, {ADDRESS!r})
        """
    )
    first = installation.roundsman("init", "--email", "li@office.example", "--name", "Li Wei")
    with socket.create_server((ADDRESS, 0)) as probe:
        redis = probe.getsockname()[1]
    options = ["--bind", ADDRESS, "--port", str(redis), "--save", "", "--protected-mode", "no"]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with ExitStack() as stack:
        open_redis = stack.enter_context(ExitStack())
        open_redis.enter_context(
            process([program("redis-server"), *options], folder=tmp_path, wait_for=(ADDRESS, redis))
        )
        _, port = stack.enter_context(served(installation))
        running = stack.enter_context(browser())
        base = f"http://127.0.0.1:{port}"

        office = Tab(running.new_context(locale="en-GB", bypass_csp=True), base, pictures)
        office.go(link_of(first))
        office.look("invitation")
        for name in ("#id_password", "#id_again"):
            office.page.fill(name, PASSWORD)
        office.press("Set the password and sign in")
        office.look("overview")
        office.go("/rounds/new/?of=water")
        office.page.fill("#id_ports", str(redis))
        office.look("new round")
        office.press("Begin")
        office.look("progress")
        office.until("What it saw")
        office.look("round")
        office.link("Findings")
        office.look("findings")
        assert "Redis serves anyone without credentials" in office.page.content()

        office.go("/people/invite/")
        office.page.fill("#id_name", "王芳")
        office.page.fill("#id_email", "wang@water.example")
        office.page.select_option("#id_role", "unit-manager")
        office.page.fill("#id_organisation", "water")
        office.press("Invite somebody")
        office.look("people")
        for path in OTHERS:
            office.go(path)
            office.look(path.strip("/").replace("/", "-"))
        with installation.sql() as database:
            ((letter,),) = database.execute("SELECT text FROM delivery_message WHERE kind = 'invitation'").fetchall()

        unit = Tab(
            running.new_context(locale="zh-CN", viewport={"width": 390, "height": 800}, bypass_csp=True), base, pictures
        )
        unit.go(link_of(letter))
        for name in ("#id_password", "#id_again"):
            unit.page.fill(name, PASSWORD)
        unit.press("设置密码并登录")
        unit.look("unit")
        with unit.page.expect_download() as saved:
            unit.link("HTML")
        assert "Redis" in Path(saved.value.path()).read_text(encoding="utf-8")
        unit.link("Redis 缓存数据库存在未授权访问")
        unit.look("finding")
        open_redis.close()
        unit.press("已完成整改")
        unit.look("claimed")
        unit.until("<dd>已销号")
        unit.look("closed")
        office.go("/findings/?state=fixed")
        assert "Redis serves anyone without credentials" in office.page.content()
        assert office.wrong + unit.wrong == []
