"""``roundsman worker``: looks at hosts for a ``serve`` elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated

import typer

from scanner.cli.ending import ended_by_signal
from scanner.cli.errors import clear_errors
from scanner.cli.formats import LogLevel
from scanner.cli.logs import LogFormat, log_to_standard_error
from scanner.engine.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Exit(IntEnum):
    """What the process tells its caller."""

    ENDED = 0
    BAD_INPUT = 2
    OUTDATED = 3


@app.command()
def worker(
    zone: Annotated[
        list[str] | None, typer.Option(help="Zone whose hosts it looks at; several times. Default: every zone.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Jobs at a time; one has up to 64 hosts.")] = 2,
    log_level: Annotated[LogLevel, typer.Option(help="How much to log to standard error.")] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines for people, or JSON with the round and organisation that it is about.")
    ] = LogFormat.TEXT,
) -> None:
    """Look at the hosts of some zones, for a 'roundsman serve' that may run on another machine, until it is ended.

    \b
    export ROUNDSMAN_DATABASE=postgresql://roundsman_worker@db.example.org/roundsman
    export ROUNDSMAN_DATABASE_PASSWORD_FILE=/etc/roundsman/database-password
    roundsman worker --zone dmz --concurrency 4

    It needs the PostgreSQL database of ROUNDSMAN_DATABASE and nmap, and no data directory, mail server or key. Its role
    in the database may be one that can do nothing else: 'roundsman workers grant' makes it so. Any number may run, of
    the same zone too. Rate caps hold over all of them, and 'roundsman stop' ends what they do within five seconds.
    A zone that is not registered is waited for: its hosts are looked at once it is.

    SIGTERM or Ctrl-C end it: what is in work is put back within seconds, what was seen is kept, and others go on.
    It also ends when another version of Roundsman has changed the database.

    Exit status: 0 ended as told, 2 bad input or a version that does not fit, 3 its version no longer fits.
    """
    from scanner.settings import on_server, set_up

    if not on_server():
        raise InputError("Set ROUNDSMAN_DATABASE to the PostgreSQL database of the 'roundsman serve' to work for.")
    set_up()
    from scanner.rounds.fleet import Presence, looking, registered_zones
    from scanner.rounds.ways import Ways

    log_to_standard_error(log_level, log_format)
    reasons: list[str] = []

    def outdated(why: str) -> None:
        reasons.append(why)
        ended.set()

    with clear_errors():
        zones, registered = frozenset(zone or ()) or None, registered_zones()
        ended = ended_by_signal()
        with Presence("worker", zones, concurrency, datetime.now(UTC), outdated), looking(concurrency, zones, Ways()):
            of = f"of {', '.join(sorted(zones))}" if zones else "of every zone"
            typer.echo(f"Works on hosts {of}, {concurrency} job(s) at a time.", err=True)
            for unknown in sorted((zones or frozenset()) - registered):
                there = ", ".join(sorted(registered)) or "none"
                typer.echo(f"No zone is called {unknown} yet; it waits for it. Registered zones: {there}.", err=True)
            ended.wait()
    typer.echo(f"Ended{': ' if reasons else ''}{''.join(reasons)}.", err=True)
    if reasons:
        raise typer.Exit(Exit.OUTDATED)
