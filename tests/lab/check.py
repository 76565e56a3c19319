"""Runs lab cases through the whole engine and compares what was found with the known truth."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import uvloop
from cryptography.hazmat.primitives.serialization import Encoding

from scanner.engine.inspect import inspect
from scanner.engine.intel.distrust import Distrust
from scanner.engine.judge import judge
from scanner.engine.known_keys import KnownKeys, OrganisationKeys, sightings
from scanner.engine.model import Endpoint, Finding, HostInspection, Level, Severity, Target, Transport
from scanner.engine.plan import Domain, Plan, Profile, ResolverAddress, parse_ports
from scanner.engine.policy.load import policy
from scanner.engine.probes.dial import Gate
from scanner.engine.rules.base import Basis
from scanner.engine.rules.x509_view import view
from tests.lab.case import LabCase, Partner, case_folder

T = TypeVar("T")

ORGANISATION = "lab"
"""Whose hosts the cases are."""

Place = tuple[int | str, str]
"""(port, check); a UDP port is written ``"161/udp"``, a domain ``"dns"``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one case showed. ``missed`` and ``false_alarms`` are empty when it is right."""

    case: LabCase
    inspection: HostInspection
    findings: tuple[Finding, ...]
    found: frozenset[Place]
    missed: frozenset[Place]
    false_alarms: frozenset[Place]
    misnamed: frozenset[tuple[int, str]]

    @property
    def right(self) -> bool:
        outcome_as_expected = self.inspection.outcome == self.case.outcome
        return outcome_as_expected and not (self.missed or self.false_alarms or self.misnamed)

    def explain(self) -> str:
        """Return what is wrong, for a test's failure message."""
        return (
            f"{self.case.name}: outcome {self.inspection.outcome} (expected {self.case.outcome}); "
            f"missed {sorted(map(str, self.missed))}; false alarms {sorted(map(str, self.false_alarms))}; "
            f"services not recognised {sorted(self.misnamed)}; gaps {self.inspection.coverage.gaps}; "
            f"found {[(f.endpoint.port, f.check, str(f.severity), str(f.confidence)) for f in self.findings]}"
        )


def run_case(case: LabCase) -> Verdict:
    """Start the case's server, inspect its address as a user would, and compare."""
    folder = case_folder(case.name)
    try:
        with case.start(case.address, folder), _beside(case.partner, folder), _public(case):
            return compare(case, *_run(_inspect(case)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def inspected(case: LabCase, *, profile: Profile) -> Verdict:
    """Return what a case shows whose server runs already, looked at as deep as ``profile`` says."""
    with _public(case):
        host, *_ = _run(_inspect(replace(case, profile=profile)))
        return compare(case, host)


def _run(inspection: Coroutine[None, None, T]) -> T:
    """Run it by uvloop, as the processes that probe do; not in one thread of several, where that can't start nmap.

    uvloop can't always close its loop while a TLS connection is on its way out; what was seen is seen.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(inspection)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        return runner.run(inspection)
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            runner.close()


@contextlib.contextmanager
def _public(case: LabCase) -> Iterator[None]:
    """Let the case's roots be the machine's, and given up by browsers: no public authority signs for the lab."""
    if not case.public_roots:
        yield
        return
    known = {root.subject.public_bytes(): (root,) for root in case.public_roots}
    views = [view(root.public_bytes(Encoding.DER)) for root in case.public_roots]
    given_up = {seen.fingerprint: Distrust("the lab's root", case.given_up) for seen in views if seen and case.given_up}
    with (
        patch("scanner.engine.rules.certificate_path.trusted_roots", return_value=known),
        patch("scanner.engine.rules.certificates.distrusted_roots", return_value=given_up),
    ):
        yield


@contextlib.contextmanager
def _beside(partner: Partner | None, folder: Path) -> Iterator[None]:
    """Run the partner's server, if there is one, in a folder of its own."""
    if partner is None:
        yield
        return
    own = folder / "partner"
    own.mkdir()
    with partner.start(partner.address, own):
        yield


async def _inspect(case: LabCase) -> list[HostInspection]:
    """Inspect the case's domain, or its address and its partner's after it in the list."""
    plan = _host_plan(case) if case.domain is None else _domain_plan(case, case.domain)
    targets = [*plan.targets, *(domain.target for domain in plan.domains)]
    gate = _only({target.address for target in targets})
    async with contextlib.aclosing(inspect(plan, gate)) as inspections:
        seen = {inspection.target: inspection async for inspection in inspections}
    return [seen[target] for target in targets]


def _host_plan(case: LabCase) -> Plan:
    targets = [Target(case.name, case.address, case.hostname)]
    if case.partner is not None:
        targets.append(Target("partner", case.partner.address, case.partner.hostname))
    return Plan(
        targets=tuple(targets),
        ports=parse_ports(case.ports),
        level=Level(str(case.level)),
        profile=case.profile,
        host_deadline=60,
        policy=policy(case.policy),
    )


def _domain_plan(case: LabCase, name: str) -> Plan:
    domain = Domain(name, case.domain_names, case.name)
    return Plan(domains=(domain,), resolver=ResolverAddress(case.address))


def _only(addresses: set[str]) -> Gate:
    def gate(endpoint: Endpoint) -> str | None:
        return None if endpoint.address in addresses else "not an address of this case"

    return gate


def compare(case: LabCase, inspection: HostInspection, *beside: HostInspection) -> Verdict:
    """Hold an inspection against the case's truth.

    A finding is a false alarm when the case names it as a silence, or when it is neither expected nor tolerated.
    Hints (severity info) that the case doesn't mention are no alarms.
    """
    judged = replace(inspection, finished=case.at) if case.at else inspection
    organisation = case.partner.organisation if case.partner else ORGANISATION
    known = KnownKeys(
        {*sightings(judged, ORGANISATION), *(seen for host in beside for seen in sightings(host, organisation))}
    )
    basis = Basis(case.anchors, case.intel, policy(case.policy), OrganisationKeys(known, ORGANISATION))
    findings = judge(judged, basis)
    found = {_place(finding): finding for finding in findings}
    alarms = {
        place
        for place, finding in found.items()
        if place not in case.expected
        and (
            finding.check in case.silent
            or (finding.check not in case.tolerated and finding.severity is not Severity.INFO)
        )
    }
    services = {(service.endpoint.port, _name(service.protocol, service.facts)) for service in inspection.services}
    return Verdict(
        case=case,
        inspection=inspection,
        findings=findings,
        found=frozenset(found),
        missed=frozenset(case.expected - found.keys()),
        false_alarms=frozenset(alarms),
        misnamed=frozenset(case.services - services),
    )


def _name(protocol: str, facts: object) -> str:
    return str(getattr(facts, "service", protocol)).lower() if protocol == "http" and facts else protocol


def _place(finding: Finding) -> Place:
    endpoint = finding.endpoint
    match endpoint.transport:
        case Transport.UDP:
            return f"{endpoint.port}/udp", finding.check
        case Transport.DNS:
            return "dns", finding.check
        case Transport.TCP:
            return endpoint.port, finding.check


@dataclass(frozen=True, slots=True)
class Tally:
    """A verdict as check ids only, for counting over many cases and across processes.

    ``silent`` are the checks this case is a negative case of: those it forbids, none of which it expects.
    """

    case: str
    expected: tuple[str, ...]
    silent: tuple[str, ...]
    hits: tuple[str, ...]
    missed: tuple[str, ...]
    alarms: tuple[str, ...]
    wrong: str


def tally(case: LabCase) -> Tally:
    """Run one case and count it; ``wrong`` explains what was not as it should be, or is empty."""
    verdict = run_case(case)
    return Tally(
        case=case.name,
        expected=tuple(check for _, check in case.expected),
        silent=tuple(case.silent - {check for _, check in case.expected}),
        hits=tuple(check for _, check in case.expected & verdict.found),
        missed=tuple(check for _, check in verdict.missed),
        alarms=tuple(check for _, check in verdict.false_alarms),
        wrong="" if verdict.right else verdict.explain(),
    )
