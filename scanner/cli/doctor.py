"""``roundsman doctor``: is everything in place, and what to do where it isn't."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.engine.hostile import line

if TYPE_CHECKING:
    from scanner.upkeep.health import Check

SCHEMA = "roundsman.doctor/1"

_LONGEST = 500
"""Characters of a text that are shown; a mail server or a name in the register may have written it."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Exit(IntEnum):
    """What the process tells its caller."""

    WELL = 0
    BROKEN = 1
    BAD_INPUT = 2
    ATTENTION = 3


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False) -> None:
    """Look at everything that Roundsman needs, and say what to do where something is amiss.

    Programs, data directory, disk, database, clock, resolver, mail server (up to the log-in; nothing is sent),
    register, contacts, plans, kill switch, jobs, mails, templates, audit trail, backup. No target is sent anything,
    and nothing is changed.

    Exit status: 0 all is well, 1 something is broken, 2 bad settings, 3 something needs attention.
    """
    from scanner.settings import set_up

    set_up()
    from scanner.upkeep.doctor import examine
    from scanner.upkeep.health import Health

    checks: list[Check] = []
    for check in examine(datetime.now(UTC)):
        checks.append(check)
        if not as_json:
            typer.echo(f"{check.health:<4}  {check.name}: {line(check.seen, _LONGEST)}")
            if check.todo:
                typer.echo(f"      → {line(check.todo, _LONGEST)}")
    worst = max((check.health for check in checks), key=list(Health).index)
    if as_json:
        document = {"schema": SCHEMA, "health": worst, "checks": [asdict(check) for check in checks]}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    status = {Health.OK: Exit.WELL, Health.WARN: Exit.ATTENTION, Health.FAIL: Exit.BROKEN}[worst]
    raise typer.Exit(status)
