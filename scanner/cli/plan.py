"""``roundsman plan``: when to inspect what, and how deep.

Django's models are imported by the commands only, so that ``--help`` needs no database.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError
from scanner.engine.model import Severity
from scanner.engine.plan import Profile

if TYPE_CHECKING:
    from scanner.rounds.clock import Coming
    from scanner.rounds.models import Plan

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Plan when to inspect what, and how deep. 'roundsman serve' makes the rounds when they are due.",
)

DAYS = 7
SHOWN = 20
LAST_ROUNDS = 5

_UNITS = {"s": 1, "m": 60, "h": 3600}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the plan.")]


class Kind(StrEnum):
    """What people plan; the values are those of ``PlanKind``."""

    ROUTINE = "routine"
    SPOT_CHECK = "spot-check"
    CAMPAIGN = "campaign"
    SELF_CHECK = "self-check"


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name: a-z, 0-9, hyphens.")],
    kind: Annotated[Kind, typer.Option(help="See above.")] = Kind.ROUTINE,
    schedule: Annotated[
        str, typer.Option(help="Five fields of cron ('0 3 * * mon', 'mon#1' for the first Monday), or 'every 6h'.")
    ] = "",
    time_zone: Annotated[
        str, typer.Option(help="IANA name; schedule, end and blackouts are in it. Default: the installation's.")
    ] = "",
    until: Annotated[str, typer.Option(help="Last day (2026-12-31), or the time from which it is due no more.")] = "",
    jitter: Annotated[str, typer.Option(help="Put each due time off by up to so long: 90s, 30m, 2h.")] = "0s",
    blackout: Annotated[
        list[str] | None,
        typer.Option(help="No round begins in it: 'Mon-Fri 08:00-18:00'. May be given several times."),
    ] = None,
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of one; may be given several times. Default: all, also later ones.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How deep to look.")] = Profile.STANDARD,
    ports: Annotated[
        str,
        typer.Option(help="top100, top1000, all, or a list. Default: top1000; a campaign's services' usual ports."),
    ] = "",
    share: Annotated[str, typer.Option(help="Of a spot check: the share of targets to draw, 10% or 0.1.")] = "",
    check: Annotated[
        list[str] | None, typer.Option(help="Of a campaign: a check or a pattern, 'SVC-REDIS-*'; several times.")
    ] = None,
    deadline: Annotated[
        list[str] | None, typer.Option(help="Days to fix by severity, critical=1, if not the default; several times.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Most packets a second of its rounds; 0 for no cap.")] = 0,
    priority: Annotated[int, typer.Option(help="-99 to 99; of what is due together, the highest goes first.")] = 0,
    notice_from: Annotated[
        Severity | None, typer.Option(help="Ask by a notice to fix what is at least so severe. Default: no notices.")
    ] = None,
) -> None:
    """Add a plan.

    \b
    routine      everything that is registered, by a schedule
    spot-check   a random share of the targets, at least one of each organisation, by a schedule
    campaign     some checks over all organisations; by a schedule, or when 'plan run' asks
    self-check   when a unit asks for it, by 'plan run'

    \b
    roundsman plan add weekly --schedule "0 3 * * mon" --time-zone Asia/Shanghai --jitter 30m
    roundsman plan add nightly-spot --kind spot-check --share 10% --schedule "every 1d"
    roundsman plan add no-redis --kind campaign --check "SVC-REDIS-*" --schedule "every 12h" --until 2026-12-04

    Exit status: 0 added, 2 bad input.
    """
    from django.conf import settings

    from scanner.rounds.models import PlanKind
    from scanner.rounds.planning import PlanRequest, make_plan

    with clear_errors():
        zone = time_zone or settings.TIME_ZONE
        wanted = PlanRequest(
            name=name,
            kind=PlanKind(kind),
            created_by=actor(),
            organisations=tuple(organisation or ()),
            schedule=schedule,
            time_zone=zone,
            until=_end(until, zone),
            jitter=_seconds(jitter),
            blackouts=tuple(blackout or ()),
            profile=profile,
            ports=ports,
            share=_share(share),
            checks=tuple(check or ()),
            deadlines=_deadlines(deadline or ()),
            rate=rate,
            priority=priority,
            notice_from=notice_from,
        )
        plan = make_plan(wanted, datetime.now(UTC))
        typer.echo(f"Plan {plan.name} is added. {_next_of(plan)}")


@app.command("list", short_help="Show all plans, and when they are due next.")
def list_plans() -> None:
    """Show all plans: when they are due next, their schedule and what they are about."""
    from scanner.rounds.models import Plan

    with clear_errors():
        plans = list(Plan.objects.filter(retired_at=None).prefetch_related("organisations"))
        if not plans:
            typer.echo("There is no plan yet; 'roundsman plan add' makes one.")
        for plan in plans:
            slugs = ", ".join(each.slug for each in plan.organisations.all()) or "all organisations"
            typer.echo(f"{plan.name:<24}  {plan.kind:<10}  {plan.schedule or '-':<16}  {_next_of(plan)}  {slugs}")


@app.command()
def show(name: Name) -> None:
    """Show one plan with all its fields and its newest rounds."""
    from scanner.rounds.planning import find_plan

    with clear_errors():
        plan = find_plan(name)
        typer.echo(f"{plan.name}: {plan.kind}, added {plan.created:%Y-%m-%d %H:%M}Z by {plan.created_by}")
        for label, value in _fields(plan):
            typer.echo(f"  {label:<14}{value}")
        for this in plan.rounds.order_by("-pk")[:LAST_ROUNDS]:
            due = f"due {this.due:%Y-%m-%d %H:%M}Z" if this.due else f"asked for by {this.requested_by}"
            missed = f", stands for {this.missed} missed before" if this.missed else ""
            typer.echo(f"  round {this.pk}: {this.state}, {due}{missed}")


@app.command()
def pause(name: Name) -> None:
    """Make no more rounds of a plan until it is resumed. A round that has begun goes on ('round pause' halts it)."""
    from scanner.rounds.planning import pause_plan

    with clear_errors():
        pause_plan(name, by=actor(), now=datetime.now(UTC))
        typer.echo(f"Plan {name} is paused; 'roundsman plan resume {name}' lets it go on.")


@app.command(short_help="Let a paused plan go on.")
def resume(name: Name) -> None:
    """Let a paused plan go on with its next due time; what was due meanwhile is not caught up."""
    from scanner.rounds.planning import resume_plan

    with clear_errors():
        plan = resume_plan(name, by=actor(), now=datetime.now(UTC))
        typer.echo(f"Plan {name} goes on. {_next_of(plan)}")


@app.command()
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a plan. Its rounds and their findings stay; a round that has begun goes on.

    Exit status: 0 removed, 1 declined, 2 bad input.
    """
    from scanner.rounds.planning import find_plan, remove_plan

    with clear_errors():
        plan = find_plan(name)
        agree(f"Remove plan {name} ({plan.kind}, {plan.schedule or 'no schedule'})?", yes)
        remove_plan(name, by=actor(), now=datetime.now(UTC))
        typer.echo(f"Plan {name} is removed; its rounds stay.")


@app.command("next", short_help="Show when rounds are due.")
def show_next(
    days: Annotated[int, typer.Option(min=1, max=366, help="How far to look ahead.")] = DAYS,
    name: Annotated[list[str] | None, typer.Option(help="Only this plan; may be given several times.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = SHOWN,
) -> None:
    """Show when rounds are due, in the plan's local time and in UTC, jitter and the plan's blackouts included.

    A round begins later while the plan's former one is unfinished. Blackouts of organisations and targets don't put a
    round off, but its work on their hosts.
    """
    from scanner.rounds.clock import coming
    from scanner.rounds.models import Plan
    from scanner.rounds.planning import find_plan

    now = datetime.now(UTC)
    with clear_errors():
        plans = [find_plan(each) for each in name or ()] or list(Plan.objects.filter(retired_at=None))
        found = coming(plans, now, now + timedelta(days=days))
        if not found:
            typer.echo(f"Nothing is due within {days} day(s).")
        for each in found[:limit]:
            typer.echo(_coming_line(each))
        if len(found) > limit:
            typer.echo(f"And {len(found) - limit} more within {days} day(s); --limit shows them.")


@app.command(short_help="Make a round of a plan now.")
def run(
    name: Name,
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of one of the plan's; may be given several times. Default: all.")
    ] = None,
    requested_by: Annotated[str, typer.Option(help="Who asks for it, such as a unit's contact. Default: you.")] = "",
) -> None:
    """Make a round of a plan now, whatever its schedule says; a self-check runs by this alone.

    'roundsman serve' takes it up. Exit status: 0 made, 2 bad input.
    """
    from scanner.rounds.clock import run_plan
    from scanner.rounds.planning import find_plan

    with clear_errors():
        by = requested_by.strip() or actor()
        if len(by) > 200 or not by.isprintable():
            raise InputError("Write in one line of at most 200 characters who asks for the round.")
        this = run_plan(find_plan(name), organisation or (), by, datetime.now(UTC))
        without = f"without it 'roundsman round resume {this.pk}' does"
        typer.echo(f"Round {this.pk} is made. 'roundsman serve' takes it up; {without}.")


def _coming_line(each: Coming) -> str:
    zone = ZoneInfo(each.plan.time_zone)
    local = each.begins.astimezone(zone)
    late = f"  (due {each.due.astimezone(zone):%Y-%m-%d %H:%M})" if each.begins != each.due else ""
    return f"{local:%a %Y-%m-%d %H:%M %z}  {each.begins:%Y-%m-%d %H:%M}Z  {each.plan.name}{late}"


def _next_of(plan: Plan) -> str:
    if plan.paused:
        return "Paused."
    if plan.next_due is None:
        return "It has ended." if plan.schedule else "Runs when asked."
    local = plan.next_due.astimezone(ZoneInfo(plan.time_zone))
    return f"Due {local:%Y-%m-%d %H:%M %z} ({plan.next_due:%Y-%m-%d %H:%M}Z)."


def _fields(plan: Plan) -> list[tuple[str, str]]:
    slugs = ", ".join(each.slug for each in plan.organisations.all())
    ended = plan.until.astimezone(ZoneInfo(plan.time_zone)) if plan.until else None
    return [
        ("organisations", slugs or "all"),
        ("schedule", f"{plan.schedule or 'none'} ({plan.time_zone})"),
        ("next", _next_of(plan)),
        ("until", f"{ended:%Y-%m-%d %H:%M %z}" if ended else "-"),
        ("jitter", f"{plan.jitter} s"),
        ("blackouts", ", ".join(plan.blackouts) or "-"),
        ("profile", f"{plan.profile}, ports {plan.ports}"),
        ("share", f"{plan.share:.1%}"),
        ("checks", ", ".join(plan.checks) or "all"),
        ("deadlines", ", ".join(f"{severity} {days} d" for severity, days in plan.deadlines.items()) or "default"),
        ("rate", f"{plan.rate:g} packets a second" if plan.rate else "no cap"),
        ("priority", str(plan.priority)),
        ("notices", f"from {plan.notice_from}" if plan.notice_from else "none"),
    ]


def _end(text: str, zone: str) -> datetime | None:
    from targets.registry.times import parse_end

    if not text:
        return None
    try:
        return parse_end(text, ZoneInfo(zone))
    except (ValueError, LookupError, OSError) as error:
        raise InputError(f"{text!r} is no end in time zone {zone!r}; write 2026-12-31 or 2026-12-31T18:00.") from error


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6}) ?([smh])", text.strip(), re.ASCII)
    if not match:
        raise InputError(f"{text!r} is no length of time; write for example 90s, 30m or 2h.")
    return int(match[1]) * _UNITS[match[2]]


def _share(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise InputError(f"{text!r} is no share; write for example 10% or 0.1.") from error


def _deadlines(texts: list[str] | tuple[str, ...]) -> dict[Severity, int]:
    found: dict[Severity, int] = {}
    for text in texts:
        severity, _, days = text.partition("=")
        if severity not in list(Severity) or not (days.isascii() and days.isdigit()):
            raise InputError(f"{text!r} is no deadline; write a severity and days, such as critical=1.")
        found[Severity(severity)] = int(days)
    return found
