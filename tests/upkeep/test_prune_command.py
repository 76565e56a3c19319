"""``roundsman prune`` on a real database: killed, gone on with, and the room that comes back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.installation import Installation, on_server

FILLED = """
import random
from datetime import datetime, timedelta, UTC
from django.db import transaction
from scanner.rounds.models import HostResult, Round
from targets.models import Organisation
owner = Organisation.objects.create(slug="water", name_zh="水务局", name_en="Water")
facts = random.Random(5).randbytes(3000)
for days in (300, 200, 2, 1):
    at = datetime.now(UTC) - timedelta(days=days)
    this = Round.objects.create(profile="quick", ports="80", requested_by="alice", state="done", created=at,
        started=at, finished=at, followed=at)
    this.organisations.add(owner)
    HostResult.objects.bulk_create(HostResult(round=this, organisation=owner, address=f"10.0.0.{number}", label="x",
        outcome="inspected", started=at, finished=at, facts=facts) for number in range(2000))
"""

PRUNED_UNTIL_KILLED = """
import os, signal
from datetime import datetime, UTC
from scanner.upkeep.retention import Policy, prune
done = []
def kill(_):
    done.append(1)
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
prune(datetime.now(UTC), Policy.of_settings(), rest=kill)
"""

STEPS = """
from datetime import datetime, UTC
from scanner.upkeep.retention import Policy, prune
steps = []
prune(datetime.now(UTC), Policy.of_settings(), rest=steps.append)
print(len(steps))
"""


def results(installation: Installation) -> list[int]:
    with installation.sql() as database:
        rows = database.execute("SELECT count(*) FROM rounds_hostresult GROUP BY round_id ORDER BY round_id")
        return [count for (count,) in rows]


def size(installation: Installation) -> int:
    """The bytes of the file; what a server makes of room that came free is its own affair."""
    return 0 if on_server() else installation.database.stat().st_size


def test_a_killed_sweep_is_gone_on_with_and_the_room_comes_back(installation: Installation) -> None:
    installation.python(FILLED)
    with installation.start(PRUNED_UNTIL_KILLED) as process:
        assert process.wait(timeout=240) == -9
    assert results(installation) == [1000, 2000, 2000, 2000]
    before = size(installation)
    assert "To remove: 1000 host results; about 3.6 MB" in installation.roundsman("prune", "--dry-run")
    assert "Add --yes" in installation.roundsman("prune", status=2)
    assert "Removed: 1000 host results" in installation.roundsman("prune", "--yes")
    assert results(installation) == [2000, 2000, 2000]
    assert on_server() or size(installation) < before - 5_000_000
    assert '"host results": 1000' in installation.roundsman("audit", "list", "--action", "prune")


@pytest.mark.sqlite
def test_room_is_given_back_many_pages_at_a_time(installation: Installation) -> None:
    installation.python(FILLED)
    before = size(installation)
    steps = int(installation.python(STEPS))
    assert size(installation) < before - 5_000_000
    assert steps <= 10, "2,000 results are 4 steps, and their 2,000 pages a few more"


@pytest.mark.sqlite
def test_settings_say_how_long_and_a_database_may_be_compacted(installation: Installation) -> None:
    installation.python(FILLED)
    soon = Installation(installation.path, {"ROUNDSMAN_KEEP_FACTS_DAYS": "150"})
    assert "Removed: 2000 host results" in soon.roundsman("prune", "--yes", "--compact")
    with closing(sqlite3.connect(installation.database)) as database:
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    wrong = Installation(installation.path, {"ROUNDSMAN_KEEP_FACTS_DAYS": "3"})
    assert "ROUNDSMAN_KEEP_FACTS_DAYS" in wrong.roundsman("prune", "--yes", status=2)
