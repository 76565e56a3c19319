"""A real browser shows the pages without a complaint. Skipped where there is no Chromium."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.catalogue.load import Language
from scanner.reports.render import render_html
from scanner.reports.words import words
from tests.reports import sample, showcase
from tests.reports.pictures import photograph

pytestmark = [
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_chromium_shows_the_report_and_its_console_stays_empty(language: str, tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(render_html(sample.busy(language)), encoding="utf-8")

    log = photograph(page, picture, 1100, 1500)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000
    assert "CONSOLE" not in log


def test_chromium_would_report_a_page_that_fetches_something(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    html = render_html(sample.clean())
    page.write_text(html.replace("<main>", '<main><img src="https://example.invalid/x.png">'), encoding="utf-8")

    assert "CONSOLE" in photograph(page, tmp_path / "report.png", 800, 600)


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_the_report_card_fits_on_one_sheet_of_a4(language: str, tmp_path: Path) -> None:
    """Five things to do, more reasons than are shown, and addresses that never answered: as full as it gets."""
    made = showcase.showcase(language)
    gaps = sample.busy(language).coverage.gaps
    coverage = replace(made.coverage, gaps=gaps, inspected=4, partial=1, unused=240)
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(render_html(replace(made, coverage=coverage)), encoding="utf-8")

    photograph(page, tmp_path / "unused.png", 1100, 800, f"--print-to-pdf={paper}", "--no-pdf-header-footer")

    first, second = (
        "".join(
            subprocess.run(
                ["pdftotext", "-f", str(number), "-l", str(number), paper, "-"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
        )
        for number in (1, 2)
    )
    t = words(Language(language))
    for key in ("section.card", "first.title", "risky.title", "card.coverage", "card.next"):
        assert t(key).replace(" ", "") in first, key
    assert second.startswith(t("section.changes").replace(" ", ""))
