"""Changing the register: checked as a whole and written all or none, as 'roundsman targets apply' does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from django.conf import settings
from django.shortcuts import get_object_or_404
from ninja import Path, Query, Schema
from pydantic import Field

from scanner.accounts.roles import Right
from scanner.api.door import needs
from scanner.api.fields import NO_NUL, Name, Number, Sent, Slug, SlugInPath
from scanner.api.lists import AskedSpan, Part, part
from scanner.api.organisations import router
from scanner.api.problem import Problem
from scanner.api.requests import ApiRequest
from scanner.api.scopes import Scope
from targets.models import Authorisation, Exclusion, Organisation, Target, Zone
from targets.registry.plan import Change
from targets.registry.problems import Problem as Wrong
from targets.registry.proposal import propose
from targets.registry.reading import Limits, Source, read_sources
from targets.registry.specs import AuthorisationSpec, ExclusionSpec, OrganisationSpec, Register, TargetSpec
from targets.registry.store import current_register

READ = needs(Scope.REGISTER_READ, Right.WATCH)
WRITE = needs(Scope.REGISTER_WRITE, Right.OPERATE)

MANY = 20_000

__all__ = ["router"]

Section = Literal["targets", "authorisations", "exclusions"]
Row = TypeVar("Row", bound=TargetSpec | AuthorisationSpec | ExclusionSpec)

Address = Annotated[str, Field(min_length=1, max_length=2048, pattern=NO_NUL)]
Ports = Annotated[str, Field(max_length=10_000, pattern=NO_NUL)]
Names = Annotated[list[Name], Field(max_length=1000)]
Moment = Annotated[str, Field(max_length=40, pattern=NO_NUL)]
ZoneName = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_NUL)]


class ContactSent(Sent):
    """Somebody at an organisation who can act."""

    name: Name
    email: Name
    role: Literal["security", "technical", "leader"] = "security"
    language: Literal["zh-Hans", "en"] | None = None
    declines: Names = Field(default=[])


class TargetSent(Sent):
    """A registered address: a name, an address, a network, or a URL."""

    address: Address
    zone: Name
    criticality: Literal["ordinary", "key"] = "ordinary"
    tags: Names = Field(default=[])
    ports: Ports = ""
    shared: bool = False
    blackouts: Names = Field(default=[])


class AuthorisationSent(Sent):
    """Who allowed what. Dates are in the organisation's time zone; ``valid_until`` is the last day."""

    document: Name
    allowed_by: Name
    valid_from: Moment
    valid_until: Moment
    scope: Annotated[list[Address], Field(min_length=1, max_length=1000)]
    ports: Ports = "1-65535"
    level: Literal[0, 1, 2] = 0


class ExclusionSent(Sent):
    """What must not be touched; ``until`` is the last day, null for ever."""

    address: Address
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]
    ports: Ports = "1-65535"
    until: Moment | None = None


class OrganisationSent(Sent):
    """An organisation as it should be. A list that is left out, or null, stays as it is; one that is sent replaces it.

    Trusted roots are not taken: a register file may name other files for them, which a program must not.
    """

    name_zh: Name = ""
    name_en: Name = ""
    parent: Slug | None = None
    language: Literal["zh-Hans", "en"] = "zh-Hans"
    time_zone: Name = "Asia/Shanghai"
    key_organisation: bool = False
    weight: float = Field(default=1, ge=1, le=3)
    retired: bool = False
    tls_policy: Literal["", "roundsman", "mozilla-intermediate", "ncsc-nl-2025"] = ""
    rate: float = Field(default=0, ge=0, le=1_000_000)
    domains: Names | None = None
    blackouts: Names | None = None
    contacts: Annotated[list[ContactSent], Field(max_length=MANY)] | None = None
    targets: Annotated[list[TargetSent], Field(max_length=MANY)] | None = None
    authorisations: Annotated[list[AuthorisationSent], Field(max_length=MANY)] | None = None
    exclusions: Annotated[list[ExclusionSent], Field(max_length=MANY)] | None = None


class OwnedTarget(TargetSent):
    """A target, and whose it is."""

    organisation: Slug


class OwnedAuthorisation(AuthorisationSent):
    """An authorisation, and whose it is."""

    organisation: Slug


class OwnedExclusion(ExclusionSent):
    """An exclusion, and whose it is: null for all organisations."""

    organisation: Slug | None


class ZoneSent(Sent):
    """A part of the network that is inspected from one vantage."""

    vantage: Literal["internet", "government", "internal", "isolated"]
    rate: float = Field(default=0, ge=0, le=1_000_000)


class ZoneRow(Schema):
    """A zone; ``rate`` caps packets a second into it (0: no cap)."""

    name: str
    vantage: str
    rate: float

    @classmethod
    def of(cls, row: Zone) -> ZoneRow:
        """Show a row."""
        return cls(name=row.name, vantage=row.vantage, rate=row.rate)


class FieldRow(Schema):
    """A field that changes, as a register file would say it."""

    field: str
    old: str
    new: str


class ChangeRow(Schema):
    """A row of the register that is added, changed or retired."""

    action: str
    noun: str
    organisation: str
    key: str
    fields: list[FieldRow]


class Changes(Schema):
    """What changed, or would change; nothing when the register said it already."""

    applied: bool
    changes: list[ChangeRow]


class How(Schema):
    """Whether it is meant."""

    dry_run: bool = Field(default=False, description="Only tell what would change.")


AskedHow = Annotated[How, Query()]


@router.get("/zones", response=Part[ZoneRow], **READ)
def list_zones(request: ApiRequest, span: AskedSpan) -> Part[ZoneRow]:
    """List zones."""
    found, then = part(request.visit.sight.rows(Zone), span)
    return Part[ZoneRow](items=[ZoneRow.of(each) for each in found], next=then)


@router.put("/zones/{name}", response=Changes, **WRITE)
def put_zone(request: ApiRequest, name: ZoneName, sent: ZoneSent, how: AskedHow) -> Changes:
    """Make a zone, or change it."""
    return _apply(request, how, *_read({"zones": [{"name": name, **sent.model_dump()}]}))


@router.put("/organisations/{slug}", response=Changes, **WRITE)
def put_organisation(request: ApiRequest, slug: SlugInPath, sent: OrganisationSent, how: AskedHow) -> Changes:
    """Make an organisation, or change it."""
    if Right.OPERATE not in request.visit.sight.everywhere:
        _owner(request, slug)
    values = {name: value for name, value in sent.model_dump().items() if value is not None}
    for row in values.get("contacts", ()):
        row |= {"language": row["language"] or sent.language}
    return _apply(request, how, *_read({"organisations": [{"slug": slug, **_without_none(values)}]}))


@router.post("/targets", response=Changes, **WRITE)
def put_target(request: ApiRequest, sent: OwnedTarget, how: AskedHow) -> Changes:
    """Register an address, or change what is registered of it."""
    return _add(request, how, "targets", sent.organisation, sent)


@router.delete("/targets/{number}", response=Changes, **WRITE)
def retire_target(request: ApiRequest, number: Number, how: AskedHow) -> Changes:
    """Take an address out of the register. It is inspected no more; what was found there stays on record."""
    row = get_object_or_404(_rows(request, Target), pk=number)
    return _retire(request, how, "targets", row.organisation.slug, row.value)


@router.post("/authorisations", response=Changes, **WRITE)
def put_authorisation(request: ApiRequest, sent: OwnedAuthorisation, how: AskedHow) -> Changes:
    """Register an authorisation, or change the one of the same document."""
    return _add(request, how, "authorisations", sent.organisation, sent)


@router.delete("/authorisations/{number}", response=Changes, **WRITE)
def retire_authorisation(request: ApiRequest, number: Number, how: AskedHow) -> Changes:
    """End an authorisation; what it alone allowed is not touched any more."""
    row = get_object_or_404(_rows(request, Authorisation), pk=number)
    return _retire(request, how, "authorisations", row.organisation.slug, row.document)


@router.post("/exclusions", response=Changes, **WRITE)
def put_exclusion(request: ApiRequest, sent: OwnedExclusion, how: AskedHow) -> Changes:
    """Exclude something, or change an exclusion of the same address and ports."""
    if sent.organisation is not None:
        return _add(request, how, "exclusions", sent.organisation, sent)
    wanted, problems = _read({"exclusions": [_row(sent)]})
    rows = _with(current_register().exclusions, wanted.exclusions)
    return _apply(request, how, Register(exclusions=rows), problems)


@router.delete("/exclusions/{number}", response=Changes, **WRITE)
def retire_exclusion(request: ApiRequest, number: Number, how: AskedHow) -> Changes:
    """End an exclusion: what it kept from being touched may be touched again, where it is authorised."""
    row = get_object_or_404(_rows(request, Exclusion), pk=number)
    key = ExclusionSpec(row.value, row.reason, row.ports).key
    if row.organisation is not None:
        return _retire(request, how, "exclusions", row.organisation.slug, key)
    kept = tuple(each for each in current_register().exclusions or () if each.key != key)
    return _apply(request, how, Register(exclusions=kept))


def _rows(request: ApiRequest, model: type[Any]) -> Any:
    rows = request.visit.sight.rows(model, Right.OPERATE)
    return rows.filter(retired_at=None).select_related("organisation")


def _owner(request: ApiRequest, slug: str) -> Organisation:
    found = request.visit.sight.rows(Organisation, Right.OPERATE).filter(slug=slug).first()
    if found is None:
        raise Problem(409, "unknown-organisation", f"No organisation is called {slug}.")
    return found


def _add(request: ApiRequest, how: How, section: Section, slug: str, sent: Sent) -> Changes:
    """Add a row to a section of an organisation, in the place of the one with the same key."""
    owner = _spec(_owner(request, slug).slug)
    named = {"slug": slug, "name_en": slug, "language": owner.language, "time_zone": owner.time_zone}
    wanted, problems = _read({"organisations": [{**named, section: [_row(sent)]}]})
    rows = _with(getattr(owner, section), getattr(wanted.organisations[0], section))
    return _apply(request, how, _saying(owner, section, rows), problems)


def _retire(request: ApiRequest, how: How, section: Section, slug: str, key: str) -> Changes:
    owner = _spec(_owner(request, slug).slug)
    kept = tuple(each for each in getattr(owner, section) or () if each.key != key)
    return _apply(request, how, _saying(owner, section, kept))


def _saying(owner: OrganisationSpec, section: Section, rows: Any) -> Register:
    """Return a register that says of a section of an organisation what ``rows`` say, and of all else what it says."""
    sections: dict[str, Any] = {section: rows}
    return Register(organisations=(replace(owner, **sections),))


def _spec(slug: str) -> OrganisationSpec:
    return next(each for each in current_register({slug}).organisations if each.slug == slug)


def _with(rows: Iterable[Row] | None, new: Iterable[Row] | None) -> tuple[Row, ...]:
    found: dict[str, Row] = {each.key: each for each in (*(rows or ()), *(new or ()))}
    return tuple(found.values())


def _row(sent: Sent) -> dict[str, object]:
    return dict(_without_none({name: value for name, value in sent.model_dump().items() if name != "organisation"}))


def _without_none(values: Any) -> Any:
    """Return values without those that are null, at any depth: left out is what a register file calls them."""
    match values:
        case dict():
            return {name: _without_none(value) for name, value in values.items() if value is not None}
        case list():
            return [_without_none(value) for value in values]
        case _:
            return values


def _read(values: dict[str, object]) -> tuple[Register, list[Wrong]]:
    """Read what was sent as register files are read; JSON is YAML. It has no files beside it that it could name."""
    text = json.dumps(values, ensure_ascii=False).encode()
    limits = Limits(settings.WIDEST_IPV4_TARGET, settings.WIDEST_IPV6_TARGET)
    return read_sources([Source("what was sent", lambda: text)], limits)


def _apply(request: ApiRequest, how: How, wanted: Register, problems: Iterable[Wrong] = ()) -> Changes:
    proposal = propose(wanted, problems)
    is_meant = bool(proposal.changes) and not how.dry_run
    if is_meant:
        proposal.carry_out(request.now, actor=request.visit.who)
    return Changes(applied=is_meant, changes=[_change(each) for each in proposal.changes])


def _change(each: Change) -> ChangeRow:
    fields = [FieldRow(field=row.field, old=row.old, new=row.new) for row in each.fields]
    return ChangeRow(action=each.action, noun=each.noun, organisation=each.organisation, key=each.key, fields=fields)
