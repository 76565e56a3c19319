"""``roundsman stop``: the kill switch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def stop(
    reason: Annotated[str, typer.Option(help="Why; whoever comes next reads it.")] = "",
) -> None:
    """Stop everything at once: rounds in work end within seconds, and nothing is sent until 'roundsman resume'.

    No packet of a round leaves after five seconds, whichever process works at it. What was seen is kept, what was in
    work goes on after 'resume'. It holds over restarts. A running 'roundsman inspect' knows no register and is not
    reached: end that with Ctrl-C.

    Exit status: 0 stopped, 2 the database could not be used; then end the service's process instead.
    """
    from scanner.rounds.switch import stop_all

    with clear_errors():
        standing, new = stop_all(actor(), reason[:500], datetime.now(UTC))
    if new:
        typer.echo("Stopped. 'roundsman resume' lets rounds go on.")
    else:
        typer.echo(f"Stopped already, by {standing.by} at {standing.at:%Y-%m-%d %H:%M}Z.")
