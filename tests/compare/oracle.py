"""``make oracle-tls``: our hello sweep held against sslyze, over random servers.

Every difference has one of the explanations of ``oracle_explained.py``, or the run ends with status 1. It moves into a
network namespace of its own first, so that the servers are reachable by nobody else.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.compare.oracle_configs import Configuration, Kind, configurations
from tests.compare.oracle_explained import EXPLANATIONS, Explanation, explain
from tests.compare.oracle_look import Looked, look_at
from tests.compare.oracle_servers import prepare
from tests.compare.oracle_views import Point, Topic, points
from tests.lab.namespace import run_inside

PAGE = Path(__file__).resolve().parents[2] / "docs" / "comparisons.md"
BEGIN, END = "<!-- oracle-tls -->", "<!-- end of oracle-tls -->"
BATCH = 20
"""Servers that run at the same time, in each of the two processes."""
COUNT, SEED = 300, 1


@dataclass(frozen=True, slots=True)
class Judged:
    """One compared point with the reason for a difference; None where both agree, or where there is no reason."""

    point: Point
    reason: Explanation | None


def main() -> int:
    """Compare ``--count`` servers of ``--seed``; with the usual numbers, write the tables into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help=f"the same servers for the same seed ({SEED})")
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many servers ({COUNT})")
    options = parser.parse_args()
    status = run_inside("tests.compare.oracle")
    if status is not None:
        return status
    console = Console()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="roundsman-oracle-") as folder:
        looked = compare(configurations(options.seed, options.count), Path(folder), console)
    judged = judge(looked)
    unexplained = [each.point for each in judged if not each.point.agreed and each.reason is None]
    for point in unexplained:
        console.print(f"Not explained: {point}", style="red", markup=False)
    tables = render(judged)
    console.print(tables, markup=False)
    console.print(f"{len(looked)} servers in {time.monotonic() - started:.0f} s, {len(unexplained)} not explained.")
    if (options.seed, options.count) == (SEED, COUNT):
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 1 if unexplained else 0


def compare(servers: Sequence[Configuration], folder: Path, console: Console) -> list[Looked]:
    """Let both look at all ``servers``, a batch at a time in each of two processes."""
    (folder / "keys").mkdir()
    prepare(folder / "keys")
    batches = [servers[at : at + BATCH] for at in range(0, len(servers), BATCH)]
    looked: list[Looked] = []
    with ProcessPoolExecutor(2) as pool:
        running = [pool.submit(_batch, batch, folder, number) for number, batch in enumerate(batches)]
        for done in running:
            looked += done.result()
            console.print(f"{len(looked)} of {len(servers)} servers")
    return looked


def _batch(servers: Sequence[Configuration], folder: Path, number: int) -> list[Looked]:
    own = shutil.copytree(folder / "keys", folder / f"batch-{number}")
    return look_at(servers, own)


def judge(looked: Iterable[Looked]) -> list[Judged]:
    """Compare what both said, point by point."""
    return [Judged(point, None if point.agreed else explain(point, each)) for each in looked for point in points(each)]


def render(judged: Sequence[Judged]) -> str:
    """Return the tables: by software, by what was compared, and by explanation."""
    servers = Counter(each.kind for each in {judge.point.configuration for judge in judged})
    lines = [f"{servers.total()} servers, {len(judged)} points on which at least one of the two says something.", ""]
    lines += ["| software | servers | points | agree | differ |", "|---|---|---|---|---|"]
    for kind in Kind:
        agreed = [each.point.agreed for each in judged if each.point.configuration.kind is kind]
        lines.append(f"| {kind} | {servers[kind]} | {len(agreed)} | {sum(agreed)} | {len(agreed) - sum(agreed)} |")
    lines += ["", "| compared | agree | only we | only sslyze | one has no answer |", "|---|---|---|---|---|"]
    for topic in Topic:
        said = [(each.point.ours, each.point.theirs) for each in judged if each.point.topic is topic]
        agreed_on = sum(ours == theirs for ours, theirs in said)
        open_ = sum(ours != theirs and None in (ours, theirs) for ours, theirs in said)
        counts = (agreed_on, said.count(("yes", "no")), said.count(("no", "yes")), open_)
        lines.append(f"| {topic} | " + " | ".join(map(str, counts)) + " |")
    found = Counter(each.reason.name for each in judged if each.reason)
    lines += ["", "| differences | explanation | why |", "|---|---|---|"]
    lines += [f"| {found[each.name]} | {each.name} | {each.why} |" for each in EXPLANATIONS if found[each.name]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
