"""A ``LOOK`` job: its hosts are looked at in a child process, and stored as soon as they are done.

What the child's death means for its hosts is told in :func:`_after_death`: hosts that have a result are left alone, the
others are tried again, then one by one, and what is alone in a child that died for the third time is set aside.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from scanner import bulk
from scanner.engine.inspect import Observer, Progress, Stage
from scanner.engine.model import Gap, GapReason, HostInspection
from scanner.engine.plan import Plan, ports_of
from scanner.engine.probes.discovery import tcp_ranges
from scanner.engine.serialize import dump_host
from scanner.rounds.assignment import (
    Assigned,
    hosts_left,
    not_inspected,
    one_host_jobs,
    read_terms,
    result_values,
    store_gaps,
)
from scanner.rounds.frames import Kind, Request
from scanner.rounds.gate import Permits, ScopeGate
from scanner.rounds.lease import BEAT, Lease, LeaseLost
from scanner.rounds.look_plan import names_of, plan_of, scan_seconds
from scanner.rounds.models import HostResult, Job, JobState, LookNumber
from scanner.rounds.probing import ChildDied, Probes, Seen
from scanner.rounds.run import run_engine
from scanner.rounds.steps import advance, end_job
from scanner.rounds.ways import Hooks, Ways
from targets.query import scope_of

_log = logging.getLogger(__name__)

ALONE_FROM, ASIDE_FROM = 2, 3
"""Deaths of children after which hosts are looked at one by one, and after which one that is alone is set aside."""

LOSSES_ALONE_FROM, LOSSES_ASIDE_FROM = 5, 10
"""The same for losses of whole workers in a row, which are rarely a host's fault."""

JOB_DEADLINE = 2 * 60 * 60.0
"""Seconds after which a child is ended that is still at work: twice what its hosts may take by their deadlines."""

PATIENCE = 60.0
"""Seconds for which results wait for a database that can't be written to."""

UNREADABLE = 3.0
"""Seconds for which the switch may be unreadable; then the child is ended, as if it were on."""

RENEW = 2.0
"""Seconds between two looks at the register."""


AT_ONCE = 16
"""Results that one transaction stores when they come faster than they can be stored one by one."""

_MOMENT = 0.5
"""Seconds that whoever ends a whole service may take between its children and its workers."""

_NO_HOOKS = Hooks()


class Ended(Exception):  # noqa: N818 - reads as the event it is
    """The job must not be gone on with now: ``why`` tells people, ``not_before`` when it may be.

    ``left_out``: that is too far off for its round to wait.
    """

    def __init__(
        self, why: str, not_before: datetime | None = None, *, cancelled: bool = False, left_out: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        self.not_before = not_before
        self.cancelled = cancelled
        self.left_out = left_out


@dataclass(frozen=True, slots=True)
class LookAt:
    """What a ``LOOK`` job needs beside its row. ``check`` raises ``Ended``."""

    lease: Lease
    job: Job
    ways: Ways
    observer: Observer
    check: Callable[[], None]
    hooks: Hooks = _NO_HOOKS

    def carry_out(self) -> None:
        """Look at what the job has left, and end it. Raises ``Ended``, ``LeaseLost`` and ``DatabaseError``."""
        left = hosts_left(self.job)
        if self.job.losses >= LOSSES_ASIDE_FROM:
            self._set_aside(left)
        elif self.job.losses >= LOSSES_ALONE_FROM and len(left) > 1:
            self._split(left)
            return
        elif left:
            try:
                self._look(left)
            except ChildDied as death:
                _log.warning("the probes of %s died: %s", self.job, death)
                time.sleep(_MOMENT)
                self.check()
                if not self._after_death(hosts_left(self.job), str(death)):
                    return
        end_job(self.lease, self.job, self.ways.now())

    def cancel(self) -> None:
        """Account for what is left of a job whose round was cancelled. Raises ``LeaseLost``."""
        with transaction.atomic():
            self.account_for(hosts_left(self.job), Gap(GapReason.CANCELLED))
            self.lease.finish(self.ways.now(), JobState.CANCELLED)
            advance(self.job.round_id, self.ways.now())

    def leave_out(self) -> None:
        """Account for what is left of a job whose blackout lasts too long, and end it. Raises ``LeaseLost``."""
        self.account_for(hosts_left(self.job), Gap(GapReason.BLACKOUT))
        end_job(self.lease, self.job, self.ways.now())

    def account_for(self, hosts: Iterable[Assigned], gap: Gap) -> None:
        """Store hosts that were not inspected, with the reason. Raises ``LeaseLost``."""
        terms, now = read_terms(self.job), self.ways.now()
        gaps = [(host, not_inspected(host.target, gap, terms.level, terms.vantage, now)) for host in hosts]
        with transaction.atomic():
            self.lease.progress()
            store_gaps(self.job.round_id, self.job.owner.pk, self.job.look, gaps)

    def give_up(self) -> None:
        """End the job; what is left of it is set aside. Raises ``LeaseLost``."""
        with transaction.atomic():
            self._set_aside(hosts_left(self.job))
            end_job(self.lease, self.job, self.ways.now())

    def _set_aside(self, hosts: Iterable[Assigned]) -> None:
        self.account_for(hosts, Gap(GapReason.SET_ASIDE))

    def _split(self, hosts: list[Assigned]) -> None:
        """Give each host a job of its own in place of this one."""
        alone = one_host_jobs(self.job, hosts, self.ways.now())
        with transaction.atomic():
            given_away = [job.hosts[0] for job in alone]
            self.lease.write(hosts=[entry for entry in self.job.hosts if entry not in given_away])
            Job.objects.bulk_create(alone)
            end_job(self.lease, self.job, self.ways.now())

    def judged(self, results: Sequence[tuple[Assigned, Seen]]) -> list[HostResult]:
        """Return what is to be stored of hosts; of first looks it is known whether they show anything new."""
        owner = self.job.owner
        rows = [
            HostResult.made(
                round_id=self.job.round_id,
                organisation_id=owner.pk,
                address=host.key[0],
                hostname=host.key[1],
                look=self.job.look,
                **result_values(host, seen.inspection, seen.facts),
            )
            for host, seen in results
        ]
        if self.job.look == LookNumber.FIRST:
            arrived = [(row, seen.inspection) for row, (_, seen) in zip(rows, results, strict=True)]
            for row, known in zip(rows, self.hooks.arrived(self.job.round, owner, arrived), strict=True):
                row.nothing_new = known or None
        return rows

    def store(self, rows: Sequence[HostResult]) -> None:
        """Store hosts, all or none; a result that is already there stays. Raises ``LeaseLost``."""
        with transaction.atomic():
            self.lease.progress()
            bulk.insert_missing(rows)

    def _after_death(self, left: list[Assigned], death: str) -> bool:
        """Decide what becomes of the hosts without result; return whether the job is done with them."""
        self.job.failures += 1
        if not left:
            return True
        if self.job.failures >= ASIDE_FROM and len(left) == 1:
            self._set_aside(left)
            return True
        if self.job.failures >= ALONE_FROM and len(left) > 1:
            self._split(left)
        else:
            self.lease.put_back(f"its probes died: {death}", failed=True)
        return False

    def _look(self, left: list[Assigned]) -> None:
        plan = plan_of(self.job, read_terms(self.job), left, self.ways)
        waiting = {host.key: host for host in left}
        if self.ways.engine is None:
            _InChild(self, plan, waiting).run()
        else:
            _InProcess(self, plan, waiting).run()
        if waiting:
            self.account_for(waiting.values(), Gap(GapReason.TOOL_FAILED, detail="engine-ended"))


@dataclass(slots=True)
class _InProcess:
    """Runs the engine that was given, in this very thread."""

    look: LookAt
    plan: Plan
    waiting: dict[tuple[str, str], Assigned]

    def run(self) -> None:
        look, owner = self.look, self.look.job.owner
        engine = look.ways.engine
        assert engine is not None  # noqa: S101 - why this class was chosen
        gate = ScopeGate(scope_of(owner), names_of(self.plan), self.plan.level, look.ways.now())
        unstored: list[tuple[Assigned, Seen]] = []

        def store() -> None:
            if unstored:
                look.store(look.judged(unstored))
                unstored.clear()

        def meanwhile() -> None:
            store()
            look.check()
            look.lease.beat(look.ways.now())
            gate.renew(scope_of(owner), look.ways.now())

        try:
            for inspection in run_engine(
                lambda plan, gate: engine(plan, gate, look.observer), self.plan, gate, meanwhile
            ):
                host = self.waiting.pop(_key(inspection), None)
                if host is not None:
                    unstored.append((host, Seen(inspection, dump_host(inspection))))
                if len(unstored) >= AT_ONCE:
                    store()
            store()
        except (DatabaseError, LeaseLost):
            raise
        except (Ended, KeyboardInterrupt):
            store()
            raise
        except Exception as error:
            _log.exception("the engine failed in %s", look.job)
            store()
            raise ChildDied(type(error).__name__) from error


class _InChild:
    """Runs the engine in a child process, and tells it once a second whether it may go on.

    Results wait in memory while the database can't be written to, so that the child is never kept waiting by that, and
    the switch is looked at all the same: reading is not held up by writers.
    """

    def __init__(self, look: LookAt, plan: Plan, waiting: dict[tuple[str, str], Assigned]) -> None:
        self._look = look
        self._plan = plan
        self._waiting = waiting
        self._owner = look.job.owner
        self._unstored: list[tuple[Assigned, Seen]] = []
        self._since: float | None = None
        now = time.monotonic()
        self._ends = now + JOB_DEADLINE + 2 * scan_seconds(plan)
        self._checked = self._renewed = self._beaten = now

    def run(self) -> None:
        names, scope, now = names_of(self._plan), scope_of(self._owner), self._look.ways.now()
        request = Request(self._plan, names, scope, settings.PLUGINS_OFF, now)
        scanned = ports_of(tcp_ranges(self._plan.ports)) if self._plan.targets else ()
        self._permits = Permits(scope, names, self._plan.level, scanned, now)
        with _short_waits():
            try:
                with Probes(request, {key: host.target for key, host in self._waiting.items()}) as probes:
                    while self._take(probes.next(0.5)):
                        self._keep_up(probes)
            except (ChildDied, Ended):
                self._store()
                raise
            while self._unstored:
                self._store()
                if self._unstored:
                    time.sleep(0.5)

    def _take(self, event: Seen | Progress | Kind | None) -> bool:
        """Take what the child said; return whether it goes on."""
        if isinstance(event, Progress):
            self._look.observer(event)
        elif isinstance(event, Seen):
            host = self._waiting.pop(_key(event.inspection), None)
            if host is not None:
                self._look.observer(Progress(Stage.DONE, host.target, event.inspection))
                self._unstored.append((host, event))
        return event is not Kind.END

    def _keep_up(self, probes: Probes) -> None:
        now = time.monotonic()
        if now > self._ends:
            raise ChildDied("it did not end within its deadline")
        if now - self._checked >= 1:
            self._check(probes, now)
        if self._unstored:
            self._store()
        if now - self._beaten >= BEAT and self._since is None:
            self._write(lambda: self._look.lease.beat(self._look.ways.now()))
            self._beaten = now

    def _check(self, probes: Probes, now: float) -> None:
        """See whether the job may go on and by which scope; what can't be read for too long ends it."""
        try:
            self._look.check()
            scope = scope_of(self._owner) if now - self._renewed >= RENEW else None
        except DatabaseError:
            if now - self._checked > UNREADABLE:
                raise
            return
        self._checked = now
        self._renewed = self._renewed if scope is None else now
        if scope is not None and self._permits.lessened(
            (address for address, _ in self._waiting), scope, self._look.ways.now()
        ):
            raise Ended("less may be inspected than when it began")
        probes.go_on(scope, self._look.ways.now())

    def _store(self) -> None:
        if not self._unstored:
            return
        rows = self._look.judged(self._unstored)
        if self._write(lambda: self._look.store(rows)):
            self._unstored.clear()

    def _write(self, writing: Callable[[], None]) -> bool:
        """Write, and tell whether it went; a database that can't be written to for ``PATIENCE`` is raised."""
        try:
            writing()
        except DatabaseError:
            self._since = self._since or time.monotonic()
            if time.monotonic() - self._since > PATIENCE:
                raise
            return False
        self._since = None
        return True


@contextmanager
def _short_waits() -> Iterator[None]:
    """Let no write wait for another writer: what can't be stored now is stored a moment later."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 500")
    try:
        yield
    finally:
        seconds = settings.DATABASES["default"]["OPTIONS"]["timeout"]
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _key(inspection: HostInspection) -> tuple[str, str]:
    return inspection.target.address, inspection.target.hostname or ""
