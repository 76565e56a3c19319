"""What a job is to look at and how, as it is kept in its row: hosts with pinned addresses, and the terms they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scanner import bulk
from scanner.engine.model import Coverage, Gap, GapReason, HostInspection, Level, Outcome, Target, Vantage
from scanner.engine.plan import PortSet, PortSpec, SitePlace, count_ports
from scanner.engine.serialize import dump_host
from scanner.prepared import AnyOf, Given, Prepared
from scanner.rounds.expand import Host
from scanner.rounds.models import HostResult, Job, JobKind, LookNumber
from targets.models import Target as TargetRow

HOSTS_PER_JOB = 64
"""Hosts that one job looks at: as many as one discovery process takes."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """One host, or domain, of a job. ``target_id`` is its registered target's primary key, None for a domain."""

    target: Target
    target_id: int | None
    is_key: bool

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart within an organisation: address and host name, which may be empty."""
        return self.target.address, self.target.hostname or ""

    @classmethod
    def of(cls, host: Host) -> Assigned:
        return cls(host.target, host.registered.id, host.registered.is_key)


@dataclass(frozen=True, slots=True)
class Terms:
    """What all hosts of a job share. ``blackouts`` are those that their targets had when it was made (for those that
    they have now, see :func:`windows_of`); domains have no ports. ``places`` are those of a second look."""

    level: Level
    vantage: Vantage
    ports: PortSpec
    zone: str
    blackouts: tuple[str, ...]
    domains: bool
    places: tuple[SitePlace, ...] = ()

    @classmethod
    def of(cls, host: Host) -> Terms:
        registered = host.registered
        return cls(
            host.level,
            host.vantage,
            host.ports,
            registered.zone,
            registered.blackouts,
            host.target.is_domain,
            host.places,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "vantage": self.vantage,
            "ports": [self.ports.which, self.ports.tcp, list(self.ports.udp)],
            "blackouts": list(self.blackouts),
            "domains": self.domains,
            "places": [[place.port, place.kind, place.path] for place in self.places],
        }


def read_terms(job: Job) -> Terms:
    """Return the terms that the job was made with."""
    terms = job.terms
    which, tcp, udp = terms["ports"]
    ports = PortSpec(PortSet(which), tcp, tuple(udp))
    blackouts = tuple(terms["blackouts"])
    places = tuple(SitePlace(*place) for place in terms.get("places", ()))  # jobs of older versions have none
    return Terms(Level(terms["level"]), Vantage(terms["vantage"]), ports, job.zone, blackouts, terms["domains"], places)


def read_hosts(job: Job) -> list[Assigned]:
    """Return every host of the job."""
    domains = job.terms["domains"]
    return [
        Assigned(Target(label, address, hostname or None, is_domain=domains), target_id, is_key)
        for target_id, label, address, hostname, is_key in job.hosts
    ]


def windows_of(job: Job) -> tuple[str, ...]:
    """Return the blackout windows that the job's targets have now, in the time zone of their organisation."""
    registered = {target_id for target_id, *_ in job.hosts if target_id is not None}
    rows = (row for part in _ANY.parts(registered) for row in _BLACKOUTS(**part))
    return tuple(sorted({window for windows in rows for window in windows}))


_ANY = AnyOf(HOSTS_PER_JOB)
_BLACKOUTS = Prepared(
    lambda: (
        TargetRow.objects.filter(pk__in=_ANY.places)
        .exclude(blackouts=[])
        .order_by()
        .values_list("blackouts", flat=True)
    )
)


def hosts_left(job: Job) -> list[Assigned]:
    """Return the hosts of the job that have no result yet."""
    hosts, done = read_hosts(job), set[tuple[str, str]]()
    for part in _ANY.parts({host.target.address for host in hosts}):
        done.update(_DONE(round=job.round_id, organisation=job.organisation_id, look=job.look, **part))
    return [host for host in hosts if host.key not in done]


_DONE = Prepared(
    lambda: (
        HostResult.objects.filter(
            round=Given("round"), organisation=Given("organisation"), look=Given("look"), address__in=_ANY.places
        )
        .order_by()
        .values_list("address", "hostname")
    )
)


def look_jobs(
    round_id: int, organisation_id: int, look: LookNumber, hosts: Iterable[Host], priority: int, now: datetime
) -> Iterator[Job]:
    """Yield jobs, not stored, for the hosts that have no gap: at most ``HOSTS_PER_JOB`` of the same terms in each."""
    alike: dict[Terms, list[Host]] = defaultdict(list)
    for host in hosts:
        if host.gap is None:
            alike[Terms.of(host)].append(host)
    for terms, group in alike.items():
        for start in range(0, len(group), HOSTS_PER_JOB):
            yield Job(
                round_id=round_id,
                organisation_id=organisation_id,
                kind=JobKind.LOOK,
                look=look,
                zone=terms.zone,
                terms=terms.as_json(),
                hosts=_as_json(Assigned.of(host) for host in group[start : start + HOSTS_PER_JOB]),
                priority=priority,
                created=now,
            )


def one_host_jobs(job: Job, hosts: Sequence[Assigned], now: datetime) -> list[Job]:
    """Return a job, not stored, for each of the hosts alone, with the past of the job that they were in."""
    return [
        Job(
            round_id=job.round_id,
            organisation_id=job.organisation_id,
            kind=JobKind.LOOK,
            look=job.look,
            zone=job.zone,
            terms=job.terms,
            hosts=_as_json([host]),
            priority=job.priority,
            failures=job.failures,
            losses=job.losses,
            created=now,
        )
        for host in hosts
    ]


def _as_json(hosts: Iterable[Assigned]) -> list[list[Any]]:
    return [
        [host.target_id, host.target.label, host.target.address, host.target.hostname or "", host.is_key]
        for host in hosts
    ]


def not_inspected(target: Target, gap: Gap, level: Level, vantage: Vantage, now: datetime) -> HostInspection:
    """Return what is kept of a host that was not inspected: the reason."""
    refused = gap.reason in (GapReason.REFUSED_BY_SCOPE, GapReason.BLACKOUT)
    outcome = Outcome.REFUSED if refused else Outcome.ERROR
    return HostInspection(target, outcome, now, now, vantage, level, coverage=Coverage(gaps=(gap,)))


def result_values(host: Assigned, inspection: HostInspection, facts: bytes | None = None) -> dict[str, Any]:
    """Return the columns of a host's result beside those that identify it. ``facts`` are its dump, if there is one."""
    coverage = inspection.coverage
    return {
        "target_id": host.target_id,
        "label": host.target.label,
        "key_target": host.is_key,
        "outcome": inspection.outcome,
        "silent": any(gap.reason is GapReason.HOST_SILENT and gap.port is None for gap in coverage.gaps),
        "started": inspection.started,
        "finished": inspection.finished,
        "ports_asked": sum(count_ports(scan.ports) for scan in coverage.scans),
        "ports_open": len(inspection.open_ports),
        "connections": coverage.connections,
        "requests": coverage.requests,
        "facts": dump_host(inspection) if facts is None else facts,
    }


def store_gaps(round_id: int, organisation_id: int, look: int, gaps: Iterable[tuple[Assigned, HostInspection]]) -> None:
    """Store many hosts that were not inspected; a result that is already there stays."""
    rows = [
        HostResult.made(
            round_id=round_id,
            organisation_id=organisation_id,
            address=host.key[0],
            hostname=host.key[1],
            look=look,
            **result_values(host, inspection),
        )
        for host, inspection in gaps
    ]
    bulk.insert_missing(rows)
