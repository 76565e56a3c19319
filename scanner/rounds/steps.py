"""The steps of a round and what follows what: PREPARE, LOOK, DOUBT, LOOK again, KEYS, FOLLOW, TELL, CLOSE.

Every step ends with one transaction that stores what it made, the jobs of the next step among it, and gives its own job
back as done. So a round whose process was killed between any two of them is gone on with: a step is done again, or was
done, never both.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.db import transaction

from scanner import bulk
from scanner.audit import trail
from scanner.audit.trail import Action
from scanner.engine.errors import Refused
from scanner.engine.model import Gap, Target, Transport
from scanner.engine.plan import PortSet, PortSpec, as_ranges, parse_ports
from scanner.prepared import Given, Prepared, PreparedUpdate
from scanner.rounds.assignment import Assigned, look_jobs, not_inspected, store_gaps
from scanner.rounds.expand import Host, as_registered_key, expand, look_up, permit
from scanner.rounds.lease import Lease
from scanner.rounds.models import HostResult, Job, JobKind, JobState, LookNumber, Round, RoundState
from scanner.rounds.ways import Again, Ways
from targets.models import Organisation
from targets.query import RegisteredTarget, registered_domains, registered_targets, scope_of

_OPEN = frozenset({JobState.WAITING, JobState.RUNNING})

TOGETHER = 5
"""Organisations that one job follows, or tells: few, so that all workers have a part in a large round, and urgent
rounds come in between."""


def begin(round_id: int, now: datetime) -> bool:
    """Let a planned round begin: a ``PREPARE`` job for each organisation. Return whether it was still planned."""
    with transaction.atomic():
        if _BEGIN(round=round_id, now=now) != 1:
            return False
        (this,) = _LOCKED(round=round_id)
        job = partial(Job, round=this, kind=JobKind.PREPARE, priority=this.priority, created=now)
        bulk.insert([job(organisation_id=owner) for owner in _OWNERS(round=round_id)])
        advance(round_id, now)
    return True


def begin_planned(now: datetime) -> None:
    """Let every planned round begin."""
    for round_id in _PLANNED():
        begin(round_id, now)


_PLANNED = Prepared(lambda: Round.objects.filter(state=RoundState.PLANNED).values_list("pk", flat=True))
_BEGIN = PreparedUpdate(
    lambda: Round.objects.filter(pk=Given("round"), state=RoundState.PLANNED),
    state=RoundState.RUNNING,
    started=Given("now"),
)
_OWNERS = Prepared(
    lambda: Organisation.objects.filter(rounds=Given("round")).order_by("slug").values_list("pk", flat=True)
)
"""The organisations of a round, by name."""


def advance(round_id: int, now: datetime) -> None:
    """Make the next step's job when nothing of the round is left to do. Call it in the transaction that ends a job."""
    (this,) = _LOCKED(round=round_id)
    jobs = set(_KINDS_AND_STATES(round=round_id))
    kinds = {kind for kind, _ in jobs}
    if JobKind.CLOSE in kinds or any(state in _OPEN for _, state in jobs):
        return
    step = _next(this, kinds)
    if step is JobKind.KEYS and this.finished is None:
        _FINISH(round=round_id, now=_LAST.first(round=round_id) or now)
    elif step is JobKind.TELL:
        _FOLLOWED(round=round_id, now=now)
    bulk.insert(_jobs(this, step, now))


def _next(this: Round, kinds: Container[str]) -> JobKind:
    """Return what follows the steps of these kinds, none of which has anything left to do."""
    if JobKind.TELL in kinds:
        return JobKind.CLOSE
    if JobKind.FOLLOW in kinds:
        return JobKind.TELL
    if JobKind.KEYS in kinds:
        return JobKind.FOLLOW
    return JobKind.KEYS if JobKind.DOUBT in kinds or this.state == RoundState.CANCELLED else JobKind.DOUBT


def _jobs(this: Round, kind: JobKind, now: datetime) -> list[Job]:
    """Return the jobs of a step, not stored: one, or one for a few organisations each."""
    job = partial(Job, round=this, kind=kind, priority=this.priority, created=now)
    if kind not in (JobKind.FOLLOW, JobKind.TELL):
        return [job()]
    owners = _OWNERS(round=this)
    parts = [owners[first : first + TOGETHER] for first in range(0, len(owners), TOGETHER)]
    return [job(terms={"organisations": part}) for part in parts or [[]]]


_LOCKED = Prepared(lambda: Round.objects.select_for_update().filter(pk=Given("round")))
_KINDS_AND_STATES = Prepared(
    lambda: Job.objects.filter(round=Given("round")).order_by().values_list("kind", "state").distinct()
)
_LAST = Prepared(
    lambda: HostResult.objects.filter(round=Given("round")).order_by("-finished").values_list("finished", flat=True)[:1]
)
_FINISH = PreparedUpdate(lambda: Round.objects.filter(pk=Given("round")), finished=Given("now"))
_FOLLOWED = PreparedUpdate(lambda: Round.objects.filter(pk=Given("round"), followed=None), followed=Given("now"))
_CLOSED = PreparedUpdate(
    lambda: Round.objects.filter(pk=Given("round")).exclude(state=RoundState.CANCELLED), state=RoundState.DONE
)


def end_job(lease: Lease, job: Job, now: datetime, state: JobState = JobState.DONE) -> None:
    """Give a job back for good and let the round go on. Raises ``LeaseLost``."""
    with transaction.atomic():
        lease.finish(now, state)
        advance(job.round_id, now)


def prepare(lease: Lease, job: Job, ways: Ways, go_on: Callable[[], None]) -> None:
    """List the hosts of an organisation and make the jobs that look at them. Raises ``LeaseLost``.

    Names are resolved here, once for the whole round. ``go_on`` is called before each and raises to break off.
    """
    organisation = job.owner
    hosts = _listed(job.round, organisation, ways, go_on)
    _make_look_jobs(lease, job, [(organisation, hosts)], LookNumber.FIRST, ways.now())


def doubt(lease: Lease, job: Job, wanted: Iterable[Again], ways: Ways) -> None:
    """Make the jobs of the second look. Scope is asked anew. Raises ``LeaseLost``."""
    asked = {again.result_id: again for again in wanted}
    firsts = list(HostResult.objects.filter(round=job.round_id, look=LookNumber.FIRST, pk__in=asked).defer("facts"))
    hosts: list[tuple[Organisation, list[Host]]] = []
    for organisation in Organisation.objects.filter(pk__in={first.organisation_id for first in firsts}):
        own = [first for first in firsts if first.organisation_id == organisation.pk]
        hosts.append((organisation, _hosts_again(organisation, own, asked, ways)))
    _make_look_jobs(lease, job, hosts, LookNumber.AGAIN, ways.now())


def organisations_of(job: Job) -> list[int]:
    """Return the primary keys of those that a ``FOLLOW`` or ``TELL`` job is about; without terms it is about all."""
    return list(job.terms["organisations"] if job.terms else _OWNERS(round=job.round_id))


def close(lease: Lease, job: Job, now: datetime) -> None:
    """Mark a round done that all were told of; a cancelled one stays so. Raises ``LeaseLost``."""
    with transaction.atomic():
        lease.finish(now)
        _CLOSED(round=job.round_id)


def give_up_preparing(lease: Lease, job: Job, gap: Gap, now: datetime, state: JobState = JobState.DONE) -> None:
    """Account for every registered target of an organisation whose hosts could not be listed. Raises ``LeaseLost``."""
    owner = job.owner
    hosts = []
    for registered in registered_targets(owner):
        if job.round.targets is None or registered.id in job.round.targets:
            target = Target(
                registered.value, "" if registered.hostname else registered.value[:253], registered.hostname
            )
            host = Host(registered, target, PortSpec(PortSet.LIST), gap=gap)
            hosts.append((Assigned.of(host), not_inspected(target, gap, host.level, host.vantage, now)))
    with transaction.atomic():
        store_gaps(job.round_id, owner.pk, LookNumber.FIRST, hosts)
        end_job(lease, job, now, state)


def cancel(round_id: int, by: str, now: datetime) -> None:
    """Let nothing more be sent for a round, as ``by`` wants.

    What it still has to look at is accounted for by whoever works next. Raises ``Refused`` when its looks are over.
    """
    with transaction.atomic():
        this = Round.objects.select_for_update().get(pk=round_id)
        over = this.state == RoundState.DONE or Job.objects.filter(round=this, kind=JobKind.KEYS).exists()
        if over or this.state == RoundState.CANCELLED:
            raise Refused(f"Round {round_id} is over; there is nothing to cancel.", "round-over")
        Round.objects.filter(pk=round_id, started=None).update(state=RoundState.PLANNED)
        begin(round_id, now)  # the jobs of a round that has not begun account for its hosts
        Round.objects.filter(pk=round_id).update(state=RoundState.CANCELLED, finished=now)
        trail.record(Action.ROUND_CANCELLED, f"round {round_id}", actor=by, at=now)
        advance(round_id, now)


def pause(round_id: int, by: str, now: datetime) -> None:
    """Let a round rest: what is in work is ended within seconds and put back. Raises ``Refused`` when it is over."""
    active = Round.objects.filter(pk=round_id, state__in=(RoundState.PLANNED, RoundState.RUNNING))
    with transaction.atomic():
        if not active.update(state=RoundState.PAUSED):
            state = Round.objects.get(pk=round_id).state
            raise Refused(
                f"Round {round_id} is {state}; only one that is planned or running can be paused.",
                "round-not-pausable",
                state=RoundState(state),
            )
        trail.record(Action.ROUND_PAUSED, f"round {round_id}", actor=by, at=now)


def unpause(round_id: int, by: str, now: datetime) -> bool:
    """Let a paused round go on; return whether it was paused."""
    paused = Round.objects.filter(pk=round_id, state=RoundState.PAUSED)
    with transaction.atomic():
        begun = paused.filter(started=None).update(state=RoundState.PLANNED)
        if not begun and not paused.update(state=RoundState.RUNNING):
            return False
        trail.record(Action.ROUND_RESUMED, f"round {round_id}", actor=by, at=now)
    return True


def _make_look_jobs(
    lease: Lease, job: Job, owned: Iterable[tuple[Organisation, list[Host]]], look: LookNumber, now: datetime
) -> None:
    with transaction.atomic():
        for organisation, hosts in owned:
            gaps = [
                (Assigned.of(host), not_inspected(host.target, host.gap, host.level, host.vantage, now))
                for host in hosts
                if host.gap is not None
            ]
            store_gaps(job.round_id, organisation.pk, look, gaps)
            bulk.insert(list(look_jobs(job.round_id, organisation.pk, look, hosts, job.priority, now)))
        end_job(lease, job, now)


def _listed(this: Round, organisation: Organisation, ways: Ways, go_on: Callable[[], None]) -> list[Host]:
    """Return every host and domain of the organisation that the round is about."""

    def resolve(name: str) -> list[str]:
        go_on()
        return ways.resolve(name)

    only = None if this.hosts is None else set(this.hosts)
    scope, now = scope_of(organisation), ways.now()
    registered = registered_targets(organisation)
    chosen = [each for each in registered if _is_about(this, only, each)]
    hosts = expand(chosen, scope, parse_ports(this.ports), now, resolve)
    if this.targets is not None:
        hosts = as_registered_key(hosts, registered)
    hosts = [host for host in hosts if only is None or (host.target.hostname or host.target.address) in only]
    domains = [] if this.targets is not None and only is None else registered_domains(organisation)
    asked = [domain for domain in domains if only is None or domain.value in only]
    return hosts + look_up(asked, scope, ways.resolver, now)


def _is_about(this: Round, only: set[str] | None, registered: RegisteredTarget) -> bool:
    named = only is None or registered.hostname is None or registered.hostname in only
    return named and (this.targets is None or registered.id in this.targets)


def _hosts_again(
    organisation: Organisation, firsts: list[HostResult], asked: Mapping[int, Again], ways: Ways
) -> list[Host]:
    registered = {target.id: target for target in registered_targets(organisation)}
    hosts = [
        _host_again(first, registered[first.target_id], asked[first.pk])
        for first in firsts
        if first.target_id in registered
    ]
    scope, now = scope_of(organisation), ways.now()
    doubted = {first.label for first in firsts if first.target_id is None}
    domains = [domain for domain in registered_domains(organisation) if domain.value in doubted]
    return [*permit(hosts, scope, now), *look_up(domains, scope, ways.resolver, now)]


def _host_again(first: HostResult, registered: RegisteredTarget, again: Again) -> Host:
    chosen = again.ports
    spec = PortSpec(
        PortSet.LIST,
        as_ranges({port for port, transport in chosen if transport is Transport.TCP}),
        tuple(sorted({port for port, transport in chosen if transport is Transport.UDP})),
    )
    target = Target(first.label, first.address, first.hostname or None)
    return Host(replace(registered, is_key=first.key_target), target, spec, places=again.places)
