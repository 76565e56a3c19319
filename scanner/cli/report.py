"""``roundsman report``: render each organisation's risk report."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.preview import preview
from scanner.cli.progress import counted
from scanner.cli.prompts import Yes, agree, is_terminal
from scanner.engine.errors import InputError
from scanner.files import draft_of

if TYPE_CHECKING:
    from scanner.delivery.recipients import Recipient
    from scanner.reports.formats import ReportFormat
    from scanner.rounds.models import Round
    from targets.models import Organisation

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Render each organisation's risk report.",
)


@app.callback()
def report() -> None:
    """Render each organisation's risk report."""


app.command()(preview)


@app.command(short_help="Write each organisation's report in the formats you choose.")
def build(
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of one to report on; may be given several times. Default: all.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--round", help="Number of the round. Default: each organisation's newest.")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORM,…",
            help="Forms to write, separated by commas: html, json, pdf, csv (findings, inventory and gaps, one file "
            "each), xlsx, sarif.",
        ),
    ] = "html,json",
    output: Annotated[Path, typer.Option(help="Directory to write to; made when missing.")] = Path("reports"),
) -> None:
    """Write the report of each organisation, in its language, as <slug>-<round>.<form>, and print the paths.

    Findings are shown as they stand now; what is called new, fixed or reopened is what the round changed.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.reports.formats import parse_formats
    from targets.query import active_organisations

    with clear_errors():
        formats = parse_formats(form)
        chosen = active_organisations(organisation or None)
        due = _due(chosen, number, named=bool(organisation))
        if not due:
            raise InputError("There is no round to report on; 'roundsman round run' makes one.")
        for each, this in counted(due, "rendering reports"):
            for path in _write(each, this, output, formats):
                typer.echo(path)


@app.command(short_help="Mail a report again, as it was made.")
def send(
    organisation: Annotated[str, typer.Argument(metavar="SLUG", help="Slug of the organisation.")],
    number: Annotated[
        int | None, typer.Option("--round", help="Number of the round. Default: that of the newest report.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Show whom an organisation's report would go to again, and, when you agree, mail it to them.

    It goes as it was made, to everybody who gets its reports now, each in their language.

    Exit status: 0 in the outbox, 1 declined, 2 bad input, or its content was pruned.
    """
    from scanner.delivery.again import mails_about, send_again
    from scanner.delivery.models import MessageKind
    from scanner.delivery.recipients import recipients
    from scanner.reports.models import Report
    from targets.query import active_organisations

    with clear_errors():
        (owner,) = active_organisations([organisation])
        kept = Report.objects.filter(organisation=owner).select_related("organisation", "round").order_by("-pk")
        report = kept.filter(**({} if number is None else {"round": number})).first()
        if report is None:
            raise InputError(f"No such report of {owner.slug} was made; one is made after each of its rounds.")
        chosen = recipients(owner, MessageKind.ROUND_REPORT)
        typer.echo(f"The report of {owner.slug} on round {report.round_id} would go to: {_addresses(chosen)}")
        agree("Mail it?", yes)
        told = send_again(report, mails_about(report).count(), actor(), datetime.now(UTC))
    typer.echo(f"In the outbox for: {_addresses(told)}")


@app.command()
def password(
    organisation: Annotated[str, typer.Argument(metavar="SLUG", help="Slug of the organisation.")],
    remove: Annotated[bool, typer.Option("--remove", help="Mail its reports unencrypted from now on.")] = False,
) -> None:
    """Set the password with which an organisation's reports, notices and bulletins are encrypted when they are mailed.

    It is asked for, or read from standard input when that is no terminal. Reports then go as PDF, or as the settings'
    PDF and XLSX, notices and bulletins as PDF, and none as HTML; a reply form names findings by their numbers only.
    Agree on the password by another way than mail. Reports that were made before have no PDF yet: their mail asks the
    reader to write to you.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.delivery.passwords import remove_password, set_password
    from targets.query import active_organisations

    with clear_errors():
        (owner,) = active_organisations([organisation])
        if remove:
            gone = remove_password(owner, actor(), datetime.now(UTC))
            typer.echo(f"{owner.slug} has no password any more." if gone else f"{owner.slug} had no password.")
            return
        told = getpass("Password: ") if is_terminal() else sys.stdin.readline().rstrip("\r\n")
        if is_terminal() and getpass("Once more: ") != told:
            raise InputError("The two were not the same; nothing was changed.")
        set_password(owner, told, actor(), datetime.now(UTC))
    typer.echo(f"Reports to {owner.slug} are encrypted from now on.")


def _addresses(chosen: Iterable[Recipient]) -> str:
    return ", ".join(each.address for each in chosen) or "nobody"


def _due(chosen: list[Organisation], number: int | None, *, named: bool) -> list[tuple[Organisation, Round]]:
    """Pair organisations with the round to report on. Only one that was named must have such a round."""
    from scanner.reports.query import latest_round
    from scanner.rounds.models import Round

    if number is not None and not Round.objects.filter(pk=number).exists():
        raise InputError(f"There is no round {number}; 'roundsman round list' shows them.")
    due: list[tuple[Organisation, Round]] = []
    for organisation in chosen:
        this = latest_round(organisation) if number is None else organisation.rounds.filter(pk=number).first()
        if this is not None:
            due.append((organisation, this))
        elif named:
            raise InputError(f"No followed round covers {organisation.slug}; 'roundsman round list' shows the rounds.")
    return due


def _write(organisation: Organisation, this: Round, directory: Path, formats: Iterable[ReportFormat]) -> Iterator[Path]:
    """Render all forms, then write them, for their owner's eyes only; a report is never left half written."""
    from scanner.reports.formats import rendered
    from scanner.reports.query import report_model
    from scanner.reports.stationery import stationery_of

    with stationery_of(organisation):
        files = rendered(report_model(organisation, this, datetime.now(UTC)), formats)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for ending, content in files.items():
            path = directory / f"{organisation.slug}-{this.pk}{ending}"
            with draft_of(path) as draft:
                draft.write_bytes(content)
            yield path
    except OSError as error:
        raise InputError(f"{directory} can't be written to: {error.strerror}. Choose another with --output.") from error
