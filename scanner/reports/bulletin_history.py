"""What a finding's history says about a period: pure, so that a past period can be told of as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.engine.model import Confidence, Severity
from scanner.remediation.lifecycle import SAME_LIFE, Happened
from scanner.reports.bulletin_model import Period, Progress, rate

TURNS = (
    Happened.OPENED,
    Happened.REOPENED,
    Happened.CLAIMED,
    Happened.CLAIM_REFUTED,
    Happened.FIXED,
    Happened.EXEMPTED,
    Happened.EXEMPTION_ENDED,
)
"""The kinds of events after which a finding stands otherwise."""


class Stand(StrEnum):
    """How a finding stands at a moment; ``UNKNOWN`` before it was found."""

    UNKNOWN = "unknown"
    OPEN = "open"
    CLAIMED = "claimed"
    FIXED = "fixed"
    EXEMPT = "exempt"


_AFTER = {
    Happened.OPENED: Stand.OPEN,
    Happened.REOPENED: Stand.OPEN,
    Happened.CLAIMED: Stand.CLAIMED,
    Happened.CLAIM_REFUTED: Stand.OPEN,
    Happened.FIXED: Stand.FIXED,
    Happened.EXEMPTED: Stand.EXEMPT,
    Happened.EXEMPTION_ENDED: Stand.OPEN,
}

TO_FIX = (Stand.OPEN, Stand.CLAIMED)

Event = tuple[Happened, datetime]


@dataclass(frozen=True, slots=True)
class Life:
    """A finding and what happened to it, in order, up to the end of the period. ``asked``: an exemption was asked for,
    and not decided by then."""

    number: int
    organisation: int
    check: str
    severity: Severity
    confidence: Confidence
    deadline: datetime | None
    asked: bool
    events: tuple[Event, ...]

    @staticmethod
    def opens(kind: Happened) -> bool:
        """Whether a finding is to be fixed after this."""
        return _AFTER[kind] in TO_FIX

    def at(self, moment: datetime) -> Stand:
        """Return how it stood just before ``moment``."""
        stand = Stand.UNKNOWN
        for kind, when in self.events:
            if when >= moment:
                break
            stand = _AFTER[kind]
        return stand

    def to_fix_at(self, moment: datetime) -> bool:
        return self.at(moment) in TO_FIX

    def counts(self) -> bool:
        """Whether it enters the numbers: neither a hint nor merely possible."""
        return self.severity is not Severity.INFO and self.confidence is not Confidence.POSSIBLE

    def overdue_at(self, moment: datetime) -> bool:
        """Whether it is late, and nothing about it waits for the office: a decision, or a look that proves a claim."""
        late = self.deadline is not None and self.deadline < moment
        return late and not self.asked and self.at(moment) is Stand.OPEN

    def was_to_fix(self, period: Period) -> bool:
        """Whether it was to be fixed at any time of the period."""
        return self.to_fix_at(period.since) or any(
            _AFTER[kind] in TO_FIX and period.since <= when < period.end for kind, when in self.events
        )

    def recurred_in(self, period: Period) -> bool:
        """Whether it came back in the period, within the time in which a finding is the same."""
        fixed: datetime | None = None
        for kind, when in self.events:
            if when >= period.end:
                break
            back = kind is Happened.REOPENED and fixed is not None and when - fixed <= SAME_LIFE
            if back and when >= period.since:
                return True
            if kind is Happened.FIXED:
                fixed = when
        return False

    def could_recur_in(self, period: Period) -> bool:
        """Whether it was proven fixed in the period, or so shortly before that it could come back in it."""
        first = period.since - SAME_LIFE
        return any(kind is Happened.FIXED and first <= when < period.end for kind, when in self.events)

    def kept_deadline(self, period: Period) -> bool | None:
        """Whether it was fixed in time; None when its deadline is outside the period, or it was exempt at its end."""
        if self.deadline is None or not period.since <= self.deadline < period.end:
            return None
        if self.at(period.end) is Stand.EXEMPT:
            return None
        since = self._fixed_since(period.end)
        return since is not None and since[1] <= self.deadline

    def _fixed_since(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """Return since when it was proven fixed at ``moment``, and when its organisation said so, if it did before."""
        found, claimed = None, None
        for kind, when in self.events:
            if when >= moment:
                break
            if kind is Happened.CLAIMED:
                claimed = when
            elif kind is Happened.FIXED:
                found = (when, claimed or when)
            else:
                found, claimed = None, None
        return found


def progress_of(lives: Iterable[Life], period: Period) -> Progress:
    """Return what became of findings in the period."""
    due = done = dated = kept = mended = back = 0
    for life in lives:
        if life.was_to_fix(period) and life.at(period.end) is not Stand.EXEMPT:
            due += 1
            done += life.at(period.end) is Stand.FIXED
        in_time = life.kept_deadline(period)
        if in_time is not None:
            dated += 1
            kept += in_time
        if life.could_recur_in(period):
            mended += 1
            back += life.recurred_in(period)
    return Progress(rate(done, due), rate(kept, dated), rate(back, mended))
