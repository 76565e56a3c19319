"""The register as YAML that ``apply`` reads back and finds nothing to change."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import yaml

from targets.addresses import display_name, parse_target
from targets.registry.reading import DEFAULT_TIME_ZONE
from targets.registry.specs import (
    AuthorisationSpec,
    ContactSpec,
    ExclusionSpec,
    OrganisationSpec,
    Register,
    TargetSpec,
)
from targets.registry.times import format_begin, format_end


class _Dumper(yaml.SafeDumper):
    """Writes equal values out instead of as aliases, which ``apply`` refuses."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write a text of several lines as the lines it has."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(register: Register) -> str:
    """Render ``register``; every section is written, even when empty, so that the file is the whole truth."""
    document: dict[str, Any] = {
        "zones": [
            {"name": zone.name, "vantage": zone.vantage, **_given({"rate": zone.rate})} for zone in register.zones
        ],
        "organisations": [_organisation(organisation) for organisation in register.organisations],
    }
    if register.exclusions is not None:
        zone = ZoneInfo(DEFAULT_TIME_ZONE)
        document["exclusions"] = [_exclusion(exclusion, zone) for exclusion in register.exclusions]
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def only(register: Register, slug: str) -> Register:
    """The part of ``register`` that belongs to one organisation, with the zones that its targets use.

    Raises ``LookupError`` when it is not registered.
    """
    chosen = tuple(organisation for organisation in register.organisations if organisation.slug == slug)
    if not chosen:
        known = ", ".join(organisation.slug for organisation in register.organisations) or "none"
        raise LookupError(f"No organisation is called {slug!r}. Registered: {known}.")
    used = {target.zone for target in chosen[0].targets or ()}
    return Register(tuple(zone for zone in register.zones if zone.name in used), chosen, None)


def _organisation(spec: OrganisationSpec) -> dict[str, Any]:
    zone = ZoneInfo(spec.time_zone)
    optional = {
        "parent": spec.parent,
        "key_organisation": spec.key_organisation,
        "weight": spec.weight if spec.weight != 1 else None,
        "retired": spec.retired,
        "tls_policy": spec.tls_policy or None,
        "trusted_roots": list(spec.trusted_roots or ()),
        "domains": [display_name(name) for name in spec.domains or ()],
        "blackouts": list(spec.blackouts or ()),
        "rate": spec.rate,
    }
    return {
        "slug": spec.slug,
        "name_zh": spec.name_zh,
        "name_en": spec.name_en,
        "language": spec.language,
        "time_zone": spec.time_zone,
        **_given(optional),
        "contacts": [_contact(contact) for contact in spec.contacts or ()],
        "targets": [_target(target) for target in spec.targets or ()],
        "authorisations": [_authorisation(authorisation, zone) for authorisation in spec.authorisations or ()],
        "exclusions": [_exclusion(exclusion, zone) for exclusion in spec.exclusions or ()],
    }


def _contact(spec: ContactSpec) -> dict[str, Any]:
    contact = {"name": spec.name, "email": spec.email, "role": spec.role, "language": spec.language}
    return contact | _given({"declines": list(spec.declines)})


def _target(spec: TargetSpec) -> dict[str, Any]:
    optional = {
        "criticality": spec.criticality if spec.criticality != "ordinary" else None,
        "tags": list(spec.tags),
        "ports": spec.ports,
        "shared": spec.shared,
        "blackouts": list(spec.blackouts),
    }
    return {"address": parse_target(spec.address).display, "zone": spec.zone, **_given(optional)}


def _authorisation(spec: AuthorisationSpec, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "document": spec.document,
        "allowed_by": spec.allowed_by,
        "valid_from": format_begin(spec.valid_from, zone),
        "valid_until": format_end(spec.valid_until, zone),
        "scope": [parse_target(entry).display for entry in spec.scope],
        "ports": spec.ports,
        "level": spec.level,
    }


def _exclusion(spec: ExclusionSpec, zone: ZoneInfo) -> dict[str, Any]:
    until = {"until": format_end(spec.until, zone)} if spec.until else {}
    return {"address": parse_target(spec.address).display, "ports": spec.ports, "reason": spec.reason, **until}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}
