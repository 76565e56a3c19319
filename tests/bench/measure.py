"""Times a command and watches the memory of it and all its children."""

from __future__ import annotations

import contextlib
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE = 0.2
"""Seconds between two looks at memory."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: wall-clock seconds, the peak of the summed proportional set size (PSS) in MB (10⁶ bytes), and seconds of
    processor time, which other work on the machine changes less. ``connections`` are those that this network namespace
    opened meanwhile."""

    seconds: float
    peak_mb: float
    cpu_seconds: float
    connections: int = 0


def measure(command: Sequence[str], *, accept: Sequence[int] = (0,), limit: float = 900) -> Measured:
    """Run ``command`` to its end, at most ``limit`` seconds, and return what it took.

    Raises ``RuntimeError`` when it ends with a status not in ``accept``: a failed run measures nothing.
    """
    before, opened, started = _processor_time(), connections_opened(), time.monotonic()
    child = psutil.Popen(list(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    peak = 0.0
    while child.poll() is None:
        peak = max(peak, _memory(child))
        if time.monotonic() - started > limit:
            child.kill()
            raise RuntimeError(f"{command[0]} did not finish within {limit:.0f} s")
        time.sleep(SAMPLE if time.monotonic() - started > 2 else 0.02)
    if child.returncode not in accept:
        raise RuntimeError(f"{' '.join(command)} ended with status {child.returncode}")
    seconds = time.monotonic() - started
    return Measured(seconds, peak, _processor_time() - before, connections_opened() - opened)


def median_of(runs: int, command: Sequence[str], *, accept: Sequence[int] = (0,)) -> Measured:
    """Return the medians of ``runs`` runs."""
    measured = [measure(command, accept=accept) for _ in range(runs)]
    return median_run(measured)


def median_run(measured: Sequence[Measured]) -> Measured:
    """Return the median of each figure."""
    return Measured(
        statistics.median(run.seconds for run in measured),
        statistics.median(run.peak_mb for run in measured),
        statistics.median(run.cpu_seconds for run in measured),
        int(statistics.median(run.connections for run in measured)),
    )


def connections_opened() -> int:
    """Return how many TCP connections this network namespace has opened so far (RFC 4022, tcpActiveOpens)."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text(encoding="ascii").splitlines() if "Tcp:" in line
    )
    return int(values[names.index("ActiveOpens")])


def _processor_time() -> float:
    """Return what all children that ended took, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(process: psutil.Popen) -> float:
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += member.memory_full_info().pss
    return total / 1e6
