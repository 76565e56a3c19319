"""Reads ``words.toml``: the wordings that somebody puts in the place of the shipped ones, and what is wrong in it.

The file has a table ``en`` and a table ``zh-Hans``, and below them the keys of the shipped files of words, as far as
they are to change. Whatever is wrong is left out, so that the shipped wording stays. Files of the same form are read
the same way (:func:`read_texts`).
"""

from __future__ import annotations

import re
import string
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scanner.engine.catalogue.load import Language
from scanner.reports.stationery import WORDS, Problem, read_inside

Texts = Mapping[str, str]

READ_BACK = ("form.",)
"""What is looked for in the reply forms that come back stays as it is."""

LENGTH = 4000
"""Characters of one text."""


def read_words(folder: Path, shipped: Mapping[Language, Texts]) -> tuple[Mapping[Language, Texts], list[Problem]]:
    """Return the good texts of the folder's ``words.toml`` by language, and what is wrong with the others."""
    return read_texts(folder, WORDS, lambda language, key, text: _wrong(key, text, shipped[language]))


def read_texts(
    folder: Path, name: str, wrong: Callable[[Language, str, Any], str]
) -> tuple[Mapping[Language, Texts], list[Problem]]:
    """Return the good texts of a file by language and dotted key, and what is wrong with the others.

    ``wrong`` says what is wrong with the value of a key; nothing when it can be used.
    """
    path = folder / name
    texts: dict[Language, dict[str, str]] = {language: {} for language in Language}
    try:
        content = (read_inside(folder, name) or b"").decode("utf-8")
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        said = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        last = content.count("\n") + 1
        return texts, [Problem(path, int(said[1]) if said else last, f"is no TOML: {error}")]
    except (OSError, ValueError) as error:
        return texts, [Problem(path, None, f"can't be read: {error}")]
    lines = _lines(content)
    problems = []
    for title, table in tables.items():
        if title not in set(Language) or not isinstance(table, dict):
            known = " and ".join(f"[{each}]" for each in Language)
            problems.append(Problem(path, lines.get(title), f"{title!r} is no language; the tables are {known}"))
            continue
        language = Language(title)
        for key, text in flat(table):
            if why := wrong(language, key, text):
                problems.append(Problem(path, _nearest(f"{title}.{key}", lines), f"{key} ({title}): {why}"))
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
    plural = shipped.get(f"{key.removesuffix('.one')}.other", "")
    return wrong_text(text, shipped[key], plural)


def wrong_text(text: Any, shipped: str, plural: str = "") -> str:
    """Say what is wrong with what is to stand for a shipped text; nothing when it can be used.

    It has to fill in what the shipped one does, and may fill in what the ``plural`` does.
    """
    if not isinstance(text, str):
        return "must be a text in quotes"
    if not text.strip() and shipped.strip():
        return "must not be empty"
    if len(text) > LENGTH:
        return f"has more than {LENGTH} characters"
    if any(unicodedata.category(char).startswith("C") and char != "\n" for char in text):
        return "holds control characters"
    try:
        asked = placeholders(text)
    except ValueError as error:
        return f"its braces are wrong: {error}"
    needed = placeholders(shipped)
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
