"""A minute of the endurance run, with a few of its faults; ``make endure`` takes an hour and knows them all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys

import pytest

from scanner.engine.probes.nmap import is_privileged
from scanner.installation import ROOT
from tests.endurance.site import LIBRARY

FAULTS = ("kill the service", "mail server: dropping after DATA", "hold the database")
LONGEST = 400
"""Seconds after which it is ended. It takes a third of that on a machine that has little else to do."""


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.timeout(LONGEST + 30)
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs the servers of the lab")
@pytest.mark.skipif(not LIBRARY.exists(), reason="needs libfaketime")
@pytest.mark.skipif(not is_privileged(), reason="mounts a disk of its own")
@pytest.mark.sqlite
def test_a_minute_of_faults_loses_doubles_and_mistakes_nothing() -> None:
    """About two minutes."""
    chosen = [word for name in FAULTS for word in ("--fault", name)]
    command = [sys.executable, "-m", "tests.endurance.run", "--minutes", "1.2", "--interval", "1", *chosen]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as run:
        try:
            output, _ = run.communicate(timeout=LONGEST)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 0, output
