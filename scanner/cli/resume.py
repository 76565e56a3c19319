"""``roundsman resume``: lift what ``roundsman stop`` did."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def resume() -> None:
    """Lift a stop, so that rounds go on where they stopped. One that was paused by itself stays paused.

    Exit status: 0 done, also when nothing was stopped.
    """
    from scanner.rounds.switch import lift_stop

    with clear_errors():
        lifted = lift_stop(actor(), datetime.now(UTC))
    typer.echo("Rounds go on." if lifted else "Nothing was stopped.")
