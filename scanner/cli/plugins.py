"""``roundsman plugins``: which probes and rules of third parties are installed, and whether they are used."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.formats import Format

if TYPE_CHECKING:
    from scanner.engine.plugins.load import Installed

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List the installed plugins, which add probes and rules of third parties.",
)

SCHEMA = "roundsman.plugins/1"


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    REFUSED = 3


@app.callback()
def plugins() -> None:
    """List the installed plugins, which add probes and rules of third parties."""


@app.command("list", short_help="Show every installed plugin, its checks and its state.")
def list_plugins(
    form: Annotated[Format, typer.Option("--format", help="Lines for people, or JSON.")] = Format.TEXT,
) -> None:
    """Show every installed plugin: whether it is used, which package brings it, and its checks.

    Every plugin that is installed beside Roundsman is used, unless ROUNDSMAN_PLUGINS_OFF names it (separate several by
    commas) or something is wrong with it. This runs the plugins' code, and sends nothing.

    Exit status: 0 done, 3 a plugin was refused.
    """
    found = _load()
    if form is Format.JSON:
        document = {"schema": SCHEMA, "plugins": [_document(plugin) for plugin in found]}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        for plugin in found:
            typer.echo(_lines(plugin))
        if not found:
            typer.echo("No plugin is installed.")
    _warn_of_unknown_names()
    if any(plugin.why for plugin in found):
        raise typer.Exit(Exit.REFUSED)


def announce() -> None:
    """Load the plugins, and say on standard error which of them take part and which are refused."""
    found = _load()
    used = ", ".join(_named(plugin) for plugin in found if plugin.accepted)
    if used:
        typer.echo(f"With plugins: {used}.", err=True)
    for plugin in found:
        if plugin.why:
            typer.echo(
                f"Warning: the plugin {_named(plugin)} is not used: {plugin.why} "
                "Until that is mended its checks are not inspected, and its findings stay as they are.",
                err=True,
            )
    _warn_of_unknown_names()


def _load() -> tuple[Installed, ...]:
    """Return what is installed, once the installation's settings have said what to leave out."""
    from scanner.engine.plugins.load import installed, leave_out
    from scanner.settings import installation

    leave_out(installation.plugins_off)
    return installed()


def _warn_of_unknown_names() -> None:
    from scanner.engine.plugins.load import unknown_names

    for name in unknown_names():
        typer.echo(
            f"Warning: ROUNDSMAN_PLUGINS_OFF names {name!r}, and no plugin of that name is installed; "
            "'roundsman plugins list' shows the names.",
            err=True,
        )


def _named(plugin: Installed) -> str:
    return " ".join(filter(None, (plugin.name, f"({_package(plugin)})" if plugin.distribution else "")))


def _package(plugin: Installed) -> str:
    return " ".join(filter(None, (plugin.distribution, plugin.version)))


def _lines(plugin: Installed) -> str:
    lines = [f"{plugin.name:<16} {plugin.state:<8} {_package(plugin)}"]
    if plugin.why:
        lines.append(f"    not used: {plugin.why}")
    if plugin.accepted:
        lines.append(f"    probes: {', '.join(_probes(plugin)) or '-'}")
        lines.append(f"    checks: {', '.join(sorted(plugin.accepted.checks)) or '-'}")
    return "\n".join(lines)


def _document(plugin: Installed) -> dict[str, object]:
    return {
        "name": plugin.name,
        "state": plugin.state,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "why": plugin.why,
        "probes": _probes(plugin),
        "checks": sorted(plugin.accepted.checks) if plugin.accepted else [],
    }


def _probes(plugin: Installed) -> list[str]:
    return sorted(probe.protocol for probe in plugin.accepted.probes) if plugin.accepted else []
