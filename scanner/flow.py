"""Wires the corridor: a round is executed, its findings are followed. The one place that knows both rooms."""

from __future__ import annotations

from scanner.remediation.follow import follow_round, would_be_fixed
from scanner.rounds.execute import execute
from scanner.rounds.ways import Hooks, Ways


def hooks() -> Hooks:
    """Return what happens at the turning points of every round."""
    return Hooks(doubt=would_be_fixed, follow=follow_round)


def carry_out(round_id: int, ways: Ways | None = None, helpers: int = 0) -> None:
    """Execute a round, look again at what would count as fixed, and follow its findings.

    Carrying out a round again goes on where it stopped, and changes nothing once it is whole. After Ctrl-C what
    was seen until then is followed too, but without a second look nothing is fixed; the interrupt goes on. ``helpers``
    are threads that look at hosts beside the calling one.
    """
    execute(round_id, ways, hooks(), helpers)
