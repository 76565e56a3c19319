"""One journey on real parts: from nothing to the first mailed report by the first steps of the overview, as the
operator guide tells; then a unit signs in by the link in its mail, claims a fix, is inspected again, and it is closed.

A service in a process of its own, a Redis that is open to everyone, a mail server, and Debian's Chromium; no command
after ``init`` and ``serve``. Each page on the way is held to WCAG 2.2 A and AA, as far as axe-core can tell.
"""

from __future__ import annotations

import re
import shutil
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import BrowserContext, Page

from scanner.accounts.roles import Role
from tests.console.house import PASSWORD
from tests.console.test_production import served
from tests.delivery.post_office import Office, open_office
from tests.installation import Installation
from tests.lab.case import process, program
from tests.pages.shown import browser
from tests.pages.test_in_browser import AXE, LEVELS, VIOLATIONS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.timeout(900),  # a hundred pages, each read by axe-core: a minute alone, five beside seven other tests
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
]

ADDRESS = "127.61.0.9"
UNIT = "wang@water.example"
PATIENCE = 120.0
"""Seconds that a round may take on a busy machine."""


OTHERS = [
    "/organisations/water/change/",
    "/organisations/water/retire/",
    "/targets/1/",
    "/zones/",
    "/settings/mail/",
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
    "/reports/",
    "/notices/",
    "/notices/issue/?organisation=water&severity=low",
    "/bulletins/",
    "/bulletins/make/?organisation=&since=2026-01-01&until=2026-01-31",
    "/proposals/",
    "/proposals/add/",
    "/account/sessions/",
    "/account/tokens/add/",
    "/account/second-factor/totp/activate/",
]
"""Pages that the journey does not come by."""

WALKS = {
    Role.OPERATOR: ("/findings/", "/findings/1/", "/rounds/", "/mails/"),
    Role.AUDITOR: ("/findings/", "/findings/1/", "/system/", "/system/audit/"),
    Role.SUPERVISOR: ("/findings/", "/findings/1/", "/bulletins/"),
    Role.UNIT_MANAGER: ("/findings/", "/findings/1/", "/findings/1/compare/", "/reports/"),
    Role.UNIT_MEMBER: ("/findings/", "/findings/1/", "/notices/"),
}
"""What each role comes by from its first page, link by link."""


class Tab:
    """A page of somebody, and what was wrong with what it showed."""

    def __init__(self, context: BrowserContext, base: str, folder: Path) -> None:
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self._base, self._folder = base, folder
        self.page.on("console", lambda message: self.wrong.append(message.text))

    def go(self, path: str) -> None:
        self.page.goto(f"{self._base}{path}")

    def fill(self, **fields: str) -> None:
        """Type into fields by their names."""
        for name, value in fields.items():
            self.page.fill(f"#id_{name}", value)

    def press(self, text: str) -> None:
        self.page.get_by_role("button", name=text, exact=True).click()

    def link(self, text: str) -> None:
        self.page.get_by_role("link", name=text, exact=True).first.click()

    def follow(self, path: str) -> None:
        """Click the first link to a path that is to be seen."""
        self.page.locator(f'a[href="{path}"]:visible').first.click()

    def look(self, name: str) -> None:
        """Note what of the page keeps people out, or runs over the screen, and keep a picture of such a page."""
        self.page.wait_for_load_state()
        found = self.page.evaluate(f"async levels => {{ {AXE}; return await ({VIOLATIONS})(levels); }}", LEVELS)
        if self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append("wider than the screen")
        if found:
            self.page.screenshot(path=self._folder / f"{name}.png", full_page=True)
            self.wrong += [f"{name}: {each}" for each in found]

    def until(self, shows: str) -> None:
        """Load the page again until it shows something."""
        ends = time.monotonic() + PATIENCE
        while shows not in self.page.content():
            assert time.monotonic() < ends, self.page.content()
            time.sleep(0.5)
            self.page.reload()


def link_of(printed: str) -> str:
    (link,) = re.findall(r"/invitation/[\w-]+/", printed)
    return str(link)


def mail_to(office: Office, address: str, *, attached: bool = False) -> EmailMessage:
    """The first mail that the server got for somebody, with or without something attached; waits for it."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        for recipient, content in [*office.received]:
            mail = message_from_bytes(content, policy=policy.SMTP)
            if recipient == address and any(mail.iter_attachments()) == attached:
                return mail
        time.sleep(0.2)
    raise AssertionError(f"no mail to {address}, but to {[recipient for recipient, _ in office.received]}")


def code_of(secret: str) -> str:
    """What an authenticator app shows now."""
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def sign_in_for_the_first_time(tab: Tab, link: str) -> None:
    """By the link that ``init`` printed: a password, and a second factor."""
    tab.go(link)
    tab.look("invitation")
    tab.fill(password=PASSWORD, again=PASSWORD)
    tab.press("Set the password and sign in")
    tab.look("second factor")
    tab.fill(code=code_of(tab.page.locator("code").inner_text()))
    tab.press("Set up an authenticator app")
    tab.look("recovery codes")
    tab.link("I have kept them: go on")
    tab.look("overview of nothing")


def take_the_first_steps(tab: Tab, redis: int, mail: int) -> None:
    """All that the overview asks for, each by its link, up to a round under way."""
    tab.link("Add an organisation")
    tab.look("add an organisation")
    tab.fill(name_en="Water Office", name_zh="水务局", slug="water", time_zone="Asia/Shanghai")
    tab.press("Add an organisation")
    tab.link("Add its targets")
    tab.fill(addresses=ADDRESS)
    tab.page.select_option("#id_zone", "internet")
    tab.look("add targets")
    tab.press("Add targets")
    tab.link("Add its authorisation")
    tab.fill(document="Order 1/2026", allowed_by="The director", scope=ADDRESS)
    tab.fill(valid_until=(datetime.now(UTC) + timedelta(days=300)).date().isoformat())
    tab.page.select_option("#id_level", "1")
    tab.look("add an authorisation")
    tab.press("Add an authorisation")
    tab.link("Add a contact")
    tab.fill(name="王芳", email=UNIT)
    tab.look("add a contact")
    tab.press("Save")
    tab.look("overview half way")
    tab.link("Choose the mail server")
    tab.fill(host="127.0.0.1", port=str(mail), sender="roundsman@office.example")
    tab.page.select_option("#id_security", "none")
    tab.press("Try and save")
    tab.look("mail server")
    tab.link("Overview")
    tab.link("Begin the first round")
    tab.fill(ports=str(redis))
    tab.look("new round")
    tab.press("Begin")
    tab.look("progress")


def walk_in_both_languages(tab: Tab, role: Role, link: str) -> None:
    """Somebody of a role comes in by a link, walks, takes the other language, and walks once more."""
    tab.go(link)
    tab.fill(password=PASSWORD, again=PASSWORD)
    tab.page.locator("main form button").first.click()
    if tab.page.locator("#id_code").count():
        tab.fill(code=code_of(tab.page.locator("code").inner_text()))
        tab.page.locator("main form button").first.click()
    for language in ("zh-Hans", "en"):
        tab.go("/")
        if tab.page.locator("html").get_attribute("lang") != language:
            tab.page.locator("form.language button").click()
        tab.look(f"{role}-{language}-first")
        for number, path in enumerate(WALKS[role]):
            tab.follow(path)
            assert tab.page.locator("html").get_attribute("lang") == language
            tab.look(f"{role}-{language}-{number}")
            if role is Role.AUDITOR:
                assert tab.page.locator("main form[method=post]").count() == 0, "who audits changes nothing"


def test_from_nothing_to_a_mailed_report_and_to_a_finding_that_is_proven_closed(
    installation: Installation, tmp_path: Path
) -> None:
    first = installation.roundsman("init", "--email", "li@office.example", "--name", "Li Wei")
    with socket.create_server((ADDRESS, 0)) as probe:
        redis = probe.getsockname()[1]
    options = ["--bind", ADDRESS, "--port", str(redis), "--save", "", "--protected-mode", "no"]
    pictures, post = tmp_path / "pictures", Office()
    pictures.mkdir()
    with ExitStack() as stack:
        mail = stack.enter_context(open_office(post))
        open_redis = stack.enter_context(ExitStack())
        open_redis.enter_context(
            process([program("redis-server"), *options], folder=tmp_path, wait_for=(ADDRESS, redis))
        )
        _, port = stack.enter_context(served(installation))
        running = stack.enter_context(browser())
        base = f"http://127.0.0.1:{port}"

        office = Tab(running.new_context(locale="en-GB", bypass_csp=True), base, pictures)
        sign_in_for_the_first_time(office, link_of(first))
        take_the_first_steps(office, redis, mail)
        office.until("What it saw")
        office.look("round")
        (report,) = mail_to(post, UNIT, attached=True).iter_attachments()
        assert "Redis" in report.get_content()
        office.go("/")
        office.look("overview")
        assert "First steps" not in office.page.content()
        office.link("Findings")
        office.look("findings")
        assert "Redis serves anyone without credentials" in office.page.content()

        office.go("/people/invite/")
        office.fill(name="王芳", email="fang@water.example", organisation="water")
        office.page.select_option("#id_role", "unit-manager")
        office.press("Invite somebody")
        office.look("people")
        for path in OTHERS:
            office.go(path)
            office.look(path.strip("/").replace("/", "-"))

        unit = Tab(
            running.new_context(locale="zh-CN", viewport={"width": 390, "height": 800}, bypass_csp=True), base, pictures
        )
        letter = mail_to(post, "fang@water.example").get_body(("plain",))
        assert letter is not None
        unit.go(link_of(letter.get_content()))
        unit.fill(password=PASSWORD, again=PASSWORD)
        unit.press("设置密码并登录")
        unit.look("unit")
        unit.link("其他格式")
        unit.look("report")
        with unit.page.expect_download() as saved:
            unit.link("HTML")
        assert "Redis" in Path(saved.value.path()).read_text(encoding="utf-8")
        with unit.page.expect_download() as saved:
            unit.link("PDF")  # made first, while a page says so and asks again by itself
        assert Path(saved.value.path()).read_bytes().startswith(b"%PDF-")
        unit.go("/")
        unit.link("Redis 缓存数据库存在未授权访问")
        unit.look("what to do first")
        unit.link("Redis 缓存数据库存在未授权访问")
        unit.look("finding")
        open_redis.close()
        unit.press("已完成整改")
        unit.look("claimed")
        unit.until("<dd>已销号")
        unit.look("closed")
        office.go("/findings/?state=fixed")
        assert "Redis serves anyone without credentials" in office.page.content()

        office.go("/add-organisation/")
        office.fill(name_en="Example City", name_zh="示例市", slug="city", time_zone="Asia/Shanghai")
        office.press("Add an organisation")
        office.go("/organisations/water/change/")
        office.fill(parent="city")
        office.page.locator("main form[method=post] button").first.click()

        wrong = office.wrong + unit.wrong
        for role in WALKS:
            within = {Role.OPERATOR: "", Role.AUDITOR: "", Role.SUPERVISOR: "city"}.get(role, "water")
            who = [f"{role}@office.example", "--name", "Someone", "--role", role, "--organisation", within]
            let_in = installation.roundsman("user", "invite", *who, "--link")
            other = Tab(running.new_context(locale="zh-CN", bypass_csp=True), base, pictures)
            walk_in_both_languages(other, role, link_of(let_in))
            wrong += other.wrong
        assert wrong == []
