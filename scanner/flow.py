"""Wires the corridor: a round is executed, its findings are followed, people are told. The one place that knows all
rooms."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from scanner.delivery.posting import issue_for_round
from scanner.delivery.tell import alert_urgent, tell_round
from scanner.remediation.follow import follow_round, would_be_fixed
from scanner.remediation.urgent import open_urgent, urgent_of
from scanner.rounds.execute import execute
from scanner.rounds.models import HostResult, LookNumber
from scanner.rounds.ways import Hooks, Ways

_log = logging.getLogger(__name__)


def hooks(now: Callable[[], datetime]) -> Hooks:
    """Return what happens at the turning points of every round."""
    return Hooks(doubt=would_be_fixed, follow=lambda round_id: follow(round_id, now()))


def follow(round_id: int, now: datetime) -> None:
    """Follow the findings of a round whose looks are over, and put into the outbox what is to be told of them.

    Doing so again, after a crash anywhere in between, adds what is missing and tells nothing twice.
    """
    follow_round(round_id, now)
    _log.info("round %d was followed", round_id)
    alert_urgent(urgent_of(round_id), now)
    issue_for_round(round_id, now)
    tell_round(round_id, now)


class Sentinel:
    """Sees to it that nobody waits for the end of a round to hear of what can't wait.

    It judges results as they come in. It remembers which it has judged, only to save judging them again: what it found
    is opened, and told, once.
    """

    def __init__(self) -> None:
        self._judged: set[int] = set()

    def look(self, now: datetime) -> int:
        """Open and tell what is urgent among the results that came in since; return how many letters that made."""
        rows = HostResult.objects.filter(round__followed=None, look=LookNumber.FIRST)
        standing = dict(rows.values_list("pk", "round"))
        new: dict[int, list[int]] = defaultdict(list)
        for result, round_id in standing.items():
            if result not in self._judged:
                new[round_id].append(result)
        letters = 0
        for round_id, results in sorted(new.items()):
            letters += alert_urgent(open_urgent(round_id, results, now), now)
            self._judged.update(results)
        self._judged &= standing.keys()
        return letters


def carry_out(round_id: int, ways: Ways | None = None, helpers: int = 0) -> None:
    """Execute a round, look again at what would count as fixed, follow its findings, and say what there is to say.

    Carrying out a round again goes on where it stopped, and changes nothing once it is whole. After Ctrl-C what
    was seen until then is followed too, but without a second look nothing is fixed; the interrupt goes on. ``helpers``
    are threads that look at hosts beside the calling one.
    """
    ways = ways or Ways()
    execute(round_id, ways, hooks(ways.now), helpers)
