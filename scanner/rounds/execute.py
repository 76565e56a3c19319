"""Carries one round out in this process, for whoever waits for it: the calling thread works, perhaps with others."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack

from django.conf import settings

from scanner.engine.errors import RoundsmanError
from scanner.engine.inspect import Observer, Progress
from scanner.rounds import steps
from scanner.rounds.assignment import hosts_left
from scanner.rounds.lease import Observer as LeaseObserver
from scanner.rounds.lease import Share, worker_name
from scanner.rounds.models import Job, JobKind, JobState, Round, RoundState
from scanner.rounds.switch import current_stop
from scanner.rounds.ways import Hooks, Ways
from scanner.rounds.worker import Hand, Workers

_log = logging.getLogger(__name__)

SOON = 0.1
"""Seconds after which a helper looks again for hosts to look at, while somebody waits for the round."""

WAIT = 0.5
"""Seconds between two looks at a round that others work at, or that waits."""


def execute(round_id: int, ways: Ways | None = None, hooks: Hooks | None = None, helpers: int = 0) -> None:
    """Do, or wait for, every job of the round. Doing so again goes on where it stopped, and changes nothing once it is
    done. Ctrl-C cancels the round, accounts for what was left, lets it be followed, and goes on.

    Hosts of zones that this machine does not look at are waited for. ``helpers`` are threads that look at hosts beside
    the calling one, if it is the real engine that looks.
    Raises ``RoundsmanError`` when the round is paused or everything is stopped, and whatever the rooms above raise.
    """
    ways, hooks, lost = ways or Ways(), hooks or Hooks(), LeaseObserver()
    with _Watching(ways) as watching:

        def helper(drain: threading.Event) -> Hand:
            looks = Share(round_id, (JobKind.LOOK,), settings.ZONES)
            return Hand(worker_name("run"), ways, hooks, lost, drain, watch=watching.of, share=looks)

        own = Share(round_id, zones=settings.ZONES)
        hand = Hand(worker_name("run"), ways, hooks, lost, patient=False, watch=watching.of, share=own)
        try:
            with Workers(helpers if ways.engine is None else 0, helper, SOON):
                _work_off(round_id, hand)
        except KeyboardInterrupt:
            if Round.objects.filter(pk=round_id, state__in=(RoundState.PLANNED, RoundState.RUNNING)).exists():
                _cancel(round_id, hand)
            raise


def _work_off(round_id: int, hand: Hand) -> None:
    steps.begin(round_id, hand.ways.now())
    said = ""
    while True:
        if hand.work_one():
            continue
        this = Round.objects.get(pk=round_id)
        if not Job.objects.filter(round=this, state__in=(JobState.WAITING, JobState.RUNNING)).exists():
            return
        if this.state == RoundState.PAUSED:
            raise RoundsmanError(f"Round {round_id} is paused; 'roundsman round resume {round_id}' goes on with it.")
        stop = current_stop()
        if stop is not None:
            raise RoundsmanError(
                f"Everything was stopped by {stop.by}; 'roundsman resume' lifts that, then "
                f"'roundsman round resume {round_id}' goes on with the round."
            )
        put_off = Job.objects.filter(round=this, not_before__gt=hand.ways.now()).order_by("not_before").first()
        if put_off is not None and put_off.why != said:
            said = put_off.why
            _log.warning("%s waits: %s", this, said)
        time.sleep(WAIT)


def _cancel(round_id: int, hand: Hand) -> None:
    if not Job.objects.filter(round=round_id, kind=JobKind.KEYS).exists():
        asked = Round.objects.values_list("requested_by", flat=True).get(pk=round_id)
        steps.cancel(round_id, asked, hand.ways.now())
    if current_stop() is None:
        _work_off(round_id, hand)


class _Watching:
    """Shows the progress of a look at a time: its display is opened with the first of its jobs.

    Others may begin before the last organisation was prepared, so the hosts are counted anew with each.
    """

    def __init__(self, ways: Ways) -> None:
        self._watch = ways.watch
        self._look: int | None = None
        self._hosts = self._done_before = 0
        self._open = ExitStack()
        self._observer: Observer = lambda _: None
        self._lock = threading.Lock()

    def __enter__(self) -> _Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def of(self, job: Job) -> Observer:
        """Return who is to hear of the progress of this job."""
        with self._lock:
            jobs = Job.objects.filter(round=job.round_id, kind=JobKind.LOOK, look=job.look)
            jobs = jobs.exclude(state=JobState.CANCELLED)
            hosts = sum(map(len, jobs.values_list("hosts", flat=True)))
            is_another = self._look != job.look
            if is_another:
                self._done_before = hosts - sum(len(hosts_left(each)) for each in jobs)
            self._hosts = hosts - self._done_before
            if is_another:
                self._look = job.look
                self._open.close()
                self._observer = self._open.enter_context(self._watch(lambda: self._hosts))
        return self._tell

    def _tell(self, progress: Progress) -> None:
        with self._lock:
            self._observer(progress)
