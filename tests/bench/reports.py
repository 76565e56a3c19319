"""``python -m tests.bench.reports``: what it takes to render reports, as units and their number grow.

Prints, for each size, seconds of one core, the size of the page, and a bar of the seconds by 1,000 findings: bars that
don't grow mean that time grows at most linearly. Then it renders the reports of many small units, whose memory should
stay flat.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from scanner.reports.model import ReportModel
from scanner.reports.render import render_html
from tests.reports.large import large

HOSTS = (50, 100, 250, 500, 1000)
UNITS = (100, 200, 400)
EACH = 5
"""Findings of each host."""
SMALL = 20
"""Hosts of a small unit."""

_WIDTH = 40


@dataclass(frozen=True, slots=True)
class Rendered:
    """Seconds of processor time, bytes of the page, and MB that the process holds afterwards."""

    seconds: float
    size: int
    held_mb: float


def main() -> int:
    """Measure and print."""
    console = Console()
    render_html(large(5, 1))  # templates are read once
    one = {hosts: _render(large(hosts, EACH)) for hosts in HOSTS}
    table = Table("hosts", "findings", "seconds", "MB", "seconds by 1,000 findings", title="One report, HTML")
    longest = max(each.seconds / hosts for hosts, each in one.items())
    for hosts, each in one.items():
        share = each.seconds / hosts / longest
        bar = "█" * round(_WIDTH * share)
        table.add_row(f"{hosts:,}", f"{hosts * EACH:,}", f"{each.seconds:.2f}", f"{each.size / 1e6:.2f}", bar)
    console.print(table)
    table = Table("units", "seconds", "MB held", title=f"Reports of units of {SMALL} hosts, {SMALL * EACH} findings")
    model = large(SMALL, EACH, kinds=30)
    for units in UNITS:
        each = _render(model, units)
        table.add_row(f"{units:,}", f"{each.seconds:.1f}", f"{each.held_mb:.0f}")
    console.print(table)
    return 0


def _render(model: ReportModel, times: int = 1) -> Rendered:
    started = time.process_time()
    size = 0
    for _ in range(times):
        size = len(render_html(model).encode())
    return Rendered(time.process_time() - started, size, psutil.Process().memory_info().rss / 1e6)


if __name__ == "__main__":
    sys.exit(main())
