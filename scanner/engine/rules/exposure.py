"""A service that should not be reachable is: with credentials (``EXPOSED``) or without any (``UNAUTH``)."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Finding, Service, Severity
from scanner.engine.rules.base import Context, Rule

_TURNED_AWAY = {"protected-mode": Severity.LOW, "host-acl": Severity.INFO}
"""Refusals by the caller's address: the service is reachable, but doesn't serve whoever reaches it from here."""

_WEIGHED_BY = {
    ("KUBELET", "port", "read-only"): Severity.HIGH,
    ("CONSUL", "script-checks", "enabled"): Severity.CRITICAL,
    ("PROMETHEUS", "admin-api", "enabled"): Severity.HIGH,
}
"""What an open service lets strangers do beyond its usual, or keeps from them: (service, attribute, value)."""

_CHECKS = frozenset(check for check in catalogue() if check.startswith("SVC-"))


def _exposure(service: Service, context: Context) -> Iterator[Finding]:
    facts = service.facts
    if facts is None:
        return
    unauth, exposed = f"SVC-{facts.service}-UNAUTH", f"SVC-{facts.service}-EXPOSED"
    if facts.access is Access.OPEN and unauth in _CHECKS:
        check = unauth
    elif exposed in _CHECKS:
        check = exposed
    else:
        return
    yield context.finding(
        check,
        service,
        severity=_severity(facts),
        exchanges=facts.exchanges,
        protocol=service.protocol,
        product=" ".join(filter(None, (facts.product, facts.version))),
        access=facts.attribute("refusal") or facts.access,
    )


def _severity(facts: ServiceFacts) -> Severity | None:
    """Return what to weigh instead of the catalogue's severity, if anything."""
    if facts.access is not Access.OPEN:
        return _TURNED_AWAY.get(facts.attribute("refusal"))
    marks = ((facts.service, name, value) for name, value in facts.attributes)
    return next((_WEIGHED_BY[mark] for mark in marks if mark in _WEIGHED_BY), None)


RULES = (Rule(_CHECKS, _exposure),)
