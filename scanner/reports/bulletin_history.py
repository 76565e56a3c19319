"""What a finding's history says about a period: pure, so that a past period can be told of as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.engine.model import Confidence, Severity
from scanner.remediation.lifecycle import SAME_LIFE, Happened
from scanner.reports.bulletin_model import Period, Progress, rate


class Stand(StrEnum):
    """How a finding stands at a moment; ``UNKNOWN`` before it was found."""

    UNKNOWN = "unknown"
    OPEN = "open"
    CLAIMED = "claimed"
    FIXED = "fixed"
    EXEMPT = "exempt"


AFTER = {
    Happened.OPENED: Stand.OPEN,
    Happened.REOPENED: Stand.OPEN,
    Happened.CLAIMED: Stand.CLAIMED,
    Happened.CLAIM_REFUTED: Stand.OPEN,
    Happened.FIXED: Stand.FIXED,
    Happened.EXEMPTED: Stand.EXEMPT,
    Happened.EXEMPTION_ENDED: Stand.OPEN,
}
"""How a finding stands after the events that change that."""

TO_FIX = frozenset({Stand.OPEN, Stand.CLAIMED})

SERIOUS = frozenset(each for each in Severity if each.at_least(Severity.HIGH))

Event = tuple[Happened, datetime]


@dataclass(frozen=True, slots=True)
class Life:
    """A finding and what happened to it, in order, up to the end of the period; only what :data:`AFTER` holds.

    ``asked``: an exemption was asked for, and not decided by then.
    """

    number: int
    organisation: int
    check: str
    severity: Severity
    confidence: Confidence
    deadline: datetime | None
    asked: bool
    events: tuple[Event, ...]

    def counts(self) -> bool:
        """Whether it enters the numbers: neither a hint nor merely possible."""
        return self.severity is not Severity.INFO and self.confidence is not Confidence.POSSIBLE


@dataclass(frozen=True, slots=True)
class Passage:
    """How a finding went through a period: how it stood just before its beginning and its end, and in between.

    ``to_fix``: it was to be fixed at any time of the period. ``mended``: it was proven fixed in it, or so shortly
    before that it could come back in it as the same; ``back``: it did. ``in_time``: it was fixed by a deadline within
    the period; None when there is none, or it was exempt at the end. ``overdue``: it is late at the end, and nothing
    about it waits for the office, neither a decision nor a look that proves a claim.
    """

    life: Life
    before: Stand
    after: Stand
    to_fix: bool
    mended: bool
    back: bool
    in_time: bool | None
    overdue: bool

    @property
    def is_open(self) -> bool:
        """Whether it is to be fixed at the end."""
        return self.after in TO_FIX


def passage(life: Life, period: Period) -> Passage:
    """Return how the finding went through the period."""
    since, end = period.since, period.end
    before = after = Stand.UNKNOWN
    fixed: datetime | None = None  # when it was last proven fixed, whatever came then
    done: datetime | None = None  # since when it is done: the claim that was proven, or the proof
    claimed: datetime | None = None
    to_fix = mended = back = False
    for kind, when in life.events:
        if when >= end:
            break
        inside = when >= since
        if kind is Happened.FIXED:
            fixed, done = when, claimed or when
            mended = mended or when >= since - SAME_LIFE
        else:
            back = back or (inside and kind is Happened.REOPENED and fixed is not None and when - fixed <= SAME_LIFE)
            claimed, done = when if kind is Happened.CLAIMED else None, None
        after = AFTER[kind]
        if inside:
            to_fix = to_fix or after in TO_FIX
        else:
            before = after
    return Passage(
        life=life,
        before=before,
        after=after,
        to_fix=to_fix or before in TO_FIX,
        mended=mended,
        back=back,
        in_time=_in_time(life, period, after, done),
        overdue=life.deadline is not None and life.deadline < end and not life.asked and after is Stand.OPEN,
    )


def progress_of(passages: Iterable[Passage]) -> Progress:
    """Return what became of findings in the period."""
    due = done = dated = kept = mended = back = 0
    for each in passages:
        if each.to_fix and each.after is not Stand.EXEMPT:
            due += 1
            done += each.after is Stand.FIXED
        if each.in_time is not None:
            dated += 1
            kept += each.in_time
        if each.mended:
            mended += 1
            back += each.back
    return Progress(rate(done, due), rate(kept, dated), rate(back, mended))


def _in_time(life: Life, period: Period, after: Stand, done: datetime | None) -> bool | None:
    if life.deadline is None or not period.since <= life.deadline < period.end or after is Stand.EXEMPT:
        return None
    return after is Stand.FIXED and done is not None and done <= life.deadline
