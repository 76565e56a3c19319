"""A child process that inspects one address and tells what it cost: ``python -m tests.lab.hostile_look address ports``.

Printed, as JSON: seconds; megabytes by which this process grew beyond what an inspection of nothing takes, and the most
that any child of its had; the inspection's facts, base64; its report as text and as HTML.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import json
import math
import re
import resource
import sys
import time
from pathlib import Path
from unittest.mock import patch

from scanner.cli.asked import Asked
from scanner.cli.results import Format, Results
from scanner.engine.catalogue.load import Language
from scanner.engine.inspect import inspect
from scanner.engine.model import HostInspection, Level, Target
from scanner.engine.plan import Plan, parse_ports
from scanner.engine.probes.dial import Limits
from scanner.engine.rules.base import Basis
from scanner.engine.serialize import dump_host

HOST_DEADLINE = 80.0
NMAP_SECONDS = 5.0
PATH_SECONDS = 1.0


async def _inspect(address: str, ports: str) -> HostInspection:
    plan = Plan(
        targets=(Target(address, address),),
        ports=parse_ports(ports),
        level=Level.CREDENTIAL,
        limits=Limits(per_host=64, read_timeout=1),
        host_deadline=HOST_DEADLINE,
    )
    gate = lambda endpoint: None if endpoint.address == address else "off the scope"  # noqa: E731 - one line, one use
    async with contextlib.aclosing(inspect(plan, gate)) as inspections:
        async for inspection in inspections:
            return inspection
    raise AssertionError("The engine yielded nothing for one target.")


def _peak() -> float:
    """The most megabytes that this program had; unlike getrusage(2)'s figure it forgets what ran before exec."""
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(peak[1]) / 1024 if peak else math.inf


def main() -> None:
    address, ports = sys.argv[1:]
    asyncio.run(_inspect("127.12.40.250", "T:1"))
    before = _peak()
    began, started = time.monotonic(), dt.datetime.now(dt.UTC)
    with (
        patch("scanner.engine.inspect.VERSION_DEADLINE", NMAP_SECONDS),
        patch("scanner.engine.probes.http.PATH_SECONDS", PATH_SECONDS),
    ):
        inspection = asyncio.run(_inspect(address, ports))
    with Results([Asked(address, (inspection.target,))], Language.EN, Basis()) as results:
        results.add(inspection)
        results.finish(started, dt.datetime.now(dt.UTC))
        text, html = ("".join(results.render(form)) for form in (Format.TEXT, Format.HTML))
    told = {
        "seconds": time.monotonic() - began,
        "grown": _peak() - before,
        "children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "facts": base64.b64encode(dump_host(inspection)).decode(),
        "text": text,
        "html": html,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
