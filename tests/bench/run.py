"""``make bench``: our figures, the peers' and the ratios, on the same hosts, in one run.

It moves into a network namespace of its own first, so that the fleet is reachable by nobody else. The rows ``reports``,
``pages``, ``users`` and ``soak`` need none, and the last can be run smaller by itself:
``python -m tests.bench.run soak --days 30 --units 5 --hosts 200``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import overhead, sweep
from tests.bench.fleet import addresses, fleet
from tests.bench.measure import Measured, measure, median_of
from tests.bench.soak import Size, soak_rows
from tests.lab.case import program
from tests.lab.namespace import run_inside
from tests.lab.slow_link import far_hosts, slow_link

ROUNDSMAN = str(Path(sys.executable).with_name("roundsman"))
AUTHORISED = ["--authorisation", "bench on loopback"]
INSPECTED = (0, 3)

OFFLINE = ("reports", "pages", "users", "soak")
"""Rows that need no fleet."""

ROUND_TRIP = 0.05
"""Seconds to hosts that are some thousand kilometres away."""

NMAP = ["nmap", "-n", "-Pn", "-sS", "-T4", "-sV", "--script", "ssl-enum-ciphers,ssl-cert,http-title,http-headers"]
NMAP_TUNED = [*NMAP, "--min-parallelism", "500"]


def main() -> int:
    """Run all rows, or those named on the command line, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*_PARTS, *OFFLINE, []], help="rows to run (all)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command, of which the median is printed")
    for name, usual in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"of the soak ({usual})")
    options = parser.parse_args()
    rows = set(options.rows) or {*_PARTS, *OFFLINE}
    if rows <= {*OFFLINE}:
        return _offline(rows, options)
    if os.geteuid() != 0:
        print("make bench needs root: it makes a network namespace, and nmap's SYN scan needs raw sockets.")
        return 2
    status = run_inside("tests.bench.run")
    if status is not None:
        return status
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder, fleet(Path(folder)):
        _bench(rows, options.runs)
    return _offline(rows, options)


def _offline(rows: set[str], options: argparse.Namespace) -> int:
    for name in ("reports", "pages", "users"):
        if name in rows:
            _say(name)
            subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=True)
    if "soak" in rows:
        _say("soak")
        _soak(options)
    return 0


def _bench(rows: set[str], runs: int) -> None:
    console = Console()
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {_nmap_version()}"
    )
    table = Table("what", "Roundsman", "peer", "ratio", title=f"Medians of {runs} runs")
    for name, measure_rows in _PARTS.items():
        if name in rows:
            _say(name)
            measure_rows(table, runs)
    console.print(table)


def _fleet_rows(table: Table, runs: int) -> None:
    for count in (64, 256):
        fleet_hosts = addresses(count)
        ours = median_of(runs, [ROUNDSMAN, "inspect", *fleet_hosts, *AUTHORISED, "--format", "json"], accept=INSPECTED)
        for name, command in (("nmap with scripts", NMAP), ("nmap with scripts, tuned", NMAP_TUNED)):
            peer = median_of(1 if count > 64 else runs, [*command, *fleet_hosts])
            what = f"{count} hosts of six services, beside {name}"
            table.add_row(what, _seconds(ours), _seconds(peer), _ratio(ours, peer))


def _slow_row(table: Table, runs: int) -> None:
    """The fleet over a link with a long way, beside the same link with none."""
    took = []
    for round_trip in (ROUND_TRIP, 0):
        with slow_link(round_trip) as there:
            command = [*there, ROUNDSMAN, "inspect", *far_hosts(64), *AUTHORISED, "--format", "json"]
            took.append(median_of(runs, command, accept=INSPECTED))
    far, near = took
    what = f"64 hosts at a round trip of {ROUND_TRIP * 1000:.0f} ms, beside none"
    table.add_row(what, _seconds(far), _seconds(near), f"{far.seconds / near.seconds:.2f}, 2 allowed")


def _tls_row(table: Table, runs: int) -> None:
    ours = median_of(runs, [ROUNDSMAN, "inspect", "127.30.0.1", "--ports", "443", *AUTHORISED], accept=INSPECTED)
    peer = _testssl("127.30.0.1:443")
    table.add_row("one HTTPS host, beside testssl.sh", _seconds(ours), _seconds(peer), _ratio(ours, peer))


def _testssl(where: str) -> Measured:
    return measure([program("testssl"), "--quiet", "--color", "0", "--warnings", "off", where], accept=range(256))


def _sweep_rows(table: Table, runs: int) -> None:
    """What the TLS verdict of one server costs, by our hello sweep, by sslyze and by testssl.sh."""
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder, sweep.servers(Path(folder), sweep.SERVERS):
        swept = sorted((sweep.sweep(sweep.SERVERS) for _ in range(runs)), key=lambda swept: swept.seconds)[runs // 2]
        sslyze = sweep.sslyze(sweep.PEER_SERVERS)
        address, port = sweep.where(0)
        testssl = _testssl(f"{address}:{port}")
    what = f"TLS of one server, of {swept.servers} swept at once"
    cpu, opened = swept.cpu_seconds / swept.servers, swept.connections / swept.servers
    for peer, theirs in (("sslyze", sslyze.cpu_seconds / sslyze.servers), ("testssl.sh", testssl.cpu_seconds)):
        table.add_row(f"{what}: processor time beside {peer}", _ms(cpu), _ms(theirs), f"{theirs / cpu:,.0f}")
    for peer, theirs in (("sslyze", sslyze.connections / sslyze.servers), ("testssl.sh", testssl.connections)):
        table.add_row(f"{what}: connections beside {peer}", f"{opened:.0f}", f"{theirs:.0f}", f"{theirs / opened:.1f}")
    seconds = swept.seconds / swept.servers, sslyze.seconds / sslyze.servers
    table.add_row(f"{what}: time beside sslyze", _ms(seconds[0]), _ms(seconds[1]), f"{seconds[1] / seconds[0]:.0f}")
    table.add_row(f"{what}: within limits", "yes" if swept.allowed() else "no", f"{swept.peak_mb:.0f} MB", "")


def _memory_rows(table: Table, runs: int) -> None:
    del runs  # the peak of one is that of all
    peaks = {}
    for count in (256, 1024):
        command = [ROUNDSMAN, "inspect", *addresses(count), *AUTHORISED, "--format", "json"]
        measured = median_of(1, command, accept=INSPECTED)
        peaks[count] = measured.peak_mb
        table.add_row(f"{count} hosts: time and peak memory", _seconds(measured), f"{measured.peak_mb:.0f} MB", "")
    table.add_row("peak memory, 1,024 hosts over 256", "", "1.2 allowed", f"{peaks[1024] / peaks[256]:.2f}")


def _rounds_row(table: Table, runs: int) -> None:
    """A round, with all that belongs to it, beside plain ``inspect`` of the same hosts."""
    hosts = addresses(256)
    plain, whole = overhead.compare(hosts, runs)
    ratio = f"{whole.seconds / plain.seconds:.2f}, 1.10 allowed"
    table.add_row("a round of 256 hosts, beside inspect", _seconds(whole), _seconds(plain), ratio)
    busy = f"{whole.cpu_seconds / plain.cpu_seconds:.2f}"
    table.add_row("the same, processor time", f"{whole.cpu_seconds:.2f} s", f"{plain.cpu_seconds:.2f} s", busy)


def _help_row(table: Table, runs: int) -> None:
    shown = median_of(max(5, runs), [ROUNDSMAN, "--help"])
    table.add_row("roundsman --help", _seconds(shown), "0.4 s allowed", f"{0.4 / shown.seconds:.1f}")


_PARTS = {
    "fleet": _fleet_rows,
    "slow": _slow_row,
    "tls": _tls_row,
    "sweep": _sweep_rows,
    "memory": _memory_rows,
    "rounds": _rounds_row,
    "help": _help_row,
}


def _soak(options: argparse.Namespace) -> None:
    """Run the soak in a data directory of its own, and show what it took."""
    size = Size(options.days, options.units, options.hosts, options.workers)
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        arguments = [part for name, value in asdict(size).items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "tests.bench.soak", *arguments]
        environment = {**os.environ, "ROUNDSMAN_DATA_DIR": folder}
        shown = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures = json.loads(shown)
    table = Table("what", "measured", "allowed", title=f"{size.days} days, {size.units} units, {size.hosts} hosts")
    for row in soak_rows(figures):
        table.add_row(*row)
    Console().print(table)


def _say(name: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} measuring: {name}", file=sys.stderr, flush=True)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _seconds(measured: Measured) -> str:
    return f"{measured.seconds:.2f} s"


def _ratio(ours: Measured, peer: Measured) -> str:
    return f"{peer.seconds / ours.seconds:.1f}"


def _nmap_version() -> str:
    shown = subprocess.run(["nmap", "--version"], capture_output=True, text=True, check=True).stdout
    return shown.splitlines()[0].partition("(")[0].strip()


if __name__ == "__main__":
    sys.exit(main())
