"""``roundsman round``: inspect the registered targets and follow their findings.

Django's models are imported by the commands only, so that ``--help`` needs no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.plan import Profile

if TYPE_CHECKING:
    from scanner.engine.inspect import Observer
    from scanner.rounds.models import Round

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Inspect the registered targets and follow their findings.",
)

SHOWN = 20
"""Rounds that ``list`` shows when no number is given."""


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BAD_INPUT = 2
    NOT_INSPECTED = 3
    INTERRUPTED = 130


@app.command()
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
        chosen = active_organisations(organisation or None)
        if not any(registered_targets(each) or registered_domains(each) for each in chosen):
            raise InputError("Nothing is registered to inspect; 'roundsman targets apply FILE' begins.")
        this = make_round(RoundRequest(tuple(chosen), actor(), profile, ports), datetime.now(UTC))
    _carry_out(this.pk)


@app.command()
def resume(number: Annotated[int, typer.Argument(metavar="ROUND", help="Number of the round.")]) -> None:
    """Go on with a round that was broken off by a crash, a full disk or a locked database.

    Hosts that have a result are not inspected again. Exit status: as 'run'.
    """
    with clear_errors():
        this = _round(number)
    _carry_out(this.pk)


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
        typer.echo(f"{this.pk:>6}  {this.created:%Y-%m-%d %H:%M}Z  {this.state:<9}  {this.profile:<8}  {slugs}")


@app.command()
def show(number: Annotated[int, typer.Argument(metavar="ROUND", help="Number of the round.")]) -> None:
    """Show how a round went: every host that was not fully inspected, and why."""
    with clear_errors():
        _print_round(_round(number))


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what can go wrong into a message and status 2. What was stored before stays stored."""
    from django.conf import settings
    from django.db import DatabaseError

    try:
        yield
    except (RoundsmanError, LookupError) as error:
        typer.echo(f"Error: {error.args[0]}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from error
    except DatabaseError as error:
        path = settings.DATABASES["default"]["NAME"]
        typer.echo(
            f"Error: the database {path} could not be used: {error}. What was stored until then is kept. "
            "See that no other program holds it and that the disk has room, then go on with 'roundsman round resume'.",
            err=True,
        )
        raise typer.Exit(Exit.BAD_INPUT) from error


def _carry_out(number: int) -> None:
    from scanner.flow import carry_out
    from scanner.rounds.execute import Ways

    typer.echo(f"Round {number} begins.", err=True)
    try:
        with clear_errors():
            carry_out(number, Ways(watch=_watch))
            this = _round(number)
            whole = _print_round(this)
    except KeyboardInterrupt:
        typer.echo(f"\nRound {number} was cancelled; what was seen until then is kept.", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    if not whole:
        raise typer.Exit(Exit.NOT_INSPECTED)


@contextmanager
def _watch(hosts: int) -> Iterator[Observer]:
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
    from scanner.engine.catalogue.load import Language
    from scanner.engine.model import Outcome
    from scanner.remediation.scores import never_answered
    from scanner.reports.gaps import gap_sentence
    from scanner.reports.words import words
    from scanner.rounds.models import HostResult, LookNumber

    typer.echo(f"Round {this.pk}: {this.state}, {this.profile}, ports {this.ports}, by {this.requested_by}")
    if this.pruned is not None:
        typer.echo(f"  Pruned on {this.pruned:%Y-%m-%d}: what follows are the results that were kept, not all.")
    results = HostResult.objects.filter(round=this, look=LookNumber.FIRST).select_related("organisation")
    whole = True
    for organisation in this.organisations.order_by("slug"):
        rows = results.filter(organisation=organisation)
        unused = never_answered(this, organisation)
        missed = rows.exclude(outcome=Outcome.INSPECTED).exclude(pk__in=unused)
        hosts = f"{rows.count() - len(unused)} host(s), {missed.count()} not or only partly inspected"
        typer.echo(f"  {organisation.slug}: {hosts}" + (f", {len(unused)} unused address(es)" if unused else ""))
        for row in missed.iterator(chunk_size=100):
            gaps = row.inspection().coverage.gaps
            english = words(Language.EN)
            why = dict.fromkeys(f"{gap.reason}: {gap_sentence(gap.reason, gap.detail, english)}" for gap in gaps)
            place = " ".join(dict.fromkeys(filter(None, (row.host, row.address))))
            typer.echo(f"    {place}: {row.outcome}; {' '.join(why)}")
        whole = whole and not missed.exists()
    return whole
