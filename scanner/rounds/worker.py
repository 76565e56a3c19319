"""Workers: threads that claim jobs, do them, and let nothing stop them but being told to.

Whatever goes wrong in a job is that job's matter: it is put back, with a pause that grows. A database that is locked,
or full, is waited for. Results that could not be stored are simply looked for again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import DatabaseError, connections

from scanner.engine.inspect import Observer, Progress
from scanner.engine.model import Gap, GapReason
from scanner.prepared import Prepared
from scanner.rounds import steps
from scanner.rounds.assignment import windows_of
from scanner.rounds.lease import (
    BEAT,
    EVERYTHING,
    PUT_OFF,
    Lease,
    LeaseLost,
    Share,
    claim,
    first_due,
    put_off,
    worker_name,
)
from scanner.rounds.lease import Observer as LeaseObserver
from scanner.rounds.look import Ended, LookAt
from scanner.rounds.models import Job, JobKind, JobState, RoundState
from scanner.rounds.nursery import ChildRefused
from scanner.rounds.probing import ChildUnheard
from scanner.rounds.switch import blocked_until, current_stop, lasts_too_long
from scanner.rounds.ways import Hooks, Ways

_log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds between two looks for work when there is none."""

OBSERVE = 5.0
"""Seconds between two looks for jobs whose worker was lost."""

TRIES = 3
"""Attempts after which a step that fails by itself is gone on without: following and telling are tried for ever."""

_WAITING = Prepared(lambda: Job.objects.filter(state=JobState.WAITING).order_by().values_list("pk", flat=True)[:1])

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=4)


@dataclass(frozen=True, slots=True)
class Hand:
    """What works jobs off: one for each thread, or the very thread that wants a round done.

    ``drain`` set, it ends what it does within a second and puts it back. ``patient`` False, what goes wrong is raised
    (when the job is back in its place), for a person at a terminal to read. ``share`` is what it does of all work.
    """

    name: str
    ways: Ways
    hooks: Hooks
    lost: LeaseObserver
    drain: threading.Event = field(default_factory=threading.Event)
    patient: bool = True
    watch: Callable[[Job], Observer] = lambda _: _unwatched
    share: Share = EVERYTHING

    def work_one(self) -> bool:
        """Do the next job; return whether there was one. May raise anything."""
        self.lost.look(every=OBSERVE)
        if self.share.round_id is None and not self.share.kinds:
            steps.begin_planned(self.ways.now())
        claimed = self._claim()
        if claimed is None:
            return False
        lease, job = claimed
        try:
            self._do(lease, job)
        except LeaseLost:
            _log.warning("%s went to another worker", job)
        except Ended as end:
            self._put_back(lease, end.why, end)
        except (ChildUnheard, ChildRefused) as trouble:
            _log.warning("%s is put back: %s", job, trouble)
            self._put_back(lease, str(trouble) or "its worker could not keep up", pause=_FIRST_PAUSE)
        except KeyboardInterrupt:
            self._put_back(lease, "interrupted")
            raise
        except DatabaseError:
            self._put_back(lease, "the database could not be used")
            raise
        except Exception as error:  # noqa: BLE001 - whatever a step raises is that job's matter
            self._failed(lease, job, error)
        return True

    def _do(self, lease: Lease, job: Job) -> None:
        kind, cancelled = JobKind(job.kind), job.round.state == RoundState.CANCELLED
        if kind is JobKind.LOOK:
            self._look(lease, job, cancelled=cancelled)
        elif kind is JobKind.PREPARE and cancelled:
            steps.give_up_preparing(lease, job, Gap(GapReason.CANCELLED), self.ways.now(), JobState.CANCELLED)
        elif kind is JobKind.DOUBT and cancelled:
            steps.end_job(lease, job, self.ways.now(), JobState.CANCELLED)
        else:
            with self._beating(lease):
                self._step(kind, lease, job)

    def _step(self, kind: JobKind, lease: Lease, job: Job) -> None:
        if kind is JobKind.PREPARE:
            steps.prepare(lease, job, self.ways, self._now_and_then(lambda: self._check(lease)))
        elif kind is JobKind.DOUBT:
            steps.doubt(lease, job, self.hooks.doubt(job.round_id), self.ways)
        elif kind is JobKind.CLOSE:
            self.hooks.close(job.round_id)
            steps.close(lease, job, self.ways.now())
        else:
            self._do_together(kind, job)
            steps.end_job(lease, job, self.ways.now())

    def _do_together(self, kind: JobKind, job: Job) -> None:
        """Do what concerns all organisations of a round, or a few of them, once its looks are over."""
        if kind is JobKind.KEYS:
            self.hooks.keys(job.round_id)
        elif kind is JobKind.FOLLOW:
            if not job.terms:  # an older Roundsman made it: for all, and with all that belongs to it
                self.hooks.keys(job.round_id)
            self.hooks.follow(job.round_id, steps.organisations_of(job))
        else:
            self.hooks.tell(job.round_id, steps.organisations_of(job))

    def _look(self, lease: Lease, job: Job, *, cancelled: bool) -> None:
        def check() -> None:
            self._check(lease)

        look = LookAt(lease, job, self.ways, self.watch(job), check, self.hooks)
        if cancelled:
            look.cancel()
            return
        try:
            check()
            look.carry_out()
        except Ended as end:
            if end.cancelled:
                look.cancel()
            elif end.left_out:
                look.leave_out()
            else:
                raise

    def _check(self, lease: Lease) -> None:
        """Raise ``Ended`` when the job must not go on, ``LeaseLost`` when it went to another worker."""
        if self.drain.is_set():
            raise Ended("its worker was ended")
        stop = current_stop()
        if stop is not None:
            raise Ended(f"stopped by {stop.by}")
        job = lease.held()
        if job is None:
            raise LeaseLost(f"job {lease.job_id} is no longer held by attempt {lease.attempt}")
        if job.round.state == RoundState.PAUSED:
            raise Ended("its round is paused")
        if job.round.state == RoundState.CANCELLED and job.kind in (JobKind.PREPARE, JobKind.LOOK, JobKind.DOUBT):
            raise Ended("its round was cancelled", cancelled=True)
        blocked = self._blocked(job)
        if blocked is not None:
            raise blocked

    def _now_and_then(self, check: Callable[[], None]) -> Callable[[], None]:
        """Return ``check``, but done once a second at most."""
        again = 0.0

        def checked() -> None:
            nonlocal again
            if time.monotonic() >= again:
                check()
                again = time.monotonic() + 1

        return checked

    def _blocked(self, job: Job) -> Ended | None:
        """Return why a look must wait for the end of a blackout, or None."""
        if job.kind != JobKind.LOOK or job.organisation is None:
            return None
        now = self.ways.now()
        try:
            until = blocked_until(job.round, job.organisation, windows_of(job), now)
        except (ValueError, LookupError):
            _log.exception("nobody can tell whether %s lies in a blackout, so it waits", job)
            return Ended("its blackouts can't be read", now + PUT_OFF)
        if until is None:
            return None
        left_out = lasts_too_long(job.round, until, now)
        return Ended(f"blackout until {until:%Y-%m-%d %H:%M}Z", until, left_out=left_out)

    def _claim(self) -> tuple[Lease, Job] | None:
        """Claim the next job. Only what is due has to wait for its turn to write."""
        if not _WAITING():
            return None  # spares an idle worker, once a second, the long question below
        first = self._first_due()
        lease = claim(self.name, self.ways.now(), self.share) if first is not None else None
        if first is None or lease is None:
            return None
        if (first.pk, first.attempt + 1) == (lease.job_id, lease.attempt):
            return lease, first
        job = lease.held()  # another one was faster
        return (lease, job) if job is not None else None

    def _first_due(self) -> Job | None:
        """Return the job to claim next, once the looks before it that a blackout holds are put off."""
        while True:
            now = self.ways.now()
            job = first_due(now, self.share)
            end = self._blocked(job) if job is not None and job.round.state == RoundState.RUNNING else None
            if job is None or end is None or end.not_before is None or end.left_out:
                return job
            if not put_off(job.pk, job.attempt, end.not_before, now, end.why):
                return job

    def _put_back(self, lease: Lease, why: str, end: Ended | None = None, pause: timedelta | None = None) -> None:
        now = self.ways.now()
        not_before = now + pause if pause else None
        if end is not None and end.not_before is not None:
            not_before = min(end.not_before, now + _LONGEST_PAUSE)
        try:
            lease.put_back(why, not_before)
        except LeaseLost:
            _log.info("job %d was taken by another worker", lease.job_id)
        except DatabaseError:
            _log.exception("job %d could not be put back; its lease will run out", lease.job_id)

    def _failed(self, lease: Lease, job: Job, error: Exception) -> None:
        """Put a job back that raised, with a pause that grows; or go on without it."""
        _log.exception("%s failed", job)
        now, failures = self.ways.now(), job.failures + 1
        pause = min(_FIRST_PAUSE * 2 ** min(failures, 8), _LONGEST_PAUSE) if self.patient else None
        try:
            if self.patient and failures >= TRIES and job.kind == JobKind.PREPARE:
                steps.give_up_preparing(lease, job, Gap(GapReason.SET_ASIDE), now)
            elif self.patient and failures >= TRIES and job.kind == JobKind.LOOK:
                LookAt(lease, job, self.ways, _unwatched, lambda: None).give_up()
            elif self.patient and failures >= TRIES and job.kind == JobKind.DOUBT:
                steps.end_job(lease, job, now)  # without a second look nothing counts as fixed
            else:
                why = f"{type(error).__name__}: {error}"
                lease.put_back(why, now + pause if pause else None, failed=True)
        except LeaseLost:
            return
        if not self.patient:
            raise error

    @contextmanager
    def _beating(self, lease: Lease) -> Iterator[None]:
        """Keep the lease while a step is at work that can't do so itself."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT):
                try:
                    lease.beat(self.ways.now())
                except LeaseLost:
                    return
                except DatabaseError:
                    _log.warning("a heartbeat could not be written", exc_info=True)

        def run() -> None:
            try:
                beat()
            finally:
                connections.close_all()

        thread = threading.Thread(target=run, name=f"beat of job {lease.job_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _unwatched(progress: Progress) -> None:
    del progress


class Workers:
    """The worker threads of a process, from :meth:`start` to :meth:`stop`; ``make`` makes a hand that they drain.

    They look for work again after ``idle`` seconds when there was none.
    """

    def __init__(self, count: int, make: Callable[[threading.Event], Hand], idle: float = IDLE) -> None:
        self._idle = idle
        self._drain = threading.Event()
        hands = [make(self._drain) for _ in range(count)]
        self._threads = [threading.Thread(target=self._run, args=[hand], name=hand.name) for hand in hands]

    @classmethod
    def of_service(cls, count: int, ways: Ways, hooks: Hooks, zones: frozenset[str] | None = None) -> Workers:
        """The workers of ``serve``, which do every job of every round, but look only at hosts of ``zones`` if given."""
        lost, share = LeaseObserver(), Share(zones=zones)
        return cls(count, lambda drain: Hand(worker_name("serve"), ways, hooks, lost, drain, share=share))

    def start(self) -> None:
        """Let the threads begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End what is in work, put it back, and wait for the threads: a few seconds at most, but for steps of the rooms
        above, which are let finish."""
        self._drain.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Workers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, hand: Hand) -> None:
        pause = self._idle
        try:
            while not self._drain.is_set():
                try:
                    worked = hand.work_one()
                    pause = self._idle
                except Exception:  # noqa: BLE001 - a worker ends when it is told to, and never by itself
                    _log.exception("%s could not work; it tries again in %.0f s", hand.name, pause)
                    worked, pause = False, min(pause * 2, 60.0)
                    connections.close_all()
                if not worked:
                    self._drain.wait(pause)
        finally:
            connections.close_all()
