"""The life of a finding as a pure state machine: what it was, what happened, what it is then.

Not seen is not fixed: only ``NOT_SEEN`` closes a finding, and the caller may claim it only when two completed
inspections of the same round covered the check and did not show it. Looks are told apart by their time, so that
the same look taken twice, or an older one that arrives late, changes nothing.

Time to fix runs only while an organisation knows and is asked to act. It begins when the finding is first reported, and
begins anew when that happens again after the finding was gone, exempt, or only a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from scanner.engine.model import Confidence, Severity
from scanner.remediation.score import Age
from targets.registry.times import end_of_day


class State(StrEnum):
    """``CLAIMED``: the organisation says it is fixed, no inspection has confirmed it yet."""

    OPEN = "open"
    CLAIMED = "claimed"
    FIXED = "fixed"
    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false-positive"


EXEMPT = frozenset({State.ACCEPTED, State.FALSE_POSITIVE})
"""A person decided these; only a person, or the end of the exemption, changes them."""

TO_FIX = frozenset({State.OPEN, State.CLAIMED})
"""What an organisation still has to fix, as far as any inspection knows."""


class Ground(StrEnum):
    """Why a finding is exempt; the values are those of its states."""

    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false-positive"


class Observation(StrEnum):
    """What a round can say about one finding. ``NOT_SEEN`` is proof of absence, ``NOT_INSPECTED`` proves nothing."""

    SEEN = "seen"
    NOT_SEEN = "not-seen"
    NOT_INSPECTED = "not-inspected"


class Happened(StrEnum):
    """The kinds of events in a finding's history. From ``CLAIMED`` on they are what people did, or time.

    A finding is ``REOPENED`` as a recurrence of the same life, which is alerted, or after a long absence.
    """

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


MERELY_SEEN = (Happened.SEEN, Happened.NOT_INSPECTED, Happened.NOT_SEEN)
"""What nearly every round tells of every finding, and no report needs."""


SAME_LIFE = timedelta(days=90)
"""A finding that comes back within this time was never really gone: it keeps its first-seen date."""

ALLOWED: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(days=3),
    Severity.HIGH: timedelta(days=7),
    Severity.MEDIUM: timedelta(days=30),
    Severity.LOW: timedelta(days=90),
}
"""Time to fix, from when it was first reported; halved for key targets. A default of this product, not a national
figure; a plan may set others."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Time to fix by severity, and the time zone by whose clocks its last day ends.

    A severity without any has no deadline.
    """

    allowed: Mapping[Severity, timedelta]
    zone: ZoneInfo


USUAL = Terms(ALLOWED, ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Look:
    """What one round says about one finding at ``when`` (the end of the inspection that says it, which began at
    ``began``).

    ``severity`` and ``confidence`` are those judged now; they and ``began`` matter for ``SEEN`` only.
    """

    observation: Observation
    when: datetime
    severity: Severity = Severity.INFO
    confidence: Confidence = Confidence.POSSIBLE
    key_target: bool = False
    began: datetime | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """To be fixed."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Said to be fixed at ``since``; a look that began before says nothing about that."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Fixed:
    """Proven gone at ``at``."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Exempt:
    """Exempt up to, not including, ``until``; proven gone at ``gone``, and not seen since, unless that is None."""

    ground: Ground
    until: datetime
    gone: datetime | None = None


Situation = Open | Claimed | Fixed | Exempt


@dataclass(frozen=True, slots=True)
class Told:
    """When the organisation was told, and by when it is to be fixed; None for a hint."""

    at: datetime
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding at a moment. ``last_inspected`` is the last look that could tell; ``told`` is None until reported."""

    severity: Severity
    confidence: Confidence
    key_target: bool
    first_seen: datetime
    last_seen: datetime
    last_inspected: datetime
    situation: Situation = Open()
    told: Told | None = None
    recurrences: int = 0

    @property
    def state(self) -> State:
        match self.situation:
            case Open():
                return State.OPEN
            case Claimed():
                return State.CLAIMED
            case Fixed():
                return State.FIXED
            case Exempt(ground=ground):
                return State(ground)

    @property
    def fixed(self) -> datetime | None:
        """When it was proven gone, exactly while it is fixed."""
        return self.situation.at if isinstance(self.situation, Fixed) else None

    @property
    def deadline(self) -> datetime | None:
        """By when it should be fixed; None for a hint, and before it is reported."""
        return self.told.deadline if self.told else None


Step = tuple[Standing | None, tuple[Happened, ...]]

Act = tuple[Standing, tuple[Happened, ...]]
"""What people or time did; nothing happened where it can't be done to a finding that stands so."""


def follow(standing: Standing | None, look: Look, terms: Terms = USUAL) -> Step:
    """Return how the finding stands after ``look``, and what happened; None stays None until it is seen.

    ``terms`` hold for a severity that changed.
    """
    if standing is None:
        return (_born(look), (Happened.OPENED,)) if look.observation is Observation.SEEN else (None, ())
    if look.observation is Observation.NOT_INSPECTED:
        return standing, () if standing.state is State.FIXED else (Happened.NOT_INSPECTED,)
    if look.when <= standing.last_inspected:
        return standing, ()
    if look.observation is Observation.SEEN:
        return _seen(standing, look, terms)
    return _not_seen(replace(standing, last_inspected=look.when), look)


def report(standing: Standing, when: datetime, terms: Terms = USUAL) -> Standing:
    """Return how it stands once its organisation was told at ``when``; its time runs already if it was told before."""
    if standing.state not in TO_FIX or standing.told is not None:
        return standing
    due = deadline(when, standing.severity, key_target=standing.key_target, terms=terms)
    return replace(standing, told=Told(when, due))


def claim(standing: Standing, when: datetime) -> Act:
    """Let the organisation say at ``when`` that an open finding is fixed; its time runs on."""
    if standing.state is not State.OPEN:
        return standing, ()
    return replace(standing, situation=Claimed(when)), (Happened.CLAIMED,)


def exempt(standing: Standing, ground: Ground, until: datetime) -> Act:
    """Exempt a finding that is to be fixed."""
    if standing.state not in TO_FIX:
        return standing, ()
    return replace(standing, situation=Exempt(ground, until)), (Happened.EXEMPTED,)


def end_exemption(standing: Standing) -> Act:
    """End the exemption: the finding is to be fixed again, and its time begins when that is reported.

    It is fixed instead, since when that was proven, when the last look that could tell proved it gone.
    """
    if not isinstance(standing.situation, Exempt):
        return standing, ()
    gone = standing.situation.gone
    if gone is not None:
        return replace(standing, situation=Fixed(gone)), (Happened.EXEMPTION_ENDED, Happened.FIXED)
    return replace(standing, situation=Open(), told=None), (Happened.EXEMPTION_ENDED,)


def terms_of(days: Mapping[str, float], zone: ZoneInfo) -> Terms:
    """Return the time to fix by severity: ``days`` where there are any, else the default. Hints never get any."""
    allowed = {
        severity: timedelta(days=days[severity]) if severity in days else usual for severity, usual in ALLOWED.items()
    }
    return Terms(allowed, zone)


def deadline(reported: datetime, severity: Severity, *, key_target: bool, terms: Terms = USUAL) -> datetime | None:
    """Return by when a finding should be fixed, or None when nothing has to be done.

    That is the last second of the local day on which the time is over, so that people are told a day, and have all of
    it, and nobody gets less time than is allowed.
    """
    allowed = terms.allowed.get(severity)
    if allowed is None:
        return None
    over = reported + (allowed / 2 if key_target else allowed)
    return end_of_day(over.astimezone(terms.zone).date(), terms.zone) - timedelta(seconds=1)


def age(reported: datetime | None, due: datetime | None, now: datetime) -> Age:
    """Tell where a finding stands against its deadline at ``now``."""
    if reported is None or due is None or now <= due:
        return Age.IN_TIME
    return Age.LONG_OVERDUE if now - reported > 2 * (due - reported) else Age.OVERDUE


def _born(look: Look) -> Standing:
    return Standing(
        severity=look.severity,
        confidence=look.confidence,
        key_target=look.key_target,
        first_seen=look.when,
        last_seen=look.when,
        last_inspected=look.when,
    )


def _seen(standing: Standing, look: Look, terms: Terms) -> Step:
    now = replace(
        standing,
        severity=look.severity,
        confidence=look.confidence,
        key_target=look.key_target,
        last_seen=look.when,
        last_inspected=look.when,
        told=_told_of_change(standing, look, terms),
    )
    changed = (standing.severity, standing.confidence) != (look.severity, look.confidence)
    events = (Happened.CHANGED,) if changed else ()
    match standing.situation:
        case Fixed(at=fixed):
            return _reopened(now, fixed, look), (Happened.REOPENED, *events)
        case Claimed(since=since) if (look.began or look.when) > since:
            return replace(now, situation=Open()), (Happened.CLAIM_REFUTED, *events)
        case Exempt(ground=ground, until=until):
            return replace(now, situation=Exempt(ground, until)), (Happened.SEEN, *events)
    return now, (Happened.SEEN, *events)


def _told_of_change(standing: Standing, look: Look, terms: Terms) -> Told | None:
    """Return what the organisation is bound to when a finding weighs otherwise.

    Only what got worse brings the deadline forward, and that never puts it off: it gets the time that is allowed now,
    from the look that saw it worse, so that nothing is overdue before anybody could know. What weighs less is counted
    from the same day as before. What was only a hint has asked nobody to act, so its time begins when it is reported
    anew.
    """
    told = standing.told
    before, after = (standing.severity, standing.key_target), (look.severity, look.key_target)
    if told is None or before == after:
        return told
    worse = look.severity.rank > standing.severity.rank or (
        look.severity is standing.severity and look.key_target and not standing.key_target
    )
    since = max(told.at, look.when) if worse else told.at
    due = deadline(since, look.severity, key_target=look.key_target, terms=terms)
    if due is None:
        return Told(told.at, None)
    if told.deadline is None:
        return None
    return Told(told.at, min(due, told.deadline) if worse else max(due, told.deadline))


def _reopened(now: Standing, fixed: datetime, look: Look) -> Standing:
    """Open it again: as the same life with a recurrence, or after a long absence as a new one."""
    if look.when - fixed > SAME_LIFE:
        return _born(look)
    return replace(now, situation=Open(), told=None, recurrences=now.recurrences + 1)


def _not_seen(standing: Standing, look: Look) -> Step:
    match standing.situation:
        case Fixed():
            return standing, ()
        case Exempt(ground=ground, until=until, gone=gone):
            return replace(standing, situation=Exempt(ground, until, gone or look.when)), (Happened.NOT_SEEN,)
    return replace(standing, situation=Fixed(look.when)), (Happened.FIXED,)
