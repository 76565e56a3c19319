"""``make compare-exposure``: our findings beside those of ``nmap -sV`` and its safe scripts over the lab's services.

Every run is kept in ``var/compare-exposure/``, so that a broken-off comparison goes on where it stopped; ``--fresh``
begins anew. It runs in network namespaces without a route out. It ends with status 1 when nmap reports a weakness, or
names a service, that we don't, and ``explained.toml`` gives no reason; and when a script says what ``exposure.toml``
doesn't know.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from typing import Any

from rich.console import Console

from scanner.engine.model import Endpoint, Severity, Transport
from scanner.engine.plan import UDP_SHORT_LIST, Profile, parse_ports
from tests.compare.exposure_peer import nmap
from tests.compare.kept import Comparison, counts, row_of, started, table_of, unexplained, why
from tests.lab.case import LabCase
from tests.lab.check import Verdict, inspected

COMPARISON = Comparison("compare-exposure", at_once=8)
"""nmap mostly waits."""

PEER = "nmap"

_BROKEN = "ERROR: Script execution failed (use -d to debug)"
"""What nmap puts in the place of a script's output when the script itself failed."""

MODULES = (
    *(
        "access",
        "amplifier",
        "data",
        "data_fake",
        "discovery",
        "further_database",
        "greeting",
        "java",
        "mail",
        "network",
    ),
    *("redis", "remote", "sharing", "small_service", "source_code", "storage", "unusual", "vpn"),
    *("web", "web_daemon", "web_login", "web_panel", "web_service"),
)
"""The families of the lab's services, but for controllers, which nothing unasked is sent to."""

WITH_TLS = ("tls-only-ssl2", "tls-tlslite-only-ssl3", "tls-dhe-1024", "tls-deep-heartbleed", "tls-deep-early-ccs")
"""Servers for the few scripts about TLS; the rest of TLS is compared with tools made for it."""

MISLEADING = (
    *("other-things-on-the-ports-of-small-services", "other-things-on-the-ports-of-gateways"),
    *("what-is-no-storage-and-no-printer", "what-is-no-database", "what-is-no-remote-management"),
    *("what-hands-out-no-source-code", "echo-on-the-ports-of-a-debugger-and-of-dubbo"),
    *("web-page-everywhere", "web-json-everywhere", "web-refusal-everywhere"),
    *("web-pages-that-only-name-a-product", "web-pages-that-only-name-a-panel"),
    *("web-endless-body", "web-gzip-bomb", "web-header-flood", "web-random-bodies", "web-slow-paths"),
)
"""Servers that are no service, but made to mislead or to hold up."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """A row of ``exposure.toml``. ``ours`` are patterns of check ids, ``scripts`` what an output must hold."""

    name: str
    ours: tuple[str, ...]
    scripts: dict[str, re.Pattern[str]]

    def is_ours(self, check: str) -> bool:
        return any(fnmatchcase(check, pattern) for pattern in self.ours)

    def is_theirs(self, script: str, output: str) -> bool:
        if output.startswith("ERROR"):
            return False
        return script in self.scripts and bool(self.scripts[script].search(output))


@dataclass(frozen=True, slots=True)
class Seen:
    """What both said of one case.

    ``ours`` are (port, check, severity), ``recognised`` (port, our name); ``ports``, ``scripts`` and ``names`` are
    nmap's, see :class:`~tests.compare.exposure_peer.Said`.
    """

    case: str
    ours: tuple[tuple[str, str, str], ...]
    recognised: tuple[tuple[str, str], ...]
    ports: tuple[str, ...]
    scripts: tuple[tuple[str, str, str], ...]
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One weakness of one port on which somebody said something; ``theirs`` None: nmap did not see the port."""

    case: str
    port: str
    weakness: str
    ours: bool
    theirs: bool | None


@dataclass(frozen=True, slots=True)
class Named:
    """A port that nmap names for certain; ``alike`` tells whether our name means the same."""

    case: str
    port: str
    ours: str
    theirs: str
    alike: bool


@cache
def weaknesses() -> tuple[Weakness, ...]:
    """Return the rows of ``exposure.toml``."""
    return tuple(
        Weakness(
            row["name"],
            tuple(row["ours"]),
            {script: re.compile(pattern, re.MULTILINE) for script, pattern in row["scripts"].items()},
        )
        for row in table_of("exposure.toml")["weakness"]
    )


@cache
def cases() -> tuple[str, ...]:
    """Return the names of the compared cases, real software first."""
    modules = [import_module(f"tests.lab.{name}_cases").CASES for name in MODULES]
    services: list[LabCase] = [case for each in modules for case in each if case.name not in MISLEADING]
    return (*(case.name for case in sorted(services, key=lambda case: not case.needs)), *WITH_TLS)


def main() -> int:
    """Run what is missing, write the tables into the documentation, and tell what is unexplained."""
    console = Console()
    COMPARISON.run(cases(), _compare, console)
    seen = [_load(name) for name in cases()]
    rows = [row for each in seen for row in rows_of(each)]
    named = [name for each in seen for name in named_of(each)]
    COMPARISON.write(_tables(rows, named, seen))
    problems = [*unknown_scripts(seen), *_unexplained(rows, named)]
    for problem in problems:
        console.print(problem, style="red", markup=False)
    console.print(_sums(rows), markup=False)
    return 1 if problems else 0


def _compare(name: str) -> dict[str, Any]:
    """Let both look at one case's server, one after the other, as deep as they can."""
    _refuse_a_way_out()
    with started(name) as (case, folder):
        verdict = inspected(replace(case, level=2), profile=Profile.DEEP)
    with started(name) as (case, folder):  # again: some servers turn away who has asked much
        spec = parse_ports(case.ports)
        listed = "u:" in case.ports.lower()
        udp = ",".join(str(port) for port in spec.udp if listed or port in UDP_SHORT_LIST)
        said = nmap(case.address, spec.tcp, udp, folder)
    return asdict(
        Seen(
            case=name,
            ours=tuple((_port(f.endpoint), f.check, f.severity) for f in verdict.findings),
            recognised=_recognised(verdict),
            ports=said.ports,
            scripts=said.scripts,
            names=said.names,
        )
    )


def _refuse_a_way_out() -> None:
    """Neither side may reach anything but the lab; see :func:`tests.lab.namespace.enter`."""
    for family in ("-4", "-6"):
        routes = subprocess.run(["ip", family, "route", "show"], capture_output=True, text=True, check=True).stdout
        if "default" in routes or " via " in routes:
            raise RuntimeError(f"There is a route out of this namespace: {routes}")


def _port(endpoint: Endpoint) -> str:
    return f"{endpoint.port}/udp" if endpoint.transport is Transport.UDP else str(endpoint.port)


def _recognised(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Return our names of every port: its protocol, and the service that speaks it."""
    names: list[tuple[str, str]] = []
    for service in verdict.inspection.services:
        own = (service.protocol, service.facts.service.lower() if service.facts else "")
        names += [(_port(service.endpoint), name) for name in dict.fromkeys(own) if name]
    return tuple(names)


def _load(name: str) -> Seen:
    kept = COMPARISON.load(name)
    return Seen(
        case=kept["case"],
        ours=tuple((port, check, severity) for port, check, severity in kept["ours"]),
        recognised=tuple((port, own) for port, own in kept["recognised"]),
        ports=tuple(kept["ports"]),
        scripts=tuple((port, script, output) for port, script, output in kept["scripts"]),
        names=tuple((port, theirs) for port, theirs in kept["names"]),
    )


def rows_of(seen: Seen) -> Iterator[Row]:
    """Yield a row for every port and weakness that at least one side reports.

    What a script says of the whole host is held against whatever port of ours has it.
    """
    for weakness in weaknesses():
        ours = {port for port, check, _ in seen.ours if weakness.is_ours(check)}
        theirs = {port for port, script, output in seen.scripts if weakness.is_theirs(script, output)}
        if "" in theirs and ours:
            theirs = (theirs - {""}) | ours
        for port in sorted(ours | theirs):
            saw = port in theirs or port in seen.ports
            yield Row(seen.case, port, weakness.name, port in ours, port in theirs if saw else None)


def named_of(seen: Seen) -> Iterator[Named]:
    """Yield every port that nmap names for certain, with our name for it."""
    same = table_of("exposure.toml")["names"]
    for port, theirs in seen.names:
        ours = [name for where, name in seen.recognised if where == port]
        alike = bool({theirs, *same.get(theirs, ())} & {*ours})
        yield Named(seen.case, port, "/".join(ours) or "–", theirs, alike)


def unknown_scripts(seen: Iterable[Seen]) -> list[str]:
    """Return the scripts that say something and that the table doesn't know: nothing a peer says is passed over.

    A script that broke down says nothing but that.
    """
    informs = {*table_of("exposure.toml")["informs"]}
    known = informs.union(*(weakness.scripts for weakness in weaknesses()))
    said = {script: each.case for each in seen for _, script, output in each.scripts if output and output != _BROKEN}
    return [
        f"{script} says something of {said[script]}, and tests/compare/exposure.toml does not know it."
        for script in sorted(said.keys() - known)
    ]


def _unexplained(rows: Iterable[Row], named: Iterable[Named]) -> list[str]:
    differences = [(row.case, row.weakness) for row in rows if row.theirs and not row.ours]
    differences += [(name.case, _naming(name)) for name in named if not name.alike]
    return [
        unexplained(case, difference, PEER)
        for case, difference in dict.fromkeys(differences)
        if why(case, difference, PEER) is None
    ]


def _naming(name: Named) -> str:
    """Return under which word ``explained.toml`` speaks of a name that isn't ours."""
    return f"the name {name.theirs}"


def _sums(rows: list[Row]) -> str:
    lines = [
        row_of("weakness", "agree", "we more", "nmap more", "nmap did not see the port"),
        row_of(*["---"] * 5),
    ]
    for weakness in weaknesses():
        said = [(row.ours, row.theirs) for row in rows if row.weakness == weakness.name]
        if said:
            lines.append(row_of(weakness.name, *counts(said)))
    lines.append(row_of("**all**", *counts((row.ours, row.theirs) for row in rows)))
    return "\n".join(lines)


def _tables(rows: list[Row], named: list[Named], seen: list[Seen]) -> str:
    compared = {pattern for weakness in weaknesses() for pattern in weakness.ours}
    alone = [
        check
        for each in seen
        for _, check, severity in each.ours
        if severity != Severity.INFO and not any(fnmatchcase(check, pattern) for pattern in compared)
    ]
    unnamed = sum(
        len({port for port, name in each.recognised if name != "unknown"} - {port for port, _ in each.names})
        for each in seen
    )
    alike = sum(each.alike for each in named)
    names = (
        f"nmap names {len(named)} ports for certain; {alike} of them have the same name with us, and {unnamed} more "
        "only we name. Where the names differ:"
    )
    return "\n\n".join(
        (
            f"{len(seen)} servers. {len(rows)} weaknesses of a port that at least one of the two reports:",
            _sums(rows),
            f"Further {len(alone)} findings of ours, by {len(set(alone))} checks, concern what no script looks at.",
            "What nmap reports and we don't:",
            _grouped(
                ("weakness", "why"),
                [((row.weakness,), row.case) for row in rows if row.theirs and not row.ours],
                lambda keys: keys[0],
            ),
            names,
            _grouped(
                ("nmap's name", "ours", "why"),
                [((each.theirs, each.ours), each.case) for each in named if not each.alike],
                lambda keys: f"the name {keys[0]}",
            ),
        )
    )


def _grouped(
    heads: tuple[str, ...], said: list[tuple[tuple[str, ...], str]], word: Callable[[tuple[str, ...]], str]
) -> str:
    """Return a table with one line for all servers of which the same is said, for the same reason."""
    servers: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for keys, case in said:
        servers[*keys, why(case, word(keys), PEER) or ""][case] = None
    lines = [row_of(*heads[:-1], "servers", heads[-1]), row_of(*["---"] * (len(heads) + 1))]
    lines += [row_of(*keys[:-1], ", ".join(names), keys[-1]) for keys, names in servers.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
