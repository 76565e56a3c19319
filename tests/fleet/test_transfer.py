"""From SQLite to PostgreSQL, and back by a backup: everything arrives, and a database that is in use is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fleet.site import Site
from tests.installation import Installation

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

LIVED_IN = """
from datetime import datetime, timedelta, UTC
from django.contrib.sessions.models import Session
from django.db import connection
from scanner.accounts.models import User
from scanner.audit.trail import Action, record
from scanner.delivery.tell import tell_round
from scanner.remediation.models import Finding
from tests.delivery.killed import _told_about
from tests.remediation.looks import day
tell_round(_told_about(), day(3.1))
Finding.objects.update(params=[["said", "nothing \\0 printable \\ud800"], ["weight", 1e22, 2.0]])
User.objects.create(email="li@office.example", name="李", created=datetime.now(UTC))
Session.objects.create(session_key="of li", session_data="", expire_date=datetime.now(UTC) + timedelta(days=400))
for number in range(3):
    record(Action.ROUND_REQUESTED, f"round {number}", actor="alice", at=datetime.now(UTC), why="轮次")
with connection.cursor() as cursor:
    cursor.execute("UPDATE sqlite_sequence SET seq = 500 WHERE name = 'remediation_finding'")
"""

KEPT = """
SELECT (SELECT count(*) FROM rounds_hostresult), (SELECT count(*) FROM remediation_findingevent),
(SELECT count(*) FROM reports_report), (SELECT count(*) FROM delivery_message), (SELECT count(*) FROM accounts_user)
"""

NEXT_FINDING = """
from scanner.remediation.models import Finding
row = Finding.objects.first()
row.pk, row.port = None, 1
row.save(force_insert=True)
print(row.pk)
"""


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with an SQLite database."""
    path = tmp_path_factory.mktemp("lived-in") / "data"
    Installation(path, {"ROUNDSMAN_DATABASE": ""}).python(LIVED_IN)
    return path


def test_everything_moves_to_postgresql_and_comes_back_by_a_backup(site: Site, lived_in: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(lived_in / "roundsman.sqlite3")) as database:
        before = database.execute(KEPT).fetchall()
        (head,) = database.execute("SELECT digest FROM audit_entry ORDER BY id DESC").fetchone()
    on_sqlite = Installation(lived_in, {"ROUNDSMAN_DATABASE": ""})
    on_server = Installation(lived_in, {"ROUNDSMAN_DATABASE": site.server.create(f"{site.name}-new")})
    assert "holds something already" in Installation(lived_in, site.settings()).roundsman(
        "migrate-store", "--yes", status=2
    )
    assert "ROUNDSMAN_DATABASE" in on_sqlite.roundsman("migrate-store", "--yes", status=2)

    said = on_server.roundsman("migrate-store", "--yes")
    assert "compared each" in said
    assert head in said
    moved = Site(site.server, tmp_path, f"{site.name}-new")
    assert moved.ask(KEPT) == before
    assert moved.one("SELECT params FROM remediation_finding LIMIT 1")[0] == ["said", "nothing \\0 printable \\ud800"]
    assert "whole" in on_server.roundsman("audit", "verify", "--expect", head)
    assert not (lived_in / "roundsman.sqlite3").exists()
    assert len(list(lived_in.glob("roundsman.sqlite3.moved-*"))) == 1
    assert on_server.python(NEXT_FINDING) == "501\n"

    on_server.roundsman("backup", tmp_path / "backup.tar.gz")
    before = moved.ask(KEPT)
    assert "nothing of it may be lost" in on_server.roundsman("restore", tmp_path / "backup.tar.gz", "--yes", status=2)
    elsewhere = Installation(tmp_path / "server", {"ROUNDSMAN_DATABASE": site.server.create(f"{site.name}-again")})
    assert "held" in elsewhere.roundsman("restore", tmp_path / "backup.tar.gz", "--yes")
    again = Site(site.server, tmp_path, f"{site.name}-again")
    assert again.ask(KEPT) == before
    assert again.one("SELECT count(*) FROM rounds_stop WHERE lifted_at IS NULL") == 1
    assert again.one("SELECT count(*) FROM django_session") == 0
    assert elsewhere.python(NEXT_FINDING.replace("row.port = None, 1", "row.port = None, 2")) == "10502\n"
    assert (tmp_path / "server" / "secret-key").read_bytes() == (lived_in / "secret-key").read_bytes()

    small = Installation(tmp_path / "small", {"ROUNDSMAN_DATABASE": ""})
    small.roundsman("restore", tmp_path / "backup.tar.gz", "--yes")
    with closing(sqlite3.connect(small.database)) as database:
        assert database.execute(KEPT).fetchall() == before
    assert "whole" in small.roundsman("audit", "verify")
