"""Which public keys were seen where, over many hosts: what a rule must know to tell that a key is shared.

The key counts, not the certificate: a renewed certificate often keeps its key, and one key may be in several. Nothing
but hashes and places is kept, so the index of a whole inventory stays small.

Places with a registered name or an address in common are **one host**, over any number of steps: a name with several
addresses (both families, a pool), several names at one address, several ports. A key that stays on one host is not
shared. An organisation is told of its own hosts by name and of those of other organisations by number alone.
"""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.model import HostInspection, Service, Target
from scanner.engine.rules.x509_view import View, names_host, view

_LISTED = 6
"""Hosts named in one finding; the rest is counted."""


class KeyKind(StrEnum):
    CERTIFICATE = "certificate"
    SSH = "ssh"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A public key by its SHA-256: of SubjectPublicKeyInfo, hexadecimal (RFC 7469 section 2.4), or as SSH writes it."""

    kind: KeyKind
    fingerprint: str


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a key was seen. ``organisation`` is whose host it is, ``name`` its registered host name or empty.

    ``ssl2`` tells that the key serves SSL 2.0 there; ``named`` is False when the certificate is for other names than
    the registered one.
    """

    organisation: str
    name: str
    address: str
    port: int
    ssl2: bool = False
    named: bool = True

    @property
    def host(self) -> str:
        return self.name or self.address

    @property
    def marks(self) -> tuple[_Mark, ...]:
        """By what it is the same host as another place."""
        address = ("address", self.address)
        return (address, ("name", self.name)) if self.name else (address,)


_Mark = tuple[str, str]
Sighting = tuple[Key, Place]


def sightings(host: HostInspection, organisation: str = "") -> frozenset[Sighting]:
    """Return the keys that the looks at ``host`` showed; what second looks show counts as well."""
    services = (*host.services, *host.second_looks)
    return frozenset(seen for service in services for seen in _sightings(service, host.target, organisation))


def presented(facts: TlsFacts) -> list[View]:
    """Return the server's own certificates, as far as they can be read."""
    return _views(chain[0] for chain in facts.chains if chain)


def certificate_keys(service: Service) -> dict[Key, View]:
    """Return the keys of the certificates that were presented, TLS and SSL 2.0 alike, each with its certificate."""
    facts = service.tls_facts
    leaves = [*presented(facts), *_ssl2_leaves(facts)] if facts is not None else []
    return {Key(KeyKind.CERTIFICATE, leaf.fingerprint): leaf for leaf in reversed(leaves) if leaf.fingerprint}


def ssh_keys(service: Service) -> tuple[Key, ...]:
    """Return the host keys that an SSH server presented."""
    keys = service.ssh.host_keys if service.ssh is not None else ()
    return tuple(Key(KeyKind.SSH, key.fingerprint) for key in keys)


def _sightings(service: Service, target: Target, organisation: str) -> Iterator[Sighting]:
    name, endpoint = _name(target), service.endpoint
    facts = service.tls_facts
    if facts is not None:
        broken = _ssl2_keys(facts)
        for key, leaf in certificate_keys(service).items():
            named = not name or facts.sni != target.hostname or names_host(leaf, name)
            yield key, Place(organisation, name, endpoint.address, endpoint.port, leaf.fingerprint in broken, named)
    for key in ssh_keys(service):
        yield key, Place(organisation, name, endpoint.address, endpoint.port)


def _name(target: Target) -> str:
    return (target.hostname or "").lower().rstrip(".")


def _ssl2_keys(facts: TlsFacts) -> frozenset[str]:
    """Return the keys that SSL 2.0 is served with. Facts that didn't keep them leave every RSA key."""
    if facts.accepts(TlsVersion.SSL2) is not Answer.YES:
        return frozenset()
    leaves = _ssl2_leaves(facts) or presented(facts)
    return frozenset(leaf.fingerprint for leaf in leaves if leaf.key == "RSA")


def _ssl2_leaves(facts: TlsFacts) -> list[View]:
    return _views([facts.ssl2_certificate] if facts.ssl2_certificate else [])


def _views(encoded: Iterable[str]) -> list[View]:
    return [leaf for leaf in (view(b64decode(one)) for one in encoded) if leaf is not None]


@dataclass(frozen=True, slots=True)
class Sharing:
    """Where else a key is. ``own`` names other hosts of the organisation, ``others`` counts those of other ones.

    ``named`` tells that the certificates name all the organisation's hosts with this key. ``ssl2`` and ``ssl2_others``
    are the places (``host:port``) and the hosts where it serves SSL 2.0.
    """

    own: tuple[str, ...] = ()
    own_count: int = 0
    others: int = 0
    named: bool = True
    ssl2: tuple[str, ...] = ()
    ssl2_others: int = 0

    @property
    def shown(self) -> str:
        """The organisation's own other hosts as data: ``a.example, b.example (+3)``; empty when there are none."""
        more = self.own_count - len(self.own)
        return ", ".join(self.own) + (f" (+{more})" if more else "")


_NOWHERE_ELSE = Sharing()


@dataclass(frozen=True, slots=True)
class _Spread:
    """One key over the inventory. Hosts are numbered from 0 to ``count``; ``hosts`` finds them by their marks.

    ``own`` holds the hosts of each organisation, in the order of the names that it may be told; ``misnamed`` the
    organisations in which a certificate doesn't name a host; ``ssl2`` the places that serve SSL 2.0.
    """

    hosts: Mapping[_Mark, int]
    count: int
    own: Mapping[str, Mapping[int, str]]
    misnamed: frozenset[str]
    ssl2: tuple[Place, ...]


class KnownKeys:
    """The keys that were seen at more than one endpoint, and where. What is seen in which order makes no difference."""

    def __init__(self, seen: Iterable[Sighting] = ()) -> None:
        places: defaultdict[Key, set[Place]] = defaultdict(set)
        for key, place in seen:
            places[key].add(place)
        self._spreads = {
            key: _spread(sorted(found))
            for key, found in places.items()
            if len({(place.address, place.port) for place in found}) > 1
        }

    def __bool__(self) -> bool:
        """Tell whether any key was seen at more than one endpoint."""
        return bool(self._spreads)

    def __contains__(self, key: Key) -> bool:
        """Tell whether ``key`` was seen at more than one endpoint."""
        return key in self._spreads

    def sharing(self, key: Key, organisation: str, target: Target, port: int) -> Sharing:
        """Return where else ``key``, seen at ``target`` and ``port``, is; only ``organisation`` may be told."""
        spread = self._spreads.get(key)
        if spread is None:
            return _NOWHERE_ELSE
        own = spread.own.get(organisation, {})
        here = Place(organisation, _name(target), target.address, port)
        mine = {spread.hosts[mark] for mark in here.marks if mark in spread.hosts}
        broken = [place for place in spread.ssl2 if not _same_port(place, here)]
        return Sharing(
            own=tuple(islice((name for number, name in own.items() if number not in mine), _LISTED)),
            own_count=len(own) - len(mine & own.keys()),
            others=spread.count - len(own) - len(mine - own.keys()),
            named=organisation not in spread.misnamed,
            ssl2=tuple(
                sorted({f"{place.host}:{place.port}" for place in broken if place.organisation == organisation})
            )[:_LISTED],
            ssl2_others=len({spread.hosts[place.marks[0]] for place in broken if place.organisation != organisation}),
        )


def _spread(places: list[Place]) -> _Spread:
    hosts = _hosts(places)
    own: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for place in sorted(places, key=lambda each: each.host):
        own[place.organisation].setdefault(hosts[place.marks[0]], place.host)
    return _Spread(
        hosts=hosts,
        count=len(set(hosts.values())),
        own=dict(own),
        misnamed=frozenset(place.organisation for place in places if not place.named),
        ssl2=tuple(place for place in places if place.ssl2),
    )


def _same_port(one: Place, other: Place) -> bool:
    same_host = one.address == other.address or (bool(one.name) and one.name == other.name)
    return same_host and one.port == other.port


def _hosts(places: Iterable[Place]) -> dict[_Mark, int]:
    """Number the hosts that the places belong to, by each of their marks (a union-find over marks)."""
    above: dict[_Mark, _Mark] = {}

    def top(mark: _Mark) -> _Mark:
        while above.setdefault(mark, mark) != mark:
            above[mark] = above[above[mark]]
            mark = above[mark]
        return mark

    for place in places:
        first, *rest = place.marks
        for mark in rest:
            above[top(mark)] = top(first)
        top(first)
    numbers: dict[_Mark, int] = {}
    for mark in sorted(above):
        numbers.setdefault(top(mark), len(numbers))
    return {mark: numbers[top(mark)] for mark in above}


@dataclass(frozen=True, slots=True)
class OrganisationKeys:
    """The known keys as one organisation may see them. Without any, each host is judged as if it were alone."""

    known: KnownKeys = field(default_factory=KnownKeys)
    organisation: str = ""

    def sharing(self, key: Key, target: Target, port: int) -> Sharing:
        """Return where else ``key``, seen at ``target`` and ``port``, is."""
        return self.known.sharing(key, self.organisation, target, port)
