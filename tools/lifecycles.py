#!/usr/bin/env python3
"""Writes scanner/engine/intel/lifecycles.toml from a checkout of endoflife.date's data.

Run it as ``.venv/bin/python -m tools.lifecycles CHECKOUT`` (a git clone of the project endoflife.date, MIT licence).
Taken are the products that products.toml and distributions.toml name; only facts (names, dates, versions) are kept.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

INTEL = Path(__file__).resolve().parent.parent / "scanner" / "engine" / "intel"

HEAD = """\
# When each release of a product stops getting fixes. Written by tools/lifecycles.py; do not edit by hand.
# Source: the data of endoflife.date (MIT licence) as of the day below.
#
# [PRODUCT."RELEASE"]
# released   day of the first release
# ends       last day of free support; "ended" when only that is known, absent while nothing is announced
# extended   last day of the longest support beyond that, free or bought
# latest     newest version of this release, and the day it came out
"""

_VARIANT = re.compile(r"-(?:sp\d+|esu|lts|elts|acp|gdr).*", re.IGNORECASE)
"""Service packs and support contracts of one release, which a version number does not tell apart."""


def main(checkout: Path) -> None:
    """Write the file; says what it did."""
    as_of = _git(checkout, "log", "-1", "--format=%cs").strip()
    lines = [HEAD, f"as_of = {as_of}"]
    wanted = sorted(_wanted())
    for product in wanted:
        lines += _table(product, _cycles(checkout, product))
    (INTEL / "lifecycles.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(wanted)} products as of {as_of}.")


def _wanted() -> set[str]:
    names = set()
    for source in ("products.toml", "distributions.toml"):
        tables = tomllib.loads((INTEL / source).read_text(encoding="utf-8"))
        names |= {table["lifecycle"] for table in tables.values() if "lifecycle" in table}
    return names


def _cycles(checkout: Path, product: str) -> list[dict[str, Any]]:
    text = _git(checkout, "show", f"HEAD:products/{product}.md")
    front = yaml.safe_load(text.split("\n---", 1)[0].removeprefix("---"))
    releases: list[dict[str, Any]] = front["releases"]
    return releases


def _table(product: str, cycles: list[dict[str, Any]]) -> Iterator[str]:
    merged: dict[str, dict[str, Any]] = {}
    for cycle in cycles:
        name = _VARIANT.sub("", str(cycle["releaseCycle"]))
        known = merged.get(name)
        if known is None or _longer(cycle, known):
            merged[name] = cycle
    for name, cycle in merged.items():
        yield f'\n[{product}."{name}"]'
        if isinstance(cycle.get("releaseDate"), dt.date):
            yield f"released = {cycle['releaseDate']}"
        ends, extended = cycle.get("eol"), cycle.get("eoes")
        if isinstance(ends, dt.date):
            yield f"ends = {ends}"
        elif ends is True:
            yield 'ends = "ended"'
        if isinstance(extended, dt.date):
            yield f"extended = {extended}"
        if isinstance(cycle.get("latestReleaseDate"), dt.date) and re.fullmatch(r"\d[\w.+-]*", str(cycle["latest"])):
            yield f'latest = "{cycle["latest"]}"'
            yield f"latest_released = {cycle['latestReleaseDate']}"


def _longer(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether ``one`` is supported longer: a version that may be either is judged by the kinder date."""

    def end(cycle: dict[str, Any]) -> dt.date:
        dates = [cycle.get("eol"), cycle.get("eoes")]
        if cycle.get("eol") is False:
            return dt.date.max
        return max((date for date in dates if isinstance(date, dt.date)), default=dt.date.min)

    return end(one) > end(other)


def _git(checkout: Path, *arguments: str) -> str:
    command = [shutil.which("git") or "git", "-C", str(checkout), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
