"""Wires the corridor: a round is executed, its findings are followed. The one place that knows both rooms."""

from __future__ import annotations

import datetime as dt

from scanner.remediation.follow import follow_round, would_be_fixed
from scanner.rounds.execute import Ways, execute, look_again


def carry_out(round_id: int, ways: Ways | None = None) -> None:
    """Execute a round, look again at what would count as fixed, and follow its findings.

    Carrying out a round again goes on where it stopped, and changes nothing once it is whole. After Ctrl-C what
    was seen until then is followed too, but without a second look nothing is fixed; the interrupt goes on.
    """
    try:
        execute(round_id, ways)
        look_again(round_id, would_be_fixed(round_id), ways)
    except KeyboardInterrupt:
        follow_round(round_id, dt.datetime.now(dt.UTC))
        raise
    follow_round(round_id, dt.datetime.now(dt.UTC))
