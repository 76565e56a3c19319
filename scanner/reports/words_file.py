"""Reads ``words.toml``: the wordings that somebody puts in the place of the shipped ones, and what is wrong in it.

The file has a table ``en`` and a table ``zh-Hans``, and below them the keys of the shipped files of words, as far as
they are to change. Whatever is wrong is left out, so that the shipped wording stays.
"""

from __future__ import annotations

import re
import string
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scanner.engine.catalogue.load import Language
from scanner.reports.stationery import WORDS, Problem, read_inside

Texts = Mapping[str, str]

READ_BACK = ("form.",)
"""What is looked for in the reply forms that come back stays as it is."""

MAY_BE_EMPTY = frozenset({"office.name", "office.contact", "office.letterhead", "office.signature"})
"""Texts that are not shipped: the settings, or nothing, stand in for them."""

LENGTH = 4000
"""Characters of one text."""


def read_words(folder: Path, shipped: Mapping[Language, Texts]) -> tuple[Mapping[Language, Texts], list[Problem]]:
    """Return the good texts of the folder's ``words.toml`` by language, and what is wrong with the others."""
    path = folder / WORDS
    texts: dict[Language, dict[str, str]] = {language: {} for language in Language}
    try:
        content = (read_inside(folder, WORDS) or b"").decode("utf-8")
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        said = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        last = content.count("\n") + 1
        return texts, [Problem(path, int(said[1]) if said else last, f"is no TOML: {error}")]
    except (OSError, ValueError) as error:
        return texts, [Problem(path, None, f"can't be read: {error}")]
    lines = _lines(content)
    problems = []
    for name, table in tables.items():
        if name not in set(Language) or not isinstance(table, dict):
            known = " and ".join(f"[{each}]" for each in Language)
            problems.append(Problem(path, lines.get(name), f"{name!r} is no language; the tables are {known}"))
            continue
        language = Language(name)
        for key, text in flat(table):
            wrong = _wrong(key, text, shipped[language])
            if wrong:
                problems.append(Problem(path, _nearest(f"{name}.{key}", lines), f"{key} ({name}): {wrong}"))
            else:
                texts[language][key] = text
    return texts, problems


def flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return every value with its dotted key."""
    texts: list[tuple[str, Any]] = []
    for key, value in table.items():
        texts.extend(flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)])
    return texts


def placeholders(text: str) -> set[str]:
    """Return the names in braces. Raises ``ValueError`` for braces that don't match, or hold more than a name."""
    found = set()
    for _, name, specification, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        if specification or conversion or not re.fullmatch("[a-z_]+", name):
            raise ValueError(f"{{{name}}} may hold nothing but a name")
        found.add(name)
    return found


def _wrong(key: str, text: Any, shipped: Texts) -> str:
    """Say what is wrong with a text; nothing when it can be used."""
    if key.startswith(READ_BACK):
        return "stays as it is, since it is looked for in the reply forms that come back"
    if key not in shipped:
        return "there is no such text; 'roundsman templates init' writes a file with those there are"
    if not isinstance(text, str):
        return "must be a text in quotes"
    if not text.strip() and key not in MAY_BE_EMPTY:
        return "must not be empty"
    if len(text) > LENGTH:
        return f"has more than {LENGTH} characters"
    if any(unicodedata.category(char).startswith("C") and char != "\n" for char in text):
        return "holds control characters"
    return _wrong_placeholders(key, text, shipped)


def _wrong_placeholders(key: str, text: str, shipped: Texts) -> str:
    try:
        asked = placeholders(text)
    except ValueError as error:
        return f"its braces are wrong: {error}"
    needed = placeholders(shipped[key])
    plural = shipped.get(f"{key.removesuffix('.one')}.other", "")
    unknown = sorted(asked - needed - placeholders(plural))
    missing = sorted(needed - asked)
    if unknown:
        return f"nothing is known to fill in for {_braced(unknown)}"
    return f"lacks {_braced(missing)}" if missing else ""


def _braced(names: list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _lines(content: str) -> dict[str, int]:
    """Return in which line each key stands, as far as plain tables and keys tell."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(content.splitlines(), 1):
        header = re.match(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$", line)
        entry = re.match(r"""\s*([A-Za-z0-9_."'-]+)\s*=""", line)
        if header:
            table = _plain(header[1])
            lines.setdefault(table, number)
        elif entry:
            lines.setdefault(".".join(filter(None, (table, _plain(entry[1])))), number)
    return lines


def _plain(key: str) -> str:
    return re.sub(r"""["'\s]""", "", key)


def _nearest(key: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of a key, or of the table that holds it."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key)
