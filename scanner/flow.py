"""Wires the corridor: a round is executed, its findings are followed. The one place that knows all rooms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from scanner.remediation.follow import follow_round, would_be_fixed
from scanner.rounds.execute import execute
from scanner.rounds.ways import Hooks, Ways


def hooks(now: Callable[[], datetime]) -> Hooks:
    """Return what happens at the turning points of every round."""
    return Hooks(doubt=would_be_fixed, follow=lambda round_id: follow_round(round_id, now()))


def carry_out(round_id: int, ways: Ways | None = None, helpers: int = 0) -> None:
    """Execute a round, look again at what would count as fixed, and follow its findings.

    Carrying out a round again goes on where it stopped, and changes nothing once it is whole. After Ctrl-C what
    was seen until then is followed too, but without a second look nothing is fixed; the interrupt goes on. ``helpers``
    are threads that look at hosts beside the calling one.
    """
    ways = ways or Ways()
    execute(round_id, ways, hooks(ways.now), helpers)
