"""``roundsman restore``: put a backup in the place of an installation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError

if TYPE_CHECKING:
    from scanner.upkeep.archive import Manifest

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2
    BROKEN_TRAIL = 3


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'roundsman backup' wrote.")],
    to: Annotated[Path | None, typer.Option(help="Data directory. Default: the one of the settings.")] = None,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option(help="Leave the kill switch on, until 'roundsman resume'.")] = True,
    revoke: Annotated[
        bool, typer.Option(help="Revoke all tokens, webhooks, second factors and single sign-on links of the backup.")
    ] = True,
) -> None:
    """Check a backup, ask, and put it in place; what was there is moved aside. Stop Roundsman first.

    A backup of an older version is brought up to date, one of a newer version is refused. Mail that waited when the
    backup was made is held, as it may have left since: 'roundsman mail retry' sends it. Exclusions, ended
    authorisations and stops that came after the backup are gone, so the kill switch is on: apply your register again,
    then 'roundsman resume'. Numbers of new rounds and findings jump, so that none is given twice.

    Tokens and webhooks that were revoked after the backup would work again, so all are revoked: make those anew that
    you need. So would keys and other second factors that were removed, and links to a single sign-on: all are removed,
    with the passwords beside them, and whoever had one comes in by a new link ('roundsman user link', an administrator
    first). Everybody is signed out, and links that set passwords work no more. Accounts that were ended after the
    backup, and roles that were taken away, are back, and so are passwords that were changed: end them again.

    Exit status: 0 done, 1 declined, 2 refused and nothing was changed, 3 done, but the audit trail is broken.
    """
    from django.db import connection

    from scanner.database import place
    from scanner.locks import is_shared
    from scanner.settings import DATA_DIR, OWN_TEMPLATES
    from scanner.upkeep.restore import prepared

    data_dir = (to or DATA_DIR).expanduser().absolute()
    try:
        with prepared(file, data_dir) as ready:
            _show(ready.manifest, file)
            agree(f"Put it in the place of what is in {data_dir}?", yes)
            done = ready.finish(datetime.now(UTC), actor=actor(), stop=stop, shut=_shut if revoke else _shut_links)
    except OSError as error:
        raise InputError(f"{error.filename or file} can't be used: {error.strerror or error}.") from error
    shared = f" and {place(connection.settings_dict)}" if is_shared() else ""
    typer.echo(f"Restored to {data_dir}{shared}. {done.held} waiting mail(s) held; 'roundsman mail queue' shows them.")
    if done.replaced:
        typer.echo(f"What was there is in {done.replaced}; remove it when all is well.")
    if done.templates and to is None and done.templates != OWN_TEMPLATES:
        typer.echo(
            f"Your templates are in {done.templates}; ROUNDSMAN_TEMPLATES_DIR looks for them in {OWN_TEMPLATES}."
        )
    _tell_of_access(done.shut)
    if stop:
        typer.echo("The kill switch is on: apply your register again, then 'roundsman resume'.")
    if not done.trail_is_whole:
        typer.echo("The audit trail is broken; 'roundsman audit verify' tells where.", err=True)
        raise typer.Exit(Exit.BROKEN_TRAIL)


def _shut_links(by: str, now: datetime) -> Mapping[str, int]:
    from scanner.accounts.revoking import void_all_links

    del by
    return {"links": void_all_links(now)}


def _shut(by: str, now: datetime) -> Mapping[str, int]:
    from scanner.accounts.people import demand_new_links
    from scanner.api import tokens
    from scanner.webhooks import hooks

    return {
        **_shut_links(by, now),
        "tokens": tokens.revoke_all(by, now),
        "webhooks": hooks.revoke_all(by, now),
        "factors": demand_new_links(by, now),
    }


def _tell_of_access(shut: Mapping[str, int]) -> None:
    if "tokens" in shut:
        typer.echo(
            f"{shut['tokens']} token(s) and {shut['webhooks']} webhook(s) were revoked, as that may have been done "
            "after the backup; 'roundsman token add' and 'roundsman webhook add' make new ones."
        )
        typer.echo(
            f"{shut['factors']} account(s) had a second factor or a single sign-on link, which may have been removed "
            "after the backup; they get in by a new link alone: 'roundsman user list' shows them, "
            "'roundsman user link' makes it, for an administrator first."
        )
    else:
        typer.echo(
            "Tokens and webhooks work again that were revoked after the backup, and so do second factors and single "
            "sign-on links that were removed; see 'roundsman token list' and 'roundsman webhook list'."
        )
    typer.echo("Accounts and roles are those of the backup: see 'roundsman user list', and end again what was ended.")


def _show(manifest: Manifest, file: Path) -> None:
    rows = manifest.rows
    typer.echo(f"{file}: made {manifest.created} by Roundsman {manifest.version}; whole and sound")
    for table, noun in (
        ("targets_organisation", "organisations"),
        ("rounds_round", "rounds"),
        ("remediation_finding", "findings"),
        ("delivery_message", "mails"),
        ("audit_entry", "audit entries"),
    ):
        typer.echo(f"  {rows.get(table, 0):>8} {noun}")
