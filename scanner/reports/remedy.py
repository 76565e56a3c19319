"""How to fix a finding with the product that was recognised there: our own texts and configuration snippets.

The folder ``remedies`` holds a TOML file per product::

    products = ["nginx", "openresty"]
    name = "nginx"

    [[remedy]]
    checks = ["TLS-V10", "TLS-V11"]
    file = "/etc/nginx/nginx.conf"
    snippet = "ssl_protocols TLSv1.2 TLSv1.3;"
    after = "nginx -t && systemctl reload nginx"
    tested = ["TLS-V10"]
    en = "…"
    zh-Hans = "…"

``products`` are ids of :mod:`scanner.engine.intel.products`, none for what has none. ``checks`` are ids. ``tested`` are
those of them for which a test starts the server weak, sees the finding, applies the snippet, and sees it no more
(``tests/lab/test_remedies.py``); for the others the snippet does what the product's own documentation says of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from scanner.engine.catalogue.load import Language
from scanner.reports.model import Finding


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about some checks with one product; ``after`` is the command that makes it work."""

    products: tuple[str, ...]
    name: str
    checks: tuple[str, ...]
    file: str
    snippet: str
    after: str
    tested: tuple[str, ...]
    texts: Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Hint:
    """A remedy in one language, ready to be shown."""

    product: str
    text: str
    file: str
    lines: tuple[str, ...]
    after: str


def hints_for(check: str, findings: Iterable[Finding], language: Language) -> tuple[tuple[Hint, ...], bool]:
    """Return what to do about a check where it was found, and whether the products there were recognised.

    Where none was, what is known for any product is returned. A check that only one product can have names it.
    """
    known = _known(check)
    here = {product for finding in findings for product in finding.products}
    fitting = [remedy for remedy in known if here.intersection(remedy.products)]
    hints = (
        Hint(each.name, each.texts[language], each.file, tuple(each.snippet.splitlines()), each.after)
        for each in fitting or known
    )
    return tuple(hints), bool(fitting) or len(known) == 1


@cache
def _known(check: str) -> tuple[Remedy, ...]:
    return tuple(remedy for remedy in remedies() if check in remedy.checks)


@cache
def remedies() -> tuple[Remedy, ...]:
    """Return every remedy, by the names of their products' files. Raises ``KeyError`` when a file lacks something."""
    folder = resources.files(__package__) / "remedies"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)
    found = []
    for file in files:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        found += [
            Remedy(
                products=tuple(table["products"]),
                name=table["name"],
                checks=tuple(entry["checks"]),
                file=entry.get("file", ""),
                snippet=entry["snippet"].strip("\n"),
                after=entry.get("after", ""),
                tested=tuple(entry["tested"]),
                texts={language: entry[str(language)] for language in Language},
            )
            for entry in table["remedy"]
        ]
    return tuple(found)
