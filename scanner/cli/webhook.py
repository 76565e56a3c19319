"""``roundsman webhook``: which other systems are told what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Have other systems told, by HTTPS, what happened.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the webhook.")]


@app.command(short_help="Have a system told.")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name: a-z, 0-9, hyphens.")],
    url: Annotated[str, typer.Option(help="What is called: an https:// address.")],
    account: Annotated[str, typer.Option(help="Mail address of an account; what it sees is told.")],
    event: Annotated[list[str], typer.Option(help="What is told, see above; several times.")],
    private: Annotated[
        bool, typer.Option("--private", help="Permit addresses of your own network, which are not public.")
    ] = False,
) -> None:
    """Have a system told what happens from now on, and print the secret that signs each call: once.

    \b
    finding-opened, finding-fixed, finding-recurring, finding-overdue, round-finished

    Calls are made by 'roundsman serve', and made again for three days when they fail. Redirects are not followed.

    Exit status: 0 made, 2 bad input.
    """
    from scanner.accounts.models import User
    from scanner.webhooks import hooks

    with clear_errors():
        user = User.objects.filter(email=account.strip().lower()).first()
        if user is None:
            raise InputError(f"There is no account {account}; 'roundsman user list' shows them.")
        made, secret = hooks.add(user, name, url, event, actor(), datetime.now(UTC), private=private)
    typer.echo(f"Webhook {made.name} is called from now on. This is its secret, shown once:", err=True)
    typer.echo(secret)


@app.command("list", short_help="Show webhooks, and how their calls go.")
def list_webhooks() -> None:
    """Show webhooks: name, account, events, address, calls that wait and that were given up, and the last answer.

    Exit status: 0 done.
    """
    from django.db.models import Count, Q

    from scanner.webhooks.models import CallState, Webhook

    with clear_errors():
        waiting = Count("calls", filter=Q(calls__state__in=(CallState.QUEUED, CallState.SENDING)))
        dead = Count("calls", filter=Q(calls__state=CallState.DEAD))
        found = list(Webhook.objects.filter(revoked=None).select_related("user").annotate(waiting=waiting, dead=dead))
        last = {each.pk: each.calls.filter(attempt__gt=0).order_by("-pk").first() for each in found}
    if not found:
        typer.echo("There is no webhook; 'roundsman webhook add' makes one.")
    for each in found:
        call = last[each.pk]
        said = printable(call.reply) if call else "not called yet"
        about = f"{each.name:<20}  {each.user.email}  {','.join(each.events)}  {printable(each.url)}"
        typer.echo(f"{about}  waiting {each.waiting}, given up {each.dead}  {said}")


@app.command(short_help="Call a webhook once, to see whether it answers.")
def test(name: Name) -> None:
    """Call a webhook once, at once, with the event "test", which tells nothing, and say what came back.

    Exit status: 0 it was taken, 1 it was not, 2 there is no such webhook.
    """
    from scanner.webhooks.caller import try_out
    from scanner.webhooks.models import Webhook

    with clear_errors():
        hook = Webhook.objects.filter(name=name, revoked=None).first()
        if hook is None:
            raise InputError(f"There is no webhook {name}; 'roundsman webhook list' shows them.")
        told = try_out(hook, actor(), datetime.now(UTC))
    typer.echo(f"{'Taken' if told.taken else 'Not taken'}: {printable(told.reply)}")
    if not told.taken:
        raise typer.Exit(1)


@app.command(short_help="Give a webhook another secret.")
def rotate(name: Name, yes: Yes = False) -> None:
    """Give a webhook another secret, and print it: once. Calls are signed by it from now on, also those that wait.

    Exit status: 0 done, 1 declined, 2 there is no such webhook.
    """
    from scanner.webhooks import hooks

    with clear_errors():
        agree(f"Give the webhook {name} another secret? Whoever checks by the old one refuses its calls.", yes)
        secret = hooks.rotate(name, actor(), datetime.now(UTC))
    typer.echo(f"Webhook {name} signs by a new secret from now on. It is shown once:", err=True)
    typer.echo(secret)


@app.command(short_help="Make calls that wait, or were given up, at once.")
def retry(name: Name) -> None:
    """Have the calls of a webhook that wait, or were given up, made at once.

    Exit status: 0 done, 2 there is no such webhook.
    """
    from scanner.webhooks import hooks

    with clear_errors():
        count = hooks.retry(name, actor(), datetime.now(UTC))
    typer.echo(f"{count} call(s) will be made at once.")


@app.command(short_help="Call a webhook no more.")
def revoke(name: Name, yes: Yes = False) -> None:
    """Call a webhook no more; what it was not told yet it is never told. Its name is free again.

    Exit status: 0 done, 1 declined, 2 there is no such webhook.
    """
    from scanner.webhooks import hooks

    with clear_errors():
        agree(f"Call the webhook {name} no more?", yes)
        hooks.revoke(name, actor(), datetime.now(UTC))
    typer.echo(f"Webhook {name} is called no more.")
