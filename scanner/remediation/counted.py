"""Which findings count: the one answer for all that list or count them within the database.

It is what reports, notices and bulletins ask of :class:`scanner.remediation.part.Register`, kept beside each finding.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from scanner.remediation.lifecycle import TO_FIX, State
from scanner.remediation.models import Finding

LISTED = Q(registered=True) | Q(state=State.FIXED)
"""What lists show: what is fixed, wherever that was, and what stands at a place that is still registered."""

TO_BE_FIXED = Q(state__in=TO_FIX, registered=True)
"""What is to be fixed: open, or claimed and not proven yet. Nothing of a retired organisation is registered."""


def overdue(now: datetime) -> Q:
    """Return the condition that a finding is to be fixed and its deadline has passed; a claim does not put it off."""
    return TO_BE_FIXED & Q(deadline__lt=now)


def is_overdue(finding: Finding, now: datetime) -> bool:
    """Tell the same of one finding."""
    return finding.registered and is_late(finding, now)


def is_late(finding: Finding, now: datetime) -> bool:
    """Tell the same of one whose place is known to be registered."""
    return finding.state in TO_FIX and finding.deadline is not None and finding.deadline < now
