"""How the register, plans for it and problems with it look on a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scanner.engine.hostile import line
from targets.addresses import Kind, parse_target
from targets.registry.plan import Action, Change, Noun
from targets.registry.problems import Problem
from targets.registry.specs import Register

if TYPE_CHECKING:
    from targets.check import Attention

_COLOURS = {Action.ADD: "green", Action.CHANGE: "yellow", Action.RETIRE: "red"}


def print_plan(changes: Sequence[Change]) -> None:
    """One row for each change: what happens to what, and each field's old and new value."""
    table = _table("Action", "What", "Organisation", "Name", "Fields")
    for change in changes:
        table.add_row(
            Text(change.action, style=_COLOURS[change.action]),
            change.noun,
            change.organisation or "-",
            Text(change.key, overflow="fold"),
            Text(_fields(change), overflow="fold"),
        )
    console = _console()
    console.print(table)
    counts = Counter(change.action for change in changes)
    console.print(f"{counts[Action.ADD]} to add, {counts[Action.CHANGE]} to change, {counts[Action.RETIRE]} to retire.")
    addresses = sum(_addresses(change) for change in changes)
    if addresses:
        console.print(f"The networks to add hold {addresses} addresses.")


def print_problems(problems: Iterable[Problem]) -> None:
    """Every problem on a line of its own, on standard error."""
    lines = [line(str(problem), 1000) for problem in problems]
    sys.stderr.write("\n".join(lines) + f"\n{len(lines)} problem(s); nothing was applied.\n")


def print_register(register: Register) -> None:
    """One row for each target and domain; an organisation without any has a row too."""
    table = _table("Organisation", "Name", "Target", "Zone", "Criticality", "Ports", "Tags")
    for organisation in register.organisations:
        name = organisation.name_zh if organisation.language == "zh-Hans" else organisation.name_en
        shown = (name or organisation.name_zh or organisation.name_en) + (" (retired)" if organisation.retired else "")
        if not organisation.targets and not organisation.domains:
            table.add_row(organisation.slug, shown, "-", "-", "-", "-", "-")
        for target in organisation.targets or ():
            table.add_row(
                organisation.slug,
                shown,
                Text(target.address, overflow="fold"),
                target.zone,
                target.criticality,
                target.ports or "-",
                ", ".join(target.tags) or "-",
            )
        for domain in organisation.domains or ():
            table.add_row(organisation.slug, shown, Text(domain, overflow="fold"), "-", "domain", "-", "-")
    _console().print(table)


def print_attention(found: Iterable[Attention]) -> None:
    """One row for each thing that someone should look at."""
    table = _table("Organisation", "Target", "Needs attention")
    for item in found:
        table.add_row(item.organisation, Text(item.subject, overflow="fold"), Text(item.text, overflow="fold"))
    _console().print(table)


def _addresses(change: Change) -> int:
    """How many addresses a network that is added as a target holds; 0 for anything else."""
    if change.noun is not Noun.TARGET or change.action is not Action.ADD:
        return 0
    parsed = parse_target(change.key)
    return parsed.network.num_addresses if parsed.network and parsed.kind is Kind.CIDR else 0


def _fields(change: Change) -> str:
    if change.action is Action.ADD:
        return ", ".join(f"{field.field}: {field.new}" for field in change.fields if field.new not in ("-", change.key))
    return ", ".join(f"{field.field}: {field.old} → {field.new}" for field in change.fields)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _console() -> Console:
    """Standard output; at least 120 columns where there is no terminal, so that logs keep whole values."""
    return Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False, emoji=False)
