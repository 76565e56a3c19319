"""The form that every rule has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import compress, product
from typing import Literal, get_args

from scanner.engine.catalogue.load import Catalogue
from scanner.engine.facts.service import Exchange
from scanner.engine.intel.known import Intel
from scanner.engine.known_keys import OrganisationKeys
from scanner.engine.model import Confidence, Finding, HostInspection, Service, Severity, Target, Vantage
from scanner.engine.policy.load import TlsPolicy, default_policy

TrustAnchor = bytes
"""A root certificate, DER."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a host is judged by besides its own facts; without any of it, by what Roundsman ships.

    ``anchors`` are further trusted roots (an organisation's private ones). ``intel`` is what was imported of known
    vulnerabilities, ``policy`` what the organisation holds its TLS to. ``keys`` are the public keys seen on all hosts,
    as the host's organisation may see them.
    """

    anchors: tuple[TrustAnchor, ...] = ()
    intel: Intel = field(default_factory=Intel)
    policy: TlsPolicy = field(default_factory=default_policy)
    keys: OrganisationKeys = field(default_factory=OrganisationKeys)


@dataclass(frozen=True, slots=True)
class Context:
    """All that a rule may know besides the service itself.

    ``now`` is the time of the inspection, not of the judgement, so that replayed facts judge the same.
    ``host`` is the whole inspection, for rules that need to know what the other ports said.
    """

    catalogue: Catalogue
    host: HostInspection
    now: datetime
    basis: Basis = field(default_factory=Basis)

    @property
    def target(self) -> Target:
        return self.host.target

    @property
    def vantage(self) -> Vantage:
        return self.host.vantage

    def finding(
        self,
        check: str,
        service: Service,
        *,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.CONFIRMED,
        exchanges: tuple[Exchange, ...] = (),
        **params: str,
    ) -> Finding:
        """Return a finding of ``check`` on ``service``; severity is the catalogue's for this vantage unless given.

        ``params`` are data for the catalogue's texts. Claim ``CONFIRMED`` only for what was observed in protocol:
        :func:`scanner.engine.judge.judge` lowers it where the second look didn't see it again.
        """
        known = self.catalogue[check]
        return Finding(
            check=check,
            severity=severity or known.severity_at(self.vantage),
            confidence=confidence,
            endpoint=service.endpoint,
            params=tuple(sorted(params.items())),
            exchanges=exchanges,
            known_exploited=not self.basis.intel.exploited.keys().isdisjoint(known.proves),
        )


Facts = Literal["facts", "tls_facts", "http", "exposed", "ssh", "domain"]
"""What was seen of a service by one way of looking; ``exposed`` are paths of its sites that should not be there."""


def seen_of(service: Service) -> frozenset[Facts]:
    """Return which facts there are of a service."""
    return _SEEN[
        service.facts is not None,
        service.tls_facts is not None,
        bool(service.http),
        any(site.exposed for site in service.http),
        service.ssh is not None,
        service.domain is not None,
    ]


_SEEN: Mapping[tuple[bool, ...], frozenset[Facts]] = {
    there: frozenset(compress(get_args(Facts), there)) for there in product((False, True), repeat=len(get_args(Facts)))
}


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A judgement on one service. ``checks`` are all the ids it may emit; :func:`judge` holds it to them.

    A service without the facts that it ``needs`` is not shown to it: it would have nothing to say. A rule equals none
    but itself, so that a hundred of them are quickly told from others.
    """

    checks: frozenset[str]
    judge: Callable[[Service, Context], Iterable[Finding]]
    needs: Facts | None = None


def rule(*checks: str) -> Callable[[Callable[[Service, Context], Iterable[Finding]]], Rule]:
    """Make a rule of a function, naming the checks that it may emit."""

    def wrap(function: Callable[[Service, Context], Iterable[Finding]]) -> Rule:
        return Rule(frozenset(checks), function)

    return wrap


def needing(facts: Facts, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules as ones that have nothing to say of a service without these facts."""
    return tuple(replace(each, needs=facts) for each in rules)


def worse(severity: Severity, finding: Finding) -> Finding:
    """Return the finding with at least ``severity``."""
    return finding if finding.severity.at_least(severity) else replace(finding, severity=severity)
