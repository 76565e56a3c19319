"""Questions to the person at the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from scanner.engine.errors import InputError

DECLINED = 1
"""Exit status when a person said no."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def is_terminal() -> bool:
    """Tell whether a person can answer."""
    return sys.stdin.isatty()


def agree(question: str, yes: bool) -> None:
    """Go on when ``yes`` was said beforehand, or a person says so now; the default is no, which ends the command.

    Raises ``InputError`` when nobody can answer because standard input is no terminal.
    """
    if yes:
        return
    if not is_terminal():
        raise InputError("Nobody can be asked, as standard input is no terminal; nothing was done. Add --yes to agree.")
    if not typer.confirm(question, default=False):
        typer.echo("Nothing was changed.")
        raise typer.Exit(DECLINED)
