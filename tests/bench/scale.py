"""``make bench-scale``: stored facts go through the whole product on PostgreSQL, by 1, 2 and 4 worker processes.

Each database is filled once (:mod:`tests.bench.filled`) and copied for each row, which carries one more round out over
it (:mod:`tests.bench.replayed`). Where a round would take too long, only a part of the hosts is in it; all of them are
in the database. No packet is sent, so this is what everything but the probes takes. ``--folder`` keeps the filled
databases for the next call, so that rows can be measured one at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.postgres import Server, server

CONFIGURATION = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "jit": "off",
}
"""A server as one would set it up: every commit reaches the disk, and autovacuum runs."""


@dataclass(frozen=True, slots=True)
class Size:
    """Hosts that are registered, those of them that are inspected in the measured round, and rounds behind it."""

    hosts: int
    part: int
    rounds: int = 1

    @property
    def database(self) -> str:
        return f"filled_{self.hosts}_{self.part}_{self.rounds}"


SIZES = (Size(1_000, 1_000), Size(10_000, 5_000), Size(100_000, 5_000))
GROWTH = (Size(1_000, 1_000, 13), Size(1_000, 1_000, 52), Size(1_000, 1_000, 260))
"""What a quarter, a year and five years of weekly rounds leave behind."""

WORKERS = (1, 2, 4)
QUICK = (Size(200, 100, 2),)


def main() -> int:
    """Measure, and print each row as it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="*", help="only these sizes, of 1000, 10000 and 100000")
    parser.add_argument("--workers", type=int, nargs="*", default=WORKERS, help="worker processes (1 2 4)")
    parser.add_argument("--growth", action="store_true", help="only the rows of a database that grew for years")
    parser.add_argument("--sweep", action="store_true", help="only what removing takes, over five years of rounds")
    parser.add_argument("--quick", action="store_true", help="200 hosts, two workers: to try it out")
    parser.add_argument("--part", type=int, help="hosts in the measured round, of 10000 and 100000")
    parser.add_argument("--folder", type=Path, help="keep the filled databases here for the next call")
    parser.add_argument("--json", type=Path, help="add all figures of each row to this file, as a line of JSON")
    wanted = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    print(_HEAD, flush=True)
    with _server(wanted.folder) as own:
        if wanted.sweep:
            print(json.dumps(measured(own, GROWTH[-1], "tests.bench.swept"), indent=2))
            return 0
        for size, workers in _rows(wanted):
            figures = measured(own, size, "tests.bench.replayed", workers=workers)
            if wanted.json:
                with wanted.json.open("a", encoding="ascii") as file:
                    file.write(json.dumps({"size": size.database, "by": workers, **figures}) + "\n")
            print(row(size, workers, figures), flush=True)
    return 0


def _rows(wanted: argparse.Namespace) -> Iterator[tuple[Size, int]]:
    if wanted.quick:
        yield from ((size, 2) for size in QUICK)
        return
    chosen = [size for size in SIZES if not wanted.hosts or size.hosts in wanted.hosts]
    if wanted.part:
        chosen = [Size(size.hosts, min(size.hosts, wanted.part)) for size in chosen]
    if not wanted.growth:
        yield from ((size, workers) for size in chosen for workers in wanted.workers)
    if wanted.growth or not wanted.hosts:
        yield from ((size, 2) for size in GROWTH)


def measured(own: Server, size: Size, module: str, **options: int) -> dict[str, Any]:
    """Fill a database, unless there is one, and let a module do its work on a copy of it; return what that took."""
    if not own.has(size.database):
        draft = own.create(f"{size.database}_draft")
        arguments = {"hosts": size.hosts, "part": size.part, "rounds": size.rounds}
        _run("tests.bench.filled", draft, arguments)
        own.tell(f"ALTER DATABASE {size.database}_draft RENAME TO {size.database}")
    url = own.create("measured", size.database)
    try:
        assert own.process is not None
        shown = _run(module, url, {"server": own.process.pid, **options})
    finally:
        own.drop("measured")
    found: dict[str, Any] = json.loads(shown)
    return found


def _run(module: str, url: str, arguments: Mapping[str, int]) -> str:
    options = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "scanner.settings",
            "ROUNDSMAN_DATABASE": url,
            "ROUNDSMAN_DATA_DIR": folder,
        }
        command = [sys.executable, "-m", module, *options]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


_HEAD = (
    "hosts    rounds  in the  workers  hosts/  ms of processor time a host   claim  urgent round  MB     database  "
    "KB a host\n"
    "              |  round         |  minute  workers  server  leader total     ms  begins within  each         GB  "
    "    grown  logged"
)


def row(size: Size, workers: int, figures: Mapping[str, Any]) -> str:
    """Return the row of one round; what the engine's stand-in took is left out."""
    hosts = figures["hosts"]
    at_work = sum(sum(each["seconds"].values()) - each["engine"] for each in figures["workers"])
    parts = [each * 1000 / hosts for each in (at_work, figures["server"], sum(figures["leader"].values()))]
    claims = [ms for each in figures["workers"] for ms in each["claims_ms"]]
    late = f"{statistics.median(figures['late']):.1f}, {max(figures['late']):.1f} s" if figures["late"] else "-"
    memory = max(each["memory_mb"] for each in figures["workers"])
    grown = sum(figures["tables"].values()) / hosts / 1000
    return (
        f"{size.hosts:>7,} {size.rounds:>7} {hosts:>7,} {workers:>8} {hosts / figures['seconds'] * 60:>7,.0f} "
        f"{parts[0]:>8.1f} {parts[1]:>7.1f} {parts[2]:>7.1f} {sum(parts):>5.1f} {statistics.median(claims):>6.1f} "
        f"{late:>14} {memory:>5.0f} {figures['before_mb'] / 1000:>10.2f} {grown:>10.1f} "
        f"{figures['wal_mb'] * 1000 / hosts:>7.1f}"
    )


@contextmanager
def _server(folder: Path | None) -> Iterator[Server]:
    """A server for the time of the block, or one whose files stay in ``folder``."""
    if folder is None:
        with server(shared=False, configuration=CONFIGURATION) as own:
            yield own
        return
    kept = Server(folder, configuration=CONFIGURATION)
    folder.mkdir(parents=True, exist_ok=True)
    kept.make_files()
    kept.start()
    try:
        yield kept
    finally:
        kept.end()


if __name__ == "__main__":
    sys.exit(main())
