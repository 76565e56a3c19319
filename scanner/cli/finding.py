"""``roundsman finding``: list and show the findings that are being followed, and what people do to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable
from scanner.engine.model import Severity, where
from scanner.remediation.lifecycle import TO_FIX, State

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from scanner.remediation.models import Exemption, Finding

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List and show the findings that are being followed; claim, accept and dispute them.",
)

NOT_FIXED = [state for state in State if state is not State.FIXED]

Number = Annotated[int, typer.Argument(metavar="FINDING", help="Number of the finding.")]
By = Annotated[str, typer.Option(help="Who says so, when it is not the user at this terminal.")]
Note = Annotated[str, typer.Option(help="What to keep with it.")]
Until = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Its last day, 2027-03-31, in the organisation's time zone."),
]
Long = Annotated[bool, typer.Option("--long", help="Allow an exemption of more than a year.")]


@app.command("list", short_help="Show findings, worst first.")
def list_findings(
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of an organisation; may be given several times. Default: all.")
    ] = None,
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; may be given several times. Default: all but fixed.")
    ] = None,
    severity: Annotated[Severity, typer.Option(help="Only at least this severe.")] = Severity.INFO,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose deadline has passed.")] = False,
    requests: Annotated[
        bool, typer.Option("--requests", help="Only those with a request to be exempt that is not decided yet.")
    ] = False,
    unregistered: Annotated[
        bool, typer.Option("--unregistered", help="Also those whose host is not registered any more.")
    ] = False,
) -> None:
    """Show findings, worst first, one to a line: number, severity, state, check, place, and what is due.

    Findings of hosts that were taken out of the register are left out: nothing inspects them, and nobody has to fix
    them, but they are not proven fixed either. They are back when the host is.
    """
    from scanner.remediation.models import ExemptionState

    now = datetime.now(UTC)
    with clear_errors():
        rows = _chosen(organisation, state, severity)
        if overdue:
            rows = rows.filter(state__in=TO_FIX, deadline__lt=now)
        if requests:
            rows = rows.filter(state__in=TO_FIX, exemptions__state=ExemptionState.REQUESTED)
        findings = sorted(rows, key=lambda each: (-Severity(each.severity).rank, each.host, each.port, each.check_id))
        shown = [each for each in findings if unregistered or each.registered or each.fixed is not None]
        held = {each.finding_id: each for each in _held(findings)}
    if not shown:
        typer.echo("No such finding; the options choose which are shown, such as --state fixed.")
    for each in shown:
        place = f"{each.organisation.slug} {where(each.host, each.port, each.transport)}"
        due = _due(each, now)
        typer.echo(f"{each.pk:>6}  {each.severity:<8}  {each.state:<14}  {each.check_id:<24}  {place}  {due}")
        if requests:
            typer.echo(f"        {_request(held[each.pk])}")
    if len(shown) < len(findings):
        left = len(findings) - len(shown)
        typer.echo(f"Left out: {left} of hosts that are not registered any more; --unregistered shows them.", err=True)


def _chosen(organisation: Iterable[str] | None, state: Iterable[State] | None, severity: Severity) -> QuerySet[Finding]:
    from scanner.remediation.models import Finding
    from targets.query import active_organisations

    return Finding.objects.filter(
        organisation__in=active_organisations(organisation or None),
        state__in=state or NOT_FIXED,
        severity__in=[each for each in Severity if each.at_least(severity)],
    ).select_related("organisation")


@app.command(short_help="Show one finding, its evidence and its history.")
def show(number: Number) -> None:
    """Show one finding: where it stands, its evidence, and everything that happened to it."""
    now = datetime.now(UTC)
    with clear_errors():
        finding = _finding(number)
        events = list(finding.events.all())
        exemptions = list(_held([finding]))
    typer.echo(f"{finding} ({finding.organisation.slug})")
    typer.echo(f"  {finding.severity}, {finding.confidence}, {finding.state}, came back {finding.recurrences} time(s)")
    typer.echo(f"  first seen {finding.first_seen:%Y-%m-%d %H:%M}Z, last seen {finding.last_seen:%Y-%m-%d %H:%M}Z")
    typer.echo(f"  last inspected {finding.last_inspected:%Y-%m-%d %H:%M}Z")
    if not finding.registered:
        typer.echo("  Its host is not registered any more: it is neither inspected nor reported, nor proven fixed.")
    if finding.reported:
        typer.echo(f"  reported {finding.reported:%Y-%m-%d %H:%M}Z, {_due(finding, now)}")
    else:
        typer.echo(f"  {_due(finding, now)}")
    for held in exemptions:
        typer.echo(f"  {_request(held)}")
    for name, value in finding.params:
        typer.echo(f"  {name}: {printable(str(value))}")
    for exchange in finding.exchanges:
        typer.echo(f"  sent {printable(exchange['sent'])}\n  received {printable(exchange['received'])}")
    for event in events:
        detail = ", ".join(f"{name} {printable(str(value))}" for name, value in event.detail.items())
        source = f"round {event.round_id}" if event.round_id else printable(event.actor)
        typer.echo(f"  {event.at:%Y-%m-%d %H:%M}Z  {source}  {event.kind}  {detail}".rstrip())


@app.command(short_help="Say that findings are fixed, and have them looked at again.")
def claim(
    numbers: Annotated[list[int], typer.Argument(metavar="FINDING...", help="Numbers of the findings.")],
    by: By = "",
    note: Note = "",
) -> None:
    """Say that findings are fixed, and ask for a re-inspection of just these.

    A finding stays claimed until an inspection proves it gone or sees it again; one that can't look, as the host is
    down, leaves it claimed. Its deadline runs on. Claims on hosts of one organisation share a round that has not begun.

    Exit status: 0 done, 2 bad input; then nothing was claimed.
    """
    from django.db import transaction

    from scanner.remediation import acts
    from scanner.remediation.reinspection import request_reinspection

    now, who = datetime.now(UTC), by or actor()
    with clear_errors():
        findings = [_finding(number) for number in dict.fromkeys(numbers)]
        with transaction.atomic():
            news = [finding for finding in findings if acts.claim(finding, who, note, now)]
            rounds = [
                request_reinspection([each for each in news if each.organisation_id == owner], by=who, now=now)
                for owner in sorted({each.organisation_id for each in news})
            ]
    for finding in findings:
        typer.echo(f"Finding {finding.pk}: {'claimed to be fixed' if finding in news else 'was claimed before'}.")
    for this in rounds:
        typer.echo(
            f"Round {this.pk} looks at it again: 'roundsman serve' runs it, or now 'roundsman round resume {this.pk}'."
        )


@app.command(short_help="Accept the risk of a finding up to a day.")
def accept(
    number: Number,
    owner: Annotated[str, typer.Option(help="Who answers for the risk.")],
    reason: Annotated[str, typer.Option(help="Why it is accepted.")],
    until: Until = None,
    proof: Annotated[str, typer.Option(help="The document, or the evidence.")] = "",
    false_positive: Annotated[
        bool, typer.Option("--false-positive", help="The finding is wrong, rather than a risk that is accepted.")
    ] = False,
    long: Long = False,
    yes: Yes = False,
) -> None:
    """Accept the risk of a finding up to and including a day, at most for a year; nobody has to fix it until then.

    Its end is announced 30 days before; then it is open again. --until is required.

    Exit status: 0 done, 1 declined, 2 bad input; then nothing was changed.
    """
    from scanner.remediation import acts
    from scanner.remediation.models import ExemptionKind

    now = datetime.now(UTC)
    with clear_errors():
        finding = _finding(number)
        if until is None:
            raise InputError("Say until when: --until 2027-03-31. No risk is accepted for good.")
        end = _end_of(until, finding)
        agree(f"Nobody will be asked to fix '{finding}' until {until:%Y-%m-%d}. Go on?", yes)
        kind = ExemptionKind.FALSE_POSITIVE if false_positive else ExemptionKind.ACCEPTED
        acts.grant(finding, kind, owner, reason, proof, end, actor(), now, long=long)
    typer.echo(f"Finding {number}: {finding.state}, up to and including {until:%Y-%m-%d}.")


@app.command(short_help="Ask to call a finding a false positive.")
def dispute(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why the finding is wrong.")],
    owner: Annotated[str, typer.Option(help="Who answers for that. Default: who asks.")] = "",
    proof: Annotated[str, typer.Option(help="The document, or the evidence.")] = "",
    by: By = "",
) -> None:
    """Ask, for the organisation, to call a finding a false positive; it stays as it is until that is decided.

    When granted it holds for 365 days, unless the decision says otherwise. Its deadline runs on meanwhile.

    Exit status: 0 done, 2 bad input; then nothing was changed.
    """
    from scanner.remediation import acts
    from scanner.remediation.models import ExemptionKind

    now, who = datetime.now(UTC), by or actor()
    with clear_errors():
        finding = _finding(number)
        acts.request_exemption(finding, ExemptionKind.FALSE_POSITIVE, owner or who, reason, proof, None, who, now)
    typer.echo(f"Finding {number}: the request is recorded; 'roundsman finding decide {number}' decides it.")


@app.command(short_help="Grant or refuse what an organisation asked for.")
def decide(
    number: Number,
    grant: Annotated[bool | None, typer.Option("--grant/--refuse", help="What is decided.")] = None,
    until: Until = None,
    note: Note = "",
    long: Long = False,
    yes: Yes = False,
) -> None:
    """Grant or refuse what an organisation asked for; 'finding list --requests' shows what waits.

    --until replaces the end that was asked for.

    Exit status: 0 done, 1 declined, 2 bad input; then nothing was changed.
    """
    from scanner.remediation import acts
    from scanner.remediation.models import ExemptionState

    now = datetime.now(UTC)
    with clear_errors():
        finding = _finding(number)
        asked = finding.exemptions.filter(state=ExemptionState.REQUESTED).first()
        if asked is None:
            raise InputError(f"Nothing was asked about finding {number}; 'finding list --requests' shows what was.")
        if grant is None:
            raise InputError("Say --grant or --refuse.")
        agree(f"{'Grant' if grant else 'Refuse'}: {_request(asked)}?", yes)
        end = _end_of(until, finding) if until else None
        decided = acts.decide(asked, grant, actor(), now, until=end, note=note, long=long)
    typer.echo(f"Finding {number}: {_request(decided)}.")


@app.command(short_help="End an exemption before its time.")
def reopen(number: Number, note: Note = "", yes: Yes = False) -> None:
    """End an exemption before its time: the finding is open again, with a new deadline from its next report.

    It is fixed instead if an inspection proved meanwhile that it is gone.

    Exit status: 0 done, 1 declined, 2 bad input; then nothing was changed.
    """
    from scanner.remediation import acts

    now = datetime.now(UTC)
    with clear_errors():
        finding = _finding(number)
        agree(f"End the exemption of '{finding}'? It can't be taken back, only granted anew.", yes)
        acts.end_exemption(finding, actor(), note, now)
    typer.echo(f"Finding {number}: {finding.state}.")


def _finding(number: int) -> Finding:
    from scanner.remediation.models import Finding

    finding = Finding.objects.select_related("organisation").filter(pk=number).first()
    if finding is None:
        raise InputError(f"There is no finding {number}; 'roundsman finding list' shows them.")
    return finding


def _held(findings: Iterable[Finding]) -> list[Exemption]:
    """Return what was asked for or granted of these findings and still stands."""
    from scanner.remediation.models import Exemption, ExemptionState

    standing = (ExemptionState.REQUESTED, ExemptionState.GRANTED)
    held = Exemption.objects.filter(finding__in=list(findings), state__in=standing)
    return list(held.select_related("finding__organisation"))


def _end_of(day: datetime, finding: Finding) -> datetime:
    """Return the end of a day where the organisation is."""
    zone = ZoneInfo(finding.organisation.time_zone)
    return datetime.combine(day.date() + timedelta(days=1), time(), zone)


def _request(held: Exemption) -> str:
    until = held.finding.organisation.last_day_before(held.until)
    asked = "risk acceptance" if held.kind == State.ACCEPTED else "false positive"
    said = f"{asked} {held.state}, up to and including {until}, by {held.owner}: {held.reason}"
    return printable(f"{said} ({held.proof})" if held.proof else said)


def _due(finding: Finding, now: datetime) -> str:
    from scanner.remediation.counted import is_overdue

    day_of = finding.organisation.day_of
    if finding.fixed is not None:
        return f"fixed {day_of(finding.fixed)}"
    if finding.exempt_until is not None:
        return f"exempt until the end of {finding.organisation.last_day_before(finding.exempt_until)}"
    if finding.reported is None:
        due = "not reported yet"
    elif finding.deadline is None:
        due = "no deadline"
    else:
        due = f"due {day_of(finding.deadline)}" + (", overdue" if is_overdue(finding, now) else "")
    return f"claimed {day_of(finding.claimed)}, {due}" if finding.claimed else due
