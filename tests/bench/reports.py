"""``python -m tests.bench.reports``: what reports take, as a unit and the number of units grow.

A large unit in each form, in a process of its own; forms of ever larger units, drawn beside the line through them; and
the pages of many units out of a database, by two processes, whose memory should stay flat. Seconds are those of a
processor; MB are 10⁶ bytes, and those of memory the most that the process has held so far.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import TypeVar

from rich.console import Console
from rich.table import Column, Table

Result = TypeVar("Result")

SIZES = (125, 250, 500, 1000)
EACH = 5
"""Findings of each host."""

GROWN = {"html": 5, "xlsx": 1, "pdf": 1}
"""The forms whose growth is drawn, each with the number of runs of which the median counts."""

CORES = 2
MARKS = (0.25, 0.5, 1.0)
"""Parts of many units after which memory is read."""

ALLOWED = {
    "html": "2 s, 3 MB",
    "pdf": "30 s",
    "xlsx": "5 s",
    "json": "",
}
MEMORY_ALLOWED = "600 MB"
MANY_ALLOWED = "180 s"

_WIDTH = 36


@dataclass(frozen=True, slots=True)
class Size:
    """How many units there are in the database, and hosts in each."""

    units: int = 1000
    hosts: int = 20


@dataclass(frozen=True, slots=True)
class Made:
    """What it took to make something: seconds, MB of what came out, MB of memory at most."""

    seconds: float
    size_mb: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Line:
    """The straight line through points, by least squares, and how far above it the last one is (0.1: a tenth)."""

    at: tuple[float, ...]
    above: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"of the database ({usual:,})")
    size = Size(**vars(parser.parse_args()))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        os.environ["ROUNDSMAN_DATA_DIR"] = folder
        console.print(forms_table(), growth_table(), many_table(size))
    return 0


def forms_table() -> Table:
    """Return what the forms of the largest unit's report take."""
    title = f"One report: {SIZES[-1]:,} hosts, {SIZES[-1] * EACH:,} findings"
    table = Table("form", "seconds", "MB", "memory", "allowed", title=title)
    for form, allowed in ALLOWED.items():
        with _processes(1) as alone:
            made = alone.submit(make_form, form, SIZES[-1]).result()
        within = f"{allowed}, {MEMORY_ALLOWED}".removeprefix(", ")
        table.add_row(form, f"{made.seconds:.1f}", f"{made.size_mb:.1f}", f"{made.peak_mb:.0f} MB", within)
    return table


def growth_table() -> Table:
    """Draw how the time of each form grows with the unit: a bar each, and where the line through them is."""
    drawn = Column("drawn, and the straight line (┃)", no_wrap=True)
    title = f"One report, as the unit grows, with {EACH} findings a host"
    table = Table("form", "hosts", "seconds", drawn, "off it", title=title)
    for form, runs in GROWN.items():
        with _processes(1) as alone:
            seconds = [alone.submit(form_seconds, form, hosts, runs).result() for hosts in SIZES]
        line = line_through(SIZES, seconds)
        longest = max(*seconds, *line.at)
        for hosts, took, at in zip(SIZES, seconds, line.at, strict=True):
            last = hosts == SIZES[-1]
            bar = _bar(took / longest, at / longest)
            off = f"{line.above:+.0%}" if last else ""
            table.add_row(form, f"{hosts:,}", f"{took:.2f}", bar, off, end_section=last)
    return table


def many_table(size: Size) -> Table:
    """Return what the pages of many units take, and the memory after some, half and all of them."""
    with _processes(1) as alone:
        round_id, findings = alone.submit(fill_database, size).result()
    with _processes(CORES) as each:
        tasks = [each.submit(render_many, round_id, part) for part in range(CORES)]
        both = [task.result() for task in tasks]
    title = (
        f"Units of {size.hosts} hosts, {findings / size.units:.0f} findings, in a database: HTML by {CORES} processes"
    )
    table = Table("units", "seconds of the slower", "MB", "memory of each", "allowed", title=title)
    for mark, *parts in zip(MARKS, *both, strict=True):
        table.add_row(
            f"{round(size.units * mark):,}",
            f"{max(part.seconds for part in parts):.0f}",
            f"{sum(part.size_mb for part in parts):.0f}",
            ", ".join(f"{part.peak_mb:.0f} MB" for part in parts),
            f"{MANY_ALLOWED}, flat" if mark == 1 else "",
        )
    return table


def line_through(at: Sequence[float], values: Sequence[float]) -> Line:
    """Return the line, and how far above it the last value is."""
    fit = statistics.linear_regression(at, values)
    points = tuple(fit.slope * each + fit.intercept for each in at)
    return Line(points, values[-1] / points[-1] - 1)


def make_form(form: str, hosts: int) -> Made:
    """Make one form of a large unit's report; for a process of its own."""
    _prepare()
    from scanner.reports.formats import ReportFormat, rendered
    from tests.reports.large import large

    model = large(hosts, EACH)
    seconds, files = _timed(lambda: rendered(model, (ReportFormat(form),)))
    return Made(seconds, sum(map(len, files.values())) / 1e6, _peak())


def form_seconds(form: str, hosts: int, runs: int) -> float:
    """Return the median of the times that one form of a unit's report takes."""
    _prepare()
    from scanner.reports.formats import ReportFormat, rendered
    from tests.reports.large import large

    forms = (ReportFormat(form),)
    rendered(large(5, 1), forms)  # templates, words and fonts are read once
    model = large(hosts, EACH)
    return statistics.median(_timed(lambda: rendered(model, forms))[0] for _ in range(runs))


def fill_database(size: Size) -> tuple[int, int]:
    """Return the number of the round that all units were in, and of their findings."""
    _prepare()
    from scanner.remediation.models import Finding
    from tests.bench.many import fill

    return fill(size.units, size.hosts).pk, Finding.objects.count()


def render_many(round_id: int, part: int) -> list[Made]:
    """Render the pages of this process's part of the units; return what it took up to each of the marks."""
    _prepare()
    from scanner.reports.query import report_model
    from scanner.reports.render import render_html
    from scanner.rounds.models import Round
    from tests.bench.living import START

    this = Round.objects.get(pk=round_id)
    owners = this.organisations.order_by("pk")
    ours = list(owners.values_list("pk", flat=True))[part::CORES]
    marks: list[Made] = []
    begun, size = time.process_time(), 0
    for number, owner in enumerate(ours, 1):
        size += len(render_html(report_model(owners.get(pk=owner), this, START)).encode())
        while len(marks) < len(MARKS) and number >= len(ours) * MARKS[len(marks)]:
            marks.append(Made(time.process_time() - begun, size / 1e6, _peak()))
    return marks


def _processes(number: int) -> Executor:
    """Return processes that begin with nothing of ours in their memory."""
    return ProcessPoolExecutor(number, mp_context=get_context("spawn"))


def _prepare() -> None:
    from scanner.settings import prepare

    prepare()


def _timed(make: Callable[[], Result]) -> tuple[float, Result]:
    begun = time.process_time()
    result = make()
    return time.process_time() - begun, result


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _bar(share: float, mark: float) -> str:
    """Draw a bar of ``share`` of the width, and a mark across it."""
    drawn = ["█" if place < round(share * _WIDTH) else " " for place in range(_WIDTH + 1)]
    drawn[round(mark * _WIDTH)] = "┃"
    return "".join(drawn).rstrip()


if __name__ == "__main__":
    sys.exit(main())
