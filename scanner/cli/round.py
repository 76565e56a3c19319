"""``roundsman round``: inspect the registered targets and follow their findings.

Django's models are imported by the commands only, so that ``--help`` needs no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scanner import garbage
from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.formats import SummaryFormat
from scanner.cli.prompts import Yes, agree
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.plan import Profile
from scanner.loading import loading

if TYPE_CHECKING:
    from scanner.engine.inspect import Observer
    from scanner.rounds.models import Round

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Inspect the registered targets and follow their findings.",
)

Number = Annotated[int, typer.Argument(metavar="ROUND", help="Number of the round.")]

SHOWN = 20
"""Rounds that ``list`` shows when no number is given."""


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2
    NOT_INSPECTED = 3
    INTERRUPTED = 130


@app.command(short_help="Inspect the registered targets now.")
def run(
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of one to inspect; may be given several times. Default: all.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How deep to look.")] = Profile.STANDARD,
    ports: Annotated[
        str, typer.Option(help="top100, top1000, all, or a list: 22,80,8000-8100,U:161. A target's own list wins.")
    ] = "top1000",
) -> None:
    """Inspect the registered targets now, keep what was seen, and follow every finding.

    Only what a valid authorisation covers is touched. A finding counts as fixed when two looks of this round
    covered it and did not see it; a host that could not be inspected closes nothing. Ctrl-C stops within seconds
    and keeps what was seen.

    Exit status: 0 done, 2 bad input, 3 done, but something was not inspected.
    """
    from scanner.rounds.making import RoundRequest, make_round
    from targets.query import active_organisations, registered_domains, registered_targets

    with clear_errors():
        _refuse_while_stopped()
        chosen = active_organisations(organisation or None)
        if not any(registered_targets(each) or registered_domains(each) for each in chosen):
            raise InputError("Nothing is registered to inspect; 'roundsman targets apply FILE' begins.")
        this = make_round(RoundRequest(tuple(chosen), actor(), profile, ports), datetime.now(UTC))
    _carry_out(this.pk)


@app.command(short_help="Let a paused or broken-off round go on.")
def resume(number: Number) -> None:
    """Let a paused round go on, or take up one whose process was ended.

    A running service does so by itself; without one it is done here. Hosts that have a result are not inspected again.
    Exit status: as 'run', and 2 when the round is over.
    """
    from scanner.rounds.models import ENDED
    from scanner.rounds.steps import unpause

    with clear_errors():
        this = _round(number)
        if this.followed is not None and this.state in ENDED:
            raise InputError(f"Round {number} is over; 'roundsman round show {number}' tells how it went.")
        _refuse_while_stopped()
        unpause(this.pk, actor(), datetime.now(UTC))
    _carry_out(this.pk, "goes on")


@app.command(short_help="Let a round rest until it is resumed.")
def pause(number: Number) -> None:
    """Let a round rest: what is in work ends within seconds, and nothing of it is sent until 'round resume'.

    What was seen is kept. Exit status: 0 done, 2 the round is over or unknown.
    """
    from scanner.rounds import steps

    with clear_errors():
        steps.pause(_round(number).pk, actor(), datetime.now(UTC))
    typer.echo(f"Round {number} is paused; 'roundsman round resume {number}' goes on with it.")


@app.command(short_help="End a round for good.")
def cancel(
    number: Number,
    yes: Yes = False,
) -> None:
    """End a round for good: what it has not inspected is reported as such, what it saw is followed.

    Nothing counts as fixed by it. Exit status: 0 done, 1 declined, 2 the round is over or unknown.
    """
    from django.conf import settings

    from scanner.flow import carry_out
    from scanner.rounds import steps
    from scanner.rounds.service import is_served
    from scanner.rounds.switch import current_stop

    with clear_errors():
        this = _round(number)
        agree(f"Cancel round {number}? It can't be gone on with.", yes)
        steps.cancel(this.pk, actor(), datetime.now(UTC))
        if not is_served(settings.DATA_DIR) and current_stop() is None:
            carry_out(this.pk)
    typer.echo(f"Round {number} is cancelled; what was seen until then is kept.")


@app.command(short_help="Show how far a round has come, and what waits for what.")
def status(
    number: Annotated[
        int | None, typer.Argument(metavar="ROUND", help="Number of the round. Default: all that are not over.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until the round is over.")] = False,
) -> None:
    """Show how far a round has come, what works at it, and what waits for what.

    Exit status: 0 done, 2 the round is unknown.
    """
    from scanner.cli import round_status
    from scanner.rounds.models import ENDED, Round

    with clear_errors():
        chosen = (
            [_round(number).pk]
            if number is not None
            else list(Round.objects.exclude(state__in=ENDED, followed__isnull=False).values_list("pk", flat=True))
        )
        _say_if_stopped()
        for each in chosen:
            if watch:
                round_status.watch(each)
            typer.echo("\n".join(round_status.lines(round_status.current_status(each))))
    if not chosen:
        typer.echo("No round is under way; 'roundsman round list' shows those that are over.")


@app.command("list")
def list_rounds(limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = SHOWN) -> None:
    """Show the newest rounds, newest first."""
    from scanner.rounds.models import Round

    with clear_errors():
        rounds = list(Round.objects.order_by("-pk").prefetch_related("organisations")[:limit])
    if not rounds:
        typer.echo("There is no round yet; 'roundsman round run' makes one.")
    for this in rounds:
        slugs = ", ".join(each.slug for each in this.organisations.all())
        made = f"{this.pk:>6}  {this.created:%Y-%m-%d %H:%M}Z  {this.kind:<13}  {this.state:<9}  {this.profile:<8}"
        typer.echo(f"{made}  {slugs}")


@app.command(short_help="Show how a round went, and what was not inspected.")
def show(number: Number) -> None:
    """Show how a round went: every host that was not fully inspected, and why."""
    with clear_errors():
        _print_round(_round(number))


@app.command()
def summary(
    number: Annotated[int, typer.Argument(metavar="ROUND", help="Number of the round.")],
    output: Annotated[SummaryFormat, typer.Option("--format", help="How to print it.")] = SummaryFormat.TEXT,
    language: Annotated[Language | None, typer.Option(help="Language of the page. Default: the office's.")] = None,
) -> None:
    """Show how a round went as a whole: duration, coverage, failures, slowest hosts, deliveries.

    With ROUNDSMAN_ROUND_SUMMARY=on the operators get it by mail after each whole round.

    Exit status: 0 done, 2 the round is unknown, or its results were pruned.
    """
    from scanner.cli import round_summary

    with clear_errors():
        typer.echo(round_summary.shown(_round(number), output, language), nl=False)


def _carry_out(number: int, how: str = "begins") -> None:
    """Carry the round out, or have the running service do it, and print how it went."""
    typer.echo(f"Round {number} {how}.", err=True)
    try:
        with clear_errors(f"go on with 'roundsman round resume {number}'"):
            _do_or_watch(number)
            whole = _print_round(_round(number))
    except KeyboardInterrupt:
        typer.echo(f"\nRound {number} was cancelled; what was seen until then is kept.", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    typer.echo("'roundsman finding list' shows what is open, 'roundsman report build' writes the reports.", err=True)
    if not whole:
        raise typer.Exit(Exit.NOT_INSPECTED)


def _do_or_watch(number: int) -> None:
    from django.conf import settings

    from scanner.cli.round_status import watch
    from scanner.rounds import steps
    from scanner.rounds.service import is_served

    if not is_served(settings.DATA_DIR):
        from scanner.rounds.nursery import NURSERY

        NURSERY.begin()  # it loads the engine while this process loads all rooms
        with loading():
            from scanner.flow import carry_out
            from scanner.rounds import ways
        garbage.settle(cleaned=False)
        carry_out(number, ways.Ways(watch=_watch), settings.WORKERS - 1)
        return
    typer.echo("The running service carries it out.", err=True)
    try:
        watch(number)
    except KeyboardInterrupt:
        steps.cancel(number, actor(), datetime.now(UTC))
        raise


def _refuse_while_stopped() -> None:
    from scanner.rounds.switch import current_stop

    stop = current_stop()
    if stop is not None:
        why = f" ({stop.reason})" if stop.reason else ""
        raise InputError(
            f"Everything was stopped by {stop.by} at {stop.at:%Y-%m-%d %H:%M}Z{why}; 'roundsman resume' lifts that."
        )


def _say_if_stopped() -> None:
    try:
        _refuse_while_stopped()
    except InputError as stopped:
        typer.echo(stopped.args[0])


@contextmanager
def _watch(hosts: Callable[[], int]) -> Iterator[Observer]:
    from scanner.cli.progress import display

    with display(hosts) as shown:
        yield shown.observe


def _round(number: int) -> Round:
    from scanner.rounds.models import Round

    this = Round.objects.filter(pk=number).first()
    if this is None:
        raise InputError(f"There is no round {number}; 'roundsman round list' shows them.")
    return this


def _print_round(this: Round) -> bool:
    """Print how the round went; return whether everything was inspected."""
    from scanner.engine.model import Outcome
    from scanner.remediation.scores import never_answered
    from scanner.reports.gaps import gap_sentence
    from scanner.reports.words import words
    from scanner.rounds.models import HostResult, LookNumber

    typer.echo(f"Round {this.pk}: {this.state}, {this.profile}, ports {this.ports}, by {this.requested_by}")
    if this.due:
        others = f"; it stands for {this.missed} earlier due time(s) that were missed as well" if this.missed else ""
        typer.echo(f"  a {this.kind}, due {this.due:%Y-%m-%d %H:%M}Z{others}")
    if this.pruned is not None:
        typer.echo(f"  Pruned on {this.pruned:%Y-%m-%d}: what follows are the results that were kept, not all.")
    results = HostResult.objects.filter(round=this, look=LookNumber.FIRST).select_related("organisation")
    whole, found = True, _found(this)
    for organisation in this.organisations.order_by("slug"):
        rows = results.filter(organisation=organisation)
        unused = never_answered(this, organisation)
        missed = rows.exclude(outcome=Outcome.INSPECTED).exclude(pk__in=unused)
        hosts = f"{rows.count() - len(unused)} host(s), {missed.count()} not or only partly inspected"
        typer.echo(f"  {organisation.slug}: {hosts}" + (f", {len(unused)} unused address(es)" if unused else ""))
        looked = rows.filter(outcome__in=(Outcome.INSPECTED, Outcome.PARTIAL)).exists()
        typer.echo(f"    {found.get(organisation.pk) or _nothing_found(this, looked=looked)}")
        for row in missed.iterator(chunk_size=100):
            gaps = row.inspection().coverage.gaps
            english = words(Language.EN)
            why = dict.fromkeys(f"{gap.reason}: {gap_sentence(gap.reason, gap.detail, english)}" for gap in gaps)
            place = " ".join(dict.fromkeys(filter(None, (row.host, row.address))))
            typer.echo(f"    {place}: {row.outcome}; {' '.join(why)}")
        whole = whole and not missed.exists()
    return whole


def _nothing_found(this: Round, *, looked: bool) -> str:
    """Say why nothing is told of findings: none changed only where hosts were inspected and that was followed."""
    if this.followed is None:
        return "findings: not followed yet"
    return "findings: none is new, reopened or fixed" if looked else "findings: nothing was inspected"


def _found(this: Round) -> dict[int, str]:
    """Say what became of findings in a round, by organisation; of one without any nothing."""
    from scanner.delivery.round_summary import found_in

    return {
        owner: f"findings: {each.new} new, {each.reopened} reopened, {each.fixed} fixed"
        for owner, each in found_in(this).items()
    }
