"""Every document and mail in both languages, and a browser that shows them and notes whatever it would do besides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

from playwright.sync_api import Browser, Page, Route, sync_playwright

from scanner.delivery.samples import Sample, render_sample, sample_of, samples
from scanner.engine.catalogue.load import Language
from targets.models import Organisation
from tests.reports.sample import HOSTILE

CHROMIUM = "/usr/bin/chromium"
Scheme = Literal["light", "dark"]

_WRITTEN_OUTSIDE = """
host address target subject issuer product version protocol service reason proof owner name zh en reference granted_by
detail plan sent received requested_by
"""
FROM_OUTSIDE = frozenset(_WRITTEN_OUTSIDE.split())
"""Fields of the models that hold text which a scanned host, or somebody who registers things, has written."""

ATTACKS = (
    HOSTILE,
    "</title></style></script><script>alert(1)</script>",
    "</textarea><svg onload=alert(1)><style>@import '//evil.example/x.css'</style>",
    '" style="background:url(//evil.example/x)" onmouseover="alert(1)',
    "javascript:alert(1)//\u202e\u2066\x00\x1b]8;;http://evil.example\x07",
    "=cmd|'/c calc'!A1",
    "隐" * 3000 + "<iframe src=//evil.example>",
)

OURS = ("policy", "grade")
"""Params of findings that our own rules fill from a closed list."""


def every_page() -> Iterator[tuple[str, str]]:
    """Return each page and mail with a name that tells which it is."""
    for language in Language:
        for name in samples():
            yield f"{name} {language}", render_sample(name, language)["html"]


Model = TypeVar("Model")


def poisoned(model: Model, poison: str) -> Model:
    """Return the model with the poison wherever something from outside is."""
    made: Model = _poisoned(model, poison)
    return made


def hostile(language: Language, poison: str) -> Sample:
    """Return the sample with the poison wherever something from outside is."""
    sample = sample_of(language)
    owner = Organisation(slug="water", name_zh=poison, name_en=poison, time_zone=sample.organisation.time_zone)
    return replace(poisoned(sample, poison), organisation=owner)


def _poisoned(value: Any, poison: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_poisoned(each, poison) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed: dict[str, Any] = {}
    for each in fields(value):
        held = getattr(value, each.name)
        if each.name == "params":
            changed[each.name] = tuple((key, old if key in OURS else poison) for key, old in held)
        elif isinstance(held, str) and type(held) is str and each.name in FROM_OUTSIDE:
            changed[each.name] = poison
        else:
            changed[each.name] = _poisoned(held, poison)
    return replace(value, **changed)


@dataclass
class Shown:
    """A tab, what it asked for, and what was said or opened while it showed pages."""

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def show(self, html: str) -> None:
        """Show a page; nothing that it asks for leaves the browser."""
        self.page.set_content(html, wait_until="load")


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Debian's Chromium, headless."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@contextmanager
def tab(running: Browser, scheme: Scheme = "light", *, width: int = 1100, obeys: bool = True) -> Iterator[Shown]:
    """Open a tab. ``obeys``: it keeps to a page's content security policy, which forbids it nearly everything."""
    context = running.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=not obeys, service_workers="block"
    )
    page = context.new_page()
    shown = Shown(page)

    def refuse(route: Route) -> None:
        shown.asked.append(route.request.url)
        route.abort()

    page.route("**/*", refuse)
    page.on("console", lambda message: shown.said.append(message.text))
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    page.on("dialog", lambda dialog: shown.said.append(dialog.message))
    context.on("page", lambda _: shown.said.append("opened a window"))
    yield shown
    context.close()
