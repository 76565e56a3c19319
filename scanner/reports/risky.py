"""Which kinds of services that attackers look for are within their reach: the grid of the report card."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

from scanner.remediation.lifecycle import State
from scanner.reports.model import Finding, RiskyService
from scanner.reports.places import Place

OTHER = "other"
"""The kind of exposed services that no kind names: those of plugins."""


def risky_services(findings: Iterable[Finding], new: Collection[int]) -> tuple[RiskyService, ...]:
    """Return every kind with the places where it is open; ``new`` are the numbers of what this round opened.

    An accepted risk is still within reach, so it counts; a false positive is none.
    """
    places: dict[str, dict[Place, None]] = {kind: {} for kind in kinds()}
    fresh: dict[str, dict[Place, None]] = {kind: {} for kind in kinds()}
    for finding in findings:
        kind = kind_of(finding.check)
        if kind is None or finding.state == State.FALSE_POSITIVE:
            continue
        places[kind][finding.place] = None
        if finding.number in new:
            fresh[kind][finding.place] = None
    return tuple(
        RiskyService(kind, tuple(sorted(found, key=_order)), tuple(sorted(fresh[kind], key=_order)))
        for kind, found in places.items()
    )


@cache
def kind_of(check: str) -> str | None:
    """Return the kind of service that a check shows to be within reach, or None."""
    for kind, patterns in kinds().items():
        if any(fnmatchcase(check, pattern) for pattern in patterns):
            return kind
    return OTHER if check.startswith("SVC-") else None


@cache
def kinds() -> Mapping[str, tuple[str, ...]]:
    """Return the patterns of checks by kind, in the order in which they are shown."""
    table = tomllib.loads(resources.files(__package__).joinpath("risky_services.toml").read_text(encoding="utf-8"))
    return {kind: tuple(patterns) for kind, patterns in table["kinds"].items()} | {OTHER: ()}


def _order(place: Place) -> tuple[str, int, str]:
    return (place.host, place.port, place.transport)
