"""Takes the pictures of the documentation: documents and mails, samples and those of the demo, photographed by headless
Chromium.

Run from the checkout, after ``make demo``: ``python -m tests.reports.pictures [DIRECTORY]``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import django
from playwright.sync_api import Browser, FloatRect

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scanner.settings")
django.setup()

from scanner.delivery.samples import render_sample  # noqa: E402 - Django comes first
from scanner.engine.catalogue.load import Language  # noqa: E402 - Django must be ready first
from tests.pages.shown import browser, tab  # noqa: E402 - Django must be ready first

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
DEMO = ROOT / "var" / "demo"
SCREENS = {"desk": (960, 800), "phone": (375, 1100), "mail": (640, 1000)}
"""Width, and the most height, in pixels."""

DOTS = 62
"""Dots an inch of pictures of paper: to be recognised, and just to be read."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of a sample (``scanner.delivery.samples``) on a device."""

    name: str
    language: Language
    device: str


SHOTS = (
    *(Shot("report", each, device) for each in Language for device in ("desk", "phone", "print")),
    *(Shot("notice", each, "print") for each in Language),
    *(Shot("bulletin", each, device) for each in Language for device in ("desk", "print")),
    *(Shot("mail:round-report", each, "mail") for each in Language),
    *(Shot("mail:urgent-alert", each, "phone") for each in Language),
)

DEMO_SHOTS = (
    ("report", "reports/{unit}-*.html", ("desk", "phone", "print")),
    ("notice", "mail/*-notice-{unit}-*/*.html", ("print",)),
    ("bulletin", "reports/{language}/*.html", ("desk", "phone", "print")),
    ("mail-round-report", "mail/*-round-report-{unit}-*.html", ("mail", "phone")),
    ("mail-urgent-alert", "mail/*-urgent-alert-{unit}-*.html", ("mail",)),
    ("mail-notice", "mail/*-notice-{unit}-*.html", ("mail",)),
)
"""Documents of the demo, the files they are in (the last one, in the order of their names), and the devices.

Nothing of its English unit is urgent."""

DEMO_UNITS = {Language.EN: "transport", Language.ZH_HANS: "water"}
"""The organisation of the demo that reads each language."""

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
    """Photograph the sample report, notice, bulletin and mails, and those that the demo left."""
    directory.mkdir(parents=True, exist_ok=True)
    with browser() as running:
        for shot in SHOTS:
            html = render_sample(shot.name, shot.language)["html"]
            yield _take(running, html, directory / f"{shot.name.replace(':', '-')}-{shot.language}", shot.device)
        for (name, pattern, devices), (language, unit) in product(DEMO_SHOTS, DEMO_UNITS.items()):
            for page in sorted(DEMO.glob(pattern.format(unit=unit, language=language)))[-1:]:
                html = page.read_text(encoding="utf-8")
                for device in devices:
                    yield _take(running, html, directory / f"demo-{name}-{language}", device)


def _take(running: Browser, html: str, stem: Path, device: str) -> Path:
    path = stem.with_name(f"{stem.name}-{device}.png")
    if device == "print":
        _print(running, html, path)
    else:
        _shoot(running, html, path, *SCREENS[device])
    return path


def _shoot(running: Browser, html: str, path: Path, width: int, height: int) -> None:
    with tab(running, width=width) as shown:
        shown.show(html)
        whole = shown.page.evaluate("document.documentElement.scrollHeight")
        clip = FloatRect(x=0, y=0, width=width, height=min(height, whole))
        shown.page.screenshot(path=path, clip=clip, full_page=True)


def _print(running: Browser, html: str, path: Path) -> None:
    """Photograph the first sheet of what a printer would get."""
    with tab(running) as shown, tempfile.TemporaryDirectory() as folder:
        shown.show(html)
        document = Path(folder) / "page.pdf"
        shown.page.pdf(path=document, prefer_css_page_size=True, print_background=True)
        line = ["pdftoppm", "-png", "-singlefile", "-r", str(DOTS), str(document), str(path.with_suffix(""))]
        subprocess.run(line, check=True, timeout=SECONDS)


if __name__ == "__main__":
    os.environ.setdefault("ROUNDSMAN_DATA_DIR", tempfile.mkdtemp(prefix="roundsman-pictures-"))
    for made in make(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PICTURES):
        print(made, made.stat().st_size)
