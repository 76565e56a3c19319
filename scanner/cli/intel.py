"""``roundsman intel``: what is known about vulnerable software, imported from files, used offline."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanner.cli.formats import Format

if TYPE_CHECKING:
    from scanner.engine.intel.feeds import Feed
    from scanner.engine.intel.store import Imported, Progress, Source

SCHEMA = "roundsman.intel/1"

_TITLES = {
    "kev": "CISA known exploited vulnerabilities",
    "nvd": "NVD vulnerabilities (CVE)",
    "epss": "FIRST exploit prediction (EPSS)",
}

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Import what is published about vulnerable software; nothing is fetched by itself.",
)


@app.callback()
def intel() -> None:
    """Import what is published about vulnerable software; nothing is fetched by itself."""


@app.command("import", short_help="Import CISA KEV, NVD CVE feeds and EPSS scores.")
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files in any order, plain or packed by gzip.")],
) -> None:
    """Import CISA KEV (JSON or CSV), NVD CVE feeds (JSON 2.0) and EPSS scores (CSV).

    \b
    roundsman intel import known_exploited_vulnerabilities.json nvdcve-2.0-*.json.gz epss_scores-current.csv.gz

    Each file is recognised by its content. All are imported or, when one is broken, none. The same file again changes
    nothing, and an older KEV or EPSS file never replaces a newer one. Findings follow with the next round; what would
    change in the last one is shown by 'roundsman facts replay'.
    """
    from scanner.engine.intel.feeds import recognise
    from scanner.engine.intel.store import import_feeds
    from scanner.settings import INTEL_FILE

    feeds = [recognise(path) for path in files]
    INTEL_FILE.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _progress() as progress:
        imported = import_feeds(INTEL_FILE, feeds, progress)
    for each in imported:
        typer.echo(_result(each))


@app.command(short_help="Show what is there, and how old it is.")
def status(
    form: Annotated[Format, typer.Option("--format", help="Lines for people, or JSON.")] = Format.TEXT,
) -> None:
    """Show what is there, of which day, and how old it is; the shipped end-of-life dates too."""
    from scanner.engine.intel.lifecycles import as_of
    from scanner.engine.intel.store import status as read_status
    from scanner.settings import INTEL_FILE

    sources = {source.kind.value: source for source in read_status(INTEL_FILE)}
    if form is Format.JSON:
        typer.echo(json.dumps(_document(sources, as_of().isoformat()), indent=2))
        return
    for kind, title in _TITLES.items():
        typer.echo(f"{title}: {_state(sources[kind]) if kind in sources else 'not imported'}")
    typer.echo(f"End-of-life dates (shipped): of {as_of()}")


def _result(imported: Imported) -> str:
    feed = imported.feed
    what = f"{feed.path.name}: {_TITLES[feed.kind]} of {feed.day}"
    if not imported.changed:
        return f"{what}, was imported before; nothing changed"
    kept = f"; {imported.kept} that affect known products are kept in all" if feed.kind == "nvd" else ""
    return f"{what}, {imported.entries} entries{kept}"


def _state(source: Source) -> str:
    days = str(source.newest) if source.files == 1 else f"{source.oldest} to {source.newest}"
    again = "; more products are known since: import the NVD files again" if source.outgrown else ""
    files = "1 file" if source.files == 1 else f"{source.files} files"
    return f"{files} of {days}, {source.kept} entries kept, imported {source.imported:%Y-%m-%d %H:%M} UTC{again}"


def _document(sources: dict[str, Source], lifecycles: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "lifecycles": {"as_of": lifecycles},
        **{kind: _source_document(sources[kind]) if kind in sources else None for kind in _TITLES},
    }


def _source_document(source: Source) -> dict[str, Any]:
    return {
        "files": source.files,
        "oldest": source.oldest.isoformat(),
        "newest": source.newest.isoformat(),
        "imported": source.imported.isoformat(),
        "kept": source.kept,
        "outgrown": source.outgrown,
    }


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show how far the reading of large files has come, on a terminal; elsewhere stay silent."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), DownloadColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(feed: Feed, read: int) -> None:
            if feed.digest not in tasks:
                tasks[feed.digest] = bars.add_task(feed.path.name, total=None)
            bars.update(tasks[feed.digest], completed=read)

        yield show


def _silent(feed: Feed, read: int) -> None:
    del feed, read
