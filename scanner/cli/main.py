"""The ``roundsman`` command. Its parts are imported only when they are used, so that help is instant."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from scanner.engine.errors import RoundsmanError
from scanner.loading import loading

_COMMANDS = {
    "init": ("scanner.cli.init", "Make the first account, which lets everybody else in."),
    "inspect": ("scanner.cli.inspect", "Inspect addresses now and print what was found; needs no database."),
    "targets": ("scanner.cli.targets", "Register organisations, their hosts, authorisations and exclusions."),
    "plan": ("scanner.cli.plan", "Plan when to inspect what, and how deep."),
    "serve": ("scanner.cli.serve", "Run everything by itself: plans, rounds, mail, upkeep."),
    "worker": ("scanner.cli.worker", "Look at hosts for a 'serve' elsewhere, from a zone of the network."),
    "workers": ("scanner.cli.workers", "Show what works on a shared database, and let workers in."),
    "round": ("scanner.cli.round", "Inspect the registered targets and follow their findings."),
    "stop": ("scanner.cli.stop", "Stop everything within five seconds, until 'resume'."),
    "resume": ("scanner.cli.resume", "Lift a stop, so that rounds go on."),
    "finding": ("scanner.cli.finding", "Show findings; claim, accept and dispute them."),
    "facts": ("scanner.cli.facts", "Judge again what was seen, with today's rules; sends nothing."),
    "intel": ("scanner.cli.intel", "Import what is published about vulnerable software; works offline."),
    "report": ("scanner.cli.report", "Render each organisation's risk report."),
    "bulletin": ("scanner.cli.bulletin", "Compare units for the organisation that supervises them."),
    "templates": ("scanner.cli.templates", "Word and dress reports, notices and mails in your own way."),
    "user": ("scanner.cli.user", "Let people in to the pages; give roles, end accounts."),
    "token": ("scanner.cli.token", "Let programs in to the interface, and shut them out."),
    "webhook": ("scanner.cli.webhook", "Have other systems told what happened."),
    "audit": ("scanner.cli.audit", "Show who did what, and whether anybody changed that."),
    "notice": ("scanner.cli.notice", "Ask an organisation to fix findings by a date."),
    "replies": ("scanner.cli.replies", "Read the answers of organisations to notices."),
    "mail": ("scanner.cli.mail", "Try the mail server; show, send, retry and cancel mail."),
    "prune": ("scanner.cli.prune", "Remove what was kept long enough."),
    "backup": ("scanner.cli.backup", "Write all that is known to one file, while everything runs on."),
    "restore": ("scanner.cli.restore", "Put a backup in the place of an installation."),
    "migrate-store": ("scanner.cli.migrate_store", "Move everything from SQLite to PostgreSQL."),
    "doctor": ("scanner.cli.doctor", "Look at everything that is needed, and say what to do."),
    "plugins": ("scanner.cli.plugins", "List installed plugins: probes and rules of third parties."),
}
"""Command name → (module that holds its Typer ``app``, one line of help)."""

_WITHOUT_DATABASE = {"inspect", "worker", "intel", "restore", "migrate-store", "doctor", "plugins"}

_WITHOUT_PLUGINS = {
    "init", "user", "token", "webhook",
    "targets", "workers", "stop", "resume", "intel", "audit", "templates", "mail", "prune", "backup", "restore",
    "migrate-store", "doctor", "plugins",
}  # fmt: skip
"""Commands that neither look nor judge, so that no foreign code runs; ``plugins`` loads them in its own way."""

_root = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_root.callback(invoke_without_command=True)
def roundsman(
    ctx: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    """Inspect registered hosts for open ports, weak TLS and exposed services, and report what to fix first.

    \b
    One person, one look:   roundsman inspect 192.0.2.10 --authorisation "order 2026-17"
    An office, by hand:     roundsman targets apply register.yaml
                            roundsman round run
                            roundsman report build
    The same, by itself:    roundsman plan add weekly --schedule "0 3 * * mon"
                            roundsman serve

    Every command explains itself with --help.
    """
    if show_version:
        typer.echo(f"roundsman {version('roundsman')}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> None:
    """Run the command; an error meant for people is printed as one, without a traceback, and ends with status 2."""
    try:
        name = sys.argv[1] if len(sys.argv) > 1 else ""
        if name in _COMMANDS:
            _run(name, sys.argv[2:])
        else:
            _list_commands()
            _root(prog_name="roundsman")
    except RoundsmanError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell tells of a command that SIGINT ended


def _run(name: str, arguments: list[str]) -> None:
    module, _ = _COMMANDS[name]
    with loading():
        if not {"--help", "-h"} & set(arguments):
            if name not in _WITHOUT_DATABASE:
                _prepare()
            if name not in _WITHOUT_PLUGINS:
                import_module("scanner.cli.plugins").announce()
        command = import_module(module).app
    command(arguments, prog_name=f"roundsman {name}")


def _prepare() -> None:
    """Make ready; a new database takes seconds, and may be one that nobody meant: ROUNDSMAN_DATA_DIR was another."""
    settings = import_module("scanner.settings")
    if settings.is_new() and sys.stderr.isatty():
        typer.echo(f"Making a new database in {settings.DATA_DIR} …", err=True)
    settings.prepare()


def _list_commands() -> None:
    """Let the root's help name the commands; none of them is reached through it."""
    for name, (_, text) in _COMMANDS.items():
        _root.command(name, help=text, short_help=text)(_not_reached)


def _not_reached() -> None:
    raise AssertionError("Commands are dispatched before the root is asked.")
