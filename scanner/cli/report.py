"""``roundsman report``: render each organisation's risk report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.errors import clear_errors
from scanner.engine.errors import InputError
from scanner.files import draft_of

if TYPE_CHECKING:
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


@app.command()
def build(
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of one to report on; may be given several times. Default: all.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--round", help="Number of the round. Default: each organisation's newest.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Directory to write to; made when missing.")] = Path("reports"),
) -> None:
    """Write <slug>-<round>.html and .json for each organisation, in its language, and print their paths.

    Findings are shown as they stand now; what is called new, fixed or reopened is what the round changed.

    Exit status: 0 done, 2 bad input.
    """
    from targets.query import active_organisations

    with clear_errors():
        chosen = active_organisations(organisation or None)
        due = _due(chosen, number, named=bool(organisation))
        if not due:
            raise InputError("There is no round to report on; 'roundsman round run' makes one.")
        for each, this in due:
            for path in _write(each, this, output):
                typer.echo(path)


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


def _write(organisation: Organisation, this: Round, directory: Path) -> tuple[Path, Path]:
    """Render both forms, then write them, for their owner's eyes only; a report is never left half written."""
    from scanner.reports.query import report_model
    from scanner.reports.render import render_html, render_json

    model = report_model(organisation, this, datetime.now(UTC))
    paths = (directory / f"{organisation.slug}-{this.pk}.html", directory / f"{organisation.slug}-{this.pk}.json")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, (render_html(model), render_json(model)), strict=True):
            with draft_of(path) as draft:
                draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{directory} can't be written to: {error.strerror}. Choose another with --output.") from error
    return paths
