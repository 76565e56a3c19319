"""The words of every page, report and terminal line, from one TOML file per language.

A key is a dotted path (``severity.high``). A value is a text with ``{placeholders}``, or a table with ``other`` and,
where the language says one or none in words of their own, ``one`` and ``zero``; ``n`` decides. Both files hold the same
keys. An installation or an organisation may word some of them otherwise (:mod:`scanner.reports.words_file`).
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path

from scanner.engine.catalogue.load import Language
from scanner.reports.stationery import Stationery, current
from scanner.reports.words_file import flat, read_words

MISSING = "—"
"""Shown where a text asks for something that was not observed."""

_FORMS: Mapping[object, str] = {0: "zero", 1: "one"}
_OTHER = "other"

_FILES = {Language.ZH_HANS: "zh_Hans.toml", Language.EN: "en.toml"}


def fill(template: str, values: Mapping[str, object]) -> str:
    """Fill the placeholders of one of our own texts with text and nothing else; what is missing becomes a dash.

    No attributes, no indexes, no format specifications: the template is ours, the values are hostile, and they are
    never read as templates themselves.
    """
    return "".join(
        [literal if name is None else f"{literal}{values.get(name, MISSING)}" for literal, name in pieces(template)]
    )


@lru_cache(maxsize=8192)
def pieces(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return each literal of a template with the name of the placeholder behind it, as ``str.format`` reads them."""
    return tuple((literal, name) for literal, name, _, _ in string.Formatter().parse(template))


def sentences(parts: Iterable[str], language: Language) -> str:
    """Join whole sentences, each once, as the language does."""
    return ("" if language is Language.ZH_HANS else " ").join(dict.fromkeys(parts))


def percents(share: float) -> int:
    """Return a share as whole percents; not quite all is never 100, and not quite nothing never 0."""
    if share in (0, 1):
        return int(100 * share)
    return min(99, max(1, round(100 * share)))


class Words:
    """Every text of one language."""

    def __init__(self, language: Language, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = dict(texts)
        self._unfilled: dict[str, str] = {}

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of ``key``. Raises ``KeyError`` for a key that the locale does not hold."""
        if not values and key in self._unfilled:
            return self._unfilled[key]
        template = self._texts.get(key)
        if template is None:
            form = _FORMS.get(values.get("n"), _OTHER)
            template = self._texts.get(f"{key}.{form}") or self._texts[f"{key}.{_OTHER}"]
        text = fill(template, values)
        if not values:
            self._unfilled[key] = text
        return text

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
