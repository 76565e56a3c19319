"""A service that should not be reachable is: with credentials (``EXPOSED``) or without any (``UNAUTH``)."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Confidence, Finding, Service, Severity, Transport
from scanner.engine.rules.base import Context, Rule
from scanner.engine.rules.x509_view import view

_TURNED_AWAY = {"protected-mode": Severity.LOW, "host-acl": Severity.INFO}
"""Refusals by the caller's address: the service is reachable, but doesn't serve whoever reaches it from here."""

_WEIGHED_BY = {
    ("KUBELET", "port", "read-only"): Severity.HIGH,
    ("CONSUL", "script-checks", "enabled"): Severity.CRITICAL,
    ("PROMETHEUS", "admin-api", "enabled"): Severity.HIGH,
}
"""What an open service lets strangers do beyond its usual, or keeps from them: (service, attribute, value)."""

_ANYDESK = "AnyDesk Client"
"""The name in the certificate that every AnyDesk makes for itself."""

_RAW_PRINTING = range(9100, 9108)
"""Where printers take what they shall print (IANA: pdl-datastream, and the ports beside it)."""

_PRINTER = re.compile(r"\b(?:JETDIRECT|print server|printer|LaserJet|laser ?printer|MFP)\b", re.IGNORECASE)
"""What sysDescr says of a printer or its network card, and of nothing else."""

_CHECKS = frozenset(check for check in catalogue() if check.startswith("SVC-"))


def _exposure(service: Service, context: Context) -> Iterator[Finding]:
    facts = service.facts
    if facts is None:
        yield from _anydesk(service, context)
        yield from _raw_printing(service, context)
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
        confidence=Confidence.PROBABLE if facts.attribute("anonymous") == "listed" else Confidence.CONFIRMED,
        exchanges=facts.exchanges,
        protocol=service.protocol,
        product=" ".join(filter(None, (facts.product, facts.version))),
        access=facts.attribute("refusal") or facts.access,
    )


def _anydesk(service: Service, context: Context) -> Iterator[Finding]:
    """AnyDesk says nothing to clients without a key of its own kind, but shows its certificate to everyone."""
    if service.protocol != "tls" or service.tls_facts is None:
        return
    leaves = (view(b64decode(chain[0])) for chain in service.tls_facts.chains if chain)
    leaf = next((leaf for leaf in leaves if leaf and leaf.common_name == _ANYDESK and leaf.is_self_issued), None)
    if leaf is not None:
        yield context.finding("SVC-ANYDESK-EXPOSED", service, subject=leaf.subject)


def _raw_printing(service: Service, context: Context) -> Iterator[Finding]:
    """A port that a printer prints from is sent nothing, so only what the host says of itself elsewhere tells it."""
    endpoint = service.endpoint
    if endpoint.port not in _RAW_PRINTING or endpoint.transport is not Transport.TCP or service.protocol != "unknown":
        return
    for facts in (other.facts for other in context.host.services if other.facts):
        if printer := _printer(facts):
            yield context.finding(
                "SVC-JETDIRECT-EXPOSED",
                service,
                confidence=Confidence.PROBABLE,
                exchanges=facts.exchanges,
                printer=printer,
            )
            return


def _printer(facts: ServiceFacts) -> str:
    """Return what a printer calls itself over IPP or SNMP, or nothing when these facts are not a printer's."""
    system = facts.attribute("system") if facts.service == "SNMP" else ""
    if facts.service == "IPP":
        return facts.product
    return system if _PRINTER.search(system) else ""


def _severity(facts: ServiceFacts) -> Severity | None:
    """Return what to weigh instead of the catalogue's severity, if anything."""
    if facts.access is not Access.OPEN:
        if facts.service == "MQTT" and facts.attribute("path"):  # by WebSocket: meant for browsers, from anywhere
            return Severity.LOW
        return _TURNED_AWAY.get(facts.attribute("refusal"))
    marks = ((facts.service, name, value) for name, value in facts.attributes)
    return next((_WEIGHED_BY[mark] for mark in marks if mark in _WEIGHED_BY), None)


RULES = (Rule(_CHECKS, _exposure),)
