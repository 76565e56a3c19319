"""The words of every page, report and terminal line, from one TOML file per language.

A key is a dotted path (``severity.high``). A value is a text with ``{placeholders}``, or a table with ``one`` and
``other`` where the language tells singular from plural; ``n`` decides. Both files hold the same keys. An installation
or an organisation may word some of them otherwise (:mod:`scanner.reports.words_file`).
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from scanner.engine.catalogue.load import Language
from scanner.reports.stationery import Stationery, current
from scanner.reports.words_file import flat, read_words

MISSING = "—"
"""Shown where a text asks for something that was not observed."""

_FILES = {Language.ZH_HANS: "zh_Hans.toml", Language.EN: "en.toml"}


class PlainFormatter(string.Formatter):
    """Fills ``{name}`` with text and nothing else: no attributes, no indexes, no format specifications.

    The template is ours, the values are hostile: they are never read as templates themselves.
    """

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), MISSING)

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return self.get_value(field_name, args, kwargs), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(value)

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return value


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of one of our own texts; what is missing becomes a dash."""
    return PlainFormatter().vformat(template, (), values)


class Words:
    """Every text of one language."""

    def __init__(self, language: Language, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = dict(texts)

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of ``key``. Raises ``KeyError`` for a key that the locale does not hold."""
        template = self._texts.get(key)
        if template is None:
            template = self._texts[f"{key}.one" if values.get("n") == 1 else f"{key}.other"]
        return fill(template, {name: str(value) for name, value in values.items()})

    def has(self, key: str) -> bool:
        """Tell whether ``key`` is a text of this language."""
        return key in self._texts

    def items(self) -> list[tuple[str, str]]:
        """Return every key and its template, sorted."""
        return sorted(self._texts.items())

    def listed(self, parts: Sequence[str]) -> str:
        """Join parts as this language lists things."""
        return self._texts["list.separator"].join(parts)


def words(language: Language) -> Words:
    """Return the words of ``language`` on the present stationery."""
    stationery = current()
    return _worded(language, stationery) if stationery.words else shipped(language)


@cache
def shipped(language: Language) -> Words:
    """Return the shipped words of ``language``."""
    source = resources.files("report_templates") / "locale" / _FILES[language]
    texts = flat(tomllib.loads(source.read_text(encoding="utf-8")))
    return Words(language, {key: str(text) for key, text in texts})


@lru_cache(maxsize=256)
def _worded(language: Language, stationery: Stationery) -> Words:
    """Lay the wordings over each other, the nearest on top. The stamps in ``stationery`` keep this up to date."""
    texts = dict(shipped(language).items())
    everything = {each: dict(shipped(each).items()) for each in Language}
    for path, _, _ in reversed(stationery.words):
        own, _ = read_words(Path(path).parent, everything)
        texts |= own[language]
    return Words(language, texts)
