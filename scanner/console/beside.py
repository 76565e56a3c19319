"""Two sightings of a finding beside each other, row by row, with what differs."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice, zip_longest

from scanner.engine.hostile import printable
from scanner.engine.model import Exchange, Service
from scanner.remediation.sightings import Sighting

LONGEST = 160
"""Characters of a value that are shown; a longer one is told apart by the beginning of its digest (SHA-256)."""

ROWS = 50
"""Rows of a kind that are shown."""

_PASSING = frozenset({"at", "date", "connections", "requests", "exchanges", "endpoint"})
"""Fields of facts that differ each time and mean nothing, or stand elsewhere."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing, and its values on both sides; nothing where it was not seen. ``lines`` are those of a text."""

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    lines: bool = False

    @property
    def differs(self) -> bool:
        """Whether the sides don't say the same; but for a text, in whatever order."""
        return self.left != self.right if self.lines else sorted(self.left) != sorted(self.right)


def evidence(left: Sighting, right: Sighting) -> list[Row]:
    """Return the parameters of both judgements, by name."""
    return _rows(_params(left), _params(right))


def exchanges(left: Sighting, right: Sighting) -> list[tuple[Row, Row]]:
    """Return what was sent and what came back, the first of one side beside the first of the other."""
    here, there = (each.judged.exchanges if each.judged else () for each in (left, right))
    pairs: Iterable[tuple[Exchange | None, Exchange | None]] = zip_longest(here, there)
    return [
        (
            Row("sent", _lines(one.sent if one else ""), _lines(other.sent if other else ""), lines=True),
            Row("received", _lines(one.received if one else ""), _lines(other.received if other else ""), lines=True),
        )
        for one, other in islice(pairs, ROWS)
    ]


def facts(left: Sighting, right: Sighting) -> list[Row]:
    """Return what was seen at the place, by the names under which facts are kept; what differs comes first."""
    rows = _rows(_facts(left.services), _facts(right.services))
    return sorted(rows, key=lambda row: not row.differs)


def _lines(text: str) -> tuple[str, ...]:
    """Return the lines of what a probe kept, in which their ends are escaped; none for nothing."""
    return tuple(printable(each) for each in re.split(r"(?<=\\n)(?=.)", text) if each)


def _rows(left: Mapping[str, tuple[str, ...]], right: Mapping[str, tuple[str, ...]]) -> list[Row]:
    names = dict.fromkeys((*left, *right))
    return [Row(name, left.get(name, ()), right.get(name, ())) for name in names]


def _params(seen: Sighting) -> dict[str, tuple[str, ...]]:
    return {name: (_shown(value),) for name, value in (seen.judged.params if seen.judged else ())}


def _facts(services: Iterable[Service]) -> dict[str, tuple[str, ...]]:
    """Return the leaves of the facts; those of several addresses together under one name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for service in services:
        for name, values in _leaves(asdict(service), ""):
            found[name] += [each for each in values if each not in found[name]]
    return {printable(name): tuple(values) for name, values in found.items()}


def _leaves(value: object, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each value that was observed, under the path to it; several of a kind as one."""
    match value:
        case None | "" | () | False:
            return
        case dict():
            for name, each in value.items():
                if str(name).lower() not in _PASSING:
                    yield from _leaves(each, f"{path}.{name}" if path else str(name))
        case tuple() | list() if all(_is_named(each) for each in value):
            named: defaultdict[str, list[object]] = defaultdict(list)
            for name, each in value:
                named[str(name)].append(each)
            yield from _leaves({name: tuple(each) for name, each in named.items()}, path)
        case tuple() | list() if any(isinstance(each, dict | tuple | list) for each in value):
            for place, each in enumerate(value, 1):
                yield from _leaves(each, f"{path}[{place}]")
        case tuple() | list():
            yield path, tuple(_shown(str(each)) for each in value)
        case _:
            yield path, (_shown(str(value)),)


def _is_named(value: object) -> bool:
    """Tell whether this is a pair of a name and a plain value."""
    return isinstance(value, tuple) and len(value) == 2 and not any(isinstance(each, dict | tuple) for each in value)


def _shown(value: str) -> str:
    if len(value) <= LONGEST:
        return printable(value, LONGEST)
    digest = hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{printable(value, LONGEST - 16)}… {digest[:12]}"
