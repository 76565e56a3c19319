"""Shows how a round stands, for ``round status`` and for a round that the service carries out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.rounds.status import RoundStatus

EVERY = 1.0
"""Seconds between two looks at a round that is watched."""

_LOOKS = {1: "first look", 2: "second look"}
_STAGES = {
    "prepare": "hosts are being listed",
    "look": "hosts are being inspected",
    "doubt": "what looks fixed is being singled out",
    "keys": "keys that hosts share are being counted",
    "follow": "findings are being followed",
    "tell": "organisations are being told",
    "close": "the round is being summed up",
}


def current_status(number: int) -> RoundStatus:
    """Return how the round stands now."""
    from django.conf import settings

    from scanner.rounds.service import is_served
    from scanner.rounds.status import status_of

    return status_of(number, datetime.now(UTC), served=is_served(settings.DATA_DIR))


def lines(status: RoundStatus) -> list[str]:
    """Return what a person wants to know of it."""
    this = status.round
    at = f": {_STAGES[status.stage]}" if status.stage else ""
    said = [f"Round {this.pk}, {this.kind}, by {this.requested_by}: {this.state}{at}"]
    said += [f"  {_LOOKS[look.look]}: {look.done} of {look.done + look.left} host(s) done" for look in status.looks]
    for job in status.at_work:
        whose = f" of {job.organisation}" if job.organisation else ""
        hosts = f", {job.hosts} host(s)" if job.hosts else ""
        since = f", since {job.started:%H:%M:%S}Z" if job.started else ""
        said.append(f"  at work: {job.kind}{whose}{hosts}{since} ({':'.join(job.worker.split(':')[:2])})")
    for jobs in status.waiting:
        whose = f" of {jobs.organisation}" if jobs.organisation else ""
        said.append(f"  waiting: {jobs.jobs} job(s) {jobs.kind}{whose} for {jobs.why}")
    return said


def watch(number: int) -> None:
    """Show how the round stands until it is over, is paused, or everything is stopped."""
    with _shown() as show:
        while True:
            status = current_status(number)
            show(lines(status))
            if status.over or (not status.at_work and status.round.state == "paused"):
                return
            time.sleep(EVERY)


@contextmanager
def _shown() -> Iterator[Callable[[list[str]], None]]:
    """Show text in place of what was shown before on a terminal; elsewhere only what changed, line by line."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
            yield lambda said: live.update(Text("\n".join(said)), refresh=True)
        return
    before: set[str] = set()

    def echo(said: list[str]) -> None:
        for line in said:
            if line not in before:
                typer.echo(line, err=True)
        before.clear()
        before.update(said)

    yield echo
