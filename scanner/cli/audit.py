"""``roundsman audit``: who did what, and whether the trail of it is whole."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.errors import clear_errors
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable
from scanner.files import draft_of

if TYPE_CHECKING:
    from scanner.audit.models import Entry
    from scanner.audit.trail import Verdict

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show who did what, and prove that nobody changed the record of it.",
)

SHOWN = 50
"""Entries that ``list`` shows when no number is given."""

DETAIL = 200
"""Characters of an act's details that ``list`` shows, as a register's change can fill screens."""

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2
    BROKEN = 3


@app.command("list", short_help="Show who did what.")
def list_entries(
    since: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only from then on (UTC).", metavar="DATE[THH:MM]")
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option(help="Only such acts, e.g. stop; may be given several times.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Only acts whose subject contains this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = SHOWN,
    whole: Annotated[bool, typer.Option("--whole", help="Show the details to their end.")] = False,
) -> None:
    """Show acts, oldest first, one to a line: number, time, who, what, to what, and the details as JSON.

    Long details are cut, unless --whole is given; 'audit export' writes everything. Exit status: 0 done, 2 bad input.
    """
    from scanner.audit.models import Entry
    from scanner.audit.trail import Action

    with clear_errors():
        unknown = set(action or ()) - set(Action)
        if unknown:
            raise InputError(f"{', '.join(sorted(unknown))} is no act; these are: {', '.join(Action)}.")
        rows = Entry.objects.order_by("-pk")
        if since is not None:
            rows = rows.filter(at__gte=since.replace(tzinfo=UTC))
        if action:
            rows = rows.filter(action__in=action)
        if subject:
            rows = rows.filter(subject__icontains=subject)
        entries = list(rows[:limit])
    if not entries:
        typer.echo("No act fits.")
    for entry in reversed(entries):
        typer.echo(_line(entry, whole=whole))


@app.command(short_help="Say whether the trail was changed.")
def verify(
    expect: Annotated[
        str, typer.Option(metavar="DIGEST", help="A digest that was noted earlier; the trail must still hold it.")
    ] = "",
) -> None:
    """Walk the whole trail and say whether an entry was changed, taken out or put in.

    The digest that it prints stands for everything up to now: note it where nobody who can write to the database can,
    and give it with --expect next time, so that a trail that was cut or made anew is found out too.

    Exit status: 0 the trail is whole, 2 bad input, 3 it is not.
    """
    from scanner.audit import trail

    with clear_errors():
        verdict = trail.verify(_digest(expect))
    if verdict.is_whole:
        typer.echo(f"{verdict.entries} entries, whole. Newest digest: {verdict.head or '-'}")
        return
    typer.echo(f"The audit trail is broken: {describe(verdict)}", err=True)
    raise typer.Exit(Exit.BROKEN)


@app.command(short_help="Write the whole trail, to check it elsewhere.")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; replaced when it is there.")],
) -> None:
    """Write the whole trail as JSON lines, with all digests, so that it can be kept and checked elsewhere.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.audit.models import Entry
    from scanner.audit.trail import CHUNK, as_json

    with clear_errors():
        entries = Entry.objects.order_by("pk").iterator(chunk_size=CHUNK)
        try:
            with draft_of(file) as draft, draft.open("w", encoding="utf-8") as lines:
                number = sum(bool(lines.write(as_json(entry) + "\n")) for entry in entries)
        except OSError as error:
            raise InputError(f"{file} can't be written: {error.strerror}.") from error
    typer.echo(f"{number} entries written to {file}.")


def describe(verdict: Verdict) -> str:
    """Say what is broken, and what that means."""
    from scanner.audit.trail import Break

    said = {
        Break.CHANGED: f"entry {verdict.number} was changed.",
        Break.TAKEN_OUT: f"what stood before entry {verdict.number} was taken out, or changed with its digest.",
        Break.PUT_IN: f"entry {verdict.number} was put in.",
        Break.CUT: "no entry has the expected digest; the end was cut off, or the trail was made anew.",
        None: "",
    }[verdict.broken]
    return f"{said} {verdict.entries} entries before it are right."


def _digest(text: str) -> str:
    digest = text.strip().lower()
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise InputError("--expect takes the 64 hexadecimal digits that 'audit verify' printed.")
    return digest


def _line(entry: Entry, *, whole: bool) -> str:
    detail = json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else ""
    if len(detail) > DETAIL and not whole:
        detail = f"{detail[:DETAIL]} …"
    shown = f"{entry.pk:>6}  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.actor}  {entry.action}  {entry.subject}  {detail}"
    return printable(shown, len(shown)).rstrip()
