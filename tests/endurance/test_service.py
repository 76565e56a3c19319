"""The whole service, real in everything but its wall clock: killed at any point, and with a clock that steps."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.endurance.site import LIBRARY
from tests.endurance.small import UNFINISHED, Small, redis, small, unit
from tests.installation import Installation
from tests.rounds.prepared import within

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
    pytest.mark.skipif(not LIBRARY.exists(), reason="needs libfaketime"),
]

HOST, PORT, HOSTS = "127.64.1.1", 7379, 6
KILLS = 20


def harbour() -> dict[str, object]:
    return unit("harbour", "127.64.1.0/24", *(f"127.64.1.{number}" for number in range(1, HOSTS + 1)))


def test_a_service_killed_at_twenty_points_of_rounds_does_and_tells_each_once(
    installation: Installation, tmp_path: Path
) -> None:
    """What the service imports is there at each of its starts, as most of their time goes into that."""
    dice = random.Random(20261126)
    with small(installation) as here, redis(HOST, PORT, tmp_path):
        here.apply(harbour())
        here.add_plan(f"T:{PORT},7380-7383", "--schedule", "every 1d", "--notice-from", "critical")
        here.site.warm_up()
        for _ in range(KILLS):
            if not here.number(UNFINISHED):
                here.site.roundsman("plan", "run", "all")
            here.site.start()
            here.let_write(dice.randint(1, 25))
            here.site.kill()
        here.site.start()
        assert here.rests()
        status, _ = here.site.end()
        assert status in (0, -signal.SIGTERM), "it may not have begun yet, as nothing was left to do"
        rounds = here.number("SELECT count(*) FROM rounds_round")
        steps = here.site.ask("SELECT kind, count(*), count(DISTINCT round_id) FROM rounds_job GROUP BY kind")
        assert {row for row in steps if row[0] != "look"} == {
            (kind, rounds, rounds) for kind in ("prepare", "doubt", "keys", "follow", "tell", "close")
        }
        looks = here.site.ask("SELECT count(*) FROM rounds_hostresult WHERE look = 1 GROUP BY round_id")
        assert looks == [(HOSTS,)] * rounds
        assert here.number("SELECT max(failures) FROM rounds_job") == 0, "a worker's death is no host's fault"
        happened = "SELECT count(*) FROM remediation_findingevent WHERE kind IN ('fixed', 'reopened')"
        assert here.number(happened) == 0
        told = Counter(str(row[0]) for row in here.site.ask("SELECT kind FROM delivery_message"))
        assert told == {"round-report": rounds, "urgent-alert": 1, "notice": 1}
        arrived_once_or_as_the_same(here)
        assert "whole" in here.site.roundsman("audit", "verify")


def arrived_once_or_as_the_same(here: Small) -> None:
    """A mail sent again after a kill has the Message-ID that it had, so that it is known as one."""
    sent = Counter(str(row[0]) for row in here.site.ask("SELECT message_id FROM delivery_message"))
    arrived = Counter(taken.message_id for taken in here.office.taken)
    assert arrived.keys() == sent.keys()
    assert arrived.total() - sent.total() <= KILLS


def test_a_clock_that_steps_two_hours_either_way_and_a_machine_that_sleeps_double_and_lose_no_round(
    installation: Installation,
) -> None:
    """About forty seconds. The service's wall clock steps while it works; its plan is due every minute."""
    two_hours = timedelta(hours=2)
    with small(installation, steps=True) as here:
        here.apply(harbour())
        here.add_plan("T:7380-7383", "--schedule", "every 1m")
        here.site.start()
        assert within(30, here.site.lives)

        here.site.clock.step_to(two_hours)
        assert within(90, lambda: here.number(_ENDED) == 1)
        first = here.number("SELECT missed FROM rounds_round")
        assert 118 <= first <= 121, "one round for all that lay between"

        here.site.clock.step_to(timedelta(0))
        here.site.roundsman("plan", "run", "all")
        assert within(90, lambda: here.number(_ENDED) == 2), "what is asked for is done by a clock that was set back"
        assert here.number("SELECT count(*) FROM rounds_round") == 2, "nothing that was done is done again"

        with here.site.asleep():
            here.site.clock.step_to(two_hours + timedelta(minutes=4))
        assert within(90, lambda: here.number(_ENDED) == 3)
        late = here.number("SELECT missed FROM rounds_round ORDER BY id DESC LIMIT 1")
        assert late >= 2, "three due times passed in its sleep, and have one round"
        dues = here.site.ask("SELECT due, missed FROM rounds_round WHERE due IS NOT NULL ORDER BY id")
        assert len({due for due, _ in dues}) == len(dues)
        assert here.rests()
        status, _ = here.site.end()
        assert status == 0


_ENDED = "SELECT count(*) FROM rounds_round WHERE state = 'done' AND followed IS NOT NULL"
