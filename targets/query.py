"""What the register holds, for the other rooms: plain typed reads."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from scanner.engine.errors import Refused
from scanner.prepared import Given, Prepared
from targets.addresses import Kind, Network, display_name, parse_target
from targets.models import Authorisation, Exclusion, Organisation, Target
from targets.ports import parse_ports
from targets.scope import AuthorisationTerms, ExclusionTerms, Reach, RefusalReason, Scope

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RegisteredTarget:
    """An active target. ``hostname`` is set when its address must be resolved, ``network`` when it is written.

    ``ports`` (``22,80-90``) replaces the plan's port list; empty means the plan's. ``url_port`` is a URL's port.
    ``vantage`` is the zone's, with the values of the engine's ``Vantage``. ``blackouts`` are its own windows, beside
    its organisation's (see :mod:`targets.windows`).
    """

    id: int
    kind: Kind
    value: str
    display: str
    zone: str
    vantage: str
    is_key: bool
    tags: tuple[str, ...]
    ports: str
    hostname: str | None
    network: Network | None
    url_port: int | None
    blackouts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredDomain:
    """An active domain. ``value`` is its ASCII name; ``hostnames`` are the organisation's registered host names.

    Its other fields are those of a target, as far as they mean anything: the DNS is the same for everyone.
    """

    value: str
    display: str
    hostnames: frozenset[str]
    id: None = None
    vantage: str = "internet"
    zone: str = ""
    is_key: bool = False
    blackouts: tuple[str, ...] = ()


class UnknownOrganisation(Refused, LookupError):  # noqa: N818 - reads as the event it is
    """No organisation that is in use has this slug."""


def active_organisations(slugs: Iterable[str] | None = None) -> list[Organisation]:
    """Active organisations by slug; only those of ``slugs`` when given. Raises ``UnknownOrganisation``."""
    active = Organisation.objects.filter(retired_at=None).select_related("parent").order_by("slug")
    if slugs is None:
        return list(active)
    wanted = set(slugs)
    found = [organisation for organisation in active if organisation.slug in wanted]
    missing = sorted(wanted - {organisation.slug for organisation in found})
    if missing:
        known = ", ".join(organisation.slug for organisation in active) or "none is registered"
        raise UnknownOrganisation(
            f"No active organisation is called {', '.join(missing)}. Active organisations: {known}.",
            "organisation-unknown",
            names=tuple(missing),
        )
    return found


def registers_anything() -> Q:
    """Return the condition that an organisation which is not retired has something to be inspected."""
    targets = Target.objects.filter(organisation=OuterRef("pk"), retired_at=None)
    return Q(retired_at=None) & (Q(Exists(targets)) | ~Q(domains=[]))


def registered_targets(organisation: Organisation) -> tuple[RegisteredTarget, ...]:
    """The active targets of an active organisation; none of a retired one."""
    return tuple(as_registered(row) for row in _REGISTERED(organisation=organisation))


_REGISTERED = Prepared(
    lambda: (
        Target.objects.filter(organisation=Given("organisation"), retired_at=None, organisation__retired_at=None)
        .select_related("zone")
        .order_by("value")
    )
)


def registered_domains(organisation: Organisation) -> tuple[RegisteredDomain, ...]:
    """The domains of an active organisation; none of a retired one."""
    if organisation.retired_at is not None or not organisation.domains:
        return ()
    hostnames = frozenset(target.hostname for target in registered_targets(organisation) if target.hostname)
    return tuple(RegisteredDomain(name, display_name(name), hostnames) for name in sorted(organisation.domains))


def scope_of(organisation: Organisation | str) -> Scope:
    """Everything that decides what of ``organisation`` (or its slug) may be touched, as the database has it now."""
    slug = organisation if isinstance(organisation, str) else organisation.slug
    current = _BY_SLUG.first(slug=slug)
    if current is None:
        return Scope(slug, refuse_all=RefusalReason.UNKNOWN_ORGANISATION)
    if current.retired_at is not None:
        return Scope(slug, refuse_all=RefusalReason.RETIRED_ORGANISATION)
    try:
        return _scope_in_database(current)
    except ValueError:
        _log.exception("the register of %s holds a value that can't be read; everything is refused", slug)
        return Scope(slug, refuse_all=RefusalReason.UNDECIDABLE)


def _scope_in_database(organisation: Organisation) -> Scope:
    return Scope(
        organisation=organisation.slug,
        targets=Reach.of(active_values(organisation)),
        authorisations=tuple(_authorisation_terms(row) for row in _AUTHORISATIONS(organisation=organisation)),
        exclusions=tuple(_exclusion_terms(row) for row in _EXCLUSIONS(organisation=organisation)),
        domains=frozenset(organisation.domains),
    )


def active_values(organisation: Organisation) -> list[str]:
    """Return what the organisation has registered, as it was entered."""
    return _VALUES(organisation=organisation)


_BY_SLUG = Prepared(lambda: Organisation.objects.filter(slug=Given("slug"))[:1])
_VALUES = Prepared(
    lambda: (
        Target.objects.filter(organisation=Given("organisation"), retired_at=None)
        .order_by()
        .values_list("value", flat=True)
    )
)
_AUTHORISATIONS = Prepared(lambda: Authorisation.objects.filter(organisation=Given("organisation"), retired_at=None))
_EXCLUSIONS = Prepared(
    lambda: Exclusion.objects.filter(Q(organisation=Given("organisation")) | Q(organisation=None), retired_at=None)
)


def as_registered(row: Target) -> RegisteredTarget:
    """Return one row, whose zone should have been read with it, as other rooms take it."""
    parsed = parse_target(row.value)
    return RegisteredTarget(
        id=row.pk,
        kind=parsed.kind,
        value=row.value,
        display=row.display,
        zone=row.zone.name,
        vantage=row.zone.vantage,
        is_key=row.criticality == "key",
        tags=tuple(row.tags),
        ports=row.ports,
        hostname=parsed.hostname,
        network=parsed.network,
        url_port=parsed.port,
        blackouts=tuple(row.blackouts),
    )


def _authorisation_terms(row: Authorisation) -> AuthorisationTerms:
    return AuthorisationTerms(
        id=row.pk,
        document=row.document,
        allowed_by=row.allowed_by,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        reach=Reach.of(row.scope),
        ports=parse_ports(row.ports),
        level=row.level,
    )


def _exclusion_terms(row: Exclusion) -> ExclusionTerms:
    return ExclusionTerms(reach=Reach.of([row.value]), reason=row.reason, ports=parse_ports(row.ports), until=row.until)
