"""Leases: how a worker comes to hold a job, keeps it, and loses it.

A worker claims a job by a conditional UPDATE that must touch one row and adds one to ``attempt``. Every later write of
it says ``WHERE id = ? AND attempt = ? AND state = 'running'`` and must touch one row too, so a worker that was taken
for dead and lives can write nothing.

Which running jobs lost their worker is judged by their heartbeat and the observer's own monotonic clock, never by the
wall clock: ``lease_until`` is for people to read. A clock that steps forward by two hours would make every lease look
expired and hand jobs that are in work to a second worker, twice the packets; one that steps back would keep a dead
worker's job from everyone for two hours. An observer that saw the same beat for ``LEASE`` seconds of its own knows that
nobody kept the job, whatever the time is.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache, reduce
from operator import or_
from pathlib import Path

from django.db import models, transaction
from django.db.models import F, Q

from scanner import locks
from scanner.locks import Turn
from scanner.prepared import Given, Prepared, PreparedUpdate
from scanner.rounds.models import Job, JobKind, JobState, Round, RoundState
from scanner.rounds.switch import current_stop
from targets.models import Organisation, Zone

LEASE = 45.0
"""Seconds for which a beat may stand still. A write may wait 20 seconds for the database."""

BEAT = 5.0
"""Seconds between heartbeats."""

PUT_OFF = timedelta(minutes=5)
"""The longest that a job is put off at a time. A later ``not_before`` was written by a clock that went wrong."""

_TRIES = 20
"""Jobs that one claim tries for, when each that it locks turns out to share a cap with one claimed meanwhile."""


class LeaseLost(Exception):  # noqa: N818 - reads as the event it is
    """The job is no longer this worker's; whatever it wanted to write must not be written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed job: the fence of every write about it."""

    job_id: int
    attempt: int

    def rows(self) -> models.QuerySet[Job]:
        """The job's row, if it is still held."""
        return Job.objects.filter(pk=self.job_id, attempt=self.attempt, state=JobState.RUNNING)

    def held(self) -> Job | None:
        """Return the job with its round, plan and organisation, if it is still held."""
        return _HELD.first(job=self.job_id, attempt=self.attempt)

    def write(self, **values: object) -> None:
        """Write to the job. Raises ``LeaseLost``."""
        self._wrote(self.rows().update(**values))

    def _wrote(self, touched: int) -> None:
        if touched != 1:
            raise LeaseLost(f"job {self.job_id} is no longer held by attempt {self.attempt}")

    def beat(self, now: datetime) -> None:
        """Tell that the job is in work. Raises ``LeaseLost``."""
        self._wrote(_BEAT(job=self.job_id, attempt=self.attempt, until=now + timedelta(seconds=LEASE)))

    def progress(self) -> None:
        """Fence a result, in the transaction that stores it: a result is a beat too. Raises ``LeaseLost``."""
        self._wrote(_PROGRESS(job=self.job_id, attempt=self.attempt))

    def finish(self, now: datetime, state: JobState = JobState.DONE) -> None:
        """Give the job back for good. Raises ``LeaseLost``."""
        self._wrote(_FINISH(job=self.job_id, attempt=self.attempt, state=state, now=now))

    def put_back(self, why: str = "", not_before: datetime | None = None, *, failed: bool = False) -> None:
        """Let anyone claim the job, at once or from ``not_before`` on. Raises ``LeaseLost``."""
        self.write(
            state=JobState.WAITING,
            lease_until=None,
            not_before=not_before,
            why=why[:200],
            failures=F("failures") + int(failed),
        )


def _one_held() -> models.QuerySet[Job]:
    return Job.objects.filter(pk=Given("job"), attempt=Given("attempt"), state=JobState.RUNNING)


_BEAT = PreparedUpdate(_one_held, beat=F("beat") + 1, lease_until=Given("until"))
_PROGRESS = PreparedUpdate(_one_held, beat=F("beat") + 1, losses=0)
_FINISH = PreparedUpdate(_one_held, state=Given("state"), finished=Given("now"), lease_until=None, why="")
_HELD = Prepared(lambda: _one_held().select_related("round__plan", "organisation")[:1])


@dataclass(frozen=True, slots=True)
class Share:
    """The part of all work that a worker takes. ``round_id`` None is every round, no ``kinds`` are all.

    ``zones`` are those whose hosts it looks at, None all; they say nothing of steps that look at no host.
    """

    round_id: int | None = None
    kinds: tuple[JobKind, ...] = ()
    zones: frozenset[str] | None = None

    def of(self, jobs: models.QuerySet[Job]) -> models.QuerySet[Job]:
        """Return those of the jobs that belong to it."""
        if self.round_id is not None:
            jobs = jobs.filter(round=self.round_id)
        if self.kinds:
            jobs = jobs.filter(kind__in=self.kinds)
        return jobs if self.zones is None else jobs.filter(~Q(kind=JobKind.LOOK) | Q(zone__in=self.zones))


EVERYTHING = Share()

_WITH = ("round__plan", "organisation__parent")
"""What is read with a job."""


def due_jobs(now: datetime, share: Share = EVERYTHING) -> models.QuerySet[Job]:
    """The jobs that may be claimed, most important and oldest rounds first; none that would break a rate cap.

    What is in work under a cap is read at once.
    """
    capped = _over_a_cap()
    due = _due(share, now, _impossible(now))
    return due.exclude(capped) if capped else due


def first_due(now: datetime, share: Share) -> Job | None:
    """Return the first of :func:`due_jobs` with its round, plan and organisation."""
    capped = _over_a_cap()
    if capped:
        return _due(share, now, _impossible(now)).exclude(capped).select_related(*_WITH).first()
    return _first_due(share).first(now=now, impossible=_impossible(now))


def _due(share: Share, now: datetime | Given, impossible: datetime | Given) -> models.QuerySet[Job]:
    """The jobs that wait for nothing but a cap; those that are put off until an ``impossible`` time are among them."""
    states = (RoundState.RUNNING, RoundState.CANCELLED)
    waiting = share.of(Job.objects.filter(state=JobState.WAITING, round__state__in=states))
    due = Q(not_before=None) | Q(not_before__lte=now) | Q(not_before__gt=impossible)
    return waiting.filter(due).order_by("-priority", "round", "pk")


def _impossible(now: datetime) -> datetime:
    """Return a time up to which nobody puts a job off at ``now``."""
    return now + PUT_OFF + timedelta(minutes=1)


@lru_cache(maxsize=64)
def _first_due(share: Share) -> Prepared[Job]:
    return Prepared(lambda: _due(share, Given("now"), Given("impossible")).select_related(*_WITH)[:1])


@lru_cache(maxsize=64)
def _to_claim(share: Share) -> Prepared[Job]:
    return Prepared(lambda: _locked(_due(share, Given("now"), Given("impossible"))))


def _locked(jobs: models.QuerySet[Job]) -> models.QuerySet[Job]:
    """Return the first of the jobs, locked, with what its claim needs."""
    locked = jobs.select_for_update(skip_locked=True, of=("self",))
    return locked.only("attempt", "organisation", "zone", "round")[:1]


def claim(worker: str, now: datetime, share: Share = EVERYTHING) -> Lease | None:
    """Claim the next job (see :func:`due_jobs`); None when there is none to claim now.

    A job that another claim has locked is passed over, so that workers don't queue up for the same one. Ask for
    :func:`due_jobs` before: it takes the turn to write, for which SQLite keeps all others from writing.
    """
    for _ in range(_TRIES):
        with transaction.atomic():
            capped = _over_a_cap()
            if capped:
                job = _locked(_due(share, now, _impossible(now)).exclude(capped)).first()
            else:
                job = _to_claim(share).first(now=now, impossible=_impossible(now))
            if job is None or current_stop() is not None:
                return None
            if _waited_for_others(job) and not due_jobs(now).filter(pk=job.pk).exists():
                continue
            if _taken(job, worker, now):
                return Lease(job.pk, job.attempt + 1)
    return None


def _taken(job: Job, worker: str, now: datetime) -> bool:
    until = now + timedelta(seconds=LEASE)
    return _CLAIM(job=job.pk, attempt=job.attempt, worker=worker, until=until, now=now) == 1


_CLAIM = PreparedUpdate(
    lambda: Job.objects.filter(pk=Given("job"), attempt=Given("attempt"), state=JobState.WAITING),
    state=JobState.RUNNING,
    attempt=F("attempt") + 1,
    beat=F("beat") + 1,
    worker=Given("worker"),
    lease_until=Given("until"),
    not_before=None,
    why="",
    started=Given("now"),
)


def put_off(job_id: int, attempt: int, until: datetime, now: datetime, why: str) -> bool:
    """Leave a job that nobody claimed alone until then, or for ``PUT_OFF``; return whether it was still unclaimed."""
    waiting = Job.objects.filter(pk=job_id, attempt=attempt, state=JobState.WAITING)
    return bool(waiting.update(not_before=min(until, now + PUT_OFF), why=why[:200]))


def _over_a_cap() -> Q:
    """Looks that share a capped organisation, zone or round with one that is in work: one at a time keeps the cap.

    An empty condition where no cap is set, as mostly.
    """
    in_work = _IN_WORK()
    zones = {zone for *_, zone in in_work if zone}
    capped = {
        "organisation__in": {organisation for organisation, rate, *_ in in_work if rate},
        "round__in": {this for _, _, this, rate, _ in in_work if rate},
        "zone__in": zones & {*_CAPPED_ZONES()} if zones else zones,
    }
    shared = [Q((condition, values)) for condition, values in capped.items() if values]
    return Q(kind=JobKind.LOOK) & reduce(or_, shared) if shared else Q()


_CAPPED_ZONES = Prepared(lambda: Zone.objects.filter(rate__gt=0).values_list("name", flat=True))
_IN_WORK = Prepared(
    lambda: (
        Job.objects.filter(state=JobState.RUNNING, kind=JobKind.LOOK)
        .order_by()
        .values_list("organisation", "organisation__rate", "round", "round__rate", "zone")
    )
)


def _waited_for_others(job: Job) -> bool:
    """Let claims that share a cap wait for each other until they commit; return whether the job has a cap to share.

    SQLite has one writer anyway.
    """
    if not locks.is_shared():
        return False
    capped = {
        Turn.ORGANISATION_RATE: Organisation.objects.filter(jobs=job, rate__gt=0),
        Turn.ZONE_RATE: Zone.objects.filter(name=job.zone, rate__gt=0),
        Turn.ROUND_RATE: Round.objects.filter(pk=job.round_id, rate__gt=0),
    }
    found = [(turn, number) for turn, rows in capped.items() for number in rows.values_list("pk", flat=True)]
    for turn, number in found:
        locks.take_turn(turn, number)
    return bool(found)


def take_back(job_id: int, attempt: int, beat: int) -> bool:
    """Take a job from a worker that was lost; return whether it was still as it was seen."""
    seen = Job.objects.filter(pk=job_id, attempt=attempt, beat=beat, state=JobState.RUNNING)
    return bool(
        seen.update(state=JobState.WAITING, lease_until=None, losses=F("losses") + 1, why="its worker was lost")
    )


class Observer:
    """Takes jobs back whose worker is gone. Each process has one; ``clock`` counts seconds and never steps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[int, int, int], float] = {}
        self._lock = threading.Lock()
        self._next = 0.0

    def look(self, *, every: float = 0.0) -> int:
        """Take back what lost its worker; return how many jobs. Does nothing within ``every`` seconds of the last."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                return 0
            self._next = now + every
            return sum(take_back(*seen) for seen in self._lost(now))

    def _lost(self, now: float) -> Iterator[tuple[int, int, int]]:
        running = Job.objects.filter(state=JobState.RUNNING).values_list("pk", "attempt", "beat", "worker")
        before, self._since = self._since, {}
        for job_id, attempt, beat, worker in list(running):
            seen = (job_id, attempt, beat)
            self._since[seen] = before.get(seen, now)
            if now - self._since[seen] >= LEASE or is_gone(worker):
                yield seen


def take_back_from_former_service() -> int:
    """Take back, at once, what workers of a former ``serve`` held; return how many jobs.

    To be called only while holding the lock that one ``serve`` can hold: then they are gone, be it with their machine
    or container. A worker whose process lives nevertheless keeps its job, and loses it when its beat stands still.
    """
    running = Job.objects.filter(state=JobState.RUNNING, worker__startswith="serve:")
    rows = list(running.values_list("pk", "attempt", "beat", "worker"))
    return sum(take_back(*seen) for *seen, worker in rows if not _lives(worker))


_PROC = Path("/proc")

_number = itertools.count(1)


def worker_name(kind: str) -> str:
    """Return a name that no other worker has or will have: kind, process, its start, place, and a number.

    The kind is ``serve``, ``worker`` or ``run``.
    """
    return f"{process_name(kind)}:{next(_number)}"


def process_name(kind: str) -> str:
    """Return what the names of all workers of this process begin with, and those of no other process."""
    return f"{kind}:{os.getpid()}:{_started(os.getpid()) or ''}:{_place()}"


def is_gone(worker: str) -> bool:
    """Tell whether the worker's process surely ended: it ran under this kernel, and its id is free or another's."""
    parts = worker.split(":")
    return len(parts) == 5 and parts[3] == _place() and not _lives(worker)


def _lives(worker: str) -> bool:
    parts = worker.split(":")
    if len(parts) != 5 or parts[3] != _place() or not parts[1].isdigit():
        return False
    started = _started(int(parts[1]))
    if started is None:
        return _is_hidden(int(parts[1]))
    return bool(started) and started == parts[2]


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks since boot (proc_pid_stat(5), field 22).

    Empty when it has ended; None when the file system shows no such process.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def _is_hidden(pid: int) -> bool:
    """Tell whether a process that isn't shown is there: others may be hidden, see ``hidepid`` in proc(5)."""
    try:
        os.kill(pid, 0)  # asks, and does nothing to it
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@cache
def _place() -> str:
    """Return what tells apart where process ids mean something: this boot of this machine, this PID namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    namespace = Path("/proc/self/ns/pid").readlink()
    return hashlib.sha256(f"{boot}{namespace}".encode()).hexdigest()[:12]
