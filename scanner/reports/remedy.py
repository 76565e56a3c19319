"""How to fix a finding with the product that was recognised there: our own texts and configuration snippets.

The folder ``remedies`` holds a TOML file per product::

    products = ["nginx", "openresty"]
    name = "nginx"

    [[remedy]]
    checks = ["TLS-V10", "TLS-V11"]
    file = "/etc/nginx/nginx.conf"
    snippet = "ssl_protocols TLSv1.2 TLSv1.3;"
    after = "nginx -t && systemctl reload nginx"
    tested = true
    en = "…"
    zh-Hans = "…"

``products`` are ids of :mod:`scanner.engine.intel.products`, none for what has none. ``checks`` are ids, or patterns
with a star. ``tested`` tells that a test starts the server weak, sees the findings, applies the snippet, and sees them
no more; the others do no more than what the product's own documentation says of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
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
    tested: bool
    texts: Mapping[Language, str]

    def mends(self, check: str) -> bool:
        """Tell whether it is about ``check``."""
        return any(fnmatchcase(check, pattern) for pattern in self.checks)


@dataclass(frozen=True, slots=True)
class Hint:
    """A remedy in one language, ready to be shown."""

    product: str
    text: str
    file: str
    snippet: str
    after: str


def hints_for(check: str, findings: Iterable[Finding], language: Language) -> tuple[tuple[Hint, ...], bool]:
    """Return what to do about a check where it was found, and whether the products there were recognised.

    Where none was, what is known for any product is returned.
    """
    known = _known(check)
    here = {product for finding in findings for product in finding.products}
    fitting = [remedy for remedy in known if here.intersection(remedy.products)]
    hints = (Hint(each.name, each.texts[language], each.file, each.snippet, each.after) for each in fitting or known)
    return tuple(hints), bool(fitting)


@cache
def _known(check: str) -> tuple[Remedy, ...]:
    return tuple(remedy for remedy in remedies() if remedy.mends(check))


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
                tested=entry["tested"],
                texts={language: entry[str(language)] for language in Language},
            )
            for entry in table["remedy"]
        ]
    return tuple(found)
