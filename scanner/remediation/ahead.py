"""Judges what a round saw while it still looks at other hosts, so that following it in the end is quick."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from django.db import connections

from scanner.engine.plan import Profile
from scanner.remediation.observe import READ, REMEMBERED, RoundView
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation

_log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks for new results."""


class Ahead:
    """Judges, in a thread of its own while the block lasts, what came in of a round, each host as if it were alone.

    Nothing is stored: who follows the round in this process finds most of it judged, and judges what is not. ``begin``
    is done first, whatever else is better done before the looks are over.
    """

    def __init__(self, round_id: int, begin: Callable[[], None]) -> None:
        self._round = round_id
        self._begin = begin
        self._over = Event()
        self._thread = Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        last = judged = 0
        try:
            self._begin()
            while judged < REMEMBERED and not self._over.wait(EVERY):
                new = _first_looks(self._round, last, REMEMBERED - judged)
                last, judged = max(new, default=last), judged + len(new)
                judge_ahead(self._round, new)
        except Exception:  # noqa: BLE001 - whatever it was, who follows the round meets it, and tells it
            _log.exception("round %d is judged when its looks are over", self._round)
        finally:
            connections.close_all()


def judge_ahead(round_id: int, results: list[int]) -> None:
    """Judge these results of the round, for who asks next in this process."""
    this = Round.objects.get(pk=round_id)
    rows = HostResult.objects.filter(pk__in=results).only(*READ)
    for organisation in Organisation.objects.filter(host_results__in=results).select_related("parent").distinct():
        RoundView(rows.filter(organisation=organisation).iterator(chunk_size=50), Profile(this.profile), organisation)


def _first_looks(round_id: int, after: int, most: int) -> list[int]:
    rows = HostResult.objects.filter(round=round_id, look=LookNumber.FIRST, pk__gt=after)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:most])
