"""Turns the facts of one inspection into findings, and holds them to the ladder of confidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scanner.engine.catalogue.load import Catalogue, catalogue
from scanner.engine.intel.known import Intel
from scanner.engine.inventory import UnitKeys
from scanner.engine.model import Confidence, Endpoint, Finding, HostInspection, Service, Severity
from scanner.engine.policy.load import TlsPolicy, default_policy
from scanner.engine.rules import (
    certificates,
    cleartext,
    databases,
    domain,
    exposure,
    mail,
    network,
    shared_keys,
    software,
    ssh,
    tls,
    web,
)
from scanner.engine.rules.base import Context, Rule, TrustAnchor

RULES: tuple[Rule, ...] = (
    *exposure.RULES,
    *databases.RULES,
    *cleartext.RULES,
    *ssh.RULES,
    *mail.RULES,
    *network.RULES,
    *tls.RULES,
    *certificates.RULES,
    *shared_keys.RULES,
    *web.RULES,
    *software.RULES,
    *domain.RULES,
)

NOTHING_IMPORTED = Intel()
ALONE = UnitKeys()
"""No other host's keys are known."""

Identity = tuple[str, int, str, str]


def judge(
    host: HostInspection,
    *,
    checks: Catalogue | None = None,
    anchors: tuple[TrustAnchor, ...] = (),
    intel: Intel = NOTHING_IMPORTED,
    policy: TlsPolicy | None = None,
    keys: UnitKeys = ALONE,
) -> tuple[Finding, ...]:
    """Return the findings of one host, worst first; one at most per (port, transport, check).

    ``policy`` is what its TLS is held to: Roundsman's own unless given. ``keys`` are those seen on all hosts.

    A finding claimed as confirmed keeps that only when the second look at its endpoint shows it again. Seen
    once and then not again it is possible; never looked at again, it is probable.
    """
    held_to = policy or default_policy()
    context = Context(checks or catalogue(), host, host.finished, anchors, intel, held_to, keys)
    first = _by_identity(host.services, context)
    second = _by_identity(host.second_looks, context)
    looked_again = {service.endpoint for service in host.second_looks}
    findings = [_settle(finding, identity in second, looked_again) for identity, finding in first.items()]
    return tuple(sorted(findings, key=_worst_first))


def doubtful(host: HostInspection, policy: TlsPolicy) -> frozenset[Endpoint]:
    """Return the endpoints that must be looked at again before what the first look showed is recorded."""
    context = Context(catalogue(), host, host.finished, policy=policy)
    return frozenset(f.endpoint for f in _by_identity(host.services, context).values() if _needs_second_look(f))


def _needs_second_look(finding: Finding) -> bool:
    """A finding is worth another connection when it weighs something and claims to be confirmed."""
    return finding.confidence is Confidence.CONFIRMED and finding.severity is not Severity.INFO


def _by_identity(services: Iterable[Service], context: Context) -> dict[Identity, Finding]:
    found: dict[Identity, Finding] = {}
    for service in services:
        for rule in RULES:
            for finding in rule.judge(service, context):
                if finding.check not in rule.checks:
                    raise AssertionError(f"{finding.check} is not among the checks its rule declares.")
                identity = (finding.endpoint.address, finding.endpoint.port, finding.endpoint.transport, finding.check)
                known = found.get(identity)
                if known is None or _worst_first(finding) < _worst_first(known):
                    found[identity] = finding
    return found


def _settle(finding: Finding, seen_again: bool, looked_again: set[Endpoint]) -> Finding:
    if not _needs_second_look(finding) or seen_again:
        return finding
    once = finding.endpoint in looked_again
    return replace(finding, confidence=Confidence.POSSIBLE if once else Confidence.PROBABLE)


def _worst_first(finding: Finding) -> tuple[int, int, str, int, str]:
    endpoint = finding.endpoint
    return (-finding.severity.rank, -finding.confidence.rank, endpoint.address, endpoint.port, finding.check)
