"""A real browser shows every page and mail to everyone, and does nothing else.

WCAG 2.2, levels A and AA, as far as axe-core can tell.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser

from scanner.delivery.samples import render, render_sample, samples
from scanner.engine.catalogue.load import Language
from scanner.reports.words import words
from tests.lab.case import program
from tests.pages.shown import ATTACKS, Scheme, browser, every_page, hostile, tab

pytestmark = [pytest.mark.slow, pytest.mark.lab]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
VIOLATIONS = """async levels => {
  const found = await axe.run(document, {runOnly: {type: "tag", values: levels}, resultTypes: ["violations"]});
  return found.violations.flatMap(each => each.nodes.map(node => each.id + ": " + node.html));
}"""

LABELS_THAT_RUN_ON = """() => [...document.querySelectorAll("[data-label]")].filter(cell =>
  cell.clientHeight && parseFloat(getComputedStyle(cell, "::before").height) > cell.getBoundingClientRect().height + 0.5
).map(cell => cell.dataset.label)"""


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_or_mail_keeps_anybody_out(running: Browser, scheme: Scheme) -> None:
    found = []
    with tab(running, scheme, obeys=False) as shown:
        for name, html in every_page():
            shown.show(html)
            shown.page.evaluate(AXE)
            found += [f"{name}: {each}" for each in shown.page.evaluate(VIOLATIONS, LEVELS)]
    assert found == []


def test_the_checker_would_see_text_that_is_hard_to_read_and_a_picture_without_a_text(running: Browser) -> None:
    with tab(running, obeys=False) as shown:
        shown.show('<!doctype html><html lang="en"><title>x</title><p style="color:#ccc">pale</p><img src="data:,">')
        shown.page.evaluate(AXE)
        kinds = {each.split(":")[0] for each in shown.page.evaluate(VIOLATIONS, LEVELS)}
    assert {"color-contrast", "image-alt"} <= kinds


@pytest.mark.parametrize("width", [360, 1100])
def test_no_page_or_mail_is_wider_than_the_screen_or_fetches_or_says_anything(running: Browser, width: int) -> None:
    wide = []
    with tab(running, width=width) as shown:
        for name, html in every_page():
            shown.show(html)
            if shown.page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(name)
    assert (wide, shown.asked, shown.said) == ([], [], [])


@pytest.mark.parametrize("width", [360, 680])
def test_where_each_cell_is_a_line_its_label_stays_beside_it(running: Browser, width: int) -> None:
    found = []
    with tab(running, width=width) as shown:
        for name, html in every_page():
            shown.show(html)
            found += [f"{name}: {each}" for each in shown.page.evaluate(LABELS_THAT_RUN_ON)]
    assert found == []


@pytest.mark.parametrize("language", Language)
def test_the_report_card_of_the_sample_is_one_sheet_of_paper(
    running: Browser, language: Language, tmp_path: Path
) -> None:
    paper = tmp_path / "report.pdf"
    with tab(running) as shown:
        shown.show(render_sample("report", language)["html"])
        shown.page.pdf(path=paper, prefer_css_page_size=True)
    command = [program("pdftotext"), "-l", "1", str(paper), "-"]
    first = subprocess.run(command, check=True, capture_output=True, text=True).stdout.replace(" ", "")
    for key in ("section.card", "first.title", "risky.title", "card.coverage", "card.next"):
        assert words(language)(key).replace(" ", "") in first, key


def test_nothing_runs_and_nothing_is_fetched_whatever_hosts_and_registrars_write(running: Browser) -> None:
    found = []
    with tab(running, obeys=False) as shown:
        for name in samples():
            for attack, language in zip(ATTACKS, cycle(Language), strict=False):
                shown.show(render(name, hostile(language, attack))["html"])
                if shown.page.locator("script, iframe, object, embed, img, link, form, base, [onload]").count():
                    found.append((name, attack))
    assert (found, shown.asked, shown.said) == ([], [], [])


def test_the_browser_would_have_told_of_it(running: Browser) -> None:
    with tab(running, obeys=False) as shown:
        shown.show("<script>console.log('ran')</script><img src='http://evil.example/x'>")
    assert shown.asked == ["http://evil.example/x"]
    assert "ran" in shown.said
