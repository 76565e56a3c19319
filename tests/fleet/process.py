"""The processes of a fleet, with an engine that sends nothing: ``python -m tests.fleet.process KIND``.

``prepare`` makes a register, with a plan that is not due yet; ``central`` is a ``serve`` that looks at no host;
``looker`` is a ``worker`` whose looks take ``PER_HOST`` seconds a host, and whose lease lasts ``LEASE`` seconds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from scanner.engine.inspect import Observer
from scanner.engine.model import HostInspection
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.settings import prepare, set_up

HOSTS = 16
JOBS = 8
"""Hosts share a job only when they share their ports."""

LEASE = 4.0
PER_HOST = 1.0


def _register() -> None:
    from scanner.rounds.models import Plan, PlanKind
    from scanner.rounds.planning import PlanRequest, make_plan
    from targets.models import Zone
    from tests.delivery.office import contact
    from tests.rounds.world import authorise, organisation, register

    Zone.objects.create(name="dmz", vantage="internet")
    owner = organisation()
    contact(owner)
    for number in range(HOSTS):
        register(owner, f"192.0.2.{number + 1}", vantage="dmz", ports=f"T:{6379 + number % JOBS}")
    authorise(owner, "192.0.2.0/24")
    start = datetime(2020, 6, 2, tzinfo=UTC)
    make_plan(PlanRequest("yearly", PlanKind.ROUTINE, "tester", ("water",), "0 12 1 6 *"), start)
    Plan.objects.update(next_due=None)


async def _look(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
    from tests.rounds.world import open_redis, open_web

    for target in plan.targets:
        _note(f"{os.getpid()} {target.address}\n")
        await asyncio.sleep(PER_HOST)
        yield (open_redis if target.address == "192.0.2.1" else open_web)(target, plan)


def _note(line: str) -> None:
    with Path(os.environ["LOOKED"]).open("a", encoding="ascii") as file:
        file.write(line)


def _until_told() -> threading.Event:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    return ended


def _central() -> None:
    from scanner.rounds.service import is_served
    from scanner.rounds.ways import Ways
    from scanner.unattended import Beats, Service

    ended = _until_told()
    beats = Beats(plans=0.2, urgent=1)
    with Service(1, Ways(resolver=None), beats, outdated=lambda _: ended.set()).running():
        while not is_served(Path()):
            ended.wait(0.05)
        print("ready", flush=True)
        ended.wait()


def _looker() -> None:
    from scanner.rounds import fleet, lease, worker
    from scanner.rounds.ways import Ways

    lease.LEASE, worker.OBSERVE = LEASE, 0.5
    ended = _until_told()
    present = fleet.Presence("worker", frozenset({"dmz"}), 1, datetime.now(UTC), lambda _: ended.set())
    with present, fleet.looking(1, frozenset({"dmz"}), Ways(engine=_look, resolver=None)):
        print("ready", flush=True)
        ended.wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    if sys.argv[1] == "looker":
        set_up()
        _looker()
    else:
        prepare()
        {"prepare": _register, "central": _central}[sys.argv[1]]()
