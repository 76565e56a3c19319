"""``roundsman report preview``: documents and mails with sample data, on one's own stationery."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.errors import clear_errors
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.hostile import line
from scanner.files import draft_of

if TYPE_CHECKING:
    from scanner.reports.stationery import Stationery

LOOK_AGAIN = 0.5
"""Seconds between two looks at the files while watching."""


def preview(
    template: Annotated[
        list[str] | None,
        typer.Option(help="report, notice, bulletin, round-summary or mail:KIND; may be given several times. All."),
    ] = None,
    language: Annotated[Language | None, typer.Option(help="Default: both.")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Slug of the one whose stationery is shown. Default: the installation's.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Render again when a file of yours changes; Ctrl-C ends it.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Directory to write to; made when missing.")] = Path("preview"),
) -> None:
    """Render reports, notices, bulletins and mails with sample data, as they look with your templates and words.

    What a template of yours does wrong is printed with its file and line; the page shows the shipped template then.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.delivery.samples import samples

    with clear_errors():
        names = tuple(template or samples())
        unknown = sorted(set(names) - set(samples()))
        if unknown:
            raise InputError(f"{', '.join(unknown)}: there is no such template; there are {', '.join(samples())}.")
        languages = tuple(Language) if language is None else (language,)
        for told in _render(names, languages, organisation, output):
            typer.echo(told)
        if watch:
            _watch(names, languages, organisation, output)


def _watch(names: tuple[str, ...], languages: tuple[Language, ...], slug: str | None, output: Path) -> None:
    from scanner.reports.stationery import root

    typer.echo(f"Watching {root()}; Ctrl-C ends.")
    try:
        before = _stamps(root())
        while True:
            time.sleep(LOOK_AGAIN)
            now = _stamps(root())
            if now != before:
                before = now
                for told in _render(names, languages, slug, output):
                    typer.echo(told)
    except KeyboardInterrupt:
        typer.echo("")


def _stamps(folder: Path) -> list[object]:
    from scanner.reports.stationery import stamp

    return [stamp(path) for path in sorted(folder.rglob("*"))]


def _render(names: tuple[str, ...], languages: tuple[Language, ...], slug: str | None, output: Path) -> Iterator[str]:
    """Write every file, and yield its path, after what is wrong with its templates."""
    from scanner.delivery.samples import render_sample
    from scanner.reports.mishaps import problem_of
    from scanner.reports.page import strictly
    from scanner.reports.stationery import written_on

    stationery = _stationery(slug)
    for name in names:
        for language in languages:
            with written_on(stationery):
                try:
                    with strictly():
                        files = render_sample(name, language)
                except Exception as error:  # noqa: BLE001 - a template may raise anything
                    yield line(str(problem_of(error, stationery, name)), 1000)
                    files = render_sample(name, language)
            for ending, content in files.items():
                yield str(_written(output / f"{name.replace(':', '-')}-{language}.{ending}", content))


def _stationery(slug: str | None) -> Stationery:
    from scanner.reports.stationery import found, slugs_upwards
    from targets.query import active_organisations

    return found(slugs_upwards(active_organisations([slug])[0]) if slug else ())


def _written(path: Path, content: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}. Choose another with --output.") from error
    return path
