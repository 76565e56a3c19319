"""Executes a round: every registered host and domain inspected or accounted for, each stored as soon as it is done.

Executing a round again goes on where it stopped: hosts that have a result are left alone. So a crash, a full disk
or a locked database costs at most the hosts that were in work.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError

from scanner.engine.inspect import Observer, inspect
from scanner.engine.model import Coverage, Gap, GapReason, HostInspection, Level, Outcome, Target, Transport, Vantage
from scanner.engine.plan import Plan, PortSet, PortSpec, Profile, ResolverAddress, parse_ports, ports_of
from scanner.engine.policy.load import policy
from scanner.engine.probes.dial import Gate
from scanner.engine.probes.discovery import as_ranges
from scanner.engine.serialize import dump_host
from scanner.rounds.expand import Host, Resolve, domain_of, expand, look_up, permit
from scanner.rounds.gate import ScopeGate
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState
from scanner.rounds.run import Engine, run_engine
from targets.models import Organisation
from targets.names import resolve_name
from targets.query import (
    RegisteredDomain,
    RegisteredTarget,
    registered_domains,
    registered_targets,
    scope_of,
)

_log = logging.getLogger(__name__)


def _nobody_watches(hosts: int) -> AbstractContextManager[Observer]:
    del hosts
    return nullcontext(lambda _: None)


@dataclass(frozen=True, slots=True)
class Again:
    """A host of the round to look at once more, on these ports only."""

    result_id: int
    ports: tuple[tuple[int, Transport], ...]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a round reaches the world: which engine, which resolver, and who watches.

    ``resolver`` is asked about domains; None means that they are not inspected. ``watch`` is given the number of hosts
    and domains to inspect and returns a context whose value hears of the progress of each.
    """

    watch: Callable[[int], AbstractContextManager[Observer]] = _nobody_watches
    resolve: Resolve = resolve_name
    engine: Callable[[Plan, Gate, Observer], AsyncIterator[HostInspection]] = inspect
    resolver: ResolverAddress | None = field(default_factory=lambda: settings.RESOLVER)

    def work_off(self, jobs: Sequence[_Job]) -> None:
        """Inspect, or account for, every host of the jobs that has no result yet."""
        left = [host for job in jobs for host in job.left()]
        if not left:
            return
        with self.watch(sum(host.gap is None for host in left)) as observer:
            for job in jobs:
                job.inspect(lambda plan, gate: self.engine(plan, gate, observer))


def execute(round_id: int, ways: Ways | None = None) -> None:
    """Inspect what the round still has to inspect and mark it done.

    On Ctrl-C everything that is left is stored as cancelled, the round is marked so, and the interrupt goes on.
    """
    ways = ways or Ways()
    this = Round.objects.get(pk=round_id)
    if this.state in (RoundState.DONE, RoundState.CANCELLED):
        return
    _mark(this, RoundState.RUNNING)
    ports = parse_ports(this.ports)
    jobs: list[_Job] = []
    try:
        for organisation in this.organisations.order_by("slug"):
            scope = scope_of(organisation)
            hosts = expand(registered_targets(organisation), scope, ports, ways.resolve)
            hosts += look_up(registered_domains(organisation), scope, ways.resolver)
            jobs.append(_Job(this, organisation, LookNumber.FIRST, tuple(hosts), ways.resolver))
        ways.work_off(jobs)
    except KeyboardInterrupt:
        for job in jobs:
            for host in job.left():
                job.account_for(host, host.gap or Gap(GapReason.CANCELLED))
        _mark(this, RoundState.CANCELLED)
        raise
    _mark(this, RoundState.DONE)


def look_again(round_id: int, wanted: Iterable[Again], ways: Ways | None = None) -> None:
    """Look once more, in the same round, at hosts whose findings would otherwise count as fixed.

    Scope is asked anew. A host that already had its second look is left alone; a cancelled round sends nothing.
    """
    ways = ways or Ways()
    this = Round.objects.get(pk=round_id)
    if this.state != RoundState.DONE:
        return
    ports = {again.result_id: again.ports for again in wanted}
    firsts = list(HostResult.objects.filter(round=this, look=LookNumber.FIRST, pk__in=ports).defer("facts"))
    jobs: list[_Job] = []
    for organisation in Organisation.objects.filter(pk__in={first.organisation_id for first in firsts}):
        registered = {target.id: target for target in registered_targets(organisation)}
        hosts = [
            _host_again(first, registered[first.target_id], ports[first.pk])
            for first in firsts
            if first.organisation_id == organisation.pk and first.target_id in registered
        ]
        scope = scope_of(organisation)
        doubted = {first.label for first in firsts if first.target_id is None}
        domains = [domain for domain in registered_domains(organisation) if domain.value in doubted]
        permitted = (*permit(hosts, scope), *look_up(domains, scope, ways.resolver))
        jobs.append(_Job(this, organisation, LookNumber.AGAIN, permitted, ways.resolver))
    ways.work_off(jobs)


@dataclass(frozen=True, slots=True)
class _Job:
    """The hosts and domains of one organisation, to be looked at in one round."""

    round: Round
    organisation: Organisation
    look: LookNumber
    hosts: tuple[Host, ...]
    resolver: ResolverAddress | None

    def left(self) -> list[Host]:
        """The hosts that have no result yet."""
        results = HostResult.objects.filter(round=self.round, organisation=self.organisation, look=self.look)
        done = set(results.values_list("address", "hostname"))
        return [host for host in self.hosts if _key(host.target) not in done]

    def inspect(self, engine: Engine) -> None:
        """Inspect or account for every host that is left. One plan has one level, vantage and port list."""
        left = self.left()
        for host in left:
            if host.gap:
                self.account_for(host, host.gap)
        plans: dict[tuple[Level, Vantage, PortSpec], list[Host]] = defaultdict(list)
        domains: list[Host] = []
        for host in left:
            if not host.gap and host.target.is_domain:
                domains.append(host)
            elif not host.gap:
                plans[host.level, host.vantage, host.ports].append(host)
        for (level, vantage, ports), hosts in plans.items():
            profile = Profile(self.round.profile)
            targets, held_to = tuple(host.target for host in hosts), policy(self.organisation.policy_name)
            plan = Plan(targets, ports, level, profile, vantage, policy=held_to)
            self._inspect_plan(plan, hosts, engine)
        if domains:
            asked = (host.registered for host in domains)
            named = tuple(domain_of(each) for each in asked if isinstance(each, RegisteredDomain))
            plan = Plan(level=Level.GREETING, domains=named, resolver=self.resolver)
            self._inspect_plan(plan, domains, engine)

    def _inspect_plan(self, plan: Plan, hosts: list[Host], engine: Engine) -> None:
        by_key = {_key(host.target): host for host in hosts}
        with closing(self._results(plan, engine)) as results:
            for inspection in results:
                host = by_key.pop(_key(inspection.target), None)
                if host is not None:
                    self.store(host, inspection)
        for host in by_key.values():
            self.account_for(host, Gap(GapReason.TOOL_FAILED, detail="engine-ended"))

    def _results(self, plan: Plan, engine: Engine) -> Generator[HostInspection, None, None]:
        """Run the engine behind a gate that follows the register. Should it fail, what is left is accounted for."""
        names: dict[str, list[str | None]] = defaultdict(list)
        for target in plan.targets:
            names[target.address].append(target.hostname)
        gate = ScopeGate(scope_of(self.organisation), names, plan.level)
        try:
            yield from run_engine(engine, plan, gate, lambda: gate.renew(scope_of(self.organisation)))
        except DatabaseError:
            raise
        except Exception:  # noqa: BLE001 - whatever went wrong, the hosts it left are reported as not inspected
            _log.exception("the engine failed in %s of %s", self.round, self.organisation)

    def account_for(self, host: Host, gap: Gap) -> None:
        """Store a host that was not inspected, with the reason."""
        now = dt.datetime.now(dt.UTC)
        outcome = Outcome.REFUSED if gap.reason is GapReason.REFUSED_BY_SCOPE else Outcome.ERROR
        coverage = Coverage(gaps=(gap,))
        self.store(host, HostInspection(host.target, outcome, now, now, host.vantage, host.level, coverage=coverage))

    def store(self, host: Host, inspection: HostInspection) -> None:
        """Store one host in a transaction of its own; a result that is already there stays."""
        coverage = inspection.coverage
        HostResult.objects.get_or_create(
            round=self.round,
            organisation=self.organisation,
            address=inspection.target.address,
            hostname=inspection.target.hostname or "",
            look=self.look,
            defaults={
                "target_id": host.registered.id,
                "label": host.registered.value,
                "key_target": host.registered.is_key,
                "outcome": inspection.outcome,
                "silent": any(gap.reason is GapReason.HOST_SILENT and gap.port is None for gap in coverage.gaps),
                "started": inspection.started,
                "finished": inspection.finished,
                "ports_asked": sum(1 for scan in coverage.scans for _ in ports_of(scan.ports)),
                "ports_open": len({service.endpoint for service in inspection.ports}),
                "connections": coverage.connections,
                "requests": coverage.requests,
                "facts": dump_host(inspection),
            },
        )


def _key(target: Target) -> tuple[str, str]:
    return target.address, target.hostname or ""


def _host_again(first: HostResult, registered: RegisteredTarget, ports: Iterable[tuple[int, Transport]]) -> Host:
    chosen = list(ports)
    spec = PortSpec(
        PortSet.LIST,
        as_ranges({port for port, transport in chosen if transport is Transport.TCP}),
        tuple(sorted({port for port, transport in chosen if transport is Transport.UDP})),
    )
    return Host(registered, Target(first.label, first.address, first.hostname or None), spec)


def _mark(this: Round, state: RoundState) -> None:
    now = dt.datetime.now(dt.UTC)
    this.state = state
    if state is RoundState.RUNNING:
        this.started = this.started or now
    else:
        this.finished = now
    this.save(update_fields=["state", "started", "finished"])
