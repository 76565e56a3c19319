"""``roundsman backup``: all that an installation knows, in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def backup(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A directory to put it in, or a new file that ends in .tar.gz.")
    ],
) -> None:
    """Write the database, what was imported, the secret key and your templates to one file, while everything runs on.

    The file is read again and checked before it gets its name. It holds all that is known of every organisation's
    weaknesses: keep it as you keep the machine, and on another one. Settings, mail written to files and large reports
    are not in it.

    Exit status: 0 done and checked, 2 it could not be written or the database is damaged.
    """
    from django.conf import settings

    from scanner.upkeep.backup import backup

    with clear_errors():
        now = datetime.now(UTC)
        written = backup(settings.DATA_DIR, path, now, templates=settings.OWN_TEMPLATES, actor=actor())
    rows = sum(written.manifest.rows.values())
    typer.echo(f"{written.path}  {written.path.stat().st_size / 1e6:.1f} MB, {rows} rows, checked")
    if written.left_out:
        folder = settings.OWN_TEMPLATES
        typer.echo(f"Not in it: {written.left_out} file(s) below {folder} that are links, or too large or too many.")
    typer.echo(f"Audit digest to note elsewhere: {written.manifest.audit_head or '-'}")
