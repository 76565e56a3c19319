"""What released versions left behind is brought up to date: nothing is lost, and the tables are those of today."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scanner.installation import ROOT
from tests.installation import Installation
from tests.postgres import Server, server
from tests.upgrades.released import VERSIONS, make

CHANGED_ON_PURPOSE = {"remediation_finding": {"reported"}}
"""Columns of earlier rows that a migration fills in: what was found before notices existed counts as reported then."""

OURS = "SELECT name FROM sqlite_master WHERE type = 'table' AND (name GLOB 'targets_*' OR name GLOB 'r[eo][mu]*_*')"
SCHEMA = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master "
    "WHERE name NOT GLOB 'sqlite_*' AND tbl_name NOT GLOB 'auth_user*' ORDER BY type, name"
)
"""Without Django's own accounts, whose empty tables 0.1.0 made, and nobody uses."""


def test_a_database_of_every_release_is_kept() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## [")[1:]
    released = [each.partition("]")[0] for each in changelog]
    assert [*VERSIONS[::-1]] == [each for each in released if each != "Unreleased"]


@pytest.mark.sqlite
@pytest.mark.parametrize("version", VERSIONS)
def test_rows_survive_and_the_tables_are_those_of_today(version: str, tmp_path: Path, fresh_installation: Path) -> None:
    upgraded = Installation(tmp_path / "data")
    upgraded.path.mkdir(mode=0o700)
    make(version, upgraded.database)
    with closing(sqlite3.connect(upgraded.database)) as opened:
        before = {name: _rows(opened, name, _columns(opened, name)) for (name,) in opened.execute(OURS).fetchall()}
    assert all(before.values()), "a table without a row shows nothing"

    assert upgraded.roundsman("round", "list").count("done") == 1
    fresh = Installation(fresh_installation)
    with closing(sqlite3.connect(upgraded.database)) as opened, closing(sqlite3.connect(fresh.database)) as new:
        assert opened.execute(SCHEMA).fetchall() == new.execute(SCHEMA).fetchall()
        assert opened.execute("PRAGMA foreign_key_check").fetchall() == []
        for name, rows in before.items():
            kept = [column for column in _columns(opened, name) if column in rows[0]]
            same = [column for column in kept if column not in CHANGED_ON_PURPOSE.get(name, ())]
            assert [{c: row[c] for c in same} for row in rows] == _rows(opened, name, same), name
    said = upgraded.roundsman("report", "build", "--format", "json", "--output", tmp_path / "reports")
    assert said.count(".json") == 2
    assert "whole" in upgraded.roundsman("audit", "verify")


@pytest.mark.postgresql
@pytest.mark.parametrize("version", VERSIONS)
def test_on_a_server_it_comes_to_the_same(version: str, tmp_path: Path) -> None:
    with server(shared=False) as postgres:
        told = [_told(each) for each in (_on_file(version, tmp_path / "file"), _on_server(version, tmp_path, postgres))]
    assert told[0] == told[1]
    assert "critical" in told[0]


def _on_file(version: str, folder: Path) -> Installation:
    folder.mkdir(mode=0o700)
    made = Installation(folder, {"ROUNDSMAN_DATABASE": ""})
    make(version, made.database)
    return made


def _on_server(version: str, folder: Path, postgres: Server) -> Installation:
    make(version, folder / "kept.sqlite3")
    made = Installation(folder / "server", {"ROUNDSMAN_DATABASE": postgres.create("upgraded")})
    made.path.mkdir(mode=0o700)
    command = [sys.executable, "-m", "tests.upgrades.released", str(folder / "kept.sqlite3")]
    subprocess.run(command, env=made._variables(), cwd=ROOT, check=True)
    return made


def _told(installation: Installation) -> str:
    """What commands tell of an installation: its register, its round, its findings."""
    asked = (["targets", "export"], ["round", "list"], ["finding", "list"])
    return "\n".join(installation.roundsman(*each) for each in asked)


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")]


def _rows(database: sqlite3.Connection, table: str, columns: list[str]) -> list[dict[str, object]]:
    found = database.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")
    return [dict(zip(columns, row, strict=True)) for row in found]
