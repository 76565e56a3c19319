"""``roundsman finding``: list and show the findings that are being followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.round import clear_errors
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable
from scanner.engine.model import Severity, where
from scanner.remediation.lifecycle import State

if TYPE_CHECKING:
    from scanner.remediation.models import Finding

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List and show the findings that are being followed.",
)

NOT_FIXED = [state for state in State if state is not State.FIXED]


@app.command("list")
def list_findings(
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of an organisation; may be given several times. Default: all.")
    ] = None,
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; may be given several times. Default: all but fixed.")
    ] = None,
    severity: Annotated[Severity, typer.Option(help="Only at least this severe.")] = Severity.INFO,
) -> None:
    """Show findings, worst first, one to a line: number, severity, state, check, place, deadline."""
    from scanner.remediation.models import Finding
    from targets.query import active_organisations

    with clear_errors():
        rows = Finding.objects.filter(
            organisation__in=active_organisations(organisation or None),
            state__in=state or NOT_FIXED,
            severity__in=[each for each in Severity if each.at_least(severity)],
        ).select_related("organisation")
        findings = sorted(rows, key=lambda each: (-Severity(each.severity).rank, each.host, each.port, each.check_id))
    if not findings:
        typer.echo("No such finding.")
    for each in findings:
        due = _due(each)
        place = f"{each.organisation.slug} {where(each.host, each.port, each.transport)}"
        typer.echo(f"{each.pk:>6}  {each.severity:<8}  {each.state:<14}  {each.check_id:<24}  {place}  {due}")


@app.command()
def show(number: Annotated[int, typer.Argument(metavar="FINDING", help="Number of the finding.")]) -> None:
    """Show one finding: where it stands, its evidence, and everything that happened to it."""
    from scanner.remediation.models import Finding

    with clear_errors():
        finding = Finding.objects.select_related("organisation").filter(pk=number).first()
        if finding is None:
            raise InputError(f"There is no finding {number}; 'roundsman finding list' shows them.")
        events = list(finding.events.all())
    typer.echo(f"{finding} ({finding.organisation.slug})")
    typer.echo(f"  {finding.severity}, {finding.confidence}, {finding.state}, came back {finding.recurrences} time(s)")
    typer.echo(f"  first seen {finding.first_seen:%Y-%m-%d %H:%M}Z, last seen {finding.last_seen:%Y-%m-%d %H:%M}Z")
    if finding.deadline:
        typer.echo(f"  to be fixed by {finding.deadline:%Y-%m-%d %H:%M}Z")
    for name, value in finding.params:
        typer.echo(f"  {name}: {printable(str(value))}")
    for exchange in finding.exchanges:
        typer.echo(f"  sent {printable(exchange['sent'])}\n  received {printable(exchange['received'])}")
    for event in events:
        detail = ", ".join(f"{name} {value}" for name, value in event.detail.items())
        typer.echo(f"  {event.at:%Y-%m-%d %H:%M}Z  round {event.round_id}  {event.kind}  {detail}".rstrip())


def _due(finding: Finding) -> str:
    if finding.fixed is not None:
        return f"fixed {finding.fixed:%Y-%m-%d}"
    return f"due {finding.deadline:%Y-%m-%d}" if finding.deadline else "no deadline"
