"""``roundsman notice``: rectification notices, which ask an organisation to fix findings by a date."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable
from scanner.engine.model import Severity, where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.delivery.models import Notice
    from scanner.delivery.recipients import Recipient
    from scanner.remediation.models import Finding
    from scanner.reports.dates import Dates
    from targets.models import Organisation

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Ask an organisation to fix findings by a date, by a numbered notice with a reply form.",
)

SHOWN = 50
"""Notices that ``list`` shows when no number is given."""

_FORMS = ("html", "pdf", "docx")

_WITH = {"docx": ("slip",)}
"""What is written with a form."""

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Number of the notice, as 'notice list' shows it.")]


@app.command("issue", short_help="Show what a notice would ask for, then issue it.")
def issue_notice(
    organisation: Annotated[str, typer.Option(help="Slug of the organisation.")],
    severity: Annotated[Severity, typer.Option("--from", help="Only findings at least this severe.")] = Severity.HIGH,
    yes: Yes = False,
) -> None:
    """Show what a notice would ask for, then, when you agree, number it and mail it.

    It asks for open findings that stand in no live notice yet. What is merely possible is listed apart, to be checked.
    A plan with notices issues them by itself at the end of each round.

    Exit status: 0 issued, or there is nothing to ask for; 1 declined; 2 bad input.
    """
    from scanner.delivery.models import MessageKind
    from scanner.delivery.notices import due_for, issue
    from scanner.delivery.posting import post
    from scanner.delivery.recipients import recipients
    from targets.query import active_organisations

    with clear_errors():
        (owner,) = active_organisations([organisation])
        due = due_for(owner, severity)
        if not due.findings:
            typer.echo(f"No open finding of {owner.slug}, {severity} or worse, waits for a notice.")
            return
        typer.echo(f"A notice to {owner.slug} would ask for {len(due.findings)} finding(s):")
        _list_findings(due.findings, owner)
        if due.to_check:
            typer.echo("Merely possible, to be checked, without a date:")
            _list_findings(due.to_check, owner)
        typer.echo(f"It would go to: {_addresses(recipients(owner, MessageKind.NOTICE))}")
        agree("Issue and mail it?", yes)
        now = datetime.now(UTC)
        notice = issue(owner, None, due.findings, by=actor(), now=now, to_check=due.to_check)
        told = post(notice, now)
    typer.echo(
        f"Notice {notice.number} was issued; an answer is due by {_last_day(notice)}. In the outbox for: ", nl=False
    )
    typer.echo(_addresses(told))


@app.command("list", short_help="Show the newest notices.")
def list_notices(
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of an organisation; may be given several times. Default: all.")
    ] = None,
    unanswered: Annotated[bool, typer.Option("--open", help="Only those that wait for an answer.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = SHOWN,
) -> None:
    """Show the newest notices, newest first: number, issued, organisation, how many findings, and where it stands."""
    from scanner.delivery.models import Notice
    from targets.query import active_organisations

    with clear_errors():
        rows = Notice.objects.select_related("organisation").prefetch_related("items").order_by("-pk")
        if organisation:
            rows = rows.filter(organisation__in=active_organisations(organisation))
        if unanswered:
            rows = rows.filter(answered=None, withdrawn=None)
        notices = list(rows[:limit])
    if not notices:
        typer.echo("There is no such notice.")
    for each in notices:
        asked = sum(not item.to_check for item in each.items.all())
        owner = each.organisation
        issued = owner.day_of(each.issued)
        typer.echo(f"{each.number:<16}  {issued}  {owner.slug:<20}  {asked:>4}  {_standing(each)}")


@app.command(short_help="Show a notice and its answers; write its documents.")
def show(
    number: Number,
    output: Annotated[
        Path | None, typer.Option(help="Directory to write the documents and reply forms to; made when missing.")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORM,…", help="Forms of the documents: html, pdf, docx, separated by commas."
        ),
    ] = "html",
) -> None:
    """Show what a notice asks for and what was answered; with --output, write its documents and its reply forms.

    HTML and PDF are the documents as they were issued. DOCX is the notice and its reply slip to be edited, with the
    evidence as it stands now.
    """
    with clear_errors():
        forms = _forms(form)
        notice = _notice(number)
        by = f"round {notice.round_id}" if notice.round_id else "hand"
        typer.echo(f"Notice {notice.number} to {notice.organisation.slug}, {_standing(notice)}")
        typer.echo(f"  issued {notice.issued:%Y-%m-%d %H:%M}Z by {notice.issued_by}, from {by}")
        for item in notice.items.select_related("finding"):
            finding = item.finding
            place = where(finding.host, finding.port, finding.transport)
            due = "to be checked" if item.to_check else _by(notice.organisation, item.deadline)
            typer.echo(
                f"{finding.pk:>6}  {finding.severity:<8}  {finding.state:<14}  {finding.check_id}  {place}  {due}"
            )
            for reply in item.replies.all():
                told = "; ".join(f"{name}: {printable(text)}" for name, text in reply.detail.items())
                typer.echo(f"        {notice.organisation.day_of(reply.at)} {reply.answer}  {told}")
        if output is not None:
            for path in _write(notice, output, forms):
                typer.echo(path)


@app.command(short_help="Withdraw a notice; its number stays.")
def withdraw(number: Number, yes: Yes = False) -> None:
    """Withdraw a notice: it stays on record with its number, and asks for nothing more.

    Mail that left can't be called back: tell the organisation. Its findings may stand in another notice.

    Exit status: 0 withdrawn, 1 declined, 2 bad input.
    """
    from scanner.delivery.notices import withdraw as withdraw_notice

    with clear_errors():
        notice = _notice(number)
        agree(f"Withdraw notice {notice.number} to {notice.organisation.slug}?", yes)
        withdraw_notice(notice, actor(), datetime.now(UTC))
    typer.echo(f"Notice {notice.number} was withdrawn.")


def _notice(number: str) -> Notice:
    from scanner.delivery.models import Notice

    notice = Notice.objects.select_related("organisation").filter(number=number).first()
    if notice is None:
        raise InputError(f"There is no notice {number}; 'roundsman notice list' shows them.")
    return notice


def _standing(notice: Notice) -> str:
    if notice.withdrawn:
        return f"withdrawn on {notice.organisation.day_of(notice.withdrawn)}"
    if notice.answered:
        return f"answered on {notice.organisation.day_of(notice.answered)}"
    return f"to be answered by {_last_day(notice)}"


def _last_day(notice: Notice) -> str:
    return _dates(notice.organisation).last_day(notice.answer_by)


def _by(organisation: Organisation, deadline: datetime | None) -> str:
    """Say by which day, where the organisation is, as the notice has it."""
    return f"by {_dates(organisation).day(deadline)}" if deadline else ""


def _dates(organisation: Organisation) -> Dates:
    from scanner.reports.dates import Dates

    return Dates(Language.EN, organisation.time_zone, datetime.now(UTC))


def _list_findings(findings: Iterable[Finding], owner: Organisation) -> None:
    for each in findings:
        due = _by(owner, each.deadline)
        place = where(each.host, each.port, each.transport)
        typer.echo(f"{each.pk:>6}  {each.severity:<8}  {each.confidence:<9}  {each.check_id:<24}  {place}  {due}")


def _addresses(chosen: Iterable[Recipient]) -> str:
    return ", ".join(each.address for each in chosen) or "nobody; register a contact, or set ROUNDSMAN_OPERATORS"


def _forms(text: str) -> set[str]:
    chosen = {name.strip().lower() for name in text.split(",")}
    if not chosen <= set(_FORMS):
        raise InputError(f"{text!r} is no form of a notice; the forms are {', '.join(_FORMS)}.")
    return chosen


def _write(notice: Notice, directory: Path, forms: set[str]) -> list[Path]:
    """Write the documents in these forms, and the reply forms, for their owner's eyes only."""
    from scanner.delivery.notice_files import notice_file
    from scanner.delivery.reports import write_private

    wanted = [each for form in _FORMS if form in forms for each in (form, *_WITH.get(form, ()))]
    files = {
        directory / name: content
        for document in notice.documents.all()
        for name, content in (notice_file(document, each) for each in (*wanted, "form"))
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            write_private(path, content)
    except OSError as error:
        raise InputError(f"{directory} can't be written to: {error.strerror}. Choose another with --output.") from error
    return list(files)
