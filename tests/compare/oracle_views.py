"""Brings what the two say of a server into one form, and names where they differ."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from tests.compare.oracle_configs import Configuration
from tests.compare.oracle_look import Looked

Said = str | None
"""``yes``, ``no``, a number of bits; None where the question was not answered."""


class Topic(StrEnum):
    """What is compared, in the words of the table."""

    CONNECTION = "speaks TLS at all"
    VERSION = "versions"
    SUITE = "suites"
    CURVE = "groups and curves"
    DH_SIZE = "size of the DH prime, by suite"
    COMPRESSION = "compression"
    RENEGOTIATION = "secure renegotiation"
    FALLBACK = "fallback signal"
    MASTER_SECRET = "extended master secret"
    LEAF = "leaf certificates"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was compared: a topic, which of it (a suite, a curve), and what each side said."""

    configuration: Configuration
    topic: Topic
    detail: str
    ours: Said
    theirs: Said

    @property
    def agreed(self) -> bool:
        return self.ours == self.theirs

    def __str__(self) -> str:
        what = f"{self.topic}{f' ({self.detail})' if self.detail else ''}"
        return f"{what}: Roundsman {self.ours or 'nothing'}, sslyze {self.theirs or 'nothing'}; {self.configuration}"


_FEATURES = (
    (Topic.COMPRESSION, "compression"),
    (Topic.RENEGOTIATION, "secure_renegotiation"),
    (Topic.FALLBACK, "fallback_scsv"),
    (Topic.MASTER_SECRET, "extended_master_secret"),
)
"""By the name that our facts and oracle_sslyze share."""


def points(looked: Looked) -> Iterator[Point]:
    """Yield everything that at least one side said of one server; what neither found is no point."""
    facts = looked.ours or TlsFacts(sni=None)
    spoken = [version for version, answer in facts.versions if answer is Answer.YES]
    connected = looked.theirs["highest"] is not None
    yield Point(looked.configuration, Topic.CONNECTION, "", _yes(bool(spoken)), _yes(connected))
    if connected:
        yield from _versions_and_suites(looked, facts)
        yield from _curves(looked, facts)
        yield from _features(looked, facts)
        yield from _leaves(looked, facts)


def _versions_and_suites(looked: Looked, facts: TlsFacts) -> Iterator[Point]:
    for version in TlsVersion:
        theirs = looked.theirs["suites"].get(version)
        if theirs is None:
            continue  # TLCP, which sslyze has never heard of
        ours = {suite.suite: suite for suite in facts.suites if suite.version is version}
        answer = _answer(facts.accepts(version))
        yield Point(looked.configuration, Topic.VERSION, version, answer, _yes(bool(theirs["accepted"])))
        for name in sorted({*ours, *theirs["accepted"]}):
            said = "yes" if name in theirs["accepted"] else "no" if name in theirs["rejected"] else None
            mine = _yes(name in ours) if answer else None
            yield Point(looked.configuration, Topic.SUITE, f"{version} {name}", mine, said)
            bits = theirs["accepted"].get(name)
            if name in ours and ours[name].prime_sha256 and said == "yes":
                size = str(ours[name].group_bits)
                yield Point(looked.configuration, Topic.DH_SIZE, f"{version} {name}", size, bits and str(bits))


def _curves(looked: Looked, facts: TlsFacts) -> Iterator[Point]:
    curves = looked.theirs.get("curves")
    accepted, rejected = (
        ({name.lower() for name in curves[key]} for key in ("accepted", "rejected")) if curves else ((), ())
    )
    ours = {name.lower() for name in facts.groups}
    for name in sorted({*ours, *accepted}):
        theirs = "yes" if name in accepted else "no" if name in rejected else None
        yield Point(looked.configuration, Topic.CURVE, name, _yes(name in ours), theirs)


def _features(looked: Looked, facts: TlsFacts) -> Iterator[Point]:
    for topic, name in _FEATURES:
        ours, theirs = _answer(getattr(facts, name)), looked.theirs.get(name)
        if ours or theirs is not None:
            yield Point(looked.configuration, topic, "", ours, None if theirs is None else _yes(theirs))


def _leaves(looked: Looked, facts: TlsFacts) -> Iterator[Point]:
    ours = {hashlib.sha256(b64decode(chain[0])).hexdigest() for chain in facts.chains}
    theirs = looked.theirs.get("leaves")
    for leaf in sorted({*ours, *(theirs or ())}):
        said = None if theirs is None else _yes(leaf in theirs)
        yield Point(looked.configuration, Topic.LEAF, leaf[:12], _yes(leaf in ours), said)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _answer(answer: Answer) -> Said:
    return None if answer is Answer.UNTESTED else answer.value
