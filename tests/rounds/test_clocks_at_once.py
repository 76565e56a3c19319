"""Several clocks at once, and clocks that are killed: real processes on one database."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess

from tests.installation import Installation

WORLD = """
from datetime import UTC, datetime
from scanner.remediation.models import Attention
from scanner.rounds.models import PlanKind
from scanner.rounds.planning import PlanRequest, make_plan
from tests.rounds.world import organisation, register
water, roads = organisation("water"), organisation("roads")
register(water, "192.0.2.1")
register(roads, "192.0.2.9")
start = datetime(2026, 6, 1, 12, tzinfo=UTC)
make_plan(PlanRequest("hourly", PlanKind.ROUTINE, "tester", ("water",), "every 1h"), start)
Attention.objects.create(organisation=roads, host="192.0.2.9", hours=12, due=start.replace(hour=13))
"""

CLOCK = """
import sys
from datetime import UTC, datetime, timedelta
from scanner.remediation import cadence
from scanner.rounds import clock
from scanner.rounds.models import Round
clock.tool_versions = cadence.tool_versions = lambda: {"nmap": "7.93"}
start = datetime(2026, 6, 1, 12, tzinfo=UTC)
print("ready", flush=True)
for line in sys.stdin:
    now = start + timedelta(hours=int(line))
    clock.tick(now)
    cadence.make_cadence_rounds(now)
    Round.objects.exclude(state="done").update(state="done")
    print(line.strip(), flush=True)
"""
"""Looks at what is due at each hour that it is told, and lets every round end at once."""

HOURS = 24


def planned(installation: Installation) -> tuple[int, int, int]:
    """How many rounds the plan made, for how many due times, and how many due times they stand for."""
    with installation.sql() as database:
        counts = "SELECT count(*), count(DISTINCT due), sum(1 + missed) FROM rounds_round WHERE plan_id IS NOT NULL"
        rounds, dues, counted = database.execute(counts).fetchone()
        return rounds, dues, counted


def of_cadence(installation: Installation) -> int:
    with installation.sql() as database:
        return int(database.execute("SELECT count(*) FROM rounds_round WHERE kind = 'cadence'").fetchone()[0])


def test_two_clocks_at_once_make_one_round_for_each_due_time(installation: Installation) -> None:
    installation.python(WORLD)
    clocks = [installation.start(CLOCK) for _ in range(2)]
    for each in clocks:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    hours = "".join(f"{hour}\n" for hour in range(1, HOURS + 1))
    for each in clocks:
        assert each.stdin is not None
        each.stdin.write(hours)
        each.stdin.flush()
    for each in clocks:
        each.communicate(timeout=240)
        assert each.returncode == 0

    rounds, dues, counted = planned(installation)
    assert rounds == dues
    assert counted == HOURS
    assert of_cadence(installation) == 2


def test_a_clock_that_is_killed_again_and_again_loses_and_doubles_nothing(installation: Installation) -> None:
    """Each clock is killed at a moment of chance, within the hour that it works at; the next goes on with that hour."""
    installation.python(WORLD)
    chance, hour = random.Random(4), 1
    for _ in range(4):
        process = installation.start(CLOCK)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(chance.randint(1, 4)):
            process.stdin.write(f"{hour}\n")
            process.stdin.flush()
            process.stdout.readline()
            hour += 1
        process.stdin.write(f"{hour}\n")
        process.stdin.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = installation.start(CLOCK)
    last.communicate("".join(f"{each}\n" for each in range(hour, HOURS + 1)), timeout=240)

    rounds, dues, counted = planned(installation)
    assert rounds == dues
    assert counted == HOURS
    assert of_cadence(installation) == 2
