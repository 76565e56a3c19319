"""The style sheet keeps its promises: readable colours in light, dark and print, and nothing from elsewhere."""

from __future__ import annotations

import re
from importlib import resources

import pytest

CSS = (resources.files("report_templates") / "css" / "report.css").read_text(encoding="utf-8")
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", block))
    for block in re.findall(r"color-scheme: light[^}]*|prefers-color-scheme: dark\) {[^}]*", CSS)
)
TEXT_COLOURS = ("ink", "soft", "accent", "critical", "high", "medium", "low", "info")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_text_has_the_contrast_of_wcag_aa_in_every_theme(theme: dict[str, str]) -> None:
    for name in TEXT_COLOURS:
        for ground in ("paper", "sheet", "code"):
            assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)
    for name in ("critical", "high"):
        assert contrast(theme["on-solid"], theme[name]) >= 4.5, name


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert round(contrast("#000", "#ffffff"), 6) == 21


def test_the_style_sheet_fetches_nothing_and_cannot_end_its_element() -> None:
    assert not re.search(r"url\(|@import|<", CSS)
