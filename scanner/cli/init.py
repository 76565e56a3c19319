"""``roundsman init``: the first account."""

from __future__ import annotations

from datetime import UTC, datetime
from getpass import getpass
from typing import Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import is_terminal
from scanner.engine.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(
    email: Annotated[str, typer.Option(help="Mail address of the first administrator, who signs in by it.")] = "",
    name: Annotated[str, typer.Option(help="Name of the first administrator.")] = "",
    link: Annotated[bool, typer.Option("--link", help="Print a link that sets the password, rather than ask.")] = False,
) -> None:
    """Make the data directory and the first administrator, who lets everybody else in.

    \b
    roundsman init --email li@office.example --name "Li Wei"
    roundsman serve                                           then sign in at http://127.0.0.1:8440

    The password is asked for. Where nobody can be asked, or with --link, a link is printed that sets it in the browser:
    it works once, for three days. There is no password that anybody knows beforehand.

    Exit status: 0 done, 2 bad input, or there is an administrator already.
    """
    from django.core.exceptions import ValidationError

    from scanner.accounts import people
    from scanner.accounts.roles import Role
    from scanner.settings import installation

    now = datetime.now(UTC)
    with clear_errors():
        if people.administrators():
            raise InputError(people.THERE_IS_ONE)
        email = people.address_of(email) if email else ""
        if is_terminal():
            email = email or typer.prompt("Mail address", value_proc=_address)
            name = name or typer.prompt("Name")
        elif not (email and name):
            raise InputError("Say who is the first administrator: --email and --name.")
        asked = is_terminal() and not link
        password = _password(email, name) if asked else None
        try:
            user, way_in = people.begin(email, name, password, actor(), now)
        except ValidationError as error:
            raise InputError(" ".join(error.messages)) from error
    typer.echo(f"{user.email} is {Role.ADMINISTRATOR}. 'roundsman serve' serves the pages at {installation.site}")
    if way_in:
        typer.echo(f"While it runs, this link sets the password, once:\n{way_in}")


def _address(said: str) -> str:
    """Return what was typed as an address; what is wrong with it is said, and it is asked for again."""
    from scanner.accounts import people

    try:
        return people.address_of(said)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _password(email: str, name: str) -> str:
    """Ask for a password until it is good enough and was typed twice alike. Ctrl-C ends it, and nothing was made."""
    from scanner.accounts import people

    while True:
        told = getpass("Password (12 characters at least): ")
        wrong = people.wrong_with_password(told, email, name)
        if wrong:
            typer.echo(wrong, err=True)
            continue
        if getpass("Once more: ") == told:
            return told
        typer.echo("The two were not the same.", err=True)
