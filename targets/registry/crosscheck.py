"""What can only be seen by looking at several values together: duplicates, unknown references, cycles, overlaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scanner.engine.sentence import Sentence
from targets.registry.document import KEEP_ONE
from targets.registry.overlaps import find_overlaps
from targets.registry.plan import SECTIONS
from targets.registry.problems import Problem, suggestion
from targets.registry.specs import OrganisationSpec, Register, Spec

_KEY_FIELDS = {"contacts": "email", "targets": "address", "authorisations": "document", "exclusions": "address"}


def cross_problems(wanted: Register, whole: Register) -> list[Problem]:
    """Everything wrong between the values of ``wanted``, which makes the register ``whole``."""
    problems = list(_duplicates(wanted.organisations, "slug"))
    problems += _zone_contradictions(wanted)
    problems += _duplicates(wanted.exclusions or (), "address")
    for organisation in wanted.organisations:
        for section in SECTIONS:
            problems += _duplicates(getattr(organisation, section) or (), f"{section}.{_KEY_FIELDS[section]}")
        problems += _unknown_zones(organisation, {zone.name for zone in whole.zones})
        problems += _wrong_parent(organisation, {other.slug: other for other in whole.organisations})
    problems += _overlaps(whole)
    problems += _domains_of_two(wanted, whole)
    return problems


def _duplicates(specs: Iterable[Spec], field: str) -> Iterator[Problem]:
    first: dict[str, Spec] = {}
    for spec in specs:
        if spec.key and spec.key in first:
            at = first[spec.key].place
            said = Sentence(f"{spec.key!r} was given before, at {at}", "given-before", text=spec.key, line=at.line)
            yield Problem(spec.place, field, said, KEEP_ONE)
        first.setdefault(spec.key, spec)


def _zone_contradictions(wanted: Register) -> Iterator[Problem]:
    first = {zone.name: zone for zone in reversed(wanted.zones)}
    for zone in wanted.zones:
        other = first[zone.name]
        if zone.vantage != other.vantage:
            said = Sentence(
                f"zone {zone.name!r} is {zone.vantage} here and {other.vantage} at {other.place}",
                "zone-of-two-vantages",
                name=zone.name,
                line=other.place.line,
            )
            right = Sentence("give a zone one vantage", "one-vantage")
            yield Problem(zone.place, "zones.vantage", said, right)
        if zone.rate != other.rate:
            said = Sentence(
                f"zone {zone.name!r} has the rate {zone.rate:g} here and {other.rate:g} at {other.place}",
                "zone-of-two-rates",
                name=zone.name,
                line=other.place.line,
            )
            yield Problem(zone.place, "zones.rate", said, Sentence("give a zone one rate", "one-rate"))


def _unknown_zones(organisation: OrganisationSpec, known: set[str]) -> Iterator[Problem]:
    for target in organisation.targets or ():
        if target.zone and target.zone not in known:
            right = suggestion(target.zone, known) or Sentence("declare it under 'zones:'", "declare-zone")
            said = Sentence(f"zone {target.zone!r} is unknown", "zone-unknown", name=target.zone)
            yield Problem(target.place, "targets.zone", said, right)


def _wrong_parent(organisation: OrganisationSpec, whole: dict[str, OrganisationSpec]) -> Iterator[Problem]:
    if not organisation.parent:
        return
    if organisation.parent not in whole:
        right = suggestion(organisation.parent, whole.keys() - {organisation.slug})
        said = Sentence(
            f"organisation {organisation.parent!r} is unknown", "organisation-unknown", names=(organisation.parent,)
        )
        yield Problem(organisation.place, "parent", said, right)
        return
    chain = [organisation.slug]
    above = organisation.parent
    while above and above not in chain and above in whole:
        chain.append(above)
        above = whole[above].parent
    if above == organisation.slug:
        path = " → ".join([*chain, above])
        said = Sentence(f"the organisation would supervise itself: {path}", "supervises-itself", path=path)
        yield Problem(organisation.place, "parent", said, Sentence("break the circle", "break-circle"))


def _domains_of_two(wanted: Register, whole: Register) -> Iterator[Problem]:
    owners = {
        name: organisation.slug
        for organisation in reversed(whole.organisations)
        if not organisation.retired
        for name in organisation.domains or ()
    }
    written = {organisation.slug for organisation in wanted.organisations}
    for organisation in whole.organisations:
        for name in () if organisation.retired else organisation.domains or ():
            if owners[name] != organisation.slug and {organisation.slug, owners[name]} & written:
                said = Sentence(
                    f"{name} is registered for {owners[name]} too", "domain-of-two", domain=name, slug=owners[name]
                )
                right = Sentence("a domain has one owner: remove it from the other", "domain-has-one-owner")
                yield Problem(organisation.place, "domains", said, right)


def _overlaps(whole: Register) -> Iterator[Problem]:
    for overlap in find_overlaps(whole.target_owners()):
        (owner, target), (other_owner, other) = overlap.narrow, overlap.wide
        if not target.place.file:
            (owner, target), (other_owner, other) = overlap.wide, overlap.narrow
        if not target.place.file:
            continue
        where = f" ({other.place})" if other.place.file else ""
        said = Sentence(
            f"{target.address} of {owner.slug} overlaps {other.address} of {other_owner.slug}{where}",
            "overlap",
            address=target.address,
            slug=owner.slug,
            other=other.address,
            owner=other_owner.slug,
        )
        right = Sentence("remove one, or write 'shared: true' when both answer for it", "remove-or-share")
        yield Problem(target.place, "targets.address", said, right)
