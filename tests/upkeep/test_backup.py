"""Backups of running installations, and what a restore makes of them: real files, real processes."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.errors import InputError
from scanner.upkeep import archive, own_templates, snapshot
from scanner.upkeep import backup as backups
from tests.installation import Installation
from tests.reports.test_stationery import put

pytestmark = pytest.mark.sqlite

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)

LIVED_IN = """
from datetime import datetime, timedelta, UTC
from django.contrib.sessions.models import Session
from scanner.audit.trail import Action, record
from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.delivery.outbox import Letter, enqueue
from scanner.rounds.models import Round
from targets.models import Organisation
now = datetime.now(UTC)
owner = Organisation.objects.create(slug="water", name_zh="水务局", name_en="Water")
this = Round.objects.create(profile="quick", ports="80", requested_by="alice", created=now, state="running")
this.organisations.add(owner)
for state in MessageState:
    enqueue(Letter(state, MessageKind.DIGEST, "unit@example.org", "en", "Subject", "text", "html"), now)
    Message.objects.filter(key=state).update(state=state)
record(Action.ROUND_REQUESTED, "round 1", actor="alice", at=now)
Session.objects.create(session_key="of alice", session_data="", expire_date=now + timedelta(days=400))
from scanner.accounts import people
from scanner.api import tokens
from scanner.webhooks import hooks
user = people.add("alice@example.org", "Alice", "tests", now)
people.invite(user, "tests", now)
for name in ("siem", "tickets"):
    tokens.add(user, name, ["findings:read"], "tests", now)
tokens.revoke("tickets", "tests", now)
hooks.add(user, "tickets", "https://tickets.example.org/", ["finding-opened"], "tests", now)
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from scanner.accounts.linked import SIGN_ON
plain, keyed, linked = (people.add(f"{name}@example.org", name, "tests", now) for name in ("plain", "keyed", "linked"))
for each in (plain, keyed, linked):
    each.set_password("a long password of theirs")
    each.save()
people.give(keyed, people.Role.ADMINISTRATOR, None, "tests", now)
Authenticator.objects.create(user=keyed, type=Authenticator.Type.WEBAUTHN, data={"name": "the key that was lost"})
SocialAccount.objects.create(user=linked, provider=SIGN_ON, uid="linked")
"""

REVOKED = """
from datetime import datetime, UTC
from scanner.webhooks import hooks
hooks.revoke("tickets", "tests", datetime.now(UTC))
""".strip().replace("\n", "; ")

LET_IN = """
SELECT count(*) FROM api_token WHERE revoked IS NULL
UNION ALL SELECT count(*) FROM webhooks_webhook WHERE revoked IS NULL
UNION ALL SELECT count(*) FROM accounts_invitation WHERE used IS NULL
UNION ALL SELECT count(*) FROM mfa_authenticator
UNION ALL SELECT count(*) FROM socialaccount_socialaccount
"""
"""Tokens, webhooks and links that work; keys, and links to the single sign-on."""

RESTLESS = """
import select, sys
from datetime import datetime, UTC
from scanner.audit.trail import Action, record
number = 0
print("ready", flush=True)
while number < 20_000:
    number += 1
    record(Action.ROUND_REQUESTED, f"round {number}", actor="alice", at=datetime.now(UTC), padding="x" * 2000)
    if number == 20:
        print("going", flush=True)
    if select.select([sys.stdin], [], [], 0)[0]:
        break
print(number)
"""


@pytest.fixture(scope="module")
def template(fresh_installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "data"
    shutil.copytree(fresh_installation, path)
    Installation(path).python(LIVED_IN)
    return path


@pytest.fixture
def lived_in(template: Path, tmp_path: Path) -> Installation:
    shutil.copytree(template, tmp_path / "data")
    return Installation(tmp_path / "data")


def write(data_dir: Path, to: Path, now: dt.datetime = NOW) -> None:
    """Write a backup in this process."""
    backups._write(data_dir, to, now, data_dir / "templates")


def restored(file: Path, to: Path, *options: str, status: int = 0) -> str:
    return Installation(to).roundsman("restore", file, "--to", to, "--yes", *options, status=status)


def query(database: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(statement).fetchall()


def test_a_backup_is_whole_though_another_process_writes_all_the_while(
    installation: Installation, tmp_path: Path
) -> None:
    with installation.start(RESTLESS) as writer:
        assert writer.stdout is not None
        assert [writer.stdout.readline(), writer.stdout.readline()] == ["ready\n", "going\n"]
        said = installation.roundsman("backup", tmp_path)
        output, _ = writer.communicate("stop\n", timeout=240)
    written = int(output)
    (file,) = tmp_path.glob("roundsman-*.tar.gz")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    manifest = archive.unpack(file, None)
    assert 20 <= manifest.rows["audit_entry"] < written
    assert manifest.audit_head in said
    noted = json.loads((installation.path / backups.NOTE).read_text())
    assert noted["path"] == str(file)
    restored(file, tmp_path / "new")
    verified = Installation(tmp_path / "new").roundsman("audit", "verify", "--expect", manifest.audit_head)
    assert f"{manifest.rows['audit_entry'] + 2} entries, whole" in verified
    assert "backup" in installation.roundsman("audit", "list", "--action", "backup")


def test_a_restore_holds_what_may_have_been_sent_stops_and_moves_the_old_aside(
    lived_in: Installation, tmp_path: Path
) -> None:
    lived_in.roundsman("backup", tmp_path / "backup.tar.gz")
    key = (lived_in.path / "secret-key").read_text()
    lived_in.python(
        REVOKED + "; from targets.models import Organisation; Organisation.objects.update(name_en='Changed')"
    )
    (lived_in.path / "secret-key").write_text("another")
    said = lived_in.roundsman("restore", tmp_path / "backup.tar.gz", "--yes")
    assert "2 waiting mail(s) held" in said
    assert "kill switch is on" in said
    mails = query(lived_in.database, "SELECT key, state FROM delivery_message WHERE key <> state ORDER BY key")
    assert mails == [("queued", "dead"), ("sending", "dead")]
    (held,) = query(lived_in.database, "SELECT DISTINCT reply FROM delivery_message WHERE key IN ('queued', 'sending')")
    assert "may have been sent" in str(held[0])
    assert query(lived_in.database, "SELECT count(*) FROM rounds_stop WHERE lifted_at IS NULL") == [(1,)]
    assert query(lived_in.database, "SELECT name_en FROM targets_organisation") == [("Water",)]
    assert query(lived_in.database, "SELECT * FROM django_session") == [], "everybody is signed out"
    assert query(lived_in.database, LET_IN) == [(0,)] * 5, "nor does a token, webhook, link or key work that did"
    assert "1 token(s) and 1 webhook(s) were revoked" in said
    assert "2 account(s) had a second factor or a single sign-on link" in said
    shut_out = [line.split()[0] for line in lived_in.roundsman("user", "list").splitlines() if "NO PASSWORD" in line]
    assert shut_out == ["alice@example.org", "keyed@example.org", "linked@example.org"]
    assert "/invitation/" in lived_in.roundsman("user", "link", "keyed@example.org"), (
        "the administrator is let in again"
    )
    assert "end again what was ended" in said
    assert (lived_in.path / "secret-key").read_text() == key
    (aside,) = lived_in.path.glob("replaced-*")
    assert query(aside / lived_in.database.name, "SELECT name_en FROM targets_organisation") == [("Changed",)]
    assert (aside / "secret-key").read_text() == "another"
    assert not list(lived_in.path.glob(".restoring-*"))
    trail = lived_in.roundsman("audit", "list", "--action", "restore", "--action", "token-revoked")
    assert '"shut": {"factors": 2, "links": 1, "tokens": 1, "webhooks": 1}' in trail
    assert "token-revoked  token siem" in trail
    later = lived_in.python(
        "from scanner.rounds.models import Round; import datetime as d;"
        "print(Round.objects.create(profile='quick', ports='80', requested_by='b', created=d.datetime.now(d.UTC)).pk)"
    )
    assert int(later) > 10_000


def test_a_stop_tokens_and_webhooks_may_be_left_as_they_were(lived_in: Installation, tmp_path: Path) -> None:
    write(lived_in.path, tmp_path / "backup")
    said = restored(tmp_path / "backup", tmp_path / "new", "--no-stop", "--no-revoke")
    assert "work again that were revoked after the backup" in said
    assert query(tmp_path / "new" / "roundsman.sqlite3", LET_IN) == [(1,), (1,), (0,), (1,), (1,)]
    assert query(tmp_path / "new" / "roundsman.sqlite3", "SELECT count(*) FROM rounds_stop") == [(0,)]
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert "water" in Installation(tmp_path / "new").roundsman("targets", "list")


def test_templates_of_one_s_own_come_back_and_those_that_were_there_are_kept_aside(
    lived_in: Installation, tmp_path: Path
) -> None:
    own = lived_in.path / "templates"
    put(own, "words.toml", '[en.office]\nname = "Ours"')
    put(own, "organisations/water/mail/reminder.html", "水务" * 400_000)
    put(own, "organisations/water/notice/notice.html", "{% extends 'shipped/notice.html' %}")
    put(own, ".git/config", "no template")
    (own / "logo.png").symlink_to("/etc/hostname")
    said = lived_in.roundsman("backup", tmp_path / "backup.tar.gz")
    assert "Not in it: 2 file(s)" in said
    put(own, "words.toml", '[en.office]\nname = "Changed"')

    lived_in.roundsman("restore", tmp_path / "backup.tar.gz", "--yes")
    assert (own / "words.toml").read_text() == '[en.office]\nname = "Ours"'
    files = sorted(path.relative_to(own).as_posix() for path in own.rglob("*") if path.is_file())
    assert files == ["organisations/water/notice/notice.html", "words.toml"]
    assert stat.S_IMODE((own / "words.toml").stat().st_mode) == 0o600
    (aside,) = lived_in.path.glob("replaced-*")
    assert "Changed" in (aside / "templates" / "words.toml").read_text()
    assert "words.toml  (0 in zh-Hans, 1 in en)" in lived_in.roundsman("templates", "list")


def test_a_backup_without_templates_leaves_those_that_are_there(lived_in: Installation, tmp_path: Path) -> None:
    write(lived_in.path, tmp_path / "backup")
    put(lived_in.path / "templates", "words.toml", "")
    restored(tmp_path / "backup", lived_in.path)
    assert (lived_in.path / "templates" / "words.toml").exists()


def test_templates_kept_elsewhere_are_backed_up_and_it_is_told_where_they_came_to(
    lived_in: Installation, tmp_path: Path
) -> None:
    put(tmp_path / "elsewhere", "words.toml", "[en]")
    other = Installation(lived_in.path, {"ROUNDSMAN_TEMPLATES_DIR": str(tmp_path / "elsewhere")})
    other.roundsman("backup", tmp_path / "backup.tar.gz")
    said = other.roundsman("restore", tmp_path / "backup.tar.gz", "--yes")
    assert f"Your templates are in {lived_in.path}/templates" in said
    assert (lived_in.path / "templates" / "words.toml").read_text() == "[en]"


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", ".evil", "a//b", "a\\b", "a\nb", "a/", "words.toml/x"]
)
def test_hostile_templates_in_a_backup_are_refused_before_anything_is_changed(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "templates.zip", "w") as packed:
        packed.writestr("words.toml", "x")
        packed.writestr(name, "x")
    with pytest.raises((InputError, OSError)):
        own_templates.lay_out(tmp_path / "templates.zip", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "templates.zip", "words.toml"]


def test_templates_that_unpack_to_more_than_there_can_be_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "templates.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(65):
            packed.writestr(f"{number}.html", bytes(1 << 20))
    with pytest.raises(InputError, match="more than a backup has"):
        own_templates.lay_out(tmp_path / "templates.zip", tmp_path / "out")


def test_a_directory_in_use_is_not_touched(lived_in: Installation, tmp_path: Path) -> None:
    write(lived_in.path, tmp_path / "backup")
    with (lived_in.path / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "is running on" in lived_in.roundsman("restore", tmp_path / "backup", "--yes", status=2)
    with closing(sqlite3.connect(lived_in.database)) as user:
        user.execute("SELECT count(*) FROM rounds_round").fetchall()
        assert "is in use" in lived_in.roundsman("restore", tmp_path / "backup", "--yes", status=2)
    assert not list(lived_in.path.glob("replaced-*"))


def test_nobody_is_overrun_unasked(lived_in: Installation, tmp_path: Path) -> None:
    write(lived_in.path, tmp_path / "backup")
    assert "Add --yes" in lived_in.roundsman("restore", tmp_path / "backup", status=2)
    (tmp_path / "there.tar.gz").touch()
    assert "exists; choose another name" in lived_in.roundsman("backup", tmp_path / "there.tar.gz", status=2)
    assert "is the disk mounted?" in lived_in.roundsman("backup", tmp_path / "not-mounted", status=2)
    assert "can't be written" in lived_in.roundsman("backup", tmp_path / "missing" / "backup.tar.gz", status=2)
    assert not list(lived_in.path.glob("replaced-*"))


def of_changed(lived_in: Installation, tmp_path: Path, *statements: str) -> Path:
    """A backup of the installation as if it had been another; written in this process."""
    other = tmp_path / "other"
    shutil.copytree(lived_in.path, other)
    with closing(sqlite3.connect(other / "roundsman.sqlite3")) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    write(other, tmp_path / "changed")
    return tmp_path / "changed"


def test_an_older_backup_is_brought_up_to_date(lived_in: Installation, tmp_path: Path) -> None:
    file = of_changed(lived_in, tmp_path, "DROP TABLE audit_entry", "DELETE FROM django_migrations WHERE app = 'audit'")
    restored(file, tmp_path / "new")
    said = Installation(tmp_path / "new").roundsman("audit", "verify")
    assert "6 entries, whole" in said, (
        "the stop, a token, a webhook, a key and a link that were taken back, the restore"
    )


def test_a_newer_backup_is_refused(lived_in: Installation, tmp_path: Path) -> None:
    future = "INSERT INTO django_migrations (app, name, applied) VALUES ('rounds', '0099_future', '2030-01-01')"
    said = restored(of_changed(lived_in, tmp_path, future), lived_in.path, status=2)
    assert "rounds.0099_future" in said
    assert "Upgrade Roundsman" in said
    assert not list(lived_in.path.glob("replaced-*"))


def test_a_broken_trail_is_restored_and_said(lived_in: Installation, tmp_path: Path) -> None:
    file = of_changed(
        lived_in, tmp_path, "DROP TRIGGER audit_entry_is_not_changed", "UPDATE audit_entry SET actor = 'nobody'"
    )
    assert "audit trail is broken" in restored(file, tmp_path / "new", status=3)
    assert (tmp_path / "new" / "roundsman.sqlite3").exists()


def test_a_restore_that_was_broken_off_lets_nothing_start_until_it_is_done(
    lived_in: Installation, tmp_path: Path
) -> None:
    write(lived_in.path, tmp_path / "backup")
    (lived_in.path / "restore.unfinished").touch()
    lived_in.database.rename(tmp_path / "aside")
    assert "was broken off" in lived_in.roundsman("targets", "list", status=2)
    assert not lived_in.database.exists()
    lived_in.roundsman("restore", tmp_path / "backup", "--yes")
    assert "water" in lived_in.roundsman("targets", "list")


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from django.db import connection
from scanner.settings import DATA_DIR
from scanner.upkeep.restore import prepared
connection.close()
left, replace = MOVES, Path.replace
def move(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
with prepared(Path("backup").absolute(), DATA_DIR) as ready:
    Path.replace = move
    ready.finish(datetime.now(UTC), actor="alice", stop=True, shut=lambda by, now: {})
"""


@pytest.mark.parametrize("moves", [1, 3])
def test_a_restore_that_is_killed_loses_nothing_and_is_done_again(
    lived_in: Installation, tmp_path: Path, moves: int
) -> None:
    write(lived_in.path, tmp_path / "backup")
    with lived_in.sql() as database:
        database.execute("UPDATE targets_organisation SET name_en = 'Changed'")
    with lived_in.start(KILLED.replace("MOVES", str(moves))) as process:
        assert process.wait(timeout=240) == -9
    assert "was broken off" in lived_in.roundsman("targets", "list", status=2)
    lived_in.roundsman("restore", tmp_path / "backup", "--yes")
    assert query(lived_in.database, "SELECT name_en FROM targets_organisation") == [("Water",)]
    assert not list(lived_in.path.glob(".restoring-*"))
    kept = list(lived_in.path.glob("replaced-*/roundsman.sqlite3"))
    assert ("Changed",) in [row for path in kept for row in query(path, "SELECT name_en FROM targets_organisation")]


@pytest.mark.parametrize("spoil", [lambda page: bytes(len(page)), lambda page: page[:8] + b"x" * 100 + page[108:]])
def test_a_damaged_database_is_not_backed_up(
    lived_in: Installation, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rounds_round'").fetchone()
    content = lived_in.database.read_bytes()
    at = (root - 1) * size
    lived_in.database.write_bytes(content[:at] + spoil(content[at : at + size]) + content[at + size :])
    with pytest.raises(InputError, match=r"damaged|can't be read"):
        write(lived_in.path, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_a_killed_backup_left_is_removed_by_the_next(lived_in: Installation, tmp_path: Path) -> None:
    old, recent = tmp_path / ".roundsman-backup-old", tmp_path / ".roundsman-backup-recent"
    old.mkdir()
    recent.mkdir()
    later = dt.datetime.now(dt.UTC)
    _age(old, later - dt.timedelta(days=2))
    write(lived_in.path, tmp_path / "backup", later)
    assert (old.exists(), recent.exists()) == (False, True)


def test_a_copy_is_one_file_with_what_was_there(lived_in: Installation, tmp_path: Path) -> None:
    snapshot.copy(lived_in.database, tmp_path / "copy")
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"]
    assert snapshot.examine(tmp_path / "copy").rows["delivery_message"] == 5


def _age(path: Path, at: dt.datetime) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))
