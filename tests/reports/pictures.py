"""Takes the pictures of the documentation: an ordinary report, rendered and photographed by headless Chromium.

Run from the checkout: ``python -m tests.reports.pictures [DIRECTORY]``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scanner.reports.render import render_html
from tests.reports.showcase import showcase

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SHOTS = (("en", "desk", 1100, 1240), ("zh-Hans", "desk", 1100, 1240), ("zh-Hans", "phone", 500, 1240))
"""Language, device and window in pixels; headless Chromium makes no window narrower than 500."""

SECONDS = 60
_CHROMIUM = shutil.which("chromium") or "chromium"


def photograph(page: Path, picture: Path, width: int, height: int, *options: str) -> str:
    """Photograph a local page; returns what Chromium logged. Raises ``CalledProcessError`` when it fails."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                _CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={picture}",
                *options,
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    return done.stderr


def make(directory: Path) -> Iterator[Path]:
    """Render the ordinary report and photograph it."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as pages:
        for language, device, width, height in SHOTS:
            page = Path(pages) / f"report-{language}.html"
            page.write_text(render_html(showcase(language)), encoding="utf-8")
            picture = directory / f"report-{language}-{device}.png"
            photograph(page, picture, width, height)
            yield picture


if __name__ == "__main__":
    for made in make(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PICTURES):
        print(made)
