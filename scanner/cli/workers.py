"""``roundsman workers``: the processes that share a PostgreSQL database."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scanner.cli.errors import clear_errors

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what works on a shared database, and let workers in.",
)


@app.command("list", short_help="Show the processes that work.")
def list_workers(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False) -> None:
    """Show each 'serve' and 'worker' of the database: where it runs, its zones, what it has in work, its version.

    One that has been silent for half a minute is gone, or cut off from the database; its jobs are taken up by others.
    At the end stand zones whose hosts wait for a worker while there is none, and zones that workers wait for while the
    register has none of that name.

    Exit status: 0 shown, 2 no shared database.
    """
    from scanner.rounds.fleet import awaited_zones, deserted_zones, processes

    with clear_errors():
        found, deserted, awaited = processes(), deserted_zones(), awaited_zones()
    if as_json:
        rows = [
            {
                "name": each.name,
                "machine": each.machine,
                "zones": each.zones,
                "concurrency": each.concurrency,
                "jobs": each.jobs,
                "version": each.version,
                "started": each.started.isoformat(),
                "silent_seconds": round(each.since_beat.total_seconds()),
                "works": each.works,
            }
            for each in found
        ]
        told = {"workers": rows, "deserted_zones": deserted, "awaited_zones": awaited}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for each in found:
        kind, process = each.name.split(":")[:2]
        zones = "every zone" if each.zones is None else ", ".join(filter(None, each.zones)) or "no zone"
        state = f"{each.jobs} of {each.concurrency} job(s)" if each.works else f"silent for {each.since_beat}"
        other = "" if each.is_current else " (another version than this)"
        typer.echo(f"{kind:<6} {each.machine} process {process}: {zones}; {state}; {each.version}{other}")
    if not found:
        typer.echo("Nothing works on this database. 'roundsman serve' and 'roundsman worker' do.")
    for zone in deserted:
        typer.echo(f"Hosts of zone {zone} wait, and nothing looks at them: 'roundsman worker --zone {zone}'.")
    for zone in awaited:
        typer.echo(f"No zone is called {zone}, which a process waits for: register it, or correct its name there.")


@app.command(short_help="Give a database role the rights of a worker.")
def grant(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="An existing role of the PostgreSQL server.")],
    show: Annotated[bool, typer.Option("--show", help="Print the SQL, and change nothing.")] = False,
) -> None:
    """Let 'roundsman worker' connect as a role that can do nothing else; do so again after each upgrade.

    It reads what is to be inspected, and writes jobs and results of hosts. It reads no facts, findings, reports, mails
    or accounts, and changes no register: who breaks into the machine of a worker gains no more than that.

    \b
    createuser --pwprompt roundsman_worker    on the database's server
    roundsman workers grant roundsman_worker

    Exit status: 0 done, 2 bad input or refused by the server.
    """
    from scanner.rounds import rights

    with clear_errors("give the rights again"):
        if show:
            for statement in rights.statements(role):
                typer.echo(f"{statement};")
            return
        rights.grant(role)
    typer.echo(f"{role} may do what a worker does, and nothing else.")
