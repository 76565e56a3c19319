"""``roundsman migrate-store``: from SQLite to PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def migrate_store(yes: Yes = False) -> None:
    """Move everything from the SQLite file of the data directory to the PostgreSQL database of ROUNDSMAN_DATABASE.

    \b
    roundsman backup /mnt/backup                      in case of need
    (stop 'roundsman serve')
    createdb --encoding=UTF8 --locale=C.UTF-8 --template=template0 --owner=roundsman roundsman
    export ROUNDSMAN_DATABASE=postgresql://roundsman@db.example.org/roundsman
    roundsman migrate-store
    (start 'roundsman serve' with the same ROUNDSMAN_DATABASE)

    The database must be new. All rows are copied in one transaction and compared one by one with what they were, by
    number and by hash, and the audit trail is walked to its end; only then they are kept. The old file is set aside in
    the data directory, which is still needed: it holds the secret key and your templates.

    Exit status: 0 moved, 1 declined, 2 refused and nothing was changed.
    """
    from scanner.settings import DATA_DIR, DATABASES, on_server, set_up

    if not on_server():
        raise InputError("Set ROUNDSMAN_DATABASE to the PostgreSQL database to move to; see --help.")
    set_up()
    from scanner.database import place
    from scanner.upkeep.move import move, ready

    with clear_errors(), ready(DATA_DIR) as file:
        agree(f"Move what is in {file} to {place(DATABASES['default'])}?", yes)
        moved = move(file, datetime.now(UTC), actor=actor())
    tables = sum(1 for count in moved.rows.values() if count)
    typer.echo(f"Moved {sum(moved.rows.values())} rows of {tables} tables, and compared each with what it was.")
    typer.echo(f"The audit trail is whole; its newest digest was {moved.audit_head or '-'}.")
    typer.echo(f"The old file is {moved.aside}; remove it when all is well.")
