"""``roundsman prune``: remove what was kept long enough."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree

if TYPE_CHECKING:
    from scanner.upkeep.retention import Pruned

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and change nothing.")] = False,
    yes: Yes = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Then write the database anew, in as little room as can be.")
    ] = False,
) -> None:
    """Remove what was kept long enough: shows what it is, asks, and goes in small steps while everything runs on.

    \b
    ROUNDSMAN_KEEP_FACTS_DAYS     results of hosts, but for each host's newest and the last two whole rounds
    ROUNDSMAN_KEEP_MESSAGES_DAYS  contents of mails that have left, and .eml files
    ROUNDSMAN_KEEP_REPORTS_DAYS   contents of reports, but for the newest of each organisation

    Findings, their history, scores and the audit trail are never removed. Interrupted, the next call goes on.
    --compact takes as much room again on the disk, and nothing else can write to the database meanwhile; only databases
    made before this version need it.

    Exit status: 0 done, 1 declined, 2 bad input.
    """
    from scanner.upkeep import space
    from scanner.upkeep.retention import Policy, prune

    with clear_errors():
        now, policy = datetime.now(UTC), Policy.of_settings()
        found = prune(now, policy, dry_run=True)
        if found.counts:
            typer.echo(f"To remove: {_listed(found)}.")
        else:
            typer.echo("Nothing was kept too long.")
        if dry_run:
            return
        if found.counts or compact:
            agree("Go on?", yes)
        if found.counts:
            typer.echo(f"Removed: {_listed(prune(now, policy, actor=actor()))}.")
        if compact:
            space.compact()
            typer.echo("The database was compacted.")


def _listed(pruned: Pruned) -> str:
    counts = ", ".join(f"{number} {what}" for what, number in pruned.counts.items())
    return f"{counts}; about {pruned.size / 1e6:.1f} MB"
