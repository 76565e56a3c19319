"""The soak in small, as a test: every truth that the year is held against, in three days."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from scanner.installation import ROOT
from tests.installation import Installation, whereabouts


@pytest.mark.slow
def test_three_days_of_a_world_that_lives_break_no_truth(installation: Installation) -> None:
    command = [sys.executable, "-m", "tests.bench.soak", "--days", "3", "--units", "4", "--hosts", "24"]
    environment = {**os.environ, **whereabouts(installation.path)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(run.stdout)
    assert figures["rounds"] >= 3 * 2
    assert figures["opened"] > 20
    assert figures["mails"] >= 3 * 5
