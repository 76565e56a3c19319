"""``roundsman token``: how programs come in to the interface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Let programs in to the interface (/api/v1), and shut them out.",
)


@app.command(short_help="Make a token for an account.")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name: a-z, 0-9, hyphens; the audit trail has it.")],
    account: Annotated[str, typer.Option(help="Mail address of the account that it acts for.")],
    scope: Annotated[list[str], typer.Option(help="What it is for: findings:read, rounds:write, …; several times.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it works.")] = 90,
) -> None:
    """Make a token, and print its secret: once, as nobody can read it again.

    A token sees and does what its account may, and of that only what its scopes name. For a program of its own, make an
    account with the role that it needs ('roundsman user invite'); nobody has to take that invitation up.

    \b
    areas: register, plans, rounds, findings, reports, mail, switch, system
    each with :read, and all but reports and system with :write, which includes to read

    \b
    roundsman token add siem --account siem@office.example --scope findings:read --scope reports:read

    Exit status: 0 made, 2 bad input.
    """
    from scanner.accounts.models import User
    from scanner.api import tokens

    with clear_errors():
        user = User.objects.filter(email=account.strip().lower()).first()
        if user is None:
            raise InputError(f"There is no account {account}; 'roundsman user list' shows them.")
        made, secret = tokens.add(user, name, scope, actor(), datetime.now(UTC), lasts=timedelta(days=days))
    typer.echo(
        f"Token {made.name} works until {made.expires:%Y-%m-%d %H:%M}Z. This is its secret, shown once:", err=True
    )
    typer.echo(secret)


@app.command("list", short_help="Show tokens.")
def list_tokens(
    everything: Annotated[bool, typer.Option("--all", help="Also those that were revoked or have expired.")] = False,
) -> None:
    """Show tokens, one to a line: name, beginning of the secret, account, scopes, when each ends and was last used.

    Exit status: 0 done.
    """
    from scanner.api.models import Token

    now = datetime.now(UTC)
    with clear_errors():
        rows = Token.objects.select_related("user")
        found = list(rows if everything else rows.filter(revoked=None, expires__gt=now))
    if not found:
        typer.echo("There is no token; 'roundsman token add' makes one.")
    for each in found:
        ended = "revoked" if each.revoked else "expired" if each.expires <= now else "until"
        last = f"{each.last_used:%Y-%m-%d %H:%M}Z" if each.last_used else "never"
        end = each.revoked or each.expires
        about = f"{each.name:<20}  {each.hint}…  {each.user.email}  {','.join(each.scopes)}"
        typer.echo(f"{about}  {ended} {end:%Y-%m-%d %H:%M}Z  last used {last}")


@app.command(short_help="Let a token work no more.")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")],
    yes: Yes = False,
) -> None:
    """Let a token work no more, from the next request on. Its name is free again.

    Exit status: 0 done, 1 declined, 2 there is no such token.
    """
    from scanner.api import tokens

    with clear_errors():
        agree(f"Revoke the token {name}? Programs that use it stop working.", yes)
        tokens.revoke(name, actor(), datetime.now(UTC))
    typer.echo(f"Token {name} works no more.")
