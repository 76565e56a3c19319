"""Backs up an installation while it runs: one file that holds the database, what was imported, the secret key, and the
operator's own templates."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections

from scanner.audit.trail import Action, record
from scanner.engine.errors import InputError, RoundsmanError
from scanner.files import draft_of
from scanner.locks import is_shared
from scanner.settings import begin_database
from scanner.upkeep import own_templates, snapshot, transfer
from scanner.upkeep.archive import DATABASE, NAMES, Manifest, member_of, pack, unpack

NOTE = "last-backup.json"
"""File in the data directory that tells of the last backup."""

SUFFIXES = (".tar.gz", ".tgz")
"""How a backup's file must end: a directory that is not there, as its disk is not mounted, is no name for a file."""

_PREFIX = ".roundsman-backup-"
_STALE = 86_400
"""Seconds after which a folder of ours is what a killed backup left."""


@dataclass(frozen=True, slots=True)
class Written:
    """A backup that was written. ``left_out`` counts files among the templates that can't be templates."""

    path: Path
    manifest: Manifest
    left_out: int


@dataclass(frozen=True, slots=True)
class LastBackup:
    """When the last backup was made, and where it was written to."""

    at: datetime
    path: str


def backup(data_dir: Path, path: Path, now: datetime, *, templates: Path, actor: str) -> Written:
    """Write a backup to ``path``, or into it under the name of the time when it is a directory, and put it on record.

    ``templates`` is the folder of the operator's own. What was written is read again and checked before it gets its
    name. Raises ``InputError`` when it can't be written,
    something is there already, or the database is damaged; ``RoundsmanError`` when it can't be copied.
    """
    target = path / f"roundsman-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar.gz" if path.is_dir() else path
    if target == path and not path.name.endswith(SUFFIXES):
        raise InputError(f"There is no directory {path}. Make it (is the disk mounted?), or name a file {path}.tar.gz.")
    if target.exists():
        raise InputError(f"{target} exists; choose another name, or a directory.")
    try:
        written = _write(data_dir, target, now, templates)
    except OSError as error:
        raise InputError(f"The backup can't be written to {target}: {error.strerror or error}.") from error
    except sqlite3.Error as error:
        raise RoundsmanError(f"The database in {data_dir} can't be copied: {error}.") from error
    record(Action.BACKUP, str(target), actor=actor, at=now, audit_head=written.manifest.audit_head)
    with draft_of(data_dir / NOTE) as note:
        note.write_text(json.dumps({"at": now.isoformat(), "path": str(target.absolute())}), encoding="utf-8")
    return written


def last_backup(data_dir: Path) -> LastBackup | None:
    """Return what is known of the last backup; None when there was none, or the note of it can't be read."""
    try:
        note = json.loads((data_dir / NOTE).read_text(encoding="utf-8"))
        return LastBackup(datetime.fromisoformat(note["at"]), str(note["path"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _copy_from_server(folder: Path) -> None:
    """Write all that is in a PostgreSQL database to a file as SQLite keeps it: so one form of backup fits both."""
    settings = transfer.file_in(folder)
    begin_database(folder / DATABASE)
    with transfer.opened("copy", settings) as copy:
        call_command("migrate", database=copy, interactive=False, verbosity=0)
        transfer.carry_over(DEFAULT_DB_ALIAS, copy)
        with connections[copy].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=DELETE")  # so that it is one file


def _write(data_dir: Path, target: Path, now: datetime, templates: Path) -> Written:
    for left_over in target.parent.glob(f"{_PREFIX}*"):
        if left_over.stat().st_mtime < now.timestamp() - _STALE:
            shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=target.parent) as name, draft_of(target) as draft:
        folder = Path(name)
        left_out = own_templates.collect(templates, folder / own_templates.FILE)
        if is_shared():
            _copy_from_server(folder)
        for each in set(NAMES) - {own_templates.FILE}:
            if (folder / each).exists():
                continue
            if each.endswith(".sqlite3") and (data_dir / each).exists():
                snapshot.copy(data_dir / each, folder / each)
            elif (data_dir / each).exists():
                shutil.copy(data_dir / each, folder / each)
        contents = snapshot.examine(folder / DATABASE)
        manifest = Manifest(
            version=version("roundsman"),
            created=now.astimezone(UTC).isoformat(),
            migrations=contents.migrations,
            rows=contents.rows,
            audit_head=contents.audit_head,
            files={each: member_of(folder / each) for each in NAMES if (folder / each).exists()},
        )
        pack(draft, manifest, folder)
        if unpack(draft, None) != manifest:
            raise RoundsmanError(
                f"What was written to {target.parent} reads back as something else; is its disk sound?"
            )
    return Written(target, manifest, left_out)
