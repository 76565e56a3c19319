"""Databases as released versions made them, from which every later version must bring an installation up to date.

``python -m tests.upgrades.released DATA_DIRECTORY VERSION`` keeps the SQLite database of an installation as one more.
Do it for every release, with what its ``make demo`` leaves in ``var/demo``. A kept one is never changed.

``python -m tests.upgrades.released FILE``, with ``ROUNDSMAN_DATABASE``, makes the tables of that version in an empty
PostgreSQL database, and puts the rows of the SQLite file there.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).parent
VERSIONS = sorted(path.name.removesuffix(".sql.gz") for path in FOLDER.glob("*.sql.gz"))


def keep(database: Path, version: str) -> None:
    """Keep a database as the statements that make it anew."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        (vacuum,) = opened.execute("PRAGMA auto_vacuum").fetchone()
        statements = "\n".join([f"PRAGMA auto_vacuum={vacuum};", *opened.iterdump()])
    (FOLDER / f"{version}.sql.gz").write_bytes(gzip.compress(f"{statements}\n".encode(), 9, mtime=0))


def make(version: str, database: Path) -> None:
    """Make the SQLite database of a version, as it was when it was kept."""
    with closing(sqlite3.connect(database)) as opened:
        # As Django adds it to SQLite: tables of ours ask for it.
        opened.create_function("REGEXP", 2, lambda pattern, text: re.search(pattern, text) is not None)
        opened.executescript(gzip.decompress((FOLDER / f"{version}.sql.gz").read_bytes()).decode())
        opened.execute("PRAGMA journal_mode=WAL")


def put_on_server(kept: Path) -> None:
    """Make the tables of a version in the PostgreSQL database that the settings name, and copy the rows of ``kept``."""
    from scanner.settings import set_up

    set_up()
    from django.core.management.color import no_style
    from django.db import connection, connections, transaction
    from django.db.migrations.executor import MigrationExecutor

    connections.databases["kept"] = {**connections.databases["default"], "ENGINE": "django.db.backends.sqlite3"}
    connections.databases["kept"] |= {"NAME": str(kept), "OPTIONS": {}}
    with connections["kept"].cursor() as cursor:
        newest = dict(cursor.execute("SELECT app, max(name) FROM django_migrations GROUP BY app").fetchall())
    executor = MigrationExecutor(connection)
    state = executor.migrate(list(newest.items()))
    there = state.apps.get_models(include_auto_created=True)
    models = [each for each in there if each._meta.app_label not in ("auth", "contenttypes")]
    with transaction.atomic():
        for model in models:
            model._default_manager.using("default").bulk_create(model._default_manager.using("kept").all())
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), models):
                cursor.execute(statement)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        keep(Path(sys.argv[1]) / "roundsman.sqlite3", sys.argv[2])
    else:
        put_on_server(Path(sys.argv[1]))
