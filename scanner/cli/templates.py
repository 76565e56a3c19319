"""``roundsman templates``: templates, words, styles and logos of your own in the place of the shipped ones."""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.errors import clear_errors
from scanner.engine.errors import InputError
from scanner.engine.hostile import line

if TYPE_CHECKING:
    from scanner.delivery.template_check import Layer

_LONGEST = 1000


class Exit(IntEnum):
    """What the process tells its caller."""

    GOOD = 0
    PROBLEMS = 1
    BAD_INPUT = 2


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Word and dress reports, notices and mails in your own way; see docs/reports.md.",
)


@app.callback()
def templates() -> None:
    """Word and dress reports, notices and mails in your own way.

    Your files lie in the folder 'templates' of the data directory (or ROUNDSMAN_TEMPLATES_DIR), and below
    organisations/SLUG there for one organisation and all that it supervises. The nearest wins. What is broken is left
    out, so that no report fails of it.
    """


@app.command()
def check() -> None:
    """Name the file and line of everything that is wrong with your templates, words, styles and logos.

    Every document and mail is rendered in both languages with sample data. Nothing is sent or changed.

    Exit status: 0 all is well, 1 something is wrong, 2 bad settings.
    """
    from scanner.delivery.template_check import check_all, layers
    from scanner.reports.stationery import root

    problems = check_all()
    for problem in problems:
        typer.echo(line(str(problem), _LONGEST))
    if problems:
        raise typer.Exit(Exit.PROBLEMS)
    checked = sum(len(each.files()) for each in layers())
    typer.echo(f"{checked} file(s) below {root()}; nothing is wrong.")


@app.command("list")
def list_() -> None:
    """Show what of the shipped templates, words, styles and logos is overridden, and by whom.

    Exit status: 0 done, 2 bad settings.
    """
    from scanner.delivery.template_check import layers
    from scanner.reports.stationery import root

    shown = False
    for layer in layers():
        for told in _files(layer):
            shown = True
            typer.echo(f"{layer.owner or 'installation':<20}  {told}")
    if not shown:
        typer.echo(f"Nothing is overridden below {root()}; 'roundsman templates init' begins.")


def _files(layer: Layer) -> list[str]:
    from scanner.engine.catalogue.load import Language
    from scanner.reports.checks_file import read_checks
    from scanner.reports.stationery import CHECKS, SHIPPED, WORDS
    from scanner.reports.words import shipped
    from scanner.reports.words_file import read_words

    told = []
    for name in layer.files():
        if name not in (WORDS, CHECKS):
            told.append(f"{name}{'' if (SHIPPED / name).is_file() else '  (new)'}")
            continue
        if name == WORDS:
            texts, _ = read_words(layer.folder, {each: dict(shipped(each).items()) for each in Language})
        else:
            texts, _ = read_checks(layer.folder)
        counts = ", ".join(f"{len(texts[each])} in {each}" for each in Language)
        told.append(f"{name}  ({counts})")
    return told


@app.command()
def init(
    organisation: Annotated[
        str | None, typer.Option(help="Slug of the organisation it is for. Default: the installation.")
    ] = None,
) -> None:
    """Write a commented set to begin with: words, texts of checks, and a style sheet, in which nothing is changed yet.

    Files that exist are left as they are.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.delivery.template_start import starting_set
    from scanner.reports.stationery import ORGANISATIONS, root
    from targets.query import active_organisations

    with clear_errors():
        folder = root()
        if organisation is not None:
            active_organisations([organisation])
            folder = folder / ORGANISATIONS / organisation
        try:
            for name, content in starting_set().items():
                typer.echo(_begin(folder / name, content))
        except OSError as error:
            raise InputError(f"{folder} can't be written to: {error.strerror}.") from error


def _begin(path: Path, content: str) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return f"{path} is there already"
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    return str(path)
