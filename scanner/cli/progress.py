"""How far a command has come: a live bar on a terminal, for hosts a plain line otherwise; always on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from scanner.engine.inspect import Progress, Stage
from scanner.engine.model import HostInspection, Outcome

Item = TypeVar("Item")


class Display(Protocol):
    """Something that can be told of progress."""

    def observe(self, progress: Progress) -> None:
        """Take note of one host's progress; returns at once."""


@contextmanager
def display(total: Callable[[], int]) -> Iterator[Display]:
    """Show the progress of so many hosts until the block ends; ``total`` is asked anew each time one is done."""
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    with _Bar(total) as bar:
        yield bar


def counted(items: Sequence[Item], doing: str) -> Iterator[Item]:
    """Give the items, with a bar on a terminal that says how many are done; of a single one there is none to show."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, doing, console=Console(stderr=True), transient=True)


class _Lines:
    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._done = 0

    def observe(self, progress: Progress) -> None:
        if progress.stage is Stage.DONE and progress.inspection is not None:
            self._done += 1
            print(f"[{self._done}/{self._total()}] {_summary(progress.inspection)}", file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, total: Callable[[], int]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._total = total
        self._task = self._progress.add_task("finding open ports", total=total())

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def observe(self, progress: Progress) -> None:
        if progress.stage is Stage.LOOKING:
            self._progress.update(self._task, description=f"looking at {progress.target.address}")
        elif progress.stage is Stage.DONE and progress.inspection is not None:
            said = _summary(progress.inspection)
            self._progress.update(self._task, total=self._total(), advance=1, description=said)


def _summary(inspection: HostInspection) -> str:
    if inspection.target.is_domain:
        return f"{inspection.target.address}: {inspection.outcome}"
    if inspection.outcome not in (Outcome.INSPECTED, Outcome.PARTIAL):
        return f"{inspection.target.address}: {inspection.outcome}"  # how many ports are open there nobody knows
    ports = len(inspection.open_ports)
    return f"{inspection.target.address}: {inspection.outcome}, {ports} open {'port' if ports == 1 else 'ports'}"
