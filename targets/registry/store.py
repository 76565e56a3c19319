"""The register in the database: read as specs, and written from a plan in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from targets import models
from targets.addresses import parse_target
from targets.changed import places_changed
from targets.registry.audited import record_changes
from targets.registry.plan import EVERYONE, Action, Change, Noun, compare, merge
from targets.registry.reading import Limits
from targets.registry.specs import (
    AuthorisationSpec,
    ContactSpec,
    ExclusionSpec,
    OrganisationSpec,
    Register,
    Spec,
    TargetSpec,
    ZoneSpec,
)

Row = TypeVar("Row", models.Contact, models.Target, models.Authorisation, models.Exclusion)


class RegisterChanged(Exception):  # noqa: N818 - reads as the event it is
    """The register is not what it was when the plan was made; nothing was written."""


def limits() -> Limits:
    """Return the widest targets that this installation takes."""
    return Limits(settings.WIDEST_IPV4_TARGET, settings.WIDEST_IPV6_TARGET)


def current_register(of: Collection[str] | None = None) -> Register:
    """Everything that is registered and not retired; retired organisations are marked as such.

    ``of`` are slugs of the only organisations whose contacts, targets, authorisations and exclusions are read, for who
    has nothing to do with those of others; theirs look as if there were none.
    """
    chosen = Q() if of is None else Q(organisation__slug__in=of) | Q(organisation=None)
    contacts = _by_organisation(models.Contact.objects.filter(chosen, retired_at=None), _contact)
    targets = _by_organisation(models.Target.objects.filter(chosen, retired_at=None).select_related("zone"), _target)
    authorisations = _by_organisation(models.Authorisation.objects.filter(chosen, retired_at=None), _authorisation)
    exclusions = _by_organisation(models.Exclusion.objects.filter(chosen, retired_at=None), _exclusion)
    return Register(
        zones=tuple(ZoneSpec(zone.name, zone.vantage, zone.rate) for zone in models.Zone.objects.all()),
        organisations=tuple(
            OrganisationSpec(
                slug=row.slug,
                name_zh=row.name_zh,
                name_en=row.name_en,
                parent=row.parent.slug if row.parent else "",
                language=row.language,
                time_zone=row.time_zone,
                key_organisation=row.is_key,
                weight=row.weight,
                retired=row.retired_at is not None,
                tls_policy=row.tls_policy,
                rate=row.rate,
                trusted_roots=tuple(row.trusted_roots),
                domains=tuple(row.domains),
                blackouts=tuple(row.blackouts),
                contacts=tuple(contacts[row.pk]),
                targets=tuple(targets[row.pk]),
                authorisations=tuple(authorisations[row.pk]),
                exclusions=tuple(exclusions[row.pk]),
            )
            for row in models.Organisation.objects.select_related("parent")
        ),
        exclusions=tuple(exclusions[None]),
    )


@transaction.atomic
def apply_changes(wanted: Register, agreed: tuple[Change, ...], when: datetime, *, actor: str) -> None:
    """Write ``agreed``, the changes that were shown for ``wanted``, all or none, and who made them.

    Raises ``RegisterChanged`` when the database has moved on and the changes would now be others.
    """
    current = current_register({each.slug for each in wanted.organisations})
    if compare(current, merge(current, wanted)) != agreed:
        raise RegisterChanged("The register was changed by someone else meanwhile; nothing was written. Try again.")
    _write_zones([change for change in agreed if change.noun is Noun.ZONE])
    _write_organisations([change.spec for change in agreed if isinstance(change.spec, OrganisationSpec)], when)
    by_slug = {organisation.slug: organisation for organisation in models.Organisation.objects.all()}
    zones = {zone.name: zone for zone in models.Zone.objects.all()}
    by_section: dict[tuple[str, Noun], list[Change]] = defaultdict(list)
    for change in agreed:
        by_section[change.organisation, change.noun].append(change)
    for (slug, noun), changes in by_section.items():
        organisation = None if slug == EVERYONE else by_slug[slug]
        match noun:
            case Noun.CONTACT:
                _write(models.Contact, organisation, changes, when, zones)
            case Noun.TARGET:
                _write(models.Target, organisation, changes, when, zones)
            case Noun.AUTHORISATION:
                _write(models.Authorisation, organisation, changes, when, zones)
            case Noun.EXCLUSION:
                _write(models.Exclusion, organisation, changes, when, zones)
    places_changed.send(models.Organisation, organisations=[by_slug[slug] for slug in sorted(_of_places(agreed))])
    record_changes(agreed, when, actor=actor)


def _of_places(changes: Iterable[Change]) -> set[str]:
    """Return the organisations whose targets, domains or retirement may change, by slug."""
    targets = {change.organisation for change in changes if change.noun is Noun.TARGET}
    return targets | {change.spec.slug for change in changes if isinstance(change.spec, OrganisationSpec)}


def _by_organisation(rows: Iterable[Any], convert: Any) -> dict[int | None, list[Any]]:
    grouped: dict[int | None, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.organisation_id].append(convert(row))
    return grouped


def _contact(row: models.Contact) -> ContactSpec:
    return ContactSpec(row.email, row.name, row.role, row.language, tuple(row.declined))


def _target(row: models.Target) -> TargetSpec:
    return TargetSpec(
        row.value, row.zone.name, row.criticality, tuple(row.tags), row.ports, row.shared, tuple(row.blackouts)
    )


def _authorisation(row: models.Authorisation) -> AuthorisationSpec:
    return AuthorisationSpec(
        row.document, row.allowed_by, row.valid_from, row.valid_until, tuple(row.scope), row.ports, row.level
    )


def _exclusion(row: models.Exclusion) -> ExclusionSpec:
    return ExclusionSpec(row.value, row.reason, row.ports, row.until)


def _spec_key(row: models.Contact | models.Target | models.Authorisation | models.Exclusion) -> str:
    match row:
        case models.Contact():
            return row.email
        case models.Target():
            return row.value
        case models.Authorisation():
            return row.document
        case models.Exclusion():
            return _exclusion(row).key


def _write_zones(changes: Iterable[Change]) -> None:
    for change in changes:
        if isinstance(change.spec, ZoneSpec):
            values = {"vantage": change.spec.vantage, "rate": change.spec.rate}
            models.Zone.objects.update_or_create(name=change.spec.name, defaults=values)


def _write_organisations(specs: list[OrganisationSpec], when: datetime) -> None:
    """Write rows first and parents after, so that neither order nor a reversed pair of parents matters."""
    for spec in specs:
        row = models.Organisation.objects.filter(slug=spec.slug).first() or models.Organisation(slug=spec.slug)
        row.name_zh, row.name_en = spec.name_zh, spec.name_en
        row.language, row.time_zone = spec.language, spec.time_zone
        row.is_key, row.weight = spec.key_organisation, spec.weight
        row.tls_policy, row.rate = spec.tls_policy, spec.rate
        row.trusted_roots = list(spec.trusted_roots or ())
        row.domains = list(spec.domains or ())
        row.blackouts = list(spec.blackouts or ())
        row.retired_at = (row.retired_at or when) if spec.retired else None
        row.parent = None
        row.save()
    for spec in specs:
        if spec.parent:
            row = models.Organisation.objects.get(slug=spec.slug)
            row.parent = models.Organisation.objects.get(slug=spec.parent)
            row.save()


def _write(
    model: type[Row],
    organisation: models.Organisation | None,
    changes: Iterable[Change],
    when: datetime,
    zones: dict[str, models.Zone],
) -> None:
    rows = {_spec_key(row): row for row in model.objects.filter(organisation=organisation)}
    new: list[Row] = []
    for change in changes:
        row = rows.get(change.key) or model(organisation=organisation)
        if change.action is Action.RETIRE:
            row.retired_at = when
        else:
            row.retired_at = None
            for name, value in _columns(change.spec, zones).items():
                setattr(row, name, value)
        if row.pk is None:
            new.append(row)
        else:
            row.save()
    model.objects.bulk_create(new)


def _columns(spec: Spec, zones: dict[str, models.Zone]) -> dict[str, Any]:
    match spec:
        case ContactSpec():
            return {
                "email": spec.email,
                "name": spec.name,
                "role": spec.role,
                "language": spec.language,
                "declined": list(spec.declines),
            }
        case TargetSpec():
            parsed = parse_target(spec.address)
            return {
                "value": spec.address,
                "kind": parsed.kind.value,
                "display": parsed.display,
                "zone": zones[spec.zone],
                "criticality": spec.criticality,
                "tags": list(spec.tags),
                "ports": spec.ports,
                "shared": spec.shared,
                "blackouts": list(spec.blackouts),
            }
        case AuthorisationSpec():
            return {
                "document": spec.document,
                "allowed_by": spec.allowed_by,
                "valid_from": spec.valid_from,
                "valid_until": spec.valid_until,
                "scope": list(spec.scope),
                "ports": spec.ports,
                "level": spec.level,
            }
        case ExclusionSpec():
            return {"value": spec.address, "ports": spec.ports, "reason": spec.reason, "until": spec.until}
        case ZoneSpec() | OrganisationSpec():
            raise TypeError(f"{spec.key} is written on its own")
