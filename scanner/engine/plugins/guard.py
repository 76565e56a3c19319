"""Keeps what a plugin does wrong with the plugin: an inspection goes on, and what was not told becomes a gap.

Plugins run with all the rights of Roundsman; this is no sandbox. It holds them to their own name space, cleans what
they pass on, and turns whatever they raise into something that closes no finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from scanner.engine.errors import PluginFailed, ProbeError, RefusedByScope
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line, printable
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.rules.base import Context, Rule

LOOK_SECONDS = 60.0
"""Seconds that a plugin's probe may spend on one port."""

ANYTHING = (Exception, SystemExit)
"""What foreign code may raise without ending us: all but an interrupt and a cancellation."""


def described(error: BaseException) -> str:
    """Return what was raised as one printable line."""
    return line(f"{type(error).__name__}: {error}".rstrip(": "))


def guarded(name: str, prefix: str, probe: ServiceProbe) -> ServiceProbe:
    """Return the plugin's probe so that it raises ``ProbeError`` and ``RefusedByScope`` only, and its facts are clean.

    ``prefix`` is what its service codes begin with.
    """

    def recognises(reply: bytes) -> bool:
        try:
            return bool(probe.recognises(reply))
        except ANYTHING as error:
            raise PluginFailed(name, described(error)) from error

    async def look(contact: Contact) -> ServiceFacts:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return _clean(await probe.look(contact), prefix)
        except (ProbeError, RefusedByScope):
            raise
        except ANYTHING as error:
            raise PluginFailed(name, described(error)) from error

    return replace(probe, recognises=recognises, look=look)


def judged(rule: Rule, service: Service, context: Context) -> tuple[list[Finding], str]:
    """Return what a plugin's rule found, and what was wrong with it: nothing, unless the string says so.

    What it yielded before it failed was seen, and counts.
    """
    found: list[Finding] = []
    try:
        for finding in rule.judge(service, context):
            _hold(finding, rule, service)
            found.append(replace(finding, exchanges=_printable(finding.exchanges)))
            if len(found) > len(rule.checks):
                raise ValueError("it reports a check twice on one service")
    except ANYTHING as error:
        return found, described(error)
    return found, ""


def _clean(facts: object, prefix: str) -> ServiceFacts:
    """Return the facts with nothing in them that could drive a terminal, and no code but the plugin's own."""
    if not isinstance(facts, ServiceFacts):
        raise TypeError(f"look() returned {type(facts).__name__}, not ServiceFacts")
    if not facts.service.startswith(prefix):
        raise ValueError(f"the service code {facts.service} does not begin with {prefix}")
    return ServiceFacts(
        service=facts.service,
        access=Access(facts.access),
        product=line(facts.product),
        version=line(facts.version),
        attributes=tuple((line(name), line(value)) for name, value in facts.attributes),
        exchanges=_printable(facts.exchanges),
    )


def _printable(exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
    return tuple(Exchange(printable(each.sent), printable(each.received), line(each.at)) for each in exchanges)


def _hold(finding: Finding, rule: Rule, service: Service) -> None:
    """Raise unless the finding is one that this rule may report on this service."""
    if finding.check not in rule.checks:
        raise ValueError(f"{finding.check} is not among the checks that its rule declares")
    if finding.endpoint != service.endpoint:
        raise ValueError("it reports on another endpoint than it was shown")
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in finding.params):
        raise TypeError("a finding's params are text")
    if not isinstance(finding.severity, Severity) or not isinstance(finding.confidence, Confidence):
        raise TypeError("a finding's severity or confidence is of another type")
