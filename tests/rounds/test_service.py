"""A service that is killed, again and again, does every round once and every host once."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.rounds.service import HOSTS
from tests.rounds.test_children import within

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]


class Installation:
    """A data directory with a register and a round, and the processes that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "ROUNDSMAN_DATA_DIR": str(folder)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from scanner.cli.main import main; main()", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "tests.rounds.service"]
        with subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "serving\n"
                yield process
            finally:
                process.kill()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "roundsman.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()

    def state(self) -> object:
        return self.ask("SELECT state FROM rounds_round")[0][0]

    def results(self) -> object:
        return self.ask("SELECT count(*) FROM rounds_hostresult WHERE look = 1")[0][0]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    command = [sys.executable, "-m", "tests.rounds.service", "--prepare"]
    subprocess.run(command, cwd=ROOT, env=made.environment, check=True, timeout=60)
    return made


def test_a_service_that_is_killed_at_any_point_does_the_round_once(installation: Installation) -> None:
    dice = random.Random(20261126)
    for _ in range(4):
        with installation.service() as process:
            time.sleep(dice.uniform(0.1, 2.0))
            process.kill()
    with installation.service():
        assert within(60, lambda: installation.state() == "done")
    assert installation.results() == HOSTS
    jobs = installation.ask("SELECT kind, look, count(*) FROM rounds_job GROUP BY kind, look ORDER BY kind, look")
    assert [job for job in jobs if job[0] != "look"] == [("doubt", 1, 1), ("follow", 1, 1), ("prepare", 1, 1)]
    assert installation.ask("SELECT DISTINCT state FROM rounds_job") == [("done",)]
    assert installation.ask("SELECT max(failures) FROM rounds_job") == [(0,)], "a worker's death is no host's fault"
    assert installation.ask("SELECT count(*) FROM remediation_roundscore") == [(1,)]
