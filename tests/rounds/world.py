"""A small register and an engine that answers as it is told, for tests in which no packet is the point."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.inspect import Observer
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Look,
    Outcome,
    PortScan,
    Service,
    Target,
    Transport,
)
from scanner.engine.plan import Plan, Profile
from scanner.engine.probes.dial import Gate
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.ways import Ways
from targets.addresses import parse_target
from targets.changed import places_changed
from targets.models import Authorisation, Organisation, Zone
from targets.models import Target as TargetRow
from targets.query import active_organisations

# Before every clock that a test sets by hand, whatever the day on which the test is run.
EVER_SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
REDIS = 6379
PORTS = "80,6379"


def organisation(slug: str = "water", **fields: object) -> Organisation:
    values = {"name_zh": "水务局", "name_en": "Water Office", **fields}
    return Organisation.objects.create(slug=slug, **values)


def register(owner: Organisation, *values: str, key: bool = False, vantage: str = "internet", **fields: object) -> None:
    zone, _ = Zone.objects.get_or_create(name=vantage, defaults={"vantage": vantage})
    for value in values:
        parsed = parse_target(value)
        TargetRow.objects.create(
            organisation=owner,
            kind=parsed.kind,
            value=parsed.value,
            display=parsed.display,
            zone=zone,
            criticality="key" if key else "ordinary",
            **fields,
        )


def retire(owner: Organisation, *values: str, when: dt.datetime = EVER_SINCE) -> None:
    """Take targets out of the register of an organisation, and have findings hear of it as applying a register does."""
    TargetRow.objects.filter(organisation=owner, value__in=values).update(retired_at=when)
    places_changed.send(Organisation, organisations=[owner])


def authorise(owner: Organisation, *scope: str, level: int = 1, document: str = "Order 1", **fields: object) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
    values = {"valid_from": EVER_SINCE, "valid_until": until, **fields}
    Authorisation.objects.create(
        organisation=owner, document=document, allowed_by="Director", scope=list(scope), level=level, **values
    )


Answer = Callable[[Target, Plan], HostInspection]


@dataclass
class Engine:
    """Asks the gate as the real one does, answers per address, and remembers the plans it was given."""

    answers: dict[str, Answer] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)

    async def __call__(self, plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        self.plans.append(plan)
        for target in plan.targets:
            assert gate(Endpoint(target.address, REDIS)) is None
            yield self.answers[target.address](target, plan)


def ways(engine: Engine, names: dict[str, list[str]] | None = None) -> Ways:
    def resolve(hostname: str) -> list[str]:
        if names is None or hostname not in names:
            raise OSError(-2, "Name or service not known")
        return names[hostname]

    return Ways(engine=engine, resolve=resolve)


def planned(*slugs: str, profile: Profile = Profile.STANDARD, ports: str = PORTS) -> int:
    chosen = tuple(active_organisations(slugs or None))
    return make_round(RoundRequest(chosen, "tester", profile, ports), dt.datetime.now(dt.UTC)).pk


def open_redis(target: Target, plan: Plan) -> HostInspection:
    """A Redis that answers strangers, seen twice, of a version whose age is unknown."""
    endpoint = Endpoint(target.address, REDIS)
    exchange = Exchange("INFO server", "redis_version:99.0.1", "2026-11-01T00:00:00.000+00:00")
    facts = ServiceFacts("REDIS", Access.OPEN, "Redis", "99.0.1", exchanges=(exchange,))
    service = Service(endpoint, "redis", product="Redis", version="99.0.1", facts=facts)
    return inspected(target, plan, (REDIS,), (service,), (service,))


def open_web(target: Target, plan: Plan) -> HostInspection:
    """A web server and nothing else."""
    return inspected(target, plan, (80,), (Service(Endpoint(target.address, 80), "http"),))


def old_elasticsearch(version: str) -> Answer:
    """Elasticsearch behind a log-in that tells ``version``, or hides it when that is empty."""

    def answer(target: Target, plan: Plan) -> HostInspection:
        facts = ServiceFacts("ELASTIC", Access.RESTRICTED, "Elasticsearch", version)
        service = Service(Endpoint(target.address, 9200), "http", facts=facts)
        return inspected(target, plan, (9200,), (service,), (service,))

    return answer


def timed_out(target: Target, plan: Plan) -> HostInspection:
    return _ended(target, plan, Outcome.UNREACHABLE, Gap(GapReason.TIMED_OUT, detail="the port scan ran out of time"))


def silent(target: Target, plan: Plan) -> HostInspection:
    return _ended(target, plan, Outcome.UNREACHABLE, Gap(GapReason.HOST_SILENT))


def half_seen_redis(target: Target, plan: Plan) -> HostInspection:
    """Redis is open, but the conversation broke off: nobody knows whether it serves strangers."""
    scan = PortScan(Transport.TCP, plan.ports.tcp, (REDIS,), 0, "connect")
    gap = Gap(GapReason.PROTOCOL_ERROR, Facet.SERVICE, REDIS)
    now = dt.datetime.now(dt.UTC)
    coverage = Coverage((scan,), (Look(REDIS, Transport.TCP, Facet.PORT),), (gap,))
    service = Service(Endpoint(target.address, REDIS), "unknown")
    return HostInspection(
        target, Outcome.PARTIAL, now, now, plan.vantage, plan.level, services=(service,), coverage=coverage
    )


def inspected(
    target: Target, plan: Plan, ports: tuple[int, ...], services: tuple[Service, ...], again: tuple[Service, ...] = ()
) -> HostInspection:
    """A whole inspection that found ``services`` on ``ports`` and, in the second look, ``again``."""
    now = dt.datetime.now(dt.UTC)
    looks = tuple(Look(port, Transport.TCP, facet) for port in ports for facet in Facet)
    coverage = Coverage((PortScan(Transport.TCP, plan.ports.tcp, ports, 0, "connect"),), looks, connections=3)
    return HostInspection(target, Outcome.INSPECTED, now, now, plan.vantage, plan.level, services, again, coverage)


def _ended(target: Target, plan: Plan, outcome: Outcome, gap: Gap) -> HostInspection:
    now = dt.datetime.now(dt.UTC)
    return HostInspection(target, outcome, now, now, plan.vantage, plan.level, coverage=Coverage(gaps=(gap,)))
