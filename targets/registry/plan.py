"""What applying would do: pure functions of the register as it is and as files want it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from targets.registry.reading import DEFAULT_TIME_ZONE
from targets.registry.specs import OrganisationSpec, Register, Spec
from targets.registry.times import format_begin, format_end
from targets.roots import parse_roots

Section = TypeVar("Section")

SECTIONS = ("contacts", "targets", "authorisations", "exclusions")
EVERYONE = ""
"""The ``organisation`` of a change that belongs to none: zones and exclusions for all."""

EVERYONES_ZONE = ZoneInfo(DEFAULT_TIME_ZONE)
"""The time zone of dates that belong to no organisation."""


class Action(StrEnum):
    ADD = "add"
    CHANGE = "change"
    RETIRE = "retire"


class Noun(StrEnum):
    ZONE = "zone"
    ORGANISATION = "organisation"
    CONTACT = "contact"
    TARGET = "target"
    AUTHORISATION = "authorisation"
    EXCLUSION = "exclusion"


_NOUNS = dict(zip(SECTIONS, (Noun.CONTACT, Noun.TARGET, Noun.AUTHORISATION, Noun.EXCLUSION), strict=True))


@dataclass(frozen=True, slots=True)
class FieldChange:
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is added, changed or retired. ``spec`` is as it should be or, when retired, as it was."""

    action: Action
    noun: Noun
    organisation: str
    key: str
    spec: Spec
    fields: tuple[FieldChange, ...] = ()


def merge(current: Register, wanted: Register) -> Register:
    """The whole register as it would be: what ``wanted`` leaves out stays as ``current`` has it."""
    existing = {organisation.slug: organisation for organisation in current.organisations}
    organisations = existing | {
        organisation.slug: _merge_sections(existing.get(organisation.slug), organisation)
        for organisation in wanted.organisations
    }
    zones = {zone.name: zone for zone in (*current.zones, *wanted.zones)}
    return Register(
        zones=tuple(zones.values()),
        organisations=tuple(organisations.values()),
        exclusions=_chosen(wanted.exclusions, current.exclusions),
    )


def compare(current: Register, whole: Register) -> tuple[Change, ...]:
    """The changes that turn ``current`` into ``whole``, in the order in which they can be written."""
    changes = _changes(Noun.ZONE, EVERYONE, current.zones, whole.zones)
    changes += _changes(Noun.ORGANISATION, EVERYONE, current.organisations, whole.organisations)
    existing = {organisation.slug: organisation for organisation in current.organisations}
    for organisation in whole.organisations:
        before = existing.get(organisation.slug)
        for section in SECTIONS:
            old: Sequence[Spec] = (getattr(before, section) if before else None) or ()
            new: Sequence[Spec] = getattr(organisation, section) or ()
            changes += _changes(_NOUNS[section], organisation.slug, old, new, ZoneInfo(organisation.time_zone))
    changes += _changes(Noun.EXCLUSION, EVERYONE, current.exclusions or (), whole.exclusions or ())
    return tuple(changes)


def _merge_sections(before: OrganisationSpec | None, wanted: OrganisationSpec) -> OrganisationSpec:
    if before is None:
        return wanted
    return replace(
        wanted,
        trusted_roots=_chosen(wanted.trusted_roots, before.trusted_roots),
        domains=_chosen(wanted.domains, before.domains),
        blackouts=_chosen(wanted.blackouts, before.blackouts),
        contacts=_chosen(wanted.contacts, before.contacts),
        targets=_chosen(wanted.targets, before.targets),
        authorisations=_chosen(wanted.authorisations, before.authorisations),
        exclusions=_chosen(wanted.exclusions, before.exclusions),
    )


def _chosen(wanted: Section | None, current: Section | None) -> Section | None:
    return current if wanted is None else wanted


def _changes(
    noun: Noun, organisation: str, old: Iterable[Spec], new: Iterable[Spec], zone: ZoneInfo = EVERYONES_ZONE
) -> list[Change]:
    before = {spec.key: spec for spec in old}
    after = {spec.key: spec for spec in new}
    changes: list[Change] = []
    for key, spec in after.items():
        action = Action.CHANGE if key in before else Action.ADD
        differences = _differences(before.get(key), spec, zone)
        if differences:
            changes.append(Change(action, noun, organisation, key, spec, differences))
    retired = [before[key] for key in before if key not in after]
    changes += [Change(Action.RETIRE, noun, organisation, spec.key, spec) for spec in retired]
    return changes


def _differences(old: Spec | None, new: Spec, zone: ZoneInfo) -> tuple[FieldChange, ...]:
    names = [field.name for field in fields(new) if field.compare]
    return tuple(
        FieldChange(name, _shown(name, getattr(old, name), zone) if old else "", _shown(name, getattr(new, name), zone))
        for name in names
        if old is None or getattr(old, name) != getattr(new, name)
    )


def _shown(name: str, value: object, zone: ZoneInfo) -> str:
    """A value as a file would say it: dates in the time zone of their organisation, an end as its last day."""
    match value:
        case tuple() if name == "trusted_roots":
            return ", ".join(root.label for text in value for root in parse_roots(text)) or "-"
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.12g}"
        case datetime():
            return format_begin(value, zone) if name == "valid_from" else format_end(value, zone)
        case tuple():
            return ", ".join(str(item) for item in value) or "-"
        case _:
            return str(value)
