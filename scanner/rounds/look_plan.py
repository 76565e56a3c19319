"""What the engine is told to look at for a ``LOOK`` job, and within which limits."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from scanner.engine.model import Level
from scanner.engine.plan import Domain, Plan, Profile, count_ports
from scanner.engine.policy.load import policy
from scanner.engine.probes.dial import Limits
from scanner.engine.probes.discovery import tcp_ranges
from scanner.prepared import Given, Prepared
from scanner.rounds.assignment import Assigned, Terms
from scanner.rounds.expand import domain_of
from scanner.rounds.models import Job
from scanner.rounds.ways import Ways
from targets.models import Zone
from targets.query import registered_domains

_PACKETS_PER_PORT = 4
"""Packets of the cap that one port takes: the scan has half of it, and asks some ports again."""


def plan_of(job: Job, terms: Terms, hosts: list[Assigned], ways: Ways) -> Plan:
    """Return the plan for these hosts of the job, which are domains if its terms say so."""
    owner = job.owner
    if terms.domains:
        known = {each.value: domain_of(each) for each in registered_domains(owner)}
        domains = tuple(known.get(host.target.address) or Domain(host.target.address) for host in hosts)
        return Plan(level=Level.GREETING, domains=domains, resolver=ways.resolver, limits=_limits(job, terms))
    plan = Plan(
        tuple(host.target for host in hosts),
        terms.ports,
        terms.level,
        Profile(job.round.profile),
        terms.vantage,
        _limits(job, terms),
        policy=policy(owner.policy_name),
        places=terms.places,
    )
    return replace(plan, host_deadline=plan.host_deadline + scan_seconds(plan))


def scan_seconds(plan: Plan) -> float:
    """Return how long the port scan may take because of the rate cap, beside what it takes without one."""
    if not plan.limits.rate:
        return 0.0
    return _PACKETS_PER_PORT * count_ports(tcp_ranges(plan.ports)) * len(plan.targets) / plan.limits.rate


def _limits(job: Job, terms: Terms) -> Limits:
    """Return the limits: of the rates of round, organisation and zone the least that is set."""
    rates = (job.round.rate, job.owner.rate, *_RATE_OF_ZONE(name=terms.zone))
    return Limits(rate=min((rate for rate in rates if rate > 0), default=0))


_RATE_OF_ZONE = Prepared(lambda: Zone.objects.filter(name=Given("name")).order_by().values_list("rate", flat=True))


def names_of(plan: Plan) -> dict[str, list[str | None]]:
    """Return the registered names of each address of the plan; see ``ScopeGate``."""
    names: dict[str, list[str | None]] = defaultdict(list)
    for target in plan.targets:
        names[target.address].append(target.hostname)
    return dict(names)
