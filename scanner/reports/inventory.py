"""The hosts that answered and what listens there."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography import x509

from scanner.engine.facts.tls import Answer, TlsFacts
from scanner.engine.hostile import line
from scanner.engine.model import HostInspection, Service
from scanner.remediation.score import OrganisationScore
from scanner.reports.model import Certificate, Finding, InventoryHost, InventoryService
from scanner.rounds.models import HostResult

Where = tuple[str, int, str]
"""Host, port and transport."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A first look of the round: its row, what listened there, and its inspection without the facts."""

    row: HostResult
    services: tuple[InventoryService, ...]
    inspection: HostInspection


def seen(row: HostResult) -> Seen:
    """Read a stored look and keep of it what a report shows, so that memory holds the facts of one host only."""
    inspection = row.inspection()
    row.facts = b""
    services = tuple(_service(service) for service in inspection.ports)
    return Seen(row, services, replace(inspection, services=(), second_looks=()))


def inventory_of(
    looks: Iterable[Seen], findings: Iterable[Finding], score: OrganisationScore
) -> tuple[InventoryHost, ...]:
    """Return every host that was looked at, with its services, in the order of the results."""
    listed = sorted(findings, key=lambda finding: finding.severity.rank)
    worst = {finding.place.host: finding.severity for finding in listed}
    counts = Counter((each.place.host, each.place.port, str(each.place.transport)) for each in listed)
    scores = {host.host: host.value for host in score.hosts}
    return tuple(
        InventoryHost(
            host=look.row.host,
            address=look.row.address,
            target=look.row.display,
            key_target=look.row.key_target,
            outcome=look.inspection.outcome,
            worst=worst.get(look.row.host),
            score=scores.get(look.row.host),
            services=tuple(_counted(service, look.row.host, counts) for service in look.services),
            domain=look.inspection.target.is_domain,
        )
        for look in looks
        if look.inspection.coverage.scans or look.services or look.inspection.target.is_domain
    )


def certificate_of(facts: TlsFacts | None) -> Certificate | None:
    """Return the leaf certificate as far as it can be read; None when there is none or it is malformed."""
    leaf = next((chain[0] for chain in facts.chains if chain), None) if facts else None
    if leaf is None:
        return None
    try:
        parsed = x509.load_der_x509_certificate(base64.b64decode(leaf))
        subject, issuer = parsed.subject.rfc4514_string(), parsed.issuer.rfc4514_string()
        return Certificate(line(subject), line(issuer), parsed.not_valid_after_utc)
    except (ValueError, TypeError, binascii.Error, x509.InvalidVersion):
        return None


def _counted(service: InventoryService, host: str, counts: Counter[Where]) -> InventoryService:
    return replace(service, findings=counts[host, service.port, service.transport])


def _service(service: Service) -> InventoryService:
    facts = service.tls_facts
    return InventoryService(
        port=service.endpoint.port,
        transport=service.endpoint.transport,
        protocol=service.protocol,
        tls=service.tls,
        product=service.product,
        version=service.version,
        tls_versions=tuple(version for version, answer in facts.versions if answer is Answer.YES) if facts else (),
        certificate=certificate_of(facts),
        findings=0,
    )
