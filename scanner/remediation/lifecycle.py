"""The life of a finding as a pure state machine: what it was, what a round saw, what it is then.

Not seen is not fixed: only ``NOT_SEEN`` closes a finding, and the caller may claim it only when two completed
inspections of the same round covered the check and did not show it. Looks are told apart by their time, so that
the same look taken twice, or an older one that arrives late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from scanner.engine.model import Confidence, Severity
from scanner.remediation.score import Age


class State(StrEnum):
    """``CLAIMED``: the organisation says it is fixed, no inspection has confirmed it yet."""

    OPEN = "open"
    CLAIMED = "claimed"
    FIXED = "fixed"
    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false-positive"


EXEMPT = frozenset({State.ACCEPTED, State.FALSE_POSITIVE})
"""A person decided these; only a person, or the end of the exemption, changes them."""


class Observation(StrEnum):
    """What a round can say about one finding. ``NOT_SEEN`` is proof of absence, ``NOT_INSPECTED`` proves nothing."""

    SEEN = "seen"
    NOT_SEEN = "not-seen"
    NOT_INSPECTED = "not-inspected"


class Happened(StrEnum):
    """The kinds of events in a finding's history. From ``CLAIMED`` on they are what people did, or time."""

    OPENED = "opened"
    SEEN = "seen"
    CHANGED = "changed"
    NOT_SEEN = "not-seen"
    NOT_INSPECTED = "not-inspected"
    CLAIM_REFUTED = "claim-refuted"
    FIXED = "fixed"
    REOPENED = "reopened"
    CLAIMED = "claimed"
    DISPUTED = "disputed"
    EXEMPTED = "exempted"
    REQUEST_REFUSED = "request-refused"
    EXEMPTION_ENDED = "exemption-ended"
    RENAMED = "renamed"


SAME_LIFE = timedelta(days=90)
"""A finding that comes back within this time was never really gone: it keeps its first-seen date."""

ALLOWED: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(days=3),
    Severity.HIGH: timedelta(days=7),
    Severity.MEDIUM: timedelta(days=30),
    Severity.LOW: timedelta(days=90),
}
"""Time to fix, from first seen; halved for key targets. A default of this product, not a national figure."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one round says about one finding at ``when`` (the end of the inspection that says it).

    ``severity`` and ``confidence`` are those judged now; they matter for ``SEEN`` only.
    """

    observation: Observation
    when: datetime
    severity: Severity = Severity.INFO
    confidence: Confidence = Confidence.POSSIBLE
    key_target: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding at a moment. ``last_inspected`` is the last look that could tell; ``fixed`` when it was proven."""

    state: State
    severity: Severity
    confidence: Confidence
    key_target: bool
    first_seen: datetime
    last_seen: datetime
    last_inspected: datetime
    fixed: datetime | None = None
    recurrences: int = 0

    @property
    def deadline(self) -> datetime | None:
        """By when it should be fixed; None for a hint."""
        return deadline(self.first_seen, self.severity, key_target=self.key_target)


Step = tuple[Standing | None, tuple[Happened, ...]]


def follow(standing: Standing | None, look: Look) -> Step:
    """Return how the finding stands after ``look``, and what happened; None stays None until it is seen."""
    if standing is None:
        return (_born(look), (Happened.OPENED,)) if look.observation is Observation.SEEN else (None, ())
    if look.observation is Observation.NOT_INSPECTED:
        return standing, () if standing.state is State.FIXED else (Happened.NOT_INSPECTED,)
    if look.when <= standing.last_inspected:
        return standing, ()
    inspected = replace(standing, last_inspected=look.when)
    return _seen(inspected, look) if look.observation is Observation.SEEN else _not_seen(inspected, look)


def deadline(first_seen: datetime, severity: Severity, *, key_target: bool) -> datetime | None:
    """Return by when a finding should be fixed, or None when nothing has to be done."""
    allowed = ALLOWED.get(severity)
    if allowed is None:
        return None
    return first_seen + (allowed / 2 if key_target else allowed)


def age(first_seen: datetime, due: datetime | None, now: datetime) -> Age:
    """Tell where a finding stands against its deadline at ``now``."""
    if due is None or now <= due:
        return Age.IN_TIME
    return Age.LONG_OVERDUE if now - first_seen > 2 * (due - first_seen) else Age.OVERDUE


def _born(look: Look) -> Standing:
    return Standing(
        state=State.OPEN,
        severity=look.severity,
        confidence=look.confidence,
        key_target=look.key_target,
        first_seen=look.when,
        last_seen=look.when,
        last_inspected=look.when,
    )


def _seen(standing: Standing, look: Look) -> Step:
    now = replace(
        standing,
        severity=look.severity,
        confidence=look.confidence,
        key_target=look.key_target,
        last_seen=look.when,
    )
    changed = (standing.severity, standing.confidence) != (look.severity, look.confidence)
    events = (Happened.CHANGED,) if changed else ()
    if standing.fixed is not None:
        return _reopened(now, standing.fixed, look.when), (Happened.REOPENED, *events)
    if standing.state is State.CLAIMED:
        return replace(now, state=State.OPEN), (Happened.CLAIM_REFUTED, *events)
    return now, (Happened.SEEN, *events)


def _reopened(now: Standing, fixed: datetime, when: datetime) -> Standing:
    """Open it again: as the same life with a recurrence, or after a long absence as a new one."""
    reopened = replace(now, state=State.OPEN, fixed=None)
    if when - fixed <= SAME_LIFE:
        return replace(reopened, recurrences=now.recurrences + 1)
    return replace(reopened, first_seen=when)


def _not_seen(standing: Standing, look: Look) -> Step:
    if standing.state is State.FIXED:
        return standing, ()
    if standing.state in EXEMPT:
        return standing, (Happened.NOT_SEEN,)
    return replace(standing, state=State.FIXED, fixed=look.when), (Happened.FIXED,)
