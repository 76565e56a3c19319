"""The audit trail in a real database that several processes write to."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.installation import Installation

TEN_ACTS = """
import sys
from datetime import datetime, UTC
from scanner.audit.trail import Action, record
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    record(Action.ROUND_REQUESTED, f"round {number}", actor="alice", at=datetime.now(UTC))
"""


def test_processes_that_record_at_once_make_one_chain(installation: Installation) -> None:
    writers = [installation.start(TEN_ACTS) for _ in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    assert "30 entries, whole" in installation.roundsman("audit", "verify")


@pytest.fixture(scope="module")
def ten_acts(fresh_installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("acts") / "data"
    shutil.copytree(fresh_installation, path)
    Installation(path).python(TEN_ACTS.replace("sys.stdin.readline()", ""))
    return path


REPLACE = """
INSERT OR REPLACE INTO audit_entry (id, at, actor, action, subject, detail, previous, digest)
SELECT id, at, 'bob', action, subject, detail, previous, digest FROM audit_entry WHERE id = 3
"""


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'bob'",
        "DELETE FROM audit_entry",
        REPLACE,
        REPLACE.replace("SELECT id,", "SELECT 1000,"),
        REPLACE.replace("SELECT id,", "SELECT NULL,"),
    ],
)
def test_the_database_refuses_changes_from_whoever_opens_it(ten_acts: Path, tmp_path: Path, statement: str) -> None:
    shutil.copytree(ten_acts, tmp_path / "data")
    installation = Installation(tmp_path / "data")
    with pytest.raises(sqlite3.IntegrityError, match="only added to"), installation.sql() as connection:
        connection.execute(statement)
    with installation.sql() as connection:
        assert connection.execute("SELECT count(*), max(actor) FROM audit_entry").fetchone() == (10, "alice")
