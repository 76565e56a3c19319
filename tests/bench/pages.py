"""``python -m tests.bench.pages``: what each page takes in a large installation, and how often it asks the database.

Milliseconds are those from a request to its whole answer within the process, without a network. With ``python -m
tests.postgres python -m tests.bench.pages`` the database is PostgreSQL's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ALLOWED_MS, ALLOWED_QUERIES = 150, 15

PAGES = (
    "/",
    "/organisations/",
    "/organisations/?q=office",
    "/organisations/unit-0001/",
    "/findings/",
    "/findings/?page=500",
    "/findings/?state=fixed",
    "/findings/?overdue=on",
    "/findings/?q=REDIS",
    "/findings/?asked=on",
    "/findings/?assignee=me",
    "/findings/?assignee=nobody",
    "/findings/claim/?every=on",
    "/findings/1/",
    "/reports/",
    "/reports/?organisation=unit-0001",
    "/notices/",
    "/notices/?state=late",
    "/notices/1/",
    "/notices/1/reply/",
    "/bulletins/",
    "/proposals/",
    "/findings/1/compare/",
    "/rounds/",
    "/rounds/1/",
    "/mails/",
    "/mails/?state=sent&page=300",
    "/mails/?state=any&kind=reminder",
    "/mails/?state=any&organisation=unit-0001",
    "/mails/1/",
    "/system/",
    "/system/audit/",
    "/system/audit/?actor=ops&subject=file&page=30",
    "/system/tokens/",
    "/system/webhooks/",
    "/people/",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many organisations there are, how many targets and findings each has, and events each finding; one event is
    told by one round."""

    units: int = 1000
    targets: int = 20
    findings: int = 200
    events: int = 10


def main() -> int:
    """Fill a database of its own, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"({usual:,})")
    parser.add_argument("--runs", type=int, default=7, help="requests for each page, of which the median is printed")
    parser.add_argument("--data", type=Path, help="a directory that keeps the filled database for the next run")
    options = vars(parser.parse_args())
    runs, kept, size = options.pop("runs"), options.pop("data"), Size(**options)
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        os.environ["ROUNDSMAN_DATA_DIR"] = str(kept or folder)
        Console().print(_table(size, runs))
    return 0


def _table(size: Size, runs: int) -> Table:
    """Return a row for each page; allowed are 150 ms and 15 queries."""
    from scanner.settings import prepare

    prepare()
    from datetime import UTC, datetime

    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tests.bench.crowd import filled

    browser = Client(headers={"host": "localhost"})
    browser.force_login(filled(size, datetime.now(UTC)))
    table = Table("page", f"ms, {ALLOWED_MS} allowed", f"queries, {ALLOWED_QUERIES} allowed")
    for page in PAGES:
        with CaptureQueriesContext(connection) as asked:
            browser.get(page)
        queries = len(asked)  # before the next request empties the log
        taken = []
        for _ in range(runs):
            begun = time.perf_counter()
            browser.get(page)
            taken.append((time.perf_counter() - begun) * 1000)
        table.add_row(page, f"{statistics.median(taken):.0f}", str(queries))
    return table


if __name__ == "__main__":
    sys.exit(main())
