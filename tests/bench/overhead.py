"""What a round costs beside a plain ``roundsman inspect`` of the same hosts, ports and level."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Measured, measure, median_run

ROUNDSMAN = str(Path(sys.executable).with_name("roundsman"))
INSPECTED = (0, 3)

_TARGET = "      - address: {}\n        zone: internet"

_REGISTER = """
zones:
  - name: internet
    vantage: internet
organisations:
  - slug: fleet
    name_zh: 机群
    name_en: Fleet
    language: en
    targets:
{targets}
    authorisations:
      - document: bench on loopback
        allowed_by: Director
        valid_from: 2020-01-01
        valid_until: 2099-01-01
        scope: [127.30.0.0/16]
        level: 1
"""


def compare(hosts: Sequence[str], runs: int) -> tuple[Measured, Measured]:
    """Return the medians of ``inspect`` and of ``round run``, which take turns, so that both meet the same machine."""
    plain: list[Measured] = []
    whole: list[Measured] = []
    for _ in range(runs):
        inspect = [ROUNDSMAN, "inspect", *hosts, "--yes", "--authorisation", "bench on loopback", "--format", "json"]
        plain.append(measure(inspect, accept=INSPECTED))
        whole.append(_round(hosts))
    return median_run(plain), median_run(whole)


def _round(hosts: Sequence[str]) -> Measured:
    """Measure the first round of a new installation; registering is not counted."""
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        os.environ["ROUNDSMAN_DATA_DIR"] = folder
        try:
            register = Path(folder) / "register.yaml"
            register.write_text(_REGISTER.format(targets="\n".join(_TARGET.format(host) for host in hosts)))
            subprocess.run([ROUNDSMAN, "targets", "apply", register, "--yes"], check=True, capture_output=True)
            return measure([ROUNDSMAN, "round", "run"], accept=INSPECTED)
        finally:
            del os.environ["ROUNDSMAN_DATA_DIR"]
