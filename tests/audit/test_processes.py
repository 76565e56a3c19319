"""The audit trail in a real database that several processes write to."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.installation import Installation, copied, on_server

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
        writer.communicate("go\n", timeout=240)
        assert writer.returncode == 0
    assert "30 entries, whole" in installation.roundsman("audit", "verify")


@pytest.fixture(scope="module")
def ten_acts(fresh_installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = copied(fresh_installation, tmp_path_factory.mktemp("acts") / "data")
    Installation(path).python(TEN_ACTS.replace("sys.stdin.readline()", ""))
    return path


SQLITE_REPLACE = """
INSERT OR REPLACE INTO audit_entry (id, at, actor, action, subject, detail, previous, digest)
SELECT id, at, 'bob', action, subject, detail, previous, digest FROM audit_entry WHERE id = 3
"""


ON_CONFLICT = """
INSERT INTO audit_entry SELECT * FROM audit_entry WHERE id = 3 ON CONFLICT (id) DO UPDATE SET actor = 'bob'
"""
FORBIDDEN = ["UPDATE audit_entry SET actor = 'bob'", "DELETE FROM audit_entry", ON_CONFLICT]
FORBIDDEN_SQLITE = [
    SQLITE_REPLACE,
    SQLITE_REPLACE.replace("SELECT id,", "SELECT 1000,"),
    SQLITE_REPLACE.replace("SELECT id,", "SELECT NULL,"),
]
FORBIDDEN_POSTGRESQL = ["TRUNCATE audit_entry"]


@pytest.mark.parametrize("statement", FORBIDDEN + (FORBIDDEN_POSTGRESQL if on_server() else FORBIDDEN_SQLITE))
def test_the_database_refuses_changes_from_whoever_opens_it(ten_acts: Path, tmp_path: Path, statement: str) -> None:
    installation = Installation(copied(ten_acts, tmp_path / "data"))
    with (
        pytest.raises((sqlite3.IntegrityError, psycopg.Error), match="only added to"),
        installation.sql() as connection,
    ):
        connection.execute(statement)
    with installation.sql() as connection:
        assert connection.execute("SELECT count(*), max(actor) FROM audit_entry").fetchone() == (10, "alice")
