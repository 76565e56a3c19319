"""The public keys of the whole inventory, kept from round to round.

A finding that says "shared with another host" may not end because the other host was not looked at. So each place keeps
the keys it last showed, until a round looked at it, every look of that round was whole there, and none showed them. An
address keeps none once its name has left it. Places whose target was retired are no longer part of the inventory.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from scanner import bulk
from scanner.engine.known_keys import Key, KeyKind, KnownKeys, Place, Sighting, sightings
from scanner.engine.model import Coverage, Facet, HostInspection, Outcome, Transport, port_in
from scanner.prepared import AnyOf, Given, Prepared
from scanner.remediation.last import Last, digest_of
from scanner.remediation.models import SeenKey
from scanner.remediation.moves import Moves
from scanner.remediation.tested import unread_keys
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation

LOOKED = frozenset({Outcome.INSPECTED, Outcome.PARTIAL})
"""Outcomes after which the coverage tells, port by port, what was really looked at."""

_FACETS = {KeyKind.CERTIFICATE: (Facet.TLS, Facet.CERTIFICATE), KeyKind.SSH: (Facet.SERVICE,)}
"""What must have been looked at for a key that isn't seen to be gone."""

_READ = ("organisation_id", "target_id", "hostname", "address", "look", "finished", "facts")
"""What of a result is read to know its keys."""

_BATCH = 500
"""Rows that one statement deletes."""

_AT_ONCE = 1000
"""Keys that are read at a time."""

_Where = tuple[int, str, str]
"""Organisation, registered name (or empty) and address."""


class _Row(NamedTuple):
    """A key as it is stored; ``number`` is its primary key."""

    number: int
    sighting: Sighting
    seen: dt.datetime


class _Seen(NamedTuple):
    """A key that this round saw, and where."""

    organisation: int
    target: int
    sighting: Sighting
    seen: dt.datetime


class RoundKeys:
    """The keys as they stand once a round's looks are counted in. Nothing is stored until :meth:`keep`.

    All results of the round are read once, one host at a time; of each no more than its keys is kept. ``known`` holds
    the keys that its hosts showed, wherever they are: those of other hosts are nobody's question.
    """

    def __init__(self, this: Round) -> None:
        self._gone: list[int] = []
        self._seen: list[_Seen] = []
        self.known = KnownKeys(self._standing(this))

    def keep(self) -> None:
        """Store what the round changed. Doing it twice changes nothing."""
        rows = [_stored(seen) for seen in self._seen]
        with transaction.atomic():
            for at in range(0, len(self._gone), _BATCH):
                SeenKey.objects.filter(pk__in=self._gone[at : at + _BATCH]).delete()
            bulk.insert_or_update(
                rows,
                ("organisation", "hostname", "address", "port", "kind", "fingerprint"),
                ("target", "ssl2", "named", "seen"),
            )

    def _standing(self, this: Round) -> Iterator[Sighting]:
        shown: set[Key] = set()
        before = _by_place(_OF_ROUND.each(_AT_ONCE, round=this))
        slugs = dict(_SLUGS(round=this))
        results = _RESULTS.each(50, round=this)
        found: dict[tuple[int, str], dt.datetime] = {}
        for where, group in groupby(results, lambda each: (each.organisation_id, each.hostname, each.address)):
            looks = list(group)
            if where[2]:
                found[where[:2]] = max(found.get(where[:2], looks[0].finished), *(each.finished for each in looks))
            for sighting in self._after(looks, slugs[where[0]], before.pop(where, [])):
                shown.add(sighting[0])
                yield sighting
        for where, rows in before.items():
            left = _left(this, where, found.get(where[:2]), rows)
            self._gone += [row.number for row in left]
            yield from (row.sighting for row in rows if row.sighting[0] in shown and row not in left)
        yield from _elsewhere(slugs, shown)

    def _after(self, results: list[HostResult], slug: str, rows: list[_Row]) -> Iterator[Sighting]:
        """Yield what stands at one host of the organisation ``slug`` after the looks at it, and note what to store."""
        target = results[0].target_id  # none for a domain, which shows no keys
        looks = [key_look(result, slug) for result in results]
        at = max(result.finished for result in results)
        shown = _merged(seen for look in looks for seen in look.sightings)
        later = {(row.sighting[0].kind, row.sighting[1].port) for row in rows if row.seen > at}
        for row in rows:
            key, place = row.sighting
            now = shown.get((key, place.port))
            whole = row.seen < at and all(_would_show(row.sighting, look) for look in looks)
            if now is not None and (key.kind, place.port) not in later:
                if place.ssl2 and not whole:
                    shown[key, place.port] = key, replace(now[1], ssl2=True)
            elif whole and now is None:
                self._gone.append(row.number)
            else:
                yield row.sighting
        for (key, port), seen in shown.items():
            # Where a round that began after this one has looked, that one has the last word.
            if target is not None and (key.kind, port) not in later:
                self._seen.append(_Seen(results[0].organisation_id, target, seen, at))
                yield seen


def _left(this: Round, where: _Where, found: dt.datetime | None, rows: list[_Row]) -> list[_Row]:
    """Return those of the keys at an address that its name has left, for one that this round ``found`` elsewhere.

    What a round that began later saw there stands.
    """
    organisation, name, address = where
    seen_before = [row for row in rows if found is not None and row.seen < found]
    return seen_before if name and seen_before and Moves(this, organisation).has_left(name, address) else []


def counted_keys(organisations: Collection[int]) -> KnownKeys:
    """Return the keys of these organisations' places, and wherever else they are, as :meth:`RoundKeys.keep` stored."""
    own = [_row(each).sighting for number in organisations for each in _OF_ORGANISATION(organisation=number)]
    return KnownKeys(chain(own, _elsewhere(organisations, {key for key, _ in own})))


def _elsewhere(organisations: Container[int], keys: Collection[Key]) -> Iterator[Sighting]:
    """Yield where these keys are in other organisations than these."""
    for part in _FINGERPRINTS.parts({key.fingerprint for key in keys}):
        for each in _WITH_FINGERPRINT.each(_AT_ONCE, **part):
            if each[1] not in organisations:
                sighting = _row(each).sighting
                if sighting[0] in keys:
                    yield sighting


def _by_place(found: Iterable[tuple[Any, ...]]) -> dict[_Where, list[_Row]]:
    rows: defaultdict[_Where, list[_Row]] = defaultdict(list)
    for each in found:
        row = _row(each)
        place = row.sighting[1]
        rows[each[1], place.name, place.address].append(row)
    return rows


def _row(columns: tuple[Any, ...]) -> _Row:
    """Return a key of the inventory as :func:`_inventory` reads it."""
    number, _, kind, fingerprint, seen, *of_place = columns
    return _Row(number, (Key(KeyKind(kind), fingerprint), Place(*of_place)), seen)


def _inventory(**chosen: Any) -> QuerySet[SeenKey, tuple[Any, ...]]:
    """Return the keys that are part of the inventory, of those that were chosen."""
    return (
        SeenKey.objects.filter(**chosen)
        .filter(target__retired_at=None, organisation__retired_at=None)
        .values_list("pk", "organisation", "kind", "fingerprint", "seen", *_OF_PLACE)
    )


_OF_PLACE = ("organisation__slug", "hostname", "address", "port", "ssl2", "named")
"""The fields of a :class:`Place`."""

_FINGERPRINTS = AnyOf(256)
_OF_ROUND = Prepared(lambda: _inventory(organisation__rounds=Given("round")))
_OF_ORGANISATION = Prepared(lambda: _inventory(organisation=Given("organisation")))
_WITH_FINGERPRINT = Prepared(lambda: _inventory(fingerprint__in=_FINGERPRINTS.places))
_SLUGS = Prepared(lambda: Organisation.objects.filter(rounds=Given("round")).order_by().values_list("pk", "slug"))
_RESULTS = Prepared(
    lambda: (
        HostResult.objects.filter(round=Given("round"), target__isnull=False)
        .order_by("organisation_id", "hostname", "address", "look")
        .only(*_READ)
    )
)


def _merged(seen: Iterable[Sighting]) -> dict[tuple[Key, int], Sighting]:
    """Make one of what several looks, or several certificates, say of a key on a port: the worse of it counts."""
    merged: dict[tuple[Key, int], Sighting] = {}
    for key, place in sorted(seen):
        _, known = merged.get((key, place.port), (key, place))
        ssl2, named = place.ssl2 or known.ssl2, place.named and known.named
        merged[key, place.port] = key, replace(place, ssl2=ssl2, named=named)
    return merged


@dataclass(frozen=True, slots=True)
class KeyLook:
    """What one look says of keys. ``unread`` are those kinds that its host has and did not show, by port."""

    number: int
    outcome: Outcome
    coverage: Coverage
    sightings: frozenset[Sighting]
    unread: frozenset[tuple[int, KeyKind]]

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(key for key, _ in self.sightings)


_LAST = Last[KeyLook](4096)
"""Some two kilobytes for each look."""


def key_look(result: HostResult, slug: str, seen: HostInspection | None = None) -> KeyLook:
    """Return what a look at a host of the organisation ``slug`` says of keys; ``seen`` are its facts, if at hand.

    What was made last is remembered, as a round asks several times.
    """
    digest = digest_of(result)
    of = (slug, result.look)
    known = _LAST.get(digest, of)
    if known is not None:
        return known
    seen = seen or result.inspection()
    unread = frozenset((each.endpoint.port, kind) for each in seen.services for kind in unread_keys(each))
    look = KeyLook(result.look, seen.outcome, seen.coverage, sightings(seen, slug), unread)
    _LAST.put(digest, of, look)
    return look


def _would_show(sighting: Sighting, look: KeyLook) -> bool:
    """Tell whether a look would have shown the key where it was; a second look is not asked about other ports."""
    key, place = sighting
    scans = look.coverage.scans
    if look.number == LookNumber.AGAIN and scans and not any(port_in(scan.ports, place.port) for scan in scans):
        return True
    return (
        look.outcome in LOOKED
        and all(look.coverage.covers(facet, place.port, Transport.TCP) for facet in _FACETS[key.kind])
        and (place.port, key.kind) not in look.unread
    )


def _stored(seen: _Seen) -> SeenKey:
    key, place = seen.sighting
    return SeenKey.made(
        organisation_id=seen.organisation,
        target_id=seen.target,
        hostname=place.name,
        address=place.address,
        port=place.port,
        kind=key.kind,
        fingerprint=key.fingerprint,
        ssl2=place.ssl2,
        named=place.named,
        seen=seen.seen,
    )
