"""``roundsman replies``: read the answers that organisations send back with their reply forms."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError
from scanner.engine.hostile import line

if TYPE_CHECKING:
    from scanner.delivery.replies import Import
    from scanner.delivery.reply_read import RowError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Read the answers that organisations send back with their reply forms.",
)


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2
    ROWS_WRONG = 3


@app.callback()
def replies() -> None:
    """Read the answers that organisations send back with their reply forms."""


@app.command("import", short_help="Show what a reply form says, then take it over.")
def import_replies(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The filled-in reply form of a notice, as CSV.")],
    organisation: Annotated[
        str | None, typer.Option(help="Slug of the organisation that sent it; the form must be its own.")
    ] = None,
    notice: Annotated[str | None, typer.Option(help="Number of the notice, when the form doesn't say.")] = None,
    by: Annotated[str | None, typer.Option(help="Who answered. Default: the organisation.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and do nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Take over the right rows when others are wrong.")] = False,
    yes: Yes = False,
) -> None:
    """Show what a reply form says, then, when you agree, take it over: all rows or, when one is wrong, none.

    'fixed' claims that a finding is fixed and starts a re-inspection of just that; 'accept' and 'dispute' ask for an
    exemption, which you decide on; 'in progress' is noted. A form answers one notice, and nothing of any other
    organisation. Reading the same form again changes nothing. A form does not prove who sent it: give
    --organisation, or look at the name that is shown, before you agree.

    Exit status: 0 done, 1 declined, 2 bad input, 3 rows were wrong.
    """
    from scanner.delivery.replies import apply, notice_of, plan_import
    from scanner.delivery.reply_read import read_form

    with clear_errors():
        form = read_form(_content(file))
        answered = notice_of(form, notice)
        owner = answered.organisation
        if organisation is not None and organisation != owner.slug:
            raise InputError(f"Notice {answered.number} went to {owner.slug}, not to {organisation}; nothing was done.")
        now = datetime.now(UTC)
        planned = plan_import(form, answered, now)
        typer.echo(f"Answers of {owner.slug} ({owner.name}) to notice {answered.number}:")
        _show(planned)
        if dry_run or (planned.errors and not partial) or not planned.new:
            if dry_run:
                typer.echo("Nothing was done, as --dry-run was given.")
            elif not planned.errors:
                typer.echo("It holds no new answer; nothing was done.")
            _end(planned.errors, partial=partial or dry_run)
            return
        agree(f"Did this come from {owner.slug}, and is it to be taken over?", yes)
        who = f"{line(by or owner.slug, 90)} (read by {line(actor(), 90)})"
        errors = apply(planned, who, now, partial=partial)
    if partial or not errors:
        typer.echo("Taken over.")
    _end(errors, partial=partial)


def _content(file: Path) -> bytes:
    from scanner.delivery.reply_read import SIZE_LIMIT

    try:
        with file.open("rb") as opened:
            return opened.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from error


def _show(planned: Import) -> None:
    for step in planned.steps:
        said = step.said
        told = said.reason or said.measures
        until = f" until {said.until}" if said.until else ""
        known = "  (read before; nothing to do)" if step.known else ""
        typer.echo(f"  row {said.row}: finding {said.finding} {said.answer}{until}: {told}{known}")
    if planned.blank:
        typer.echo(f"  {planned.blank} row(s) without an answer")


def _end(errors: Iterable[RowError], *, partial: bool) -> None:
    listed = list(errors)
    for error in listed:
        typer.echo(f"Error: {error}", err=True)
    if listed:
        if not partial:
            typer.echo("Nothing was taken over. Correct the rows, or add --partial to leave them out.", err=True)
        raise typer.Exit(Exit.ROWS_WRONG)
