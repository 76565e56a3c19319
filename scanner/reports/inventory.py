"""The hosts that answered and what listens there."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scanner.engine.facts.tls import Answer, TlsFacts
from scanner.engine.hostile import line
from scanner.engine.intel.lifecycles import Support, release_of
from scanner.engine.intel.products import product_named
from scanner.engine.model import Coverage, Facet, HostInspection, Service, Transport
from scanner.engine.plan import as_ranges
from scanner.engine.rules.installed import installed
from scanner.engine.rules.software import keepers
from scanner.engine.rules.x509_view import view
from scanner.remediation.score import OrganisationScore
from scanner.reports.model import Finding
from scanner.reports.places import Certificate, CertificateUse, InventoryHost, InventoryService, Place, ProductAge

if TYPE_CHECKING:
    from scanner.rounds.models import HostResult

Where = tuple[str, int, str]
"""Host, port and transport."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A first look of the round: its row, what listened there, and its inspection without the facts.

    ``ages`` are the versions of products it runs whose end of life is known, each with its one place; ``unlisted`` its
    open TCP ports, as ranges, that nobody could look at.
    """

    row: HostResult
    services: tuple[InventoryService, ...]
    inspection: HostInspection
    ages: tuple[ProductAge, ...] = ()
    unlisted: str = ""


def seen(row: HostResult, day: dt.date) -> Seen:
    """Read a stored look and keep of it what a report shows, so that memory holds the facts of one host only.

    ``day`` is the one on which the ages of products are told.
    """
    inspection = row.inspection()
    row.facts = b""
    services = tuple(_service(service, inspection.coverage) for service in inspection.ports)
    ages = tuple(_ages(inspection, row, day))
    return Seen(row, services, replace(inspection, services=(), second_looks=()), ages, _unlisted(inspection))


def _unlisted(inspection: HostInspection) -> str:
    listed = {(service.endpoint.port, service.endpoint.transport) for service in inspection.ports}
    left = inspection.open_ports - listed
    return as_ranges({port for port, transport in left if transport is Transport.TCP})


def certificates_of(inventory: Iterable[InventoryHost]) -> tuple[CertificateUse, ...]:
    """Return every certificate once, with the places that present it, in the order in which they expire."""
    places: dict[Certificate, list[Place]] = defaultdict(list)
    for host in inventory:
        for service in host.services:
            if service.certificate is not None:
                places[service.certificate].append(Place(host.host, host.address, service.port, service.transport))
    ordered = sorted(places, key=lambda each: (each.not_after, each.subject, each.issuer))
    return tuple(CertificateUse(each, tuple(places[each])) for each in ordered)


def products_of(looks: Iterable[Seen]) -> tuple[ProductAge, ...]:
    """Return every version of a product once, with its places; what ended longest ago comes first."""
    found: dict[ProductAge, list[Place]] = defaultdict(list)
    for look in looks:
        for age in look.ages:
            found[replace(age, places=())] += age.places
    return tuple(replace(age, places=tuple(places)) for age, places in sorted(found.items(), key=_first_ended))


def _first_ended(item: tuple[ProductAge, list[Place]]) -> tuple[bool, dt.date, str, str]:
    age = item[0]
    last = max((day for day in (age.ends, age.extended) if day), default=None)
    ended_once = dt.date.min if age.support is Support.ENDED else dt.date.max
    return (bool(age.kept_by), last or ended_once, age.name, age.version)


def _ages(inspection: HostInspection, row: HostResult, day: dt.date) -> Iterable[ProductAge]:
    for service in inspection.ports:
        endpoint = service.endpoint
        place = Place(row.host, row.address, endpoint.port, endpoint.transport)
        for software in installed(service):
            product = software.product
            release = release_of(product, software.version)
            if release is None or product.rolling:
                continue
            marks = (software.mark,) if software.mark else keepers(software, inspection.services, day)
            yield ProductAge(
                product=product.id,
                name=product.name,
                version=line(software.version, 40),
                support=release.support(day),
                ends=release.ends,
                extended=release.extended,
                kept_by=tuple(dict.fromkeys(mark.label for mark in marks)),
                places=(place,),
            )


def _recognised(service: Service) -> tuple[str, ...]:
    """Return the ids of the products that were recognised there, whether or not they tell a version."""
    names = [service.product, service.facts.product if service.facts else ""]
    for site in service.http:
        servers = (value for reply in site.first_page for name, value in reply.headers if name == "server")
        names += [value.partition("/")[0].partition(" ")[0] for value in servers]
    named = (product_named(name) for name in names if name)
    found = [software.product.id for software in installed(service)] + [each.id for each in named if each]
    return tuple(sorted(set(found)))


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
            unlisted=look.unlisted,
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
        seen = view(base64.b64decode(leaf))
    except binascii.Error:
        return None
    return Certificate(seen.subject, seen.issuer, seen.not_after) if seen else None


def _counted(service: InventoryService, host: str, counts: Counter[Where]) -> InventoryService:
    findings = counts[host, service.port, service.transport]
    return replace(service, findings=findings) if findings else service


def _service(service: Service, coverage: Coverage) -> InventoryService:
    facts, endpoint = service.tls_facts, service.endpoint
    told = endpoint.transport is Transport.UDP or coverage.covers(Facet.TLS, endpoint.port, endpoint.transport)
    speaks_tls, certificate = service.tls or facts is not None, certificate_of(facts)
    certificate_told = certificate is not None or coverage.covers(Facet.CERTIFICATE, endpoint.port, endpoint.transport)
    return InventoryService(
        port=endpoint.port,
        transport=endpoint.transport,
        protocol=service.protocol,
        tls=service.tls if service.tls or told else None,
        product=service.product,
        version=service.version,
        tls_versions=tuple(version for version, answer in facts.versions if answer is Answer.YES) if facts else (),
        certificate=certificate,
        findings=0,
        products=_recognised(service),
        tls_unfinished=speaks_tls and not told,
        certificate_unseen=(speaks_tls or not told) and not certificate_told,
    )
