"""Turns the facts of one inspection into findings, and holds them to the ladder of confidence."""

from __future__ import annotations

import logging
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from scanner.engine.catalogue.load import Catalogue
from scanner.engine.intel.distributions import distributions
from scanner.engine.intel.lifecycles import as_of
from scanner.engine.intel.products import products
from scanner.engine.intel.roots import trusted_roots
from scanner.engine.model import (
    Confidence,
    Endpoint,
    Finding,
    Gap,
    GapReason,
    HostInspection,
    Outcome,
    Service,
    Severity,
)
from scanner.engine.plugins.guard import judged
from scanner.engine.plugins.load import all_checks, plugin_rules
from scanner.engine.policy.load import TlsPolicy
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
from scanner.engine.rules.base import Basis, Context, Facts, Rule, needing, seen_of

RULES: tuple[Rule, ...] = (
    *exposure.RULES,
    *needing("facts", databases.RULES),
    *needing("facts", cleartext.RULES),
    *needing("ssh", ssh.RULES),
    *needing("facts", mail.RULES),
    *needing("facts", network.RULES),
    *needing("tls_facts", tls.RULES),
    *needing("tls_facts", certificates.RULES),
    *shared_keys.RULES,
    *web.RULES,
    *software.RULES,
    *needing("domain", domain.RULES),
)

_log = logging.getLogger(__name__)

Identity = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The findings of one host, worst first, and what could not be told because a rule failed on its facts."""

    findings: tuple[Finding, ...]
    unjudged: tuple[Gap, ...]


@dataclass(slots=True)
class _Judged:
    """What the rules said of some services: findings, one for each identity, and what rules failed to say."""

    found: dict[Identity, Finding] = field(default_factory=dict)
    unjudged: list[Gap] = field(default_factory=list)
    undecided: set[tuple[Endpoint, str]] = field(default_factory=set)

    def add(self, finding: Finding) -> None:
        """Keep the finding unless the same was found worse."""
        endpoint = finding.endpoint
        identity = (endpoint.address, endpoint.port, endpoint.transport, finding.check)
        known = self.found.get(identity)
        if known is None or _worst_first(finding) < _worst_first(known):
            self.found[identity] = finding


def judge(host: HostInspection, basis: Basis | None = None, *, checks: Catalogue | None = None) -> tuple[Finding, ...]:
    """Return the findings of one host, worst first; one at most per (port, transport, check)."""
    return judge_whole(host, basis, checks=checks).findings


def judge_whole(host: HostInspection, basis: Basis | None = None, *, checks: Catalogue | None = None) -> Judgement:
    """Judge one host. A rule that fails takes nothing with it but what it would have told of that service.

    A finding claimed as confirmed keeps that only when the second look at its endpoint shows it again. Seen
    once and then not again it is possible; never looked at again, it is probable.
    """
    return _whole(host, _context(host, basis, checks))


def judge_sharing(host: HostInspection, basis: Basis) -> Judgement:
    """Judge only what our own rules make of keys that other hosts show too: the rest is as if the host were alone."""
    return _whole(host, _context(host, basis), shared_keys.RULES)


def _whole(host: HostInspection, context: Context, rules: tuple[Rule, ...] | None = None) -> Judgement:
    first = _judge(host.services, context, rules)
    second = _judge(host.second_looks, context, rules, _awaited(first))
    looked_again = _looked_again(host)

    def settled(identity: Identity, finding: Finding) -> Finding:
        contradicted = finding.endpoint in looked_again and (finding.endpoint, finding.check) not in second.undecided
        return _settle(finding, identity in second.found, contradicted)

    findings = sorted((settled(*item) for item in first.found.items()), key=_worst_first)
    return Judgement(tuple(findings), tuple(first.unjudged))


def _looked_again(host: HostInspection) -> set[Endpoint]:
    """Return the endpoints of which every service was looked at again: a multiplexer has several behind one port."""
    if not host.second_looks:
        return set()
    first = Counter(service.endpoint for service in host.services)
    again = Counter(service.endpoint for service in host.second_looks)
    return {endpoint for endpoint, looks in again.items() if looks >= first[endpoint]}


def ruleset() -> tuple[object, ...]:
    """Return what stands for all rules that judge now: equal as long as the same facts are judged alike."""
    return RULES, plugin_rules()


def may_rest_on_other_hosts(check: str) -> bool:
    """Tell whether a check's rule may ask for the keys of other hosts: where keys are shared, or in a plugin."""
    return any(check in rule.checks for rule in (*shared_keys.RULES, *(rule for _, rule in plugin_rules())))


def unjudged_by_plugins(host: HostInspection, basis: Basis) -> tuple[Gap, ...]:
    """Return what plugins' rules failed to tell of one host, check by check."""
    if not plugin_rules():
        return ()
    return tuple(_judge(host.services, _context(host, basis), ()).unjudged)


def with_unjudged(host: HostInspection, failed: Iterable[Gap]) -> HostInspection:
    """Return the inspection with these among its gaps; a host that has such was inspected in part."""
    gaps = host.coverage.gaps
    known = {(gap.port, gap.transport, gap.facet, gap.check) for gap in gaps}
    new = tuple(gap for gap in failed if (gap.port, gap.transport, gap.facet, gap.check) not in known)
    if not new:
        return host
    outcome = Outcome.PARTIAL if host.outcome is Outcome.INSPECTED else host.outcome
    return replace(host, outcome=outcome, coverage=replace(host.coverage, gaps=(*gaps, *new)))


def warm_up() -> None:
    """Read what rules look things up in, for processes that are forked from this one."""
    as_of()
    products()
    distributions()
    trusted_roots()


def doubtful(host: HostInspection, policy: TlsPolicy) -> frozenset[Endpoint]:
    """Return the endpoints that must be looked at again before what the first look showed is recorded."""
    context = _context(host, Basis(policy=policy))
    return frozenset(f.endpoint for f in _judge(host.services, context).found.values() if _needs_second_look(f))


def _context(host: HostInspection, basis: Basis | None, checks: Catalogue | None = None) -> Context:
    return Context(checks or all_checks(), host, host.finished, basis or Basis())


def _needs_second_look(finding: Finding) -> bool:
    """A finding is worth another connection when it weighs something and claims to be confirmed."""
    return finding.confidence is Confidence.CONFIRMED and finding.severity is not Severity.INFO


def _awaited(first: _Judged) -> Mapping[Endpoint, set[str]]:
    """Return the checks that a second look must show again, by endpoint."""
    awaited: defaultdict[Endpoint, set[str]] = defaultdict(set)
    for finding in first.found.values():
        if _needs_second_look(finding):
            awaited[finding.endpoint].add(finding.check)
    return awaited


def _judge(
    services: Iterable[Service],
    context: Context,
    rules: tuple[Rule, ...] | None = None,
    awaited: Mapping[Endpoint, set[str]] | None = None,
) -> _Judged:
    """Judge by ``rules`` (None: all our own) and by those of the plugins.

    Where checks are ``awaited``, rules that can't tell one of them are passed over.
    """
    judgement = _Judged()
    for service in services:
        checks = None if awaited is None else frozenset(awaited.get(service.endpoint, ()))
        seen = seen_of(service)
        for rule in _fitting(RULES if rules is None else rules, seen, checks):
            _judge_by_our_own(rule, service, context, judgement)
        for plugin, rule in plugin_rules():
            if checks is None or not checks.isdisjoint(rule.checks):
                _judge_by_plugin(plugin, rule, service, context, judgement)
    return judgement


@lru_cache(maxsize=1024)
def _fitting(rules: tuple[Rule, ...], seen: frozenset[Facts], checks: frozenset[str] | None) -> tuple[Rule, ...]:
    """Return the rules that have something to say where this was ``seen``, of one of the ``checks`` (None: of any).

    Most services are of a few kinds, and there are a hundred rules.
    """
    return tuple(
        rule
        for rule in rules
        if (rule.needs is None or rule.needs in seen) and (checks is None or not checks.isdisjoint(rule.checks))
    )


def _judge_by_our_own(rule: Rule, service: Service, context: Context, judgement: _Judged) -> None:
    """Let facts that break a rule of ours cost what it would have told of this service, and no more; it is an error of
    ours all the same, so it goes to the log."""
    try:
        findings = list(rule.judge(service, context))
    except Exception as error:  # noqa: BLE001 - whatever facts did to it, the other rules still judge them
        endpoint = service.endpoint
        _log.exception("A rule failed on %s", endpoint)
        detail = shlex.join(["own-rule", f"error={type(error).__name__}"])
        for facet in sorted({context.catalogue[check].facet for check in rule.checks}):
            gap = Gap(GapReason.TOOL_FAILED, facet, endpoint.port or None, endpoint.transport, detail)
            judgement.unjudged.append(gap)
        judgement.undecided.update((endpoint, check) for check in rule.checks)
        return
    for finding in findings:
        if finding.check not in rule.checks:
            raise AssertionError(f"{finding.check} is not among the checks its rule declares.")
        judgement.add(finding)


def _judge_by_plugin(plugin: str, rule: Rule, service: Service, context: Context, judgement: _Judged) -> None:
    findings, error = judged(rule, service, context)
    for finding in findings:
        judgement.add(finding)
    if not error:
        return
    endpoint = service.endpoint
    for check in sorted(rule.checks - {finding.check for finding in findings}):
        detail = shlex.join(["plugin-rule", f"plugin={plugin}", f"check={check}", f"error={error}"])
        facet = all_checks()[check].facet
        gap = Gap(GapReason.TOOL_FAILED, facet, endpoint.port or None, endpoint.transport, detail, check)
        judgement.unjudged.append(gap)
        judgement.undecided.add((endpoint, check))


def _settle(finding: Finding, seen_again: bool, contradicted: bool) -> Finding:
    if not _needs_second_look(finding) or seen_again:
        return finding
    return replace(finding, confidence=Confidence.POSSIBLE if contradicted else Confidence.PROBABLE)


def _worst_first(finding: Finding) -> tuple[int, int, str, int, str]:
    endpoint = finding.endpoint
    return (-finding.severity.rank, -finding.confidence.rank, endpoint.address, endpoint.port, finding.check)
