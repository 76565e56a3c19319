"""What all comparisons share: runs that are kept, reasons for differences, and the page that shows the tables."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.lab import namespace
from tests.lab.case import LabCase, case_folder
from tests.lab.registry import all_cases

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "comparisons.md"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison. ``name`` is its command, its folder in ``var/`` and its marks in the page; ``at_once`` cases are
    compared at the same time."""

    name: str
    at_once: int

    @property
    def folder(self) -> Path:
        return ROOT / "var" / self.name

    def run(self, cases: Iterable[str], compare: Callable[[str], dict[str, Any]], console: Console) -> None:
        """Compare what no earlier run has kept; with ``--fresh`` among the arguments, everything."""
        if "--fresh" in sys.argv:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = list(cases)
        missing = [name for name in wanted if not self._file(name).is_file()]
        console.print(f"{len(wanted)} cases, {len(missing)} of them still to be compared.")
        with ProcessPoolExecutor(self.at_once, initializer=namespace.enter) as pool:
            running = {pool.submit(compare, name): name for name in missing}
            for number, done in enumerate(as_completed(running), start=1):
                self._file(running[done]).write_text(json.dumps(done.result()), encoding="utf-8")
                console.print(f"[{number}/{len(missing)}] {running[done]}", markup=False)

    def load(self, name: str) -> dict[str, Any]:
        """Return what was kept of a case."""
        kept: dict[str, Any] = json.loads(self._file(name).read_text(encoding="utf-8"))
        return kept

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def write(self, tables: str) -> None:
        """Put the tables between the comparison's marks in docs/comparisons.md."""
        begin, end = f"<!-- {self.name} -->", f"<!-- end of {self.name} -->"
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
        after = rest.partition(end)[2]
        PAGE.write_text(f"{before}{begin}\n\n{tables}\n\n{end}{after}", encoding="utf-8")


@contextmanager
def started(name: str) -> Iterator[tuple[LabCase, Path]]:
    """Run the server of the case with this name for the length of the block; the folder is the case's own."""
    case = next(case for case in all_cases() if case.name == name)
    folder = case_folder(f"compare-{name}")
    try:
        with case.start(case.address, folder):
            yield case, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def table_of(name: str) -> dict[str, Any]:
    """Return a table of peers' words that lies beside this file."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


@cache
def _explained() -> dict[tuple[str, str, str], str]:
    return {
        (row["case"], row["weakness"], row["peer"]): row["why"]
        for rows in table_of("explained.toml").values()
        for row in rows
    }


def why(case: str, weakness: str, peer: str) -> str | None:
    """Return why a peer's report is no weakness, by ``explained.toml``: for this case, or for every one."""
    return _explained().get((case, weakness, peer)) or _explained().get(("*", weakness, peer))


def unexplained(case: str, weakness: str, peer: str) -> str:
    """Return the complaint about a difference that nobody has explained."""
    return f"{case}: {peer} reports '{weakness}', we don't, and tests/compare/explained.toml doesn't say why."


def row_of(*cells: object) -> str:
    """Return one line of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def counts(said: Iterable[tuple[bool, bool | None]]) -> list[int]:
    """Count (ours, theirs): both, ours alone, theirs alone, and ours where they did not get to look."""
    pairs = list(said)
    return [pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (True, None))]
