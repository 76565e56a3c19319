"""``roundsman targets``: who owns which hosts, and who allowed them to be inspected.

Django is imported by the commands only, so that ``--help`` needs no database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.prompts import Yes, agree
from scanner.cli.register_view import print_attention, print_plan, print_problems, print_register
from scanner.engine.errors import InputError, RoundsmanError
from targets.registry.export import only, to_yaml
from targets.registry.problems import BadInput, Problem
from targets.registry.reading import read_register, yaml_files
from targets.registry.specs import Register
from targets.registry.table import read_targets, with_targets

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Register organisations, their hosts, authorisations and exclusions.",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
Slug = Annotated[str, typer.Option("--organisation", help="Slug of the organisation.")]


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2
    ATTENTION = 3


@app.command(short_help="Make the register say what YAML files say.")
def apply(
    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="A YAML file, or a directory of them.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make the register say what YAML files say: shows the changes, asks, writes all of them or none.

    docs/targets.md describes the format. Exit status: 0 done, 1 declined, 2 bad input.
    """
    from targets.registry.store import limits

    with _clear_errors():
        wanted, problems = read_register(yaml_files(path), limits())
        _apply(wanted, problems, dry_run=dry_run, yes=yes)


@app.command("import-csv", short_help="Add or change an organisation's targets from CSV.")
def import_csv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header; see docs/targets-csv.md.")],
    organisation: Slug,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Add or change targets of one registered organisation from CSV; targets that are not in it stay.

    Exit status: 0 done, 1 declined, 2 bad input.
    """
    from targets.registry.store import current_register, limits

    with _clear_errors():
        owner = only(current_register(), organisation).organisations[0]
        wanted = Register(organisations=(with_targets(owner, read_targets(file, limits())),))
        _apply(wanted, [], dry_run=dry_run, yes=yes)


@app.command(short_help="Write the register as YAML.")
def export(
    organisation: Annotated[str | None, typer.Option(help="Slug of the only organisation to export.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write there instead of standard output.")] = None,
) -> None:
    """Write the register as YAML that 'apply' accepts and finds nothing to change in."""
    from targets.registry.store import current_register

    with _clear_errors():
        register = current_register()
        text = to_yaml(only(register, organisation) if organisation else register)
        if output is None:
            typer.echo(text, nl=False)
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{output} can't be written: {error.strerror}.") from error


@app.command("list")
def list_targets(
    organisation: Annotated[str | None, typer.Option(help="Slug of the only organisation to list.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show the organisations and their targets."""
    from targets.registry.store import current_register

    with _clear_errors():
        register = current_register()
        shown = only(register, organisation) if organisation else register
    if as_json:
        typer.echo(json.dumps(_as_json(shown), ensure_ascii=False, indent=2))
    elif shown.organisations:
        print_register(shown)
    else:
        typer.echo("Nothing is registered yet; 'roundsman targets apply FILE' begins.")


@app.command(short_help="Look for what needs attention: names, authorisations, overlaps.")
def check(
    organisation: Annotated[list[str] | None, typer.Option(help="Slug; may be given several times.")] = None,
    resolve: Annotated[bool, typer.Option(help="Resolve host names (--no-resolve to send no DNS query).")] = True,
) -> None:
    """Look for names that do not resolve, targets of two organisations, authorisations missing or ending in 30 days.

    Domains need an authorisation that names them, and a resolver (ROUNDSMAN_RESOLVER).

    Exit status: 0 all is well, 2 bad input, 3 something needs attention.
    """
    from django.conf import settings

    from targets import check as checks
    from targets import names
    from targets.query import active_organisations

    with _clear_errors():
        chosen = active_organisations(organisation or None)
        found = checks.check_register(
            chosen,
            datetime.now(UTC),
            names.resolve_name if resolve else None,
            looks_up_domains=settings.RESOLVER is not None,
        )
    if not found:
        typer.echo(f"{len(chosen)} organisation(s) checked; nothing needs attention.")
        return
    print_attention(found)
    raise typer.Exit(Exit.ATTENTION)


def _apply(wanted: Register, problems: list[Problem], *, dry_run: bool, yes: bool) -> None:
    """Show what ``wanted`` changes, ask, and write it; with ``problems``, of it or found here, refuse them all."""
    from targets.registry.proposal import propose
    from targets.registry.store import RegisterChanged

    proposal = propose(wanted, problems)
    if not proposal.changes:
        typer.echo("Nothing to change.")
        return
    print_plan(proposal.changes)
    if dry_run:
        typer.echo("Dry run: nothing was changed.")
        return
    agree("Apply these changes?", yes)
    try:
        proposal.carry_out(datetime.now(UTC), actor=actor())
    except RegisterChanged as error:
        raise RoundsmanError(str(error)) from error
    typer.echo(f"{len(proposal.changes)} change(s) applied.")


def _as_json(register: Register) -> dict[str, object]:
    organisations = [_without_places(asdict(organisation)) for organisation in register.organisations]
    return {"organisations": organisations, "zones": [_without_places(asdict(zone)) for zone in register.zones]}


def _without_places(value: object) -> object:
    """Plain JSON values of a spec: times in ISO 8601, no file positions."""
    match value:
        case dict():
            return {key: _without_places(item) for key, item in value.items() if key != "place"}
        case list() | tuple():
            return [_without_places(item) for item in value]
        case datetime():
            return value.isoformat()
        case _:
            return value


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what can go wrong into a message and status 2; nothing has been written when it does."""
    from django.db import DatabaseError

    try:
        yield
    except BadInput as error:
        print_problems(error.problems)
        raise typer.Exit(Exit.BAD_INPUT) from error
    except (LookupError, RoundsmanError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from error
    except DatabaseError as error:
        message = f"Error: the database can't be used: {error}. Nothing was changed; is another program holding it?"
        typer.echo(message, err=True)
        raise typer.Exit(Exit.BAD_INPUT) from error
