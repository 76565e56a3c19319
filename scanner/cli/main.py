"""The ``roundsman`` command: a group whose parts are imported only when they are used, so that help is instant."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from scanner.engine.errors import RoundsmanError

_COMMANDS = {
    "inspect": ("scanner.cli.inspect", "Inspect addresses now and print what was found; needs no database."),
    "targets": ("scanner.cli.targets", "Register organisations, their hosts, authorisations and exclusions."),
    "round": ("scanner.cli.round", "Inspect the registered targets and follow their findings."),
    "finding": ("scanner.cli.finding", "List and show the findings that are being followed."),
    "report": ("scanner.cli.report", "Render each organisation's risk report."),
}
"""Command name → (module that holds its Typer ``app``, one line of help)."""

_WITHOUT_DATABASE = {"inspect"}


class _LazyGroup(click.Group):
    """A group that knows its commands' names and help, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        if cmd_name not in _WITHOUT_DATABASE and not {"--help", "-h"} & set(sys.argv):
            import_module("scanner.settings").prepare()
        typer_main: Any = import_module("typer.main")
        command: click.Command = typer_main.get_command(import_module(module).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="roundsman")
def roundsman() -> None:
    """Inspect registered hosts for open ports, weak TLS and exposed services, and report what to fix first.

    \b
    One person, one look:      roundsman inspect 192.0.2.10 --authorisation "order 2026-17"
    An office, for good:       roundsman targets apply register.yaml
                               roundsman round run
                               roundsman report build

    Every command explains itself with --help.
    """


def main() -> None:
    """Run the command; an error meant for people is printed as one, without a traceback, and ends with status 2."""
    try:
        roundsman()
    except RoundsmanError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
