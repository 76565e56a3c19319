"""A database file by itself: copied while others write to it, and examined."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scanner.engine.errors import InputError


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a database: its migrations (``app.name``), rows by table, and the digest of the newest audit entry."""

    migrations: tuple[str, ...]
    rows: dict[str, int]
    audit_head: str


def copy(source: Path, to: Path) -> None:
    """Write ``source`` as it is at this moment to ``to`` (mode 0600). Whoever uses it goes on reading and writing.

    All pages are copied in one step, from one state of the write-ahead log; step by step, every write in between would
    begin the copy anew. Raises ``sqlite3.Error``.
    """
    to.touch(mode=0o600)
    with _opened(source) as live, closing(sqlite3.connect(to)) as draft:
        live.backup(draft)
        draft.execute("PRAGMA journal_mode=DELETE")  # so that it is one file


def examine(path: Path) -> Contents:
    """Check every page of a database and return what is in it. Raises ``InputError`` when it is damaged."""
    try:
        with _opened(path) as database:
            database.execute("PRAGMA ignore_check_constraints=ON")  # some of them call functions of Django's
            complaints = [row[0] for row in database.execute("PRAGMA integrity_check(5)")]
            if complaints != ["ok"]:
                raise InputError(f"The database in {path} is damaged: {'; '.join(complaints)}.")
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return Contents(
                migrations=tuple(_migrations(database)) if "django_migrations" in tables else (),
                rows={name: _count(database, name) for name in sorted(tables) if not name.startswith("sqlite_")},
                audit_head=_audit_head(database) if "audit_entry" in tables else "",
            )
    except sqlite3.Error as error:
        raise InputError(f"The database in {path} can't be read: {error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        yield connection


def _migrations(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT app, name FROM django_migrations ORDER BY app, name")
    return [f"{app}.{name}" for app, name in rows]


def _count(database: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    return int(database.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608 - a table of its own


def _audit_head(database: sqlite3.Connection) -> str:
    row = database.execute("SELECT digest FROM audit_entry ORDER BY id DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""
