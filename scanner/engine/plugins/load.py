"""Finds the installed plugins, takes those that have the right form, and adds what they bring to our own.

A plugin that can't be imported or is wrong anywhere is refused as a whole: its probes, rules and catalogue are absent
alike, so that its findings count as not inspected until it is mended. Nothing is loaded before it is needed, and only
once in a process.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points

from scanner.engine.catalogue.load import Catalogue, catalogue, former_names
from scanner.engine.errors import PluginRefused
from scanner.engine.hostile import line
from scanner.engine.plugins.form import Accepted, accept
from scanner.engine.plugins.guard import ANYTHING, described
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.rules.base import Rule

GROUP = "roundsman.plugins"
"""The entry points' group."""


class State(StrEnum):
    """Whether an installed plugin is used."""

    ACTIVE = "active"
    OFF = "off"
    """The installation's settings leave it out; none of its code was run."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Installed:
    """One plugin that is installed here. ``why`` tells why it was refused; ``accepted`` is there when it is active."""

    name: str
    distribution: str
    version: str
    state: State
    accepted: Accepted | None = None
    why: str = ""


_left_out: set[str] = set()


def leave_out(names: Iterable[str]) -> None:
    """Switch plugins off by name; must be called before anything is loaded, and replaces what was said before."""
    _left_out.clear()
    _left_out.update(names)


@cache
def installed() -> tuple[Installed, ...]:
    """Return every installed plugin, by name; what a plugin does wrong is told in its ``why``."""
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry in entry_points(group=GROUP):
        by_name[entry.name].append(entry)
    return tuple(_load(name, by_name[name]) for name in sorted(by_name))


def unknown_names() -> tuple[str, ...]:
    """Return what was to be left out and isn't installed: perhaps the name of one that runs, misspelt."""
    return tuple(sorted(_left_out - {plugin.name for plugin in installed()}))


def active() -> tuple[str, ...]:
    """Return the names of the plugins that take part."""
    return tuple(plugin.name for plugin in installed() if plugin.accepted)


@cache
def all_checks() -> Catalogue:
    """Return our catalogue and, behind it, those of the plugins."""
    checks = dict(catalogue())
    for accepted in _accepted().values():
        checks.update(accepted.checks)
    return Catalogue(checks)


@cache
def renamed_checks() -> Mapping[str, str]:
    """Return the present id of every check that had another one before, ours and the plugins'."""
    return former_names(all_checks())


def current_name(check: str) -> str:
    """Return the id by which a check is known now."""
    return renamed_checks().get(check, check)


@cache
def plugin_rules() -> tuple[tuple[str, Rule], ...]:
    """Return the plugins' rules, each with its plugin's name."""
    return tuple((name, rule) for name, accepted in _accepted().items() for rule in accepted.rules)


@cache
def plugin_probes() -> tuple[ServiceProbe, ...]:
    """Return the plugins' probes, guarded."""
    return tuple(probe for accepted in _accepted().values() for probe in accepted.probes)


def forget() -> None:
    """Make the next use look for plugins again."""
    for cached in (installed, all_checks, renamed_checks, plugin_rules, plugin_probes):
        cached.cache_clear()


def _accepted() -> dict[str, Accepted]:
    return {plugin.name: plugin.accepted for plugin in installed() if plugin.accepted}


def _load(name: str, entries: list[EntryPoint]) -> Installed:
    packages = sorted(_named(entry.dist) for entry in entries)
    whose, version = packages[0] if len(packages) == 1 else (" and ".join(dict(packages)), "")
    if name in _left_out:
        return Installed(line(name), whose, version, State.OFF)
    try:
        return Installed(name, whose, version, State.ACTIVE, _take(name, entries))
    except PluginRefused as refusal:
        return Installed(line(name), whose, version, State.REFUSED, why=line(str(refusal), 500))


def _take(name: str, entries: list[EntryPoint]) -> Accepted:
    if len(entries) > 1:
        raise PluginRefused("several packages bring a plugin of this name; uninstall all but one.")
    try:
        with redirect_stdout(sys.stderr):  # standard output is the report's
            plugin = entries[0].load()
    except ANYTHING as error:
        raise PluginRefused(
            f"it can't be imported ({described(error)}); install what it needs, or uninstall it."
        ) from error
    try:
        return accept(name, plugin)
    except PluginRefused:
        raise
    except ANYTHING as error:
        raise PluginRefused(f"it does not have the form of a plugin ({described(error)}).") from error


def _named(distribution: Distribution | None) -> tuple[str, str]:
    """Return the name and version of a package, as far as its metadata tells them."""
    if distribution is None:
        return "", ""
    told = distribution.metadata
    return line(told["Name"]) if "Name" in told else "", line(told["Version"]) if "Version" in told else ""
