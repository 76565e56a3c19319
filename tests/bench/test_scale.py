"""The replay over PostgreSQL in small: databases are filled, a round goes through, and every figure is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.installation import ROOT


@pytest.mark.postgresql
def test_a_round_goes_through_the_whole_product_over_a_database_that_was_filled(tmp_path: Path) -> None:
    told = tmp_path / "figures"
    command = [sys.executable, "-m", "tests.bench.scale", "--quick", "--json", str(told)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(told.read_text(encoding="ascii"))
    assert (figures["hosts"], figures["mails"]) == (100, 1)
    assert set(figures["stages"]) == {"prepare", "look", "doubt", "look again", "keys", "follow", "tell"}
    assert figures["server"] > 0
    assert run.stdout.splitlines()[-1].split()[:3] == ["200", "2", "100"]
