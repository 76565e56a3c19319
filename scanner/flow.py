"""Wires the corridor: a round is executed, its findings are followed, people are told. The one place that knows all
rooms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from itertools import groupby
from threading import Event, Thread

from scanner.delivery.apart import apart
from scanner.delivery.posting import issue_for_round
from scanner.delivery.summary_letter import send_round_summary
from scanner.delivery.tell import alert_urgent, tell_round
from scanner.remediation.arrival import nothing_new
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import count_keys, follow_some
from scanner.remediation.urgent import open_urgent, urgent_of
from scanner.reports.render import warm_up
from scanner.rounds.execute import execute
from scanner.rounds.models import TO_READ, HostResult, LookNumber, Round
from scanner.rounds.ways import Hooks, Ways

_log = logging.getLogger(__name__)

JUDGED_AT_ONCE = 200
"""Results that are judged, and told, before the next ones are read."""


def hooks(now: Callable[[], datetime]) -> Hooks:
    """Return what happens at the turning points of every round."""
    return Hooks(
        arrived=nothing_new,
        doubt=would_be_fixed,
        keys=lambda round_id: count_keys(round_id, now()),
        follow=lambda round_id, organisations: follow_some(round_id, organisations, now()),
        tell=lambda round_id, organisations: tell(round_id, organisations, now()),
        close=lambda round_id: close(round_id, now()),
    )


def tell(round_id: int, organisations: Collection[int], now: datetime) -> None:
    """Put into the outbox what these organisations of a followed round are to be told.

    Doing so again, after a crash anywhere in between, adds what is missing and tells nothing twice. What can't be told
    holds up nothing else, and is raised at the end.
    """
    apart(
        (
            (f"alert of round {round_id}", lambda: alert_urgent(urgent_of(round_id, organisations), now)),
            (f"issue the notices of round {round_id}", partial(issue_for_round, round_id, now, organisations)),
            (f"tell of round {round_id}", partial(tell_round, round_id, now, organisations)),
        )
    )


def close(round_id: int, now: datetime) -> None:
    """Tell the operators of a round that all of its organisations were told of; once, however often it is done."""
    send_round_summary(round_id, now)
    _log.info("round %d was followed, and all were told", round_id)


class Sentinel:
    """Sees to it that nobody waits for the end of a round to hear of what can't wait.

    It judges results as they come in. It remembers which it has judged, only to save judging them again: what it found
    is opened, and told, once. ``stop`` set, it leaves the rest for another time.
    """

    def __init__(self, stop: Event | None = None) -> None:
        self._judged: set[int] = set()
        self._stop = stop or Event()

    def look(self, now: datetime) -> int:
        """Open and tell what is urgent among the results that came in since; return how many letters that made.

        What goes wrong with some results is logged, keeps no others from being told, and is tried again.
        """
        in_work = list(Round.objects.filter(followed=None).values_list("pk", flat=True))
        rows = HostResult.objects.filter(TO_READ, round__in=in_work, look=LookNumber.FIRST)
        standing = list(rows.order_by("round", "pk").values_list("round", "pk"))
        self._judged &= {result for _, result in standing}
        letters = 0
        for round_id, results in groupby(
            (each for each in standing if each[1] not in self._judged), lambda each: each[0]
        ):
            new = [result for _, result in results]
            for first in range(0, len(new), JUDGED_AT_ONCE):
                if self._stop.is_set():
                    return letters
                letters += self._tell(round_id, new[first : first + JUDGED_AT_ONCE], now)
        return letters

    def _tell(self, round_id: int, results: list[int], now: datetime) -> int:
        try:
            letters = alert_urgent(open_urgent(round_id, results, now), now)
        except Exception:  # noqa: BLE001 - whatever it was, what others found can't wait for it
            _log.exception("what is urgent in round %d could not be told; it is tried again", round_id)
            return 0
        self._judged.update(results)
        return letters


def carry_out(round_id: int, ways: Ways | None = None, helpers: int = 0) -> None:
    """Execute a round, look again at what would count as fixed, follow its findings, and say what there is to say.

    Carrying out a round again goes on where it stopped, and changes nothing once it is whole. After Ctrl-C what
    was seen until then is followed too, but without a second look nothing is fixed; the interrupt goes on. ``helpers``
    are threads that look at hosts beside the calling one.
    """
    ways = ways or Ways()
    if helpers and ways.engine is None:
        Thread(target=warm_up, name="warm-up", daemon=True).start()  # while hosts take their time
    execute(round_id, ways, hooks(ways.now), helpers)
