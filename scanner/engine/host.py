"""One host: every open port at once, then the second look at what seemed wrong."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections import Counter
from collections.abc import Coroutine, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from scanner.engine.errors import RefusedByScope
from scanner.engine.judge import doubtful, unjudged_by_plugins, with_unjudged
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Outcome,
    Service,
    Target,
    Transport,
)
from scanner.engine.plan import Plan, PortSet, as_ranges
from scanner.engine.plugins.load import active
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.discovery import Discovered
from scanner.engine.probes.filtered import knock
from scanner.engine.probes.identify import manner
from scanner.engine.probes.notes import PortNotes
from scanner.engine.probes.port import look_again, look_at_port
from scanner.engine.probes.services.devices.registry import own_question
from scanner.engine.probes.udp import look_at_udp, look_at_udp_again
from scanner.engine.probes.version_scan import VersionScanner
from scanner.engine.rules.base import Basis

_log = logging.getLogger(__name__)

EVERYTHING_OPEN = 200
"""Open ports from which a host is taken for a device that answers on all of them (a decoy, a load balancer)."""

ALIKE = 50
"""Ports that may give one and the same answer; with more, the host is a decoy and what it says exposes nothing."""

_PRINTING = frozenset({515, 631})
"""LPD and IPP: a host that offers them beside port 9100 is a printer."""

_EXPECTED_GAPS = {
    GapReason.NEEDS_LEVEL,
    GapReason.WOULD_BLOCK_US,
    GapReason.FRAGILE_PORT,
    GapReason.CLIENT_CERTIFICATE,
    GapReason.UNNAMED_INSIDE_TLS,
}
"""Gaps by the authorisation's or our own decision, or by the host's good design: told, but not making it partial."""


_TIME_TO_CONCLUDE = 0.5
"""Seconds before the run's end at which a host stops, so that what it has seen is still reported."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all hosts of a run share."""

    plan: Plan
    dialer: Dialer
    versions: VersionScanner
    ends_at: float | None = None
    """When the run must be over, by the event loop's clock."""

    def seconds_left(self) -> float:
        """Return how long one host may still take: its own deadline, or what is left of the run's."""
        if self.ends_at is None:
            return self.plan.host_deadline
        left = self.ends_at - asyncio.get_running_loop().time() - _TIME_TO_CONCLUDE
        return max(0.0, min(self.plan.host_deadline, left))


@dataclass(slots=True)
class _Collected:
    """What has been seen so far; whatever is here when the deadline strikes still counts."""

    services: list[Service] = field(default_factory=list)
    again: list[Service] = field(default_factory=list)
    notes: list[PortNotes] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    still_filtered: str = ""


async def inspect_host(target: Target, found: Discovered, tools: Tools) -> HostInspection:
    """Look at one discovered host within the plan's host deadline; never raises but on cancellation."""
    started = dt.datetime.now(dt.UTC)
    seen = _Collected(gaps=[*([found.gap] if found.gap else []), *found.excluded])
    try:
        async with asyncio.timeout(tools.seconds_left()):
            await _look(target, found, tools, seen)
    except TimeoutError:
        seen.gaps.append(Gap(GapReason.TIMED_OUT))
    except RefusedByScope as refusal:
        seen.gaps.append(Gap(GapReason.REFUSED_BY_SCOPE, detail=str(refusal)))
    if _is_silent(found):
        _note_what_udp_showed(seen)
    return _conclude(target, found, tools, seen, started)


def _is_silent(found: Discovered) -> bool:
    """Tell whether no TCP port answered: the host may be down, or a firewall before it may let UDP alone through."""
    return found.scan is None and found.gap is not None and found.gap.reason is GapReason.HOST_SILENT


def _note_what_udp_showed(seen: _Collected) -> None:
    """Where a service answered over UDP, TCP alone was not inspected; else nothing was."""
    if seen.services:
        tcp = Gap(GapReason.TCP_SILENT, Facet.PORT)
        seen.gaps = [tcp if gap.reason is GapReason.HOST_SILENT else gap for gap in seen.gaps]
    else:
        seen.notes.clear()


def not_inspected(target: Target, gap: Gap, tools: Tools) -> HostInspection:
    """Return the inspection of a host that was not looked at, with the reason."""
    now = dt.datetime.now(dt.UTC)
    return _conclude(target, Discovered(target.address, None, gap), tools, _Collected(gaps=[gap]), now)


async def _look(target: Target, found: Discovered, tools: Tools, seen: _Collected) -> None:
    scan = found.scan
    looks: list[Coroutine[Any, Any, Service | None]] = []
    opened = scan.open if scan else ()
    if len(opened) > EVERYTHING_OPEN:
        seen.gaps.append(Gap(GapReason.ALL_PORTS_ANSWER, Facet.SERVICE, detail=str(len(opened))))
        opened = ()
    for port in opened:
        notes = _notes(target, Endpoint(target.address, port), tools, seen)
        how = manner(port, beside_a_printer=bool(_PRINTING.intersection(opened)))
        looks.append(_unharmed(look_at_port(notes.contact, how, tools.plan.profile, tools.versions, notes), notes))
    listed = tools.plan.ports.which is PortSet.LIST
    for port in tools.plan.ports.udp if scan or _is_silent(found) else ():
        notes = _notes(target, Endpoint(target.address, port, Transport.UDP), tools, seen)
        if not tools.dialer.permits(notes.contact.endpoint):
            continue
        looks.append(_unharmed(look_at_udp(notes.contact, listed=listed, notes=notes), notes))
    try:
        await _gather(looks, seen.services)
    finally:  # also when the deadline strikes: what was seen by then is judged
        seen.services += [other for notes in seen.notes for other in notes.beside]
        seen.services.sort(key=lambda service: service.endpoint)
        _set_decoys_aside(seen)
    await _look_again(target, tools, seen)
    if scan is not None:
        seen.still_filtered, reached = await knock(
            found,
            lambda port: _contact(target, Endpoint(target.address, port), tools),
            https_matters=any(service.protocol == "http" and not service.tls for service in seen.services),
        )
        seen.gaps += [Gap(GapReason.CONNECTION_LIMITED, Facet.PORT, port) for port in reached]


def _set_decoys_aside(seen: _Collected) -> None:
    """Forget what services said that more than ``ALIKE`` ports say alike; it is then neither found nor inspected."""
    answers = Counter(_answer(service) for service in seen.services)
    decoys = {service.endpoint for service in seen.services if answers[_answer(service)] > ALIKE}
    if not decoys:
        return
    seen.gaps.append(Gap(GapReason.ALL_PORTS_ANSWER, Facet.SERVICE, detail=str(len(decoys))))
    seen.services = [replace(each, facts=None) if each.endpoint in decoys else each for each in seen.services]
    for notes in seen.notes:
        if notes.contact.endpoint in decoys:
            notes.looks = {look for look in notes.looks if look.facet is not Facet.SERVICE}


def _answer(service: Service) -> Hashable:
    """Return what a port says of itself. Web servers are told apart by their port: hosts with many sites are common."""
    own = service.endpoint.port if service.http else 0
    facts = service.facts
    said = (facts.service, facts.access, facts.version, facts.attributes) if facts else None
    return service.endpoint.transport, service.protocol, service.tls, service.banner, own, said


async def _look_again(target: Target, tools: Tools, seen: _Collected) -> None:
    first = HostInspection(
        target,
        Outcome.INSPECTED,
        started=(now := dt.datetime.now(dt.UTC)),
        finished=now,
        vantage=tools.plan.vantage,
        level=tools.plan.level,
        services=tuple(seen.services),
    )
    again = doubtful(first, tools.plan.policy)
    looks = []
    for service in [each for each in seen.services if each.endpoint in again and not _was_asked_as_device(each, tools)]:
        notes = PortNotes(_contact(target, service.endpoint, tools))
        looks.append(_unharmed(_again(service, tools, notes), notes))
    await _gather(looks, seen.again)


async def _unharmed(look: Coroutine[Any, Any, Service | None], notes: PortNotes) -> Service | None:
    """Let an answer that breaks a probe of ours cost this port its inspection, and nobody else's; it is an error of
    ours all the same, so it goes to the log."""
    try:
        return await look
    except RefusedByScope:
        raise
    except Exception as error:
        if isinstance(error, ExceptionGroup) and error.subgroup(RefusedByScope):
            raise
        _log.exception("The inspection of %s broke off", notes.contact.endpoint)
        notes.looks.clear()
        notes.missed(Facet.PORT, GapReason.TOOL_FAILED, type(error).__name__)
        return None


def _was_asked_as_device(service: Service, tools: Tools) -> bool:
    """Tell whether the service gave the one answer that a device is asked for; what it showed stays probable."""
    question = own_question(service.endpoint, tools.plan.level)
    return question is not None and question.protocol == service.protocol


async def _again(service: Service, tools: Tools, notes: PortNotes) -> Service | None:
    """Look again; a second look that broke off neither confirms nor contradicts, so it is left out. What we or the
    owner decided not to ask is missing from both looks alike."""
    if service.endpoint.transport is Transport.UDP:
        again = await look_at_udp_again(service, notes.contact, notes)
    else:
        again = await look_again(service, notes.contact, tools.plan.profile, notes)
    broke_off = any(gap.reason not in _EXPECTED_GAPS and not gap.check for gap in notes.gaps)
    return None if broke_off else again


async def _gather(looks: list[Coroutine[Any, Any, Service | None]], into: list[Service]) -> None:
    async def keep(look: Coroutine[Any, Any, Service | None]) -> None:
        service = await look
        if service is not None:
            into.append(service)

    try:
        async with asyncio.TaskGroup() as group:
            for look in looks:
                group.create_task(keep(look))
    except ExceptionGroup as errors:
        refusals, others = errors.split(RefusedByScope)
        if others is not None or refusals is None:
            raise
        raise RefusedByScope(str(refusals.exceptions[0])) from None
    into.sort(key=lambda service: service.endpoint)


def _contact(target: Target, endpoint: Endpoint, tools: Tools) -> Contact:
    places = tuple((place.kind, place.path) for place in tools.plan.places if place.port == endpoint.port)
    return Contact(tools.dialer, target, endpoint, tools.plan.level, places=places)


def _notes(target: Target, endpoint: Endpoint, tools: Tools, seen: _Collected) -> PortNotes:
    notes = PortNotes(_contact(target, endpoint, tools))
    seen.notes.append(notes)
    return notes


def _conclude(
    target: Target, found: Discovered, tools: Tools, seen: _Collected, started: dt.datetime
) -> HostInspection:
    gaps = (*seen.gaps, *(gap for notes in seen.notes for gap in notes.gaps))
    scan = found.scan and replace(found.scan, still_filtered=seen.still_filtered)
    coverage = Coverage(
        scans=(scan,) if scan else (),
        looks=tuple(sorted({look for notes in seen.notes for look in notes.looks})),
        gaps=gaps,
        connections=tools.dialer.connections.pop(target.address, 0),
        datagrams=tools.dialer.datagrams.pop(target.address, 0),
        silent_udp=as_ranges({notes.contact.endpoint.port for notes in seen.notes if notes.silent}),
        requests=tools.dialer.requests.pop(target.address, 0),
    )
    tools.dialer.forget(target.address)
    inspection = HostInspection(
        target=target,
        outcome=outcome_of(gaps, scanned=found.scan is not None or bool(seen.services)),
        started=started,
        finished=dt.datetime.now(dt.UTC),
        vantage=tools.plan.vantage,
        level=tools.plan.level,
        services=tuple(seen.services),
        second_looks=tuple(seen.again),
        coverage=coverage,
        plugins=active(),
    )
    return with_unjudged(inspection, unjudged_by_plugins(inspection, Basis(policy=tools.plan.policy)))


def outcome_of(gaps: Iterable[Gap], *, scanned: bool) -> Outcome:
    """Return how an inspection with these gaps ended. ``scanned``: the scan came to its end, or UDP was answered."""
    reasons = {gap.reason for gap in gaps if gap.reason not in _EXPECTED_GAPS and not _excluded_port(gap)}
    if GapReason.REFUSED_BY_SCOPE in reasons:
        return Outcome.REFUSED
    if not scanned:
        return Outcome.ERROR if GapReason.TOOL_FAILED in reasons else Outcome.UNREACHABLE
    return Outcome.PARTIAL if reasons else Outcome.INSPECTED


def _excluded_port(gap: Gap) -> bool:
    """A single port that must not be touched is as the owner wants it; it is told, but the host is inspected."""
    return gap.reason is GapReason.REFUSED_BY_SCOPE and gap.port is not None
