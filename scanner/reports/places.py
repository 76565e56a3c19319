"""Where something is, and what listens there: hosts, services, certificates and products of a report.

Immutable data, as all of :mod:`scanner.reports.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from scanner.engine.intel.lifecycles import Support
from scanner.engine.model import Outcome, Severity, Transport


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is. ``host`` is the registered hostname, or the address when there is none."""

    host: str
    address: str
    port: int
    transport: Transport


@dataclass(frozen=True, slots=True)
class Certificate:
    """The leaf certificate a TLS service presented."""

    subject: str
    issuer: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class InventoryService:
    """An open port. ``tls_versions`` are those it accepts, oldest first; ``findings`` counts its open findings.

    ``tls`` tells whether it speaks inside TLS from the first byte, None where that was not inspected to its end.
    ``products`` are the ids of what was recognised there. ``tls_unfinished``: it speaks TLS, whose versions were not
    all inspected; ``certificate_unseen``: it may present a certificate, which could not be inspected.
    """

    port: int
    transport: Transport
    protocol: str
    tls: bool | None
    product: str
    version: str
    tls_versions: tuple[str, ...]
    certificate: Certificate | None
    findings: int
    products: tuple[str, ...] = ()
    tls_unfinished: bool = False
    certificate_unseen: bool = False


@dataclass(frozen=True, slots=True)
class InventoryHost:
    """A host and what listens there. ``target`` is the registered entry that it came from.

    ``domain`` tells that it is no host but a domain, which has no services. ``unlisted`` are open TCP ports, as ranges,
    that are not among the services because nobody could look at them.
    """

    host: str
    address: str
    target: str
    key_target: bool
    outcome: Outcome
    worst: Severity | None
    score: float | None
    services: tuple[InventoryService, ...]
    domain: bool = False
    unlisted: str = ""


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A certificate and where it is presented."""

    certificate: Certificate
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class ProductAge:
    """A version of a product, where it was seen, and how long it gets fixes.

    ``ends`` is the last day of free support, ``extended`` of any; None when none is announced, or the day is not known.
    ``kept_by`` are distributions that may ship this version and mend it under its old number.
    """

    product: str
    name: str
    version: str
    support: Support
    ends: date | None
    extended: date | None
    kept_by: tuple[str, ...]
    places: tuple[Place, ...]
