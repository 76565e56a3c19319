"""How far a round has come, what works at it, and what waits for what: plain reads for people to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from scanner.rounds.assignment import Assigned, hosts_left
from scanner.rounds.fleet import unserved
from scanner.rounds.lease import Share, due_jobs
from scanner.rounds.models import ENDED, HostResult, Job, JobKind, JobState, LookNumber, Round, RoundState
from scanner.rounds.switch import current_stop


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a look has come, in hosts and domains. What could not be inspected counts as done."""

    look: LookNumber
    done: int
    left: int


@dataclass(frozen=True, slots=True)
class AtWork:
    """A job that a worker holds. ``left`` are the names, or addresses, of its hosts that have no result yet."""

    job_id: int
    kind: JobKind
    look: LookNumber
    organisation: str
    hosts: int
    worker: str
    started: datetime | None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one kind and organisation that wait for the same."""

    kind: JobKind
    organisation: str
    jobs: int
    why: str


@dataclass(frozen=True, slots=True)
class RoundStatus:
    """All of it. ``stage`` is the step that the round is at, None before it begins and when it is over."""

    round: Round
    stage: JobKind | None
    looks: tuple[Progress, ...]
    at_work: tuple[AtWork, ...]
    waiting: tuple[Waiting, ...]

    @property
    def over(self) -> bool:
        return self.stage is None and self.round.state in ENDED


def status_of(round_id: int, now: datetime, *, served: bool) -> RoundStatus:
    """Return how the round stands. ``served`` tells whether a service runs that would do its jobs."""
    this = Round.objects.get(pk=round_id)
    unfinished = Job.objects.filter(round=this, state__in=(JobState.WAITING, JobState.RUNNING))
    jobs = list(unfinished.select_related("organisation"))
    kinds = {job.kind for job in jobs}
    left = {job.pk: hosts_left(job) for job in jobs if job.kind == JobKind.LOOK and job.attempt}
    return RoundStatus(
        this,
        next((kind for kind in JobKind if kind in kinds), None),
        tuple(_progress(this, look, jobs, left) for look in LookNumber if _has(this, look)),
        tuple(_at_work(job, left.get(job.pk, ())) for job in jobs if job.state == JobState.RUNNING),
        tuple(_waiting(this, [job for job in jobs if job.state == JobState.WAITING], now, served=served)),
    )


def _has(this: Round, look: LookNumber) -> bool:
    return (
        look == LookNumber.FIRST
        or HostResult.objects.filter(round=this, look=look).exists()
        or Job.objects.filter(round=this, look=look).exists()
    )


def _progress(this: Round, look: LookNumber, jobs: list[Job], hosts: Mapping[int, Sequence[Assigned]]) -> Progress:
    done = HostResult.objects.filter(round=this, look=look).count()
    mine = [job for job in jobs if job.kind == JobKind.LOOK and job.look == look]
    left = sum(len(hosts.get(job.pk, job.hosts)) for job in mine)
    return Progress(look, done, left)


def _at_work(job: Job, hosts: Sequence[Assigned]) -> AtWork:
    slug = job.organisation.slug if job.organisation else ""
    left = tuple(each.target.hostname or each.target.address for each in hosts)
    kind, look = JobKind(job.kind), LookNumber(job.look)
    return AtWork(job.pk, kind, look, slug, len(job.hosts), job.worker, job.started, left)


def _waiting(this: Round, jobs: list[Job], now: datetime, *, served: bool) -> list[Waiting]:
    everything = _why_all_wait(this, served=served)
    due = set(due_jobs(now, Share(this.pk)).values_list("pk", flat=True))
    deserted = unserved(job.zone for job in jobs)
    found: Counter[tuple[str, str, str]] = Counter()
    for job in jobs:
        slug = job.organisation.slug if job.organisation else ""
        found[job.kind, slug, everything or _why(job, due, deserted, now)] += 1
    return [Waiting(JobKind(kind), slug, count, why) for (kind, slug, why), count in found.items()]


def _why_all_wait(this: Round, *, served: bool) -> str:
    stop = current_stop()
    if stop is not None:
        return f"'roundsman resume': everything was stopped by {stop.by}"
    if this.state == RoundState.PAUSED:
        return f"'roundsman round resume {this.pk}': the round is paused"
    at_work = Job.objects.filter(round=this, state=JobState.RUNNING).exists()
    return "" if served or at_work else "a service: none runs here"


def _why(job: Job, due: set[int], deserted: Collection[str], now: datetime) -> str:
    if job.zone in deserted:
        return f"a worker in zone {job.zone}: 'roundsman workers list'"
    if job.pk in due:
        return "a free worker"
    if job.not_before is not None and job.not_before > now:
        return job.why or f"{job.not_before:%H:%M:%S}Z"
    return "the job before it: a rate cap lets one work at a time"
