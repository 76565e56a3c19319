"""``make demo``: register two organisations, inspect their lab hosts, and write their reports.

Everything happens with the product's own commands, on real packets, in a network namespace of its own. What it
leaves is in ``var/demo``: the database and the reports.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.demo_servers import demo_servers
from tests.lab.namespace import run_inside

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "var" / "demo"
REPORTS = DATA / "reports"

NOT_ALL_INSPECTED = 3
"""The status by which a round says that something was not inspected: the demo has a host that never answers."""


def main() -> int:
    """Run the demo; return 0 when both reports are there."""
    status = run_inside("tests.lab.demo")
    if status is not None:
        return status
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="roundsman-demo-") as folder:
        print("Starting weak servers on loopback, in a network namespace of their own …", flush=True)
        with demo_servers(Path(folder)):
            _roundsman("targets", "apply", "targets/examples", "--yes")
            _roundsman("round", "run", accept=(0, NOT_ALL_INSPECTED))
        print("The servers are stopped.\n", flush=True)
    _roundsman("report", "build", "--output", str(REPORTS.relative_to(ROOT)))
    reports = sorted(REPORTS.glob("*.html"))
    print("\nOpen these in a browser:", *(f"  {report.relative_to(ROOT)}" for report in reports), sep="\n")
    return 0 if len(reports) == 2 else 1


def _roundsman(*arguments: str, accept: tuple[int, ...] = (0,)) -> None:
    print(f"\n$ roundsman {shlex.join(arguments)}", flush=True)
    environment = {**os.environ, "ROUNDSMAN_DATA_DIR": str(DATA)}
    command = [str(Path(sys.executable).with_name("roundsman")), *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if status not in accept:
        raise SystemExit(f"roundsman {arguments[0]} ended with status {status}; see above.")


if __name__ == "__main__":
    sys.exit(main())
