"""Targets of different organisations that are, or contain, the same address or name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from targets.addresses import Network, parse_target
from targets.registry.specs import OrganisationSpec, TargetSpec

Owned = tuple[OrganisationSpec, TargetSpec]


@dataclass(frozen=True, slots=True)
class Overlap:
    """``wide`` holds, or equals, ``narrow``; neither is marked as shared."""

    wide: Owned
    narrow: Owned


def find_overlaps(owned: Iterable[Owned]) -> Iterator[Overlap]:
    """Every pair of targets of different organisations that overlap without ``shared``."""
    networks: list[tuple[Network, Owned]] = []
    names: dict[str, list[Owned]] = defaultdict(list)
    for organisation, target in owned:
        if not target.address:
            continue
        parsed = parse_target(target.address)
        if parsed.network:
            networks.append((parsed.network, (organisation, target)))
        elif parsed.hostname:
            names[parsed.hostname].append((organisation, target))
    pairs = [pair for owners in names.values() for pair in combinations(owners, 2)]
    pairs += _nested(networks)
    for wide, narrow in pairs:
        if wide[0].slug != narrow[0].slug and not (wide[1].shared or narrow[1].shared):
            yield Overlap(wide, narrow)


def _nested(networks: list[tuple[Network, Owned]]) -> Iterator[tuple[Owned, Owned]]:
    """Pairs (holder, held). Sorted by start, wider first, all holders of a network are on the stack when it comes."""
    networks.sort(key=lambda pair: (pair[0].version, int(pair[0].network_address), pair[0].prefixlen))
    holders: list[tuple[Network, Owned]] = []
    for network, owned in networks:
        while holders and not _holds(holders[-1][0], network):
            holders.pop()
        for _, holder in holders:
            yield holder, owned
        holders.append((network, owned))


def _holds(wide: Network, narrow: Network) -> bool:
    return wide.version == narrow.version and int(narrow.network_address) <= int(wide.broadcast_address)
