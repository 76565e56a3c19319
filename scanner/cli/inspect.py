"""``roundsman inspect``: one look at the given addresses, for one person, without a database."""

from __future__ import annotations

import datetime as dt
import os
import sys
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.asked import ASK_ABOVE, Asked, count_addresses, read_addresses, read_domains, resolve
from scanner.cli.crew import Crew
from scanner.cli.progress import Display, display
from scanner.cli.results import Format, Results
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.intel.known import Intel
from scanner.engine.model import Endpoint, Level, Severity, Target, Vantage
from scanner.engine.plan import Plan, PortSpec, Profile, ResolverAddress, parse_ports, parse_resolver
from scanner.engine.policy.load import DEFAULT, policy
from scanner.engine.probes.dial import Gate, Limits
from scanner.engine.probes.nmap import find_nmap, is_privileged
from scanner.engine.rules.base import Basis
from targets.roots import RootError, parse_roots

app = typer.Typer(add_completion=False, rich_markup_mode=None)

HOST_SECONDS = 600.0
"""Seconds that one host may take when no ``--timeout`` says otherwise."""


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    FAIL_ON = 1
    BAD_INPUT = 2
    NOT_INSPECTED = 3
    INTERRUPTED = 130


@app.command()
def inspect_command(
    addresses: Annotated[
        list[str] | None,
        typer.Argument(metavar="ADDRESS…", help="Host names, IPv4 or IPv6 addresses, networks, URLs."),
    ] = None,
    authorisation: Annotated[
        str, typer.Option(help="Who allowed this inspection, on what document. Without it nothing is sent.")
    ] = "",
    ports: Annotated[str, typer.Option(help="top100, top1000, all, or a list: 22,80,8000-8100,U:161.")] = "top1000",
    level: Annotated[
        int,
        typer.Option(
            min=0,
            max=2,
            help="0 greetings only, 1 safe reads too, 2 also default communities, controllers, and the like.",
        ),
    ] = 1,
    profile: Annotated[Profile, typer.Option(help="How deep to look.")] = Profile.STANDARD,
    output_format: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
    output: Annotated[Path | None, typer.Option(help="Write there instead of standard output.")] = None,
    fail_on: Annotated[
        Severity | None, typer.Option(help="End with status 1 when a finding is at least this severe.")
    ] = None,
    max_rate: Annotated[float, typer.Option(min=0, help="At most so many packets or connections a second.")] = 0,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds for everything.")] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Also judge what the DNS says of this domain; may be given several times."),
    ] = None,
    resolver: Annotated[
        str, typer.Option(metavar="ADDRESS[:PORT]", help="The resolver to ask about domains [ROUNDSMAN_RESOLVER].")
    ] = "",
    vantage: Annotated[Vantage, typer.Option(help="From where this machine looks.")] = Vantage.INTERNET,
    trust: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="PEM file of a private root to trust; may be given several times."),
    ] = None,
    tls_policy: Annotated[
        str, typer.Option(metavar="NAME", help="What TLS is held to: roundsman, mozilla-intermediate, ncsc-nl-2025.")
    ] = DEFAULT,
    lang: Annotated[Language, typer.Option(help="Language of what is printed.")] = Language.EN,
    yes: Annotated[bool, typer.Option("--yes", help=f"Don't ask before more than {ASK_ABOVE} addresses.")] = False,
) -> None:
    """Inspect addresses that you are authorised to inspect, read-only, and print what was found.

    \b
    roundsman inspect 192.0.2.10 --authorisation "order 2026-17, J. Smith"
    roundsman inspect www.example.org 2001:db8::/120 --authorisation "…" --format html --output report.html
    roundsman inspect --domain example.org --resolver 192.0.2.53 --authorisation "…"

    Ends with 0 when done, 1 when --fail-on was reached, 2 on bad input, 3 when something was not inspected.
    """
    _require_authorisation(authorisation)
    basis = Basis(_anchors(trust or []), policy=policy(tls_policy))
    way = Plan(
        ports=parse_ports(ports),
        level=Level(str(level)),
        profile=profile,
        vantage=vantage,
        limits=Limits(rate=max_rate),
        host_deadline=min(timeout or HOST_SECONDS, HOST_SECONDS),
        run_deadline=timeout,
        policy=basis.policy,
    )
    parsed, labels = read_addresses(addresses or [])
    domains = read_domains(domain or [], parsed)
    if not parsed and not domains:
        raise InputError("Nothing was named to inspect: give addresses, or a domain with --domain.")
    _confirm_size(count_addresses(parsed), yes)
    where = _resolver(resolver) if domains else None
    if parsed:
        find_nmap()
    asked = [resolve(label, target) for label, target in zip(labels, parsed, strict=True)]
    plans = _plans(asked, way)
    if domains:
        plans.append(replace(way, domains=domains, resolver=where))
        asked += [Asked(each.label, (each.target,)) for each in domains]
    if parsed and not is_privileged():
        typer.echo("No raw sockets (root has them): ports are found by full connections, which is slower.", err=True)

    with Results(asked, lang, replace(basis, intel=_intel())) as results:
        started = dt.datetime.now(dt.UTC)
        total = sum(len(plan.targets) + len(plan.domains) for plan in plans)
        with Crew(plans, _gate) as crew, display(lambda: total) as progress:
            interrupted = _run(crew, results, progress)
        if crew.lost:
            typer.echo(
                "A process ended before its time, perhaps for want of memory; see what was not inspected.", err=True
            )
        results.finish(started, dt.datetime.now(dt.UTC))
        _write(results, output_format, output)
        raise typer.Exit(_status(results, fail_on, interrupted))


def _anchors(files: list[Path]) -> tuple[bytes, ...]:
    """Return the roots of PEM files, DER. Raises ``InputError`` naming the file that holds none."""
    found: list[bytes] = []
    for file in files:
        try:
            found += [root.der for root in parse_roots(file.read_text(encoding="utf-8", errors="replace"))]
        except (OSError, RootError) as error:
            raise InputError(f"--trust {file}: {error}.") from error
    return tuple(found)


def _intel() -> Intel:
    """Return what was imported about vulnerable software into this installation."""
    from scanner.engine.intel.store import load
    from scanner.settings import INTEL_FILE  # here, because the settings take longer to load than help takes

    return load(INTEL_FILE)


def _require_authorisation(authorisation: str) -> None:
    if not authorisation.strip():
        raise InputError(
            "No authorisation was given, so nothing was sent. Inspecting hosts without their owner's consent is "
            'forbidden in most places; say who allowed it: --authorisation "who, on what document".'
        )


def _confirm_size(count: int, yes: bool) -> None:
    if count <= ASK_ABOVE or yes:
        return
    question = f"The largest network holds {count} addresses. Inspect all of them?"
    if not sys.stdin.isatty():
        raise InputError(f"{question} There is no terminal to ask on; say --yes to mean it.")
    if not typer.confirm(question):
        raise typer.Exit(Exit.BAD_INPUT)


def _plans(asked: list[Asked], way: Plan) -> list[Plan]:
    """Make one plan per set of ports: a URL implies its own port, everything else has those of ``way``."""
    by_ports: dict[PortSpec, dict[Target, None]] = {}
    for item in asked:
        by_ports.setdefault(item.ports or way.ports, {}).update(dict.fromkeys(item.targets))
    return [replace(way, targets=tuple(targets), ports=ports) for ports, targets in by_ports.items() if targets]


def _resolver(text: str) -> ResolverAddress:
    """Return the resolver of the command line, or else of this installation. Raises ``InputError``."""
    if text:
        return parse_resolver(text)
    from scanner.settings import installation  # here, because the settings take longer to load than help takes

    if installation.resolver is None:
        raise InputError(
            "No resolver is set to ask about domains, so nothing was sent. Name one that sees the public DNS: "
            "--resolver 192.0.2.53, or ROUNDSMAN_RESOLVER."
        )
    return installation.resolver


def _run(crew: Crew, results: Results, progress: Display) -> bool:
    """Look at everything; return True when a person interrupted. What is finished is kept."""
    try:
        for inspection in crew.inspections(progress.observe):
            results.add(inspection)
    except KeyboardInterrupt:
        return True
    return False


def _gate(plan: Plan) -> Gate:
    """Allow exactly what was named: addresses as they were resolved at the start, and domains."""
    named = {target.address for target in (*plan.targets, *(domain.target for domain in plan.domains))}

    def gate(endpoint: Endpoint) -> str | None:
        return None if endpoint.address in named else f"{endpoint.address} was not named on the command line."

    return gate


def _write(results: Results, output_format: Format, output: Path | None) -> None:
    """Write to standard output, or to a file that appears only when it is whole."""
    try:
        if output is None:
            sys.stdout.writelines(results.render(output_format))
            sys.stdout.flush()
            return
        part = output.with_name(f".{output.name}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.writelines(results.render(output_format))
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if output is None:
            _discard_stdout()
        where = output or "standard output"
        raise InputError(
            f"The report could not be written to {where}: {error.strerror}. Free space or choose another "
            "place with --output, and run again."
        ) from error
    typer.echo(f"Written to {output}", err=True)


def _discard_stdout() -> None:
    """Let what is still buffered go nowhere: Python would try to write it at its end, and fail with status 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _status(results: Results, fail_on: Severity | None, interrupted: bool) -> int:
    if interrupted:
        return Exit.INTERRUPTED
    if fail_on is not None and any(severity.at_least(fail_on) for severity in results.severities):
        return Exit.FAIL_ON
    return Exit.DONE if results.complete else Exit.NOT_INSPECTED
