"""How to fix a finding with the product that was recognised there: our own texts and configuration snippets.

The folder ``remedies`` holds a TOML file per product::

    products = ["nginx", "openresty"]
    name = "nginx"
    lab = "nginx 1.22"

    [[remedy]]
    checks = ["TLS-V10", "TLS-V11"]
    file = "/etc/nginx/nginx.conf"
    snippet = "ssl_protocols TLSv1.2 TLSv1.3;"
    after = "nginx -t && systemctl reload nginx"
    tested = ["TLS-V10"]
    en = "…"
    zh-Hans = "…"

``products`` are ids of :mod:`scanner.engine.intel.products`, none for what has none. Paths and names of services are
those of Debian; ``elsewhere`` gives those of RHEL and its like where they differ. ``checks`` are ids. ``also`` lists
further files with a snippet each. What is code in a text stands between backticks.

``tested`` are those checks for which a test starts the server weak, sees the finding, applies the snippets, and sees it
no more (``tests/lab/test_remedies.py``); ``lab`` is what it starts. Where no check is tested, ``by_hand`` is the
release on which somebody did the same by hand, or ``untried`` says why nobody did; the snippet then does what the
product's own documentation says of it. Readers are told which it is (:class:`Tried`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from scanner.engine.catalogue.load import Language
from scanner.reports.model import Finding


class Tried(StrEnum):
    """What our lab can say of a remedy for a check."""

    SEEN = "seen"
    """The finding was there before and gone with it."""
    RUN = "run"
    """The product works with it and other findings were gone; this one can't be staged with today's builds."""
    HAND = "hand"
    """As ``SEEN``, by hand: no test repeats it."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Step:
    """What goes into one file."""

    file: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about some checks with one product; ``after`` is the command that makes it work.

    ``release`` is what it was tried with, in the lab or ``by_hand``; empty when it was not, which ``untried`` explains.
    """

    products: tuple[str, ...]
    name: str
    checks: tuple[str, ...]
    steps: tuple[Step, ...]
    after: str
    tested: tuple[str, ...]
    release: str
    by_hand: bool
    untried: str
    elsewhere: str
    texts: Mapping[Language, str]

    def tried(self, check: str) -> Tried:
        """Return what the lab can say of this remedy for one of its checks."""
        if self.untried:
            return Tried.NO
        if self.by_hand:
            return Tried.HAND
        return Tried.SEEN if check in self.tested else Tried.RUN


@dataclass(frozen=True, slots=True)
class Hint:
    """A remedy in one language for one check, ready to be shown; of its ``text`` every second part is code."""

    product: str
    text: tuple[str, ...]
    steps: tuple[Step, ...]
    after: str
    elsewhere: str
    tried: Tried
    release: str


def hints_for(check: str, findings: Iterable[Finding], language: Language) -> tuple[tuple[Hint, ...], bool]:
    """Return what to do about a check where it was found, and whether the products there were recognised.

    Where none was, what is known for any product is returned. A check that only one product can have names it.
    """
    known = _known(check)
    here = {product for finding in findings for product in finding.products}
    fitting = tuple(at for at, remedy in enumerate(known) if here.intersection(remedy.products))
    hints = tuple(_hint(check, at, language) for at in fitting or range(len(known)))
    return hints, bool(fitting) or len(known) == 1


@cache
def _hint(check: str, at: int, language: Language) -> Hint:
    """Return the remedy that is ``at`` this place among those of a check."""
    remedy = _known(check)[at]
    return Hint(
        product=remedy.name,
        text=tuple(remedy.texts[language].split("`")),
        steps=remedy.steps,
        after=remedy.after,
        elsewhere=remedy.elsewhere,
        tried=remedy.tried(check),
        release=remedy.release,
    )


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
                steps=tuple(_step(part) for part in (entry, *entry.get("also", ()))),
                after=entry.get("after", ""),
                tested=tuple(entry["tested"]),
                release=table.get("lab", entry.get("by_hand", "")),
                by_hand="by_hand" in entry,
                untried=entry.get("untried", ""),
                elsewhere=table.get("elsewhere", ""),
                texts={language: entry[str(language)] for language in Language},
            )
            for entry in table["remedy"]
        ]
    return tuple(found)


def _step(entry: Mapping[str, str]) -> Step:
    return Step(entry.get("file", ""), tuple(entry["snippet"].strip("\n").splitlines()))
