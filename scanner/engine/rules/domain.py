"""Judges what the DNS says of a domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from scanner.engine.facts.domain import DomainFacts
from scanner.engine.model import Finding, Service
from scanner.engine.rules import domain_mail, domain_zone
from scanner.engine.rules.base import Context, Rule
from scanner.engine.rules.domain_read import Judge, Reader

_JUDGES: Mapping[Judge, tuple[str, ...]] = {**domain_mail.JUDGES, **domain_zone.JUDGES}


def _rule(judge: Judge, checks: Iterable[str]) -> Rule:
    def findings(service: Service, context: Context) -> Iterator[Finding]:
        if service.domain is None:
            return
        for verdict in judge(Reader(service.domain)):
            found = context.finding(verdict.check, service, severity=verdict.severity, confidence=verdict.confidence)
            yield replace(found, params=tuple(sorted(verdict.params.items())))

    return Rule(frozenset(checks), findings)


def untested_domain_checks(facts: DomainFacts) -> frozenset[str]:
    """Return the checks that found nothing and lacked an answer: they can't tell that there is nothing."""
    untested: set[str] = set()
    for judge, checks in _JUDGES.items():
        reader = Reader(facts)
        found = {verdict.check for verdict in judge(reader)}
        if reader.incomplete:
            untested.update(set(checks) - found)
    return frozenset(untested)


RULES = tuple(_rule(judge, checks) for judge, checks in _JUDGES.items())
