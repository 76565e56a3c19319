"""The audit trail in a real database that several processes write to."""

from __future__ import annotations

import sqlite3

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


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'bob'", "DELETE FROM audit_entry"])
def test_the_database_refuses_changes_from_whoever_opens_it(installation: Installation, statement: str) -> None:
    installation.python(TEN_ACTS.replace("sys.stdin.readline()", ""))
    with pytest.raises(sqlite3.IntegrityError, match="only added to"), installation.sql() as connection:
        connection.execute(statement)
    assert "10 entries, whole" in installation.roundsman("audit", "verify")
