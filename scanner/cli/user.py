"""``roundsman user``: accounts of people who sign in to the pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable

if TYPE_CHECKING:
    from scanner.accounts.models import User

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Let people in to the pages, give them roles, and end their accounts.",
)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Mail address of the account.")]
Organisation = Annotated[str, typer.Option(help="Slug of the organisation, for roles within one.")]
RoleName = Annotated[
    str,
    typer.Option(
        "--role",
        help="administrator, operator or auditor; or, with an organisation, supervisor, unit-manager, unit-member.",
    ),
]


@app.command("list", short_help="Show accounts and their roles.")
def list_users() -> None:
    """Show accounts, one to a line: address, name, roles, and when each last signed in (UTC).

    "NO PASSWORD" stands beside an account that nobody can sign in to until a link has set one.

    Exit status: 0 done.
    """
    from scanner.accounts.linked import linked
    from scanner.accounts.models import User

    with clear_errors():
        by_sign_on = linked()
        users = list(User.objects.prefetch_related("memberships__organisation"))
    if not users:
        typer.echo("There is no account yet; 'roundsman init' makes the first one.")
    for user in users:
        held = [
            f"{each.role} of {each.organisation.slug}" if each.organisation else each.role
            for each in user.memberships.all()
        ]
        roles = ", ".join(held) or "no role"
        last = f"{user.last_login:%Y-%m-%d %H:%M}Z" if user.last_login else "never"
        shut_out = "" if user.has_usable_password() or user.pk in by_sign_on else "  NO PASSWORD"
        note = shut_out if user.is_active else "  ENDED"
        typer.echo(f"{user.email}  {printable(user.name)}  {roles}  signed in {last}{note}")


@app.command(short_help="Let somebody in, with a role.")
def invite(
    email: Email,
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: RoleName,
    organisation: Organisation = "",
    link: Annotated[bool, typer.Option("--link", help="Print the link, rather than mail it.")] = False,
) -> None:
    """Make an account with a role, and mail its owner a link that sets the password: once, for three days.

    Exit status: 0 done, 2 bad input; then nothing was changed.
    """
    from django.db import transaction

    from scanner.accounts import people

    now = datetime.now(UTC)
    with clear_errors(), transaction.atomic():
        user = people.add(email, name, actor(), now)
        _give(user, role, organisation, now)
        _let_in(user, link, now)


@app.command(short_help="Send a new link for a password.")
def link(
    email: Email,
    mail: Annotated[bool, typer.Option("--mail", help="Mail the link, rather than print it.")] = False,
) -> None:
    """Print a link that sets a new password: once, for three days. Links that were made before work no more.

    Exit status: 0 done, 2 there is no such account.
    """
    now = datetime.now(UTC)
    with clear_errors():
        _let_in(_user(email), not mail, now)


@app.command(short_help="Give an account a role.")
def give(email: Email, role: RoleName, organisation: Organisation = "") -> None:
    """Give an account a role, in the place of the one that it had there.

    Exit status: 0 done, 2 bad input.
    """
    with clear_errors():
        _give(_user(email), role, organisation, datetime.now(UTC))
    typer.echo(f"{email} is {role}{f' of {organisation}' if organisation else ''}.")


@app.command(short_help="Take a role away.")
def take(email: Email, organisation: Organisation = "") -> None:
    """Take away the role that an account has within an organisation, or, without one, everywhere.

    Exit status: 0 done, 2 it has none there, or it is the only administrator.
    """
    from scanner.accounts import people

    with clear_errors():
        held = _user(email).memberships.filter(organisation__slug=organisation or None).first()
        if held is None:
            raise InputError(f"{email} has no role there; 'roundsman user list' shows roles.")
        people.take(held, actor(), datetime.now(UTC))
    typer.echo(f"{email} is no {held.role} any more.")


@app.command(short_help="Forget a second factor that was lost.")
def forget_factor(email: Email, yes: Yes = False) -> None:
    """Forget the second factor of somebody who lost it, and end all sessions of the account.

    Exit status: 0 done, 1 declined, 2 there is no such account.
    """
    from scanner.accounts import people

    with clear_errors():
        user = _user(email)
        agree(f"Forget the second factor of {email}? Make sure that it is they who ask.", yes)
        removed = people.remove_second_factor(user, actor(), datetime.now(UTC))
    typer.echo("It is forgotten." if removed else f"{email} has none.")


@app.command(short_help="Remove the link to the single sign-on.")
def unlink(email: Email) -> None:
    """Let in no more by this account whoever is linked to it at the single sign-on; a new link can be made.

    Exit status: 0 done, 2 there is no such account.
    """
    from scanner.accounts import people

    with clear_errors():
        removed = people.unlink_sign_on(_user(email), actor(), datetime.now(UTC))
    typer.echo("The link is removed." if removed else f"{email} has none.")


@app.command(short_help="End an account.")
def end(email: Email, yes: Yes = False) -> None:
    """Let nobody sign in by an account any more, and end its sessions; what it did stays on record.

    Exit status: 0 done, 1 declined, 2 there is no such account, or it is the only administrator.
    """
    from scanner.accounts import people

    with clear_errors():
        user = _user(email)
        agree(f"End the account {email}?", yes)
        people.end(user, actor(), datetime.now(UTC))
    typer.echo(f"{email} can't sign in any more.")


def _user(email: str) -> User:
    from scanner.accounts.models import User

    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None:
        raise InputError(f"There is no account {email}; 'roundsman user list' shows them.")
    return user


def _give(user: User, role: str, organisation: str, now: datetime) -> None:
    from scanner.accounts import people
    from scanner.accounts.roles import Role
    from targets.query import active_organisations

    if role not in Role.values:
        raise InputError(f"{role!r} is no role; the roles are {', '.join(Role.values)}.")
    (owner,) = active_organisations([organisation]) if organisation else (None,)
    people.give(user, Role(role), owner, actor(), now)


def _let_in(user: User, printed: bool, now: datetime) -> None:
    from scanner.accounts import people

    if printed:
        typer.echo(f"This link sets the password of {user.email}, once:\n{people.invite(user, actor(), now)}")
    else:
        people.invite_by_mail(user, actor(), now)
        typer.echo(f"The invitation to {user.email} is in the outbox.")
