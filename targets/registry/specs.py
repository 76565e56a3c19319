"""The register as frozen values: what a file asks for, and what the database holds, in the same shape.

``place`` tells where a value was written and takes no part in comparisons. ``key`` names a value within its
organisation; two values with the same key are the same thing, perhaps changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from targets.registry.problems import Place


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """``rate`` caps packets a second into the zone; 0 for no cap."""

    name: str
    vantage: str
    rate: float = 0.0
    place: Place = field(default_factory=Place, compare=False)

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ContactSpec:
    """``declines`` are kinds of mail, sorted."""

    email: str
    name: str
    role: str
    language: str
    declines: tuple[str, ...] = ()
    place: Place = field(default_factory=Place, compare=False)

    @property
    def key(self) -> str:
        return self.email


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """``address`` is canonical; see :class:`targets.addresses.ParsedTarget`. So are ``blackouts``; see
    :mod:`targets.windows`."""

    address: str
    zone: str
    criticality: str = "ordinary"
    tags: tuple[str, ...] = ()
    ports: str = ""
    shared: bool = False
    blackouts: tuple[str, ...] = ()
    place: Place = field(default_factory=Place, compare=False)

    @property
    def key(self) -> str:
        return self.address


@dataclass(frozen=True, slots=True)
class AuthorisationSpec:
    document: str
    allowed_by: str
    valid_from: datetime
    valid_until: datetime
    scope: tuple[str, ...]
    ports: str = "1-65535"
    level: int = 0
    place: Place = field(default_factory=Place, compare=False)

    @property
    def key(self) -> str:
        return self.document


@dataclass(frozen=True, slots=True)
class ExclusionSpec:
    address: str
    reason: str
    ports: str = "1-65535"
    until: datetime | None = None
    place: Place = field(default_factory=Place, compare=False)

    @property
    def key(self) -> str:
        return f"{self.address} ports {self.ports}"


@dataclass(frozen=True, slots=True)
class OrganisationSpec:
    """A section that is None was left out of the file: what the database holds of it stays as it is.

    ``trusted_roots`` are PEM texts, one certificate each. ``tls_policy`` is empty for the supervisor's. ``domains`` are
    canonical; see :mod:`targets.domains`. So are ``blackouts``; see :mod:`targets.windows`. ``rate`` caps packets a
    second; 0 for no cap.
    """

    slug: str
    name_zh: str
    name_en: str
    parent: str = ""
    language: str = "zh-Hans"
    time_zone: str = "Asia/Shanghai"
    key_organisation: bool = False
    weight: float = 1.0
    retired: bool = False
    tls_policy: str = ""
    rate: float = 0.0
    trusted_roots: tuple[str, ...] | None = None
    domains: tuple[str, ...] | None = None
    blackouts: tuple[str, ...] | None = None
    contacts: tuple[ContactSpec, ...] | None = field(default=None, compare=False)
    targets: tuple[TargetSpec, ...] | None = field(default=None, compare=False)
    authorisations: tuple[AuthorisationSpec, ...] | None = field(default=None, compare=False)
    exclusions: tuple[ExclusionSpec, ...] | None = field(default=None, compare=False)
    place: Place = field(default_factory=Place, compare=False)

    @property
    def key(self) -> str:
        return self.slug


@dataclass(frozen=True, slots=True)
class Register:
    """``exclusions`` are those for every organisation; None when no file speaks of them."""

    zones: tuple[ZoneSpec, ...] = ()
    organisations: tuple[OrganisationSpec, ...] = ()
    exclusions: tuple[ExclusionSpec, ...] | None = None

    def target_owners(self) -> Iterator[tuple[OrganisationSpec, TargetSpec]]:
        """Every target of every organisation that is not retired."""
        for organisation in self.organisations:
            if not organisation.retired:
                for target in organisation.targets or ():
                    yield organisation, target


Spec = ZoneSpec | ContactSpec | TargetSpec | AuthorisationSpec | ExclusionSpec | OrganisationSpec
