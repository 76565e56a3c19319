"""``roundsman serve``: everything that runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Annotated

import typer

from scanner.cli.ending import ended_by_signal, in_time
from scanner.cli.errors import clear_errors
from scanner.cli.formats import LogLevel
from scanner.cli.logs import LogFormat, log_to_standard_error
from scanner.engine.errors import RoundsmanError, ToolError
from scanner.engine.hostile import printable

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def serve(
    workers: Annotated[
        int | None, typer.Option(min=1, max=16, help="Jobs at a time. Default: ROUNDSMAN_WORKERS, or 2.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="How much to log to standard error.")] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines for people, or JSON with the round and organisation that it is about.")
    ] = LogFormat.TEXT,
) -> None:
    """Make the rounds of plans when they are due, follow findings, send mail, remind, clean up, and serve the pages.

    \b
    roundsman plan add weekly --schedule "0 3 * * mon"    when to inspect
    roundsman init                                        who may sign in to the pages
    roundsman serve                                       do it, for good
    roundsman doctor                                      what is still missing

    One at most runs on a data directory. It may be ended at any time, by Ctrl-C, SIGTERM, or a power cut: what was in
    work is put back and gone on with when it runs again, missed rounds are caught up once, and no mail is lost.
    Pages are served at http://127.0.0.1:8440, for this machine alone; ROUNDSMAN_WEB_URL and a proxy with TLS let others
    in, ROUNDSMAN_WEB=off serves none. Until a mail server is chosen, on its page or by ROUNDSMAN_SMTP_HOST, mail is
    written to the folder 'mail' of the data directory.

    Exit status: 0 ended as told, 2 bad input, or another service runs.
    """
    from django.conf import settings
    from django.db import connections

    from scanner import garbage
    from scanner.unattended import Service

    log_to_standard_error(log_level, log_format)
    with clear_errors():
        ended = ended_by_signal()
        service = Service(workers or settings.WORKERS, outdated=lambda _: ended.set())
        pages = _pages(log_level, log_format) if settings.INSTALLATION.web else nullcontext()
        for line in _what_runs(service.workers):
            typer.echo(line, err=True)
        connections.close_all()  # what is frozen open is not closed at the end, and its WAL stays behind
        garbage.settle()
        with in_time(ended), service.running(), pages:
            ended.wait()
    typer.echo("Ended.", err=True)


def _pages(level: LogLevel, how: LogFormat) -> AbstractContextManager[object]:
    """Serve the pages; what listens for them is loaded only where they are served."""
    from scanner.cli.pages import Pages
    from scanner.console.server import listening

    return Pages(listening, level, how)


def _what_runs(workers: int) -> Iterator[str]:
    """Say what is about to run, and what a person should know who has just started it."""
    from django.conf import settings

    from scanner.accounts.people import administrators
    from scanner.database import place
    from scanner.locks import is_shared
    from scanner.rounds.models import Plan
    from scanner.rounds.switch import current_stop
    from scanner.rounds.tools import tool_versions

    shared = f" and {place(settings.DATABASES['default'])}" if is_shared() else ""
    yield f"Roundsman works on {settings.DATA_DIR}{shared} with {workers} worker(s)."
    try:
        yield f"Rounds use nmap {tool_versions()['nmap']}."
    except ToolError as error:
        yield f"No round can be made: {error}"
    plans = Plan.objects.filter(retired_at=None)
    due = [plan.next_due for plan in plans.filter(paused=False) if plan.next_due]
    if due:
        yield f"{len(due)} plan(s) by a schedule; the next is due {max(min(due), datetime.now(UTC)):%Y-%m-%d %H:%M}Z."
    else:
        yield "No plan has a due time; 'roundsman plan add --help' tells how to make one."
    yield _where_mail_goes()
    if not settings.INSTALLATION.operators:
        yield "Nobody is told of failures (ROUNDSMAN_OPERATORS)."
    if not settings.INSTALLATION.web:
        yield "No pages are served (ROUNDSMAN_WEB)."
    elif administrators():
        yield f"Pages: {settings.INSTALLATION.site}"
    else:
        yield f"Pages: {settings.INSTALLATION.site}; nobody can sign in until 'roundsman init' was run."
    stop = current_stop()
    if stop is not None:
        why = f": {printable(stop.reason)}" if stop.reason else ""
        yield f"STOPPED by {stop.by} at {stop.at:%Y-%m-%d %H:%M}Z{why}. 'roundsman resume' lets rounds go on."


def _where_mail_goes() -> str:
    from django.conf import settings

    from scanner.delivery.mail_server import server

    try:
        to = server()
    except RoundsmanError as error:
        return str(error)
    if to is not None:
        return f"Mail leaves by {to.host}, port {to.port}."
    return (
        f"No mail server is chosen (its page, or ROUNDSMAN_SMTP_HOST): mail is written to {settings.DATA_DIR / 'mail'}."
    )
