"""What goes wrong in a command, as a message for people and an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from scanner.engine.errors import RoundsmanError

BAD_INPUT = 2
"""Exit status of what could not be done as it was asked for."""


@contextmanager
def clear_errors(then: str = "try again") -> Iterator[None]:
    """Turn what can go wrong into a message and status 2. What was stored before stays stored.

    ``then`` tells what to do once a database that failed can be used again.
    """
    from django.conf import settings
    from django.db import DatabaseError

    from scanner.database import place

    try:
        yield
    except (RoundsmanError, LookupError) as error:
        typer.echo(f"Error: {error.args[0]}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except DatabaseError as error:
        where = place(settings.DATABASES["default"])
        typer.echo(
            f"Error: the database {where} could not be used: {error}. What was stored until then is kept. "
            f"See that no other program holds it and that the disk has room, then {then}.",
            err=True,
        )
        raise typer.Exit(BAD_INPUT) from error
