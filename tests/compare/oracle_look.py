"""Lets both sides look at running servers: our sweep as an inspection runs it, then sslyze."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.engine.errors import ProbeError
from scanner.engine.facts.tls import TlsFacts
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.tls_hello import look
from tests.compare.oracle_configs import Configuration, Kind
from tests.compare.oracle_servers import NAME, serving

AT_ONCE = 4
"""Our sweeps at a time; each has connections of its own side by side."""
DEADLINE = 300
"""Seconds for sslyze over one batch."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What both said of one server. ``ours`` is None when our sweep learned nothing, ``ended`` says why."""

    configuration: Configuration
    ours: TlsFacts | None
    ended: str
    theirs: dict[str, Any] = field(default_factory=dict)


def look_at(configurations: Sequence[Configuration], folder: Path) -> list[Looked]:
    """Start the servers of ``configurations`` in ``folder`` and let both look at them, one side after the other."""
    with serving(configurations, folder):
        ours = asyncio.run(_sweep_all(configurations))
        theirs = _sslyze(configurations)
    return [
        Looked(each, facts, ended, theirs.get(each.number, {"highest": None, "ended": "sslyze did not end in time."}))
        for each, (facts, ended) in zip(configurations, ours, strict=True)
    ]


async def _sweep_all(configurations: Sequence[Configuration]) -> list[tuple[TlsFacts | None, str]]:
    lanes = asyncio.Semaphore(AT_ONCE)

    async def one(configuration: Configuration) -> tuple[TlsFacts | None, str]:
        async with lanes:
            target = Target(NAME, configuration.address, NAME)
            endpoint = Endpoint(configuration.address, configuration.port)
            contact = Contact(Dialer(lambda _: None), target, endpoint, Level.GREETING)
            try:
                return await look(contact, server_name=NAME), ""
            except ProbeError as error:
                return None, str(error.args[0])

    return await asyncio.gather(*(one(each) for each in configurations))


def _sslyze(configurations: Sequence[Configuration]) -> dict[int, dict[str, Any]]:
    """Return what sslyze said, by the configuration's number; one that it didn't come to is left out.

    s_server serves one connection after the other: a second one that waits too long is a refusal to sslyze.
    """
    serial = [each for each in configurations if each.kind is Kind.S_SERVER]
    parallel = [each for each in configurations if each.kind is not Kind.S_SERVER]
    return {**(_run(serial, 1) if serial else {}), **(_run(parallel, 5) if parallel else {})}


def _run(configurations: Sequence[Configuration], connections: int) -> dict[int, dict[str, Any]]:
    child = subprocess.run(
        [sys.executable, "-m", "tests.compare.oracle_sslyze", str(connections)],
        input=json.dumps([(each.address, each.port, NAME) for each in configurations]),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    if child.returncode != 0:
        raise RuntimeError(f"sslyze ended with status {child.returncode}: {child.stderr[-2000:]}")
    said = [json.loads(line) for line in child.stdout.splitlines()]
    numbers = {(each.address, each.port): each.number for each in configurations}
    return {numbers[address, port]: answers for address, port, answers in said}
