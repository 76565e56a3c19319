"""The words of the console: those of reports, and its own beside them, whose keys begin with ``console.``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from scanner.engine.catalogue.load import Language
from scanner.reports.words import Words, shipped
from scanner.reports.words_file import flat

_FILES = {Language.ZH_HANS: "zh_Hans.toml", Language.EN: "en.toml"}

CODES = {Language.ZH_HANS: "zh-hans", Language.EN: "en"}
"""The languages as Django names them."""


@cache
def texts(language: Language) -> Words:
    """Return all words of ``language``."""
    own = {f"console.{key}": text for key, text in own_texts(language).items()}
    return Words(language, {**dict(shipped(language).items()), **own})


def own_texts(language: Language) -> dict[str, str]:
    """Return the console's own texts by their keys, as the file has them."""
    source = resources.files("scanner.console") / "locale" / _FILES[language]
    return {key: str(text) for key, text in flat(tomllib.loads(source.read_text(encoding="utf-8")))}


def language_of(code: str) -> Language:
    """Return the language of a Django code; what we don't have is English."""
    return next((each for each, known in CODES.items() if known == code), Language.EN)
