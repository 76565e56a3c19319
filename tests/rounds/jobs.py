"""Rounds whose jobs are claimed and done step by step, with a clock that is set by hand."""

from __future__ import annotations

import datetime as dt

from scanner.engine.model import Outcome
from scanner.rounds import steps
from scanner.rounds.lease import Lease, Observer, claim, worker_name
from scanner.rounds.look import LookAt
from scanner.rounds.models import HostResult, Job, JobKind
from scanner.rounds.ways import Hooks, Ways
from scanner.rounds.worker import Hand
from tests.rounds.world import Engine, planned, ways

NOW = dt.datetime(2026, 11, 25, 10, 0, tzinfo=dt.UTC)  # a Wednesday; 18:00 in Shanghai
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR
HOSTS = ("192.0.2.10", "192.0.2.11", "192.0.2.12")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> dt.datetime:
        return self.time


def hand(using: Ways, hooks: Hooks | None = None, name: str = "") -> Hand:
    return Hand(name or worker_name("serve"), using, hooks or Hooks(), Observer())


def a_look(now: dt.datetime = NOW) -> tuple[Job, Lease]:
    """A round whose hosts are listed, and the claimed job that looks at them."""
    number = planned()
    steps.begin(number, now)
    hand(ways(Engine())).work_one()
    held = claim("worker", now)
    assert held is not None
    return Job.objects.select_related("round", "organisation").get(pk=held.job_id), held


def look_at(job: Job, held: Lease, using: Ways) -> LookAt:
    return LookAt(held, job, using, lambda _: None, lambda: None)


def states(kind: JobKind = JobKind.LOOK) -> list[str]:
    return list(Job.objects.filter(kind=kind).order_by("pk").values_list("state", flat=True))


def seen(outcome: Outcome = Outcome.INSPECTED) -> set[str]:
    return set(HostResult.objects.filter(outcome=outcome).values_list("address", flat=True))
