"""``roundsman bulletin``: what a supervising organisation is told of the units below it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.files import draft_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.delivery.bulletin_files import Wanted
    from scanner.delivery.recipients import Recipient

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Compare units for the organisation that supervises them: a bulletin on a period, with or without names.",
)

SHOWN = 50
"""Bulletins that ``list`` shows when no number is given."""

About = Annotated[
    str | None,
    typer.Option("--organisation", help="Slug of the supervising organisation. Default: all units, for the office."),
]
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of the period.")]
Until = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of the period, included. Default: today.")
]
Days = Annotated[int | None, typer.Option(min=1, help="Length of the period in days, instead of --since. Default: 30.")]
Anonymous = Annotated[
    bool, typer.Option("--anonymous", help="Without names: units are letters; no hosts, no findings.")
]


Forms = Annotated[
    str, typer.Option("--format", metavar="FORM,…", help="Forms to write, separated by commas: html, json, pdf.")
]
Output = Annotated[Path, typer.Option(help="Directory to write to; made when missing.")]


@app.command()
def build(
    organisation: About = None,
    since: Since = None,
    until: Until = None,
    days: Days = None,
    anonymous: Anonymous = False,
    language: Annotated[
        Language | None, typer.Option(help="Default: the organisation's, or the office's for all units.")
    ] = None,
    form: Forms = "html,json",
    output: Output = Path("reports"),
) -> None:
    """Write a bulletin, and print the paths.

    It is about the organisation and all that it supervises, at any depth. Ranked is only who was inspected enough; the
    others are listed apart with the reason. Days are counted by the organisation's clocks.

    The version with names is for the supervising organisation only. The one without (--anonymous) may be passed on to
    the units.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.delivery.bulletin_files import FORMS, files_of, row_of
    from scanner.delivery.bulletins import bulletin_on
    from scanner.reports.formats import parse_formats
    from scanner.reports.stationery import stationery_of

    with clear_errors():
        forms = parse_formats(form, FORMS, of="bulletin")
        wanted = _wanted(organisation, since, until, days, anonymous)
        made = bulletin_on(wanted, datetime.now(UTC))
        chosen = language or Language(made.organisation.language)
        with stationery_of(wanted.top):
            files = files_of(row_of(wanted, made, chosen), forms)
        for ending, content in files.items():
            typer.echo(_write(output, wanted.name(Language.EN, ending), content))


@app.command()
def send(
    organisation: About = None,
    since: Since = None,
    until: Until = None,
    days: Days = None,
    anonymous: Anonymous = False,
    yes: Yes = False,
) -> None:
    """Mail a bulletin to the security and leader contacts of the supervising organisation, each in their language.

    One on all units goes to the operators, and so does one for an organisation without such contacts. Each person gets
    a bulletin on the same period once, however often this is run. What is sent is kept: 'bulletin list' shows it.

    Exit status: 0 in the outbox, or everybody has it already; 1 you did not agree; 2 bad input.
    """
    from scanner.delivery.bulletins import audience, send_bulletin

    with clear_errors():
        wanted = _wanted(organisation, since, until, days, anonymous)
        chosen = audience(wanted.top)
        if not chosen:
            raise InputError("Nobody is registered to get it; set ROUNDSMAN_OPERATORS, or register a contact.")
        version = "without names" if anonymous else "with names"
        typer.echo(f"The bulletin on {wanted.first} to {wanted.last}, {version}, would go to: {_addresses(chosen)}")
        agree("Mail it?", yes)
        told = send_bulletin(wanted, datetime.now(UTC))
    typer.echo(f"In the outbox for: {_addresses(told)}" if told else "All of them have it already; nothing was sent.")


@app.command("list", short_help="Show the newest bulletins that were sent.")
def list_bulletins(
    organisation: About = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = SHOWN,
) -> None:
    """Show the bulletins that were sent, newest first: number, made when, organisation, period, version, language, and
    the beginning of the SHA-256 of the page.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.reports.models import Bulletin
    from targets.query import active_organisations

    with clear_errors():
        rows = Bulletin.objects.select_related("organisation").defer("html", "json").order_by("-pk")
        if organisation:
            rows = rows.filter(organisation=active_organisations([organisation])[0])
        kept = list(rows[:limit])
    if not kept:
        typer.echo("No such bulletin was sent.")
    for each in kept:
        about = each.organisation.slug if each.organisation else "all units"
        version = "without names" if each.nameless else "with names"
        typer.echo(
            f"{each.pk:>6}  {each.generated:%Y-%m-%d %H:%M}Z  {about:<20}  {each.first} to {each.last}  {version:<13}  "
            f"{each.language:<7}  {each.digest[:16]}"
        )


@app.command(short_help="Write a bulletin again as it was sent.")
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number, as 'bulletin list' shows it.")],
    form: Forms = "html",
    output: Output = Path("reports"),
) -> None:
    """Write a bulletin again as it was sent, and print the SHA-256 of its page and the paths.

    Exit status: 0 done, 2 bad input, or its content was pruned.
    """
    from scanner.delivery.bulletin_files import FORMS, files_of, kept_name
    from scanner.reports.formats import parse_formats
    from scanner.reports.models import Bulletin

    with clear_errors():
        forms = parse_formats(form, FORMS, of="bulletin")
        row = Bulletin.objects.select_related("organisation").filter(pk=number).first()
        if row is None:
            raise InputError(f"There is no bulletin {number}; 'roundsman bulletin list' shows them.")
        files = files_of(row, forms)
        typer.echo(f"SHA-256 of the page: {row.digest}")
        for ending, content in files.items():
            typer.echo(_write(output, kept_name(row, ending), content))


def _wanted(
    slug: str | None, since: datetime | None, until: datetime | None, days: int | None, anonymous: bool
) -> Wanted:
    from django.conf import settings

    from scanner.delivery.bulletin_files import Wanted
    from targets.query import active_organisations

    if since is not None and days is not None:
        raise InputError("Give --since or --days, not both.")
    top = active_organisations([slug])[0] if slug else None
    zone = ZoneInfo(top.time_zone if top else settings.TIME_ZONE)
    last = until.date() if until else datetime.now(zone).date()
    first = since.date() if since else last - timedelta(days=(days or 30) - 1)
    return Wanted(top, first, last, nameless=anonymous)


def _write(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise InputError(f"{directory} can't be written to: {error.strerror}. Choose another with --output.") from error
    return path


def _addresses(chosen: Iterable[Recipient]) -> str:
    return ", ".join(each.address for each in chosen)
