"""Organisations, and what is registered of each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, SlugInPath
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from targets.models import Authorisation, Contact, Exclusion, Organisation, Target

router = Router(tags=["register"])

READ = needs(Scope.REGISTER_READ, Right.READ)


class OrganisationRow(Schema):
    """An organisation. ``parent`` is its supervising organisation, null when there is none or it is not in sight."""

    slug: str
    name_zh: str
    name_en: str
    parent: str | None
    language: str
    time_zone: str
    key_organisation: bool
    weight: float
    tls_policy: str
    rate: float
    domains: list[str]
    blackouts: list[str]
    retired: datetime | None

    @classmethod
    def of(cls, row: Organisation, sight: Sight) -> OrganisationRow:
        """Show a row to who sees it."""
        above = row.parent
        return cls(
            slug=row.slug,
            name_zh=row.name_zh,
            name_en=row.name_en,
            parent=above.slug if above is not None and sight.may(Right.READ, above.pk) else None,
            language=row.language,
            time_zone=row.time_zone,
            key_organisation=row.is_key,
            weight=row.weight,
            tls_policy=row.tls_policy,
            rate=row.rate,
            domains=row.domains,
            blackouts=row.blackouts,
            retired=row.retired_at,
        )


class TargetRow(Schema):
    """A registered address; ``display`` is how people write it."""

    number: int
    organisation: str
    kind: str
    address: str
    display: str
    zone: str
    criticality: str
    tags: list[str]
    ports: str
    shared: bool
    blackouts: list[str]
    retired: datetime | None

    @classmethod
    def of(cls, row: Target) -> TargetRow:
        """Show a row."""
        return cls(
            number=row.pk,
            organisation=row.organisation.slug,
            kind=row.kind,
            address=row.value,
            display=row.display,
            zone=row.zone.name,
            criticality=row.criticality,
            tags=row.tags,
            ports=row.ports,
            shared=row.shared,
            blackouts=row.blackouts,
            retired=row.retired_at,
        )


class ContactRow(Schema):
    """Somebody at an organisation who can act; ``declines`` are kinds of mail."""

    name: str
    email: str
    role: str
    language: str
    declines: list[str]

    @classmethod
    def of(cls, row: Contact) -> ContactRow:
        """Show a row."""
        return cls(name=row.name, email=row.email, role=row.role, language=row.language, declines=row.declined)


class AuthorisationRow(Schema):
    """Who allowed what to be inspected, from ``valid_from`` up to, not including, ``valid_until``."""

    number: int
    organisation: str
    document: str
    allowed_by: str
    valid_from: datetime
    valid_until: datetime
    scope: list[str]
    ports: str
    level: int
    retired: datetime | None

    @classmethod
    def of(cls, row: Authorisation) -> AuthorisationRow:
        """Show a row."""
        return cls(
            number=row.pk,
            organisation=row.organisation.slug,
            document=row.document,
            allowed_by=row.allowed_by,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            scope=row.scope,
            ports=row.ports,
            level=row.level,
            retired=row.retired_at,
        )


class ExclusionRow(Schema):
    """What must not be touched; without an organisation for all, without ``until`` for ever."""

    number: int
    organisation: str | None
    address: str
    ports: str
    reason: str
    until: datetime | None
    retired: datetime | None

    @classmethod
    def of(cls, row: Exclusion) -> ExclusionRow:
        """Show a row."""
        return cls(
            number=row.pk,
            organisation=row.organisation.slug if row.organisation else None,
            address=row.value,
            ports=row.ports,
            reason=row.reason,
            until=row.until,
            retired=row.retired_at,
        )


class OrganisationFilter(Schema):
    """Which organisations are wanted."""

    parent: str = Field(
        default="", max_length=64, pattern=NO_NUL, description="Slug of their supervising organisation."
    )
    retired: bool = Field(default=False, description="Those that are retired, instead of the active ones.")


class RegisterFilter(Schema):
    """Whose rows are wanted."""

    organisation: str = Field(default="", max_length=64, pattern=NO_NUL, description="Slug of their organisation.")
    retired: bool = Field(default=False, description="Those that are retired, instead of the active ones.")


class TargetFilter(RegisterFilter):
    """Which targets are wanted."""

    kind: Literal["", "hostname", "ipv4", "ipv6", "cidr", "url"] = Field(default="", description="Of one kind.")
    address: str = Field(default="", max_length=2048, pattern=NO_NUL, description="With exactly this address.")


@router.get("/organisations", response=Part[OrganisationRow], **READ)
def list_organisations(
    request: ApiRequest, wanted: Annotated[OrganisationFilter, Query()], span: AskedSpan
) -> Part[OrganisationRow]:
    """List the organisations in sight."""
    sight = request.visit.sight
    rows = sight.rows(Organisation).filter(retired_at__isnull=not wanted.retired).select_related("parent")
    if wanted.parent:
        rows = rows.filter(parent__in=sight.rows(Organisation).filter(slug=wanted.parent))
    found, then = part(rows, span)
    return Part[OrganisationRow](items=[OrganisationRow.of(each, sight) for each in found], next=then)


@router.get("/organisations/{slug}", response=OrganisationRow, **READ)
def show_organisation(request: ApiRequest, slug: SlugInPath) -> OrganisationRow:
    """Show one organisation."""
    sight = request.visit.sight
    return OrganisationRow.of(get_object_or_404(sight.rows(Organisation).select_related("parent"), slug=slug), sight)


@router.get("/organisations/{slug}/contacts", response=Part[ContactRow], **READ)
def list_contacts(request: ApiRequest, slug: SlugInPath, span: AskedSpan) -> Part[ContactRow]:
    """List whom an organisation is written to."""
    sight = request.visit.sight
    owner = get_object_or_404(sight.rows(Organisation), slug=slug)
    found, then = part(sight.rows(Contact).filter(organisation=owner, retired_at=None), span)
    return Part[ContactRow](items=[ContactRow.of(each) for each in found], next=then)


@router.get("/targets", response=Part[TargetRow], **READ)
def list_targets(request: ApiRequest, wanted: Annotated[TargetFilter, Query()], span: AskedSpan) -> Part[TargetRow]:
    """List registered addresses."""
    rows = request.visit.sight.rows(Target).filter(retired_at__isnull=not wanted.retired)
    for name, value in (("organisation__slug", wanted.organisation), ("kind", wanted.kind), ("value", wanted.address)):
        rows = rows.filter(**{name: value}) if value else rows
    found, then = part(rows.select_related("organisation", "zone"), span)
    return Part[TargetRow](items=[TargetRow.of(each) for each in found], next=then)


@router.get("/authorisations", response=Part[AuthorisationRow], **READ)
def list_authorisations(
    request: ApiRequest, wanted: Annotated[RegisterFilter, Query()], span: AskedSpan
) -> Part[AuthorisationRow]:
    """List who allowed what to be inspected."""
    rows = request.visit.sight.rows(Authorisation).filter(retired_at__isnull=not wanted.retired)
    if wanted.organisation:
        rows = rows.filter(organisation__slug=wanted.organisation)
    found, then = part(rows.select_related("organisation"), span)
    return Part[AuthorisationRow](items=[AuthorisationRow.of(each) for each in found], next=then)


@router.get("/exclusions", response=Part[ExclusionRow], **READ)
def list_exclusions(
    request: ApiRequest, wanted: Annotated[RegisterFilter, Query()], span: AskedSpan
) -> Part[ExclusionRow]:
    """List what must not be touched. Those for all organisations are shown to the office alone."""
    rows = request.visit.sight.rows(Exclusion).filter(retired_at__isnull=not wanted.retired)
    if wanted.organisation:
        rows = rows.filter(organisation__slug=wanted.organisation)
    found, then = part(rows.select_related("organisation"), span)
    return Part[ExclusionRow](items=[ExclusionRow.of(each) for each in found], next=then)
