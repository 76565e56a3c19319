"""Moves an installation from the SQLite file of its data directory to a PostgreSQL database, once and for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connection, transaction

from scanner.audit import trail
from scanner.audit.trail import Action
from scanner.database import FILE, place
from scanner.engine.errors import InputError, RoundsmanError
from scanner.settings import bring_up_to_date, migrate
from scanner.upkeep import snapshot, transfer
from scanner.upkeep.restore import alone


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: rows by table, the newest digest of the audit trail, and where the old file is now."""

    rows: dict[str, int]
    audit_head: str
    aside: Path


@contextmanager
def ready(data_dir: Path) -> Iterator[Path]:
    """Make sure that nobody uses either database, and that there is something to move and room for it; yield the file.

    Raises ``InputError``; nothing was moved yet.
    """
    file = data_dir / FILE
    if not file.is_file():
        raise InputError(f"There is no {file}; set ROUNDSMAN_DATA_DIR to the data directory that is to be moved.")
    with ExitStack() as stack:
        alone(data_dir, stack)
        bring_up_to_date()
        if not transfer.is_empty(DEFAULT_DB_ALIAS):
            raise InputError(f"{place(connection.settings_dict)} holds something already; make a new database for it.")
        yield file


def move(file: Path, now: datetime, *, actor: str) -> Moved:
    """Copy everything, check that it arrived, and set the file aside, so that nobody uses it by mistake.

    Raises ``InputError`` and ``RoundsmanError``; then the file is as it was, and the other database empty.
    """
    with transfer.as_default(transfer.file_in(file.parent)):
        migrate()
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = snapshot.examine(file)
    with transfer.opened("file", transfer.file_in(file.parent)) as source, transaction.atomic():
        sums = transfer.carry_over(source, DEFAULT_DB_ALIAS)
        verdict = trail.verify(before.audit_head)
        if not verdict.is_whole:
            raise RoundsmanError("The audit trail is broken; 'roundsman audit verify' on the old database tells where.")
        rows = {table: each.rows for table, each in sums.items()}
        trail.record(Action.STORE_MOVED, "database", actor=actor, at=now, rows=sum(rows.values()))
    aside = file.with_name(f"{FILE}.moved-{now:%Y%m%dT%H%M%SZ}")
    file.replace(aside)
    for left in (f"{FILE}-wal", f"{FILE}-shm"):
        file.with_name(left).unlink(missing_ok=True)
    return Moved(rows, verdict.head, aside)
