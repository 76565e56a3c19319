"""``roundsman facts``: judge again what was seen, with today's rules."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.errors import clear_errors
from scanner.cli.formats import Format
from scanner.engine.errors import InputError
from scanner.engine.model import where

if TYPE_CHECKING:
    from scanner.remediation.replay import Change, Weight
    from scanner.rounds.models import Round
    from targets.models import Organisation

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Judge again what was seen, with today's rules.",
)

SCHEMA = "roundsman.replay/1"


@app.callback()
def facts() -> None:
    """Judge again what was seen, with today's rules."""


@app.command()
def replay(
    round_number: Annotated[
        int | None,
        typer.Option("--round", metavar="ROUND", help="Number of the round. Default: each organisation's latest."),
    ] = None,
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of an organisation; may be given several times. Default: all.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Lines for people, or JSON.")] = Format.TEXT,
) -> None:
    """Show what today's rules would change in the record of a round.

    The stored facts are judged again, for example after an upgrade. No packet is sent and nothing is changed: the
    next round makes the record follow.
    """
    from scanner.remediation.keys import RoundKeys
    from scanner.remediation.replay import replay as judge_again

    with clear_errors():
        chosen = _chosen(round_number, organisation)
        keys = {this.pk: RoundKeys(this).known for this in {this.pk: this for _, this in chosen}.values()}
        replayed = [(owner, this, judge_again(this, owner, keys[this.pk])) for owner, this in chosen]
    if form is Format.JSON:
        typer.echo(json.dumps(_document(replayed), ensure_ascii=False, indent=2))
        return
    for owner, this, changes in replayed:
        nothing = "" if _looked(owner, this) else "; nothing was inspected"
        typer.echo(f"{owner.slug}, round {this.pk}: {len(changes)} change(s){nothing}")
        for change in changes:
            typer.echo(f"  {_line(change)}")


def _looked(owner: Organisation, this: Round) -> bool:
    """Tell whether the round inspected any host, be it in part: without, no change means nothing."""
    from scanner.remediation.keys import LOOKED
    from scanner.rounds.models import HostResult

    return HostResult.objects.filter(round=this, organisation=owner, outcome__in=LOOKED).exists()


def _chosen(number: int | None, slugs: list[str] | None) -> list[tuple[Organisation, Round]]:
    """Return the organisations asked for, each with the followed round to replay."""
    from scanner.rounds.models import Round
    from targets.query import active_organisations

    followed = Round.objects.filter(followed__isnull=False)
    if number is not None and not followed.filter(pk=number).exists():
        raise InputError(f"There is no finished round {number}; 'roundsman round list' shows them.")
    chosen: list[tuple[Organisation, Round]] = []
    for owner in active_organisations(slugs or None):
        theirs = followed.filter(organisations=owner)
        this = theirs.filter(pk=number).first() if number is not None else theirs.order_by("pk").last()
        if this is not None:
            chosen.append((owner, this))
        elif slugs:
            raise InputError(f"{owner.slug} has no such finished round; 'roundsman round list' shows the rounds.")
    if not chosen:
        raise InputError("No round has finished yet; 'roundsman round run' makes one.")
    return chosen


def _line(change: Change) -> str:
    place = f"{where(change.host, change.port, change.transport)}  {change.check}"
    if change.recorded is None:
        return f"+ {place}  would open: {_weight(change.judged)}"
    if change.judged is None:
        return f"- {place}  would not be seen any more; was {_weight(change.recorded)}"
    return f"~ {place}  {_weight(change.recorded)} -> {_weight(change.judged)}"


def _weight(weight: Weight | None) -> str:
    return f"{weight.severity}, {weight.confidence}" if weight else "-"


def _document(replayed: list[tuple[Organisation, Round, tuple[Change, ...]]]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "organisations": [
            {"organisation": owner.slug, "round": this.pk, "changes": [asdict(change) for change in changes]}
            for owner, this, changes in replayed
        ],
    }
