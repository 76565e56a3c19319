"""One round through the whole product, by several processes, without a packet: ``python -m tests.bench.replayed``.

This process does what the leader does (plans, what can't wait, mail, duties); others claim and do the jobs, as those of
``roundsman serve`` on further machines do. Prints what it took as JSON.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing as mp
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from tests.bench import crowded
from tests.bench.soak import Clock
from tests.processes import below, processor_seconds

IDLE = 0.05
"""Seconds between two looks for work."""

URGENT = 10.0
"""Seconds between two rounds that are asked for meanwhile, to see how soon they are taken up."""

BEATS = {"plans": 10.0, "cadence": 60.0, "sentinel": 30.0, "mailer": 5.0}
"""Seconds between what the leader does, as in ``serve``."""

LONGEST = 3 * 60 * 60.0
"""Seconds after which a round that does not end is given up."""


@dataclass(slots=True)
class Work:
    """What one worker process did: processor seconds by the kind of job, those of the engine's stand-in, which are
    among them, milliseconds of each claim, and its memory in MB (10⁶ bytes)."""

    seconds: dict[str, float] = field(default_factory=dict)
    engine: float = 0.0
    claims_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


@dataclass(slots=True)
class Figures:
    """What a round took. Seconds of a stage are from the first job that began to the last that ended; those of
    processors are sums over processes.

    ``duties`` are those of the day's duties for everyone, done and mailed beforehand, and ``letters`` those that they
    wrote. ``late`` are the seconds from when an urgent round was asked for to its first look at a host, ``told`` those
    to when it was followed; ``tables`` tells how many bytes each grew by.
    """

    hosts: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    workers: list[Work] = field(default_factory=list)
    leader: dict[str, float] = field(default_factory=dict)
    duties: float = 0.0
    letters: int = 0
    leader_mb: float = 0.0
    server: float = 0.0
    late: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    before_mb: float = 0.0
    tables: dict[str, int] = field(default_factory=dict)
    wal_mb: float = 0.0
    mails: int = 0


def main() -> int:
    """Carry the plan's next round out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--server", type=int, default=0, help="process number of the PostgreSQL server")
    wanted = parser.parse_args()
    from scanner.settings import set_up

    set_up()
    from tests.bench.living import START

    crowded.warm()
    at = START + dt.timedelta(days=7)
    print(json.dumps(asdict(carry_out(at, wanted.workers, later=True, server=wanted.server))))
    return 0


def carry_out(at: dt.datetime, workers: int, *, later: bool, server: int = 0) -> Figures:
    """Let the plan be due, and do everything until the last mail has left."""
    from django.db import connections

    clock = Clock()
    clock.set(0, at)
    before, used = sizes(), server_seconds(server)
    figures = Figures(before_mb=before.total / 1e6)
    if later:
        figures.duties, figures.letters = _duties(clock)
        before, used = sizes(), server_seconds(server)
    connections.close_all()
    with _working(workers, clock, later=later) as (processes, told):
        leader = _Leader(clock, urgent=later)
        leader.run(processes)
        figures.leader, figures.leader_mb = leader.seconds, memory()
    figures.workers = told
    figures.server = server_seconds(server) - used
    after = sizes()
    figures.wal_mb = (after.wal - before.wal) / 1e6
    figures.tables = {name: size - before.tables.get(name, 0) for name, size in after.tables.items()}
    _read_off(figures, leader)
    return figures


def _duties(clock: Clock) -> tuple[float, int]:
    """Do the day's duties for everyone, and send what they wrote; return their processor seconds, and the letters."""
    from scanner.delivery.digest import Space
    from scanner.delivery.duties import Duties
    from scanner.delivery.sender import Mailer

    began = time.thread_time()
    letters = Duties(lambda: Space(10**9, 10**10)).run(clock.now())
    mailer = Mailer(clock.now)
    while mailer.send_due().tried:
        pass
    return time.thread_time() - began, letters


class _Leader:
    """What ``serve`` does beside its workers, one thing after the other."""

    def __init__(self, clock: Clock, *, urgent: bool) -> None:
        from scanner.delivery.sender import Mailer
        from scanner.flow import Sentinel
        from scanner.remediation.cadence import make_cadence_rounds

        self._clock = clock
        self._urgent = urgent
        self._mailer = Mailer(clock.now)
        self._does: dict[str, Callable[[dt.datetime], object]] = {
            "plans": self._plans,
            "cadence": make_cadence_rounds,
            "sentinel": Sentinel().look,
            "mailer": self._mail,
        }
        self._due = dict.fromkeys(self._does, 0.0)
        self.seconds = dict.fromkeys(self._does, 0.0)
        self.asked: dict[int, float] = {}
        self.began = self.ended = 0.0
        self.first = 0

    def run(self, processes: list[Any]) -> None:
        """Lead until the round that becomes due is over, and its mail has left."""
        from scanner.rounds.models import ENDED, Round

        self.began = time.monotonic()
        again = self.began + URGENT / 2
        going = Round.objects.exclude(state__in=ENDED)
        while time.monotonic() - self.began < LONGEST:
            self._beat()
            if not going.exists():
                self._due = dict.fromkeys(self._does, 0.0)
                self._beat()
                self.ended = time.monotonic()
                return
            if self._urgent and time.monotonic() > again and going.filter(pk=self.first).exists():
                self._ask()
                again = time.monotonic() + URGENT
            time.sleep(IDLE)
            if not all(each.is_alive() for each in processes):
                break
        raise RuntimeError("The round did not end.")

    def _beat(self) -> None:
        for name, do in self._does.items():
            if time.monotonic() >= self._due[name]:
                began = time.thread_time()
                do(self._clock.now())
                self.seconds[name] += time.thread_time() - began
                self._due[name] = time.monotonic() + BEATS[name]

    def _plans(self, now: dt.datetime) -> None:
        from scanner.rounds.clock import tick

        for made in tick(now):
            self.first = made.pk

    def _mail(self, now: dt.datetime) -> None:
        del now
        while self._mailer.send_due().tried:
            pass

    def _ask(self) -> None:
        """Ask for an urgent round of one host, as a claim of a fix does."""
        from scanner.rounds.making import RoundRequest, make_round
        from scanner.rounds.models import PlanKind
        from targets.models import Organisation

        owner = Organisation.objects.get(slug="unit0")
        about, kind = crowded.host(0, 0).known_as, PlanKind.REINSPECTION
        wanted = RoundRequest((owner,), "bench", kind=kind, hosts=(about,), priority=90)
        self.asked[make_round(wanted, self._clock.now()).pk] = time.monotonic()


@contextmanager
def _working(count: int, clock: Clock, *, later: bool) -> Iterator[tuple[list[Any], list[Work]]]:
    """Let ``count`` processes work; the list is filled with what each did when the block ends."""
    stop, works = mp.Event(), list[Work]()
    told: Any = mp.SimpleQueue()
    processes = [mp.Process(target=_work, args=(clock, stop, told, later), daemon=True) for _ in range(count)]
    for each in processes:
        each.start()
    yield processes, works
    stop.set()
    works += [Work(**told.get()) for _ in processes]
    for each in processes:
        each.join(30)


def _work(clock: Clock, stop: Any, told: Any, later: bool) -> None:
    """Do jobs until told to stop, and tell what they took."""
    from django.db import connections

    from scanner.flow import hooks
    from scanner.rounds import worker
    from scanner.rounds.lease import Observer, claim, worker_name
    from scanner.rounds.ways import Ways

    engine, done = crowded.Replay(clock.now(), later), Work()
    do = worker.Hand._do

    def timed(hand: Any, lease: Any, job: Any) -> None:
        began = time.thread_time()
        do(hand, lease, job)
        kind = f"{job.kind} again" if job.kind == "look" and job.look == 2 else str(job.kind)
        done.seconds[kind] = done.seconds.get(kind, 0.0) + time.thread_time() - began

    def timed_claim(*arguments: Any) -> Any:
        began = time.perf_counter()
        lease = claim(*arguments)
        if lease is not None:
            done.claims_ms.append((time.perf_counter() - began) * 1000)
        return lease

    worker.Hand._do = timed  # type: ignore[method-assign,assignment]  # measured on its way
    setattr(worker, "claim", timed_claim)  # noqa: B010 - as above
    ways = Ways(resolve=crowded.resolve, engine=engine, now=clock.now)
    hand = worker.Hand(worker_name("serve"), ways, hooks(clock.now), Observer())
    began = time.process_time()
    idle = 0.0
    while not stop.is_set():
        looked = time.process_time()
        if not hand.work_one():
            idle += time.process_time() - looked
            time.sleep(IDLE)
    done.seconds["between"] = time.process_time() - began - idle - sum(done.seconds.values())
    done.engine, done.memory_mb = engine.seconds, memory()
    connections.close_all()
    told.put(asdict(done))


def _read_off(figures: Figures, leader: _Leader) -> None:
    """Read off the rows what became of the round, and of those that were asked for meanwhile."""
    from django.db.models import Max, Min

    from scanner.delivery.models import Message
    from scanner.rounds.models import HostResult, Job, Round

    figures.hosts = HostResult.objects.filter(round=leader.first, look=1).count()
    figures.seconds = leader.ended - leader.began
    figures.mails = Message.objects.filter(report__round=leader.first, state="sent").count()
    for kind, look in (("prepare", 1), ("look", 1), ("doubt", 1), ("look", 2), ("keys", 1), ("follow", 1), ("tell", 1)):
        jobs = Job.objects.filter(round=leader.first, kind=kind, look=look)
        took = jobs.aggregate(took=Max("finished") - Min("started"))["took"]
        if took is not None:
            figures.stages[kind + " again" * (look - 1)] = took.total_seconds()
    for number in leader.asked:
        this = Round.objects.get(pk=number)
        looks = Job.objects.filter(round=number, kind="look", started__isnull=False)
        begun = looks.order_by("started").values_list("started", flat=True).first()
        if begun is not None:
            figures.late.append((begun - this.created).total_seconds())
        if this.followed is not None:
            figures.told.append((this.followed - this.created).total_seconds())


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Bytes: of all, of each table with its indexes and what is out of line, and written to the log so far."""

    total: int
    tables: dict[str, int]
    wal: int


def sizes() -> _Sizes:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn")
        total, wal = cursor.fetchone()
        cursor.execute("SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables")
        return _Sizes(int(total), {name: int(size) for name, size in cursor.fetchall()}, int(wal))


def server_seconds(number: int) -> float:
    """Return the processor seconds of the server, of all its processes so far."""
    if not number:
        return 0.0
    server = psutil.Process(number)
    times = server.cpu_times()
    own: float = times.user + times.system + times.children_user + times.children_system
    return own + sum(map(processor_seconds, below(server, recursive=False)))


def memory() -> float:
    """Return the most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
