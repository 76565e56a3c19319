"""Reads the TLS policies: how good a version, suite, group, key or hash is, by which clause of which guideline.

A policy is one TOML file, named as the policy is. It has a table for each aspect; the first row whose pattern fits, and
whose ``least_bits`` are reached, decides, so every table ends with a row for the rest::

    [[suite]]
    names = ["TLS_ECDHE_*_GCM_*"]
    grade = "good"
    clause = "RFC 9325 section 4.2"

A policy grades; it finds nothing. The weakness, with its texts and its severity, is a rule's: what two guidelines call
by different clauses is one weakness, reported once.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from scanner.engine.errors import CatalogueError, InputError

DEFAULT = "roundsman"

_REMEMBERED = 256
"""Characters up to which a name's verdict is remembered; servers say the same few names over and over."""


class Grade(StrEnum):
    """How good something is, best first: the scale of NCSC-NL's guidelines."""

    GOOD = "good"
    SUFFICIENT = "sufficient"
    PHASE_OUT = "phase-out"
    INSUFFICIENT = "insufficient"

    @property
    def is_objection(self) -> bool:
        return self in (Grade.PHASE_OUT, Grade.INSUFFICIENT)

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Grade).index(self)


class Aspect(StrEnum):
    """What a policy has a table for. ``PRIME`` is the group of a DHE suite, ``HASH`` that of a handshake signature."""

    VERSION = "version"
    SUITE = "suite"
    GROUP = "group"
    PRIME = "prime"
    KEY = "key"
    SIGNATURE = "signature"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A grade and the clause that it rests on."""

    grade: Grade
    clause: str


@dataclass(frozen=True, slots=True)
class _Row:
    pattern: re.Pattern[str]
    least_bits: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """One guideline. ``source`` says where it can be read."""

    name: str
    source: str
    tables: Mapping[Aspect, tuple[_Row, ...]]

    def __hash__(self) -> int:
        return hash(self.name)

    def grade(self, aspect: Aspect, name: str, bits: int = 0) -> Verdict:
        """Return the verdict on ``name``; ``bits`` matters where a table asks for a size (primes and keys)."""
        look_up = _remembered if len(name) <= _REMEMBERED else _look_up
        return look_up(self, aspect, name, bits)

    def objects_to(self, aspect: Aspect, name: str, bits: int = 0) -> bool:
        """Tell whether ``name`` should be phased out or is insufficient."""
        return self.grade(aspect, name, bits).grade.is_objection


def _look_up(policy: TlsPolicy, aspect: Aspect, name: str, bits: int) -> Verdict:
    for row in policy.tables[aspect]:
        if bits >= row.least_bits and row.pattern.match(name):
            return row.verdict
    raise AssertionError(f"{policy.name} has no last row for {aspect}; loading it should have failed.")


_remembered = lru_cache(maxsize=4096)(_look_up)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts, with the clauses of all that are as bad."""
    listed = list(verdicts)
    grade = max((verdict.grade for verdict in listed), key=lambda grade: grade.rank)
    clauses = dict.fromkeys(verdict.clause for verdict in listed if verdict.grade is grade)
    return Verdict(grade, ", ".join(clauses))


@cache
def policies() -> Mapping[str, TlsPolicy]:
    """Return the shipped policies by name. Raises ``CatalogueError`` naming the file and what is wrong in it."""
    files = (each for each in resources.files(__package__).iterdir() if each.name.endswith(".toml"))
    found = {}
    for file in sorted(files, key=lambda each: each.name):
        name = file.name.removesuffix(".toml")
        found[name] = _policy(name, tomllib.loads(file.read_text(encoding="utf-8")))
    return found


def policy(name: str) -> TlsPolicy:
    """Return the policy of this name. Raises ``InputError`` that names those there are."""
    known = policies()
    if name not in known:
        raise InputError(f"There is no TLS policy {name!r}. Choose one of: {', '.join(known)}.")
    return known[name]


def default_policy() -> TlsPolicy:
    """Return Roundsman's own policy, which holds where none was chosen."""
    return policy(DEFAULT)


def _policy(name: str, document: Mapping[str, Any]) -> TlsPolicy:
    try:
        tables = {aspect: tuple(_row(row) for row in document[aspect]) for aspect in Aspect}
        loaded = TlsPolicy(name, document["source"], tables)
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogueError(f"{name}.toml: {error!r}; see the other policies for the form.") from error
    for aspect, rows in tables.items():
        if rows[-1].least_bits or not rows[-1].pattern.match("anything else"):
            raise CatalogueError(f"{name}.toml: the last row of {aspect} must be for the rest: names = ['*'].")
    return loaded


def _row(row: Mapping[str, Any]) -> _Row:
    patterns = "|".join(fnmatch.translate(name) for name in row["names"])
    return _Row(re.compile(patterns), int(row.get("least_bits", 0)), Verdict(Grade(row["grade"]), row["clause"]))
