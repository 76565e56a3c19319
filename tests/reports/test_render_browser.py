"""A real browser shows the pages without a complaint. Skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scanner.reports.render import render_html
from tests.reports import sample
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
