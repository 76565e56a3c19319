"""Reads ``checks.toml``: what an installation or an organisation says of checks in the place of the catalogue.

The file has a table for each language and check that is to be worded otherwise, with the texts that change::

    [zh-Hans.TLS-V10]
    title = "…"
    fix = "…"

Whatever is wrong is left out, so that the catalogue's text stays. Commands to verify a finding can't be changed here:
they go into a shell, and how they are quoted depends on them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from scanner.engine.catalogue.load import Language, Text
from scanner.engine.plugins.load import all_checks, current_name
from scanner.reports.stationery import CHECKS, Problem, Stamp, current
from scanner.reports.words_file import Texts, read_texts, wrong_text

FIELDS = tuple(each.name for each in fields(Text))


def own_texts(language: Language) -> Mapping[str, Text]:
    """Return the texts of the checks that the present stationery words otherwise, by their ids."""
    stamps = current().checks
    return _own_texts(language, stamps) if stamps else {}


def read_checks(folder: Path) -> tuple[Mapping[Language, Texts], list[Problem]]:
    """Return the good texts of the folder's ``checks.toml`` by language and key (``TLS-V10.title``), and what is wrong
    with the others."""
    return read_texts(folder, CHECKS, _wrong)


def _wrong(language: Language, key: str, text: Any) -> str:
    check, _, field = key.partition(".")
    entry = all_checks().get(check)
    if entry is None:
        present = current_name(check)
        return f"this check is called {present} now" if present != check else f"there is no check {check}"
    if field not in FIELDS:
        return f"a check has no such text; it has {', '.join(FIELDS)}"
    return wrong_text(text, getattr(entry.texts[language], field))


@lru_cache(maxsize=256)
def _own_texts(language: Language, stamps: tuple[Stamp, ...]) -> Mapping[str, Text]:
    """Lay the files over each other, the nearest on top. The stamps keep this up to date."""
    changed: dict[str, dict[str, str]] = defaultdict(dict)
    for path, _, _ in reversed(stamps):
        texts, _ = read_checks(Path(path).parent)
        for key, text in texts[language].items():
            check, _, field = key.partition(".")
            changed[check][field] = text
    return {check: replace(all_checks()[check].texts[language], **own) for check, own in changed.items()}
