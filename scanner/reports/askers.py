"""Who asked for something, as people read it: by the name that was kept, or what Roundsman calls itself there."""

from __future__ import annotations

from scanner.remediation.cadence import BY_CADENCE
from scanner.reports.words import Words
from scanner.rounds.clock import BY_PLAN

_PLAN, _ = BY_PLAN.split("{name}")


def asker(kept: str, t: Words) -> str:
    """Return who asked, in the reader's language; a person's name as it was kept."""
    if kept == BY_CADENCE:
        return t("asker.cadence")
    return t("asker.plan", name=kept.removeprefix(_PLAN)) if kept.startswith(_PLAN) else kept
