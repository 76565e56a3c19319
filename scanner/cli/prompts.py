"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

import typer

from scanner.engine.errors import InputError


def is_terminal() -> bool:
    """Tell whether a person can answer."""
    return sys.stdin.isatty()


def confirm(question: str) -> bool:
    """Ask a yes-or-no question whose default is no.

    Raises ``InputError`` when nobody can answer because standard input is no terminal.
    """
    if not is_terminal():
        raise InputError("Nobody can be asked, as standard input is no terminal; nothing was done. Add --yes to agree.")
    return typer.confirm(question, default=False)
