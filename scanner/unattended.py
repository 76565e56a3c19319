"""Everything that runs by itself in one process: clock, workers, mailer, daily duties and upkeep."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from shutil import disk_usage
from threading import Event, Thread

from django.conf import settings

from scanner.delivery.digest import Space
from scanner.delivery.duties import Duties
from scanner.delivery.sender import Mailer
from scanner.flow import Sentinel, hooks
from scanner.remediation.cadence import make_cadence_rounds
from scanner.rounds.clock import keep_time, tick
from scanner.rounds.fleet import Presence
from scanner.rounds.service import lead, serving
from scanner.rounds.ways import Ways
from scanner.rounds.worker import Workers
from scanner.upkeep.retention import Policy, prune_unattended
from scanner.webhooks.caller import Caller

_log = logging.getLogger(__name__)

HOUR = 60 * 60.0

AGAIN = 60.0
"""Seconds after which what broke off begins again."""


@dataclass(frozen=True, slots=True)
class Beats:
    """How often each thing is looked at, in seconds."""

    plans: float = 10.0
    cadence: float = 60.0
    urgent: float = 30.0
    calls: float = 5.0
    duties: float = 15 * 60.0
    upkeep: float = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Service:
    """One installation at work. ``ways`` is how its rounds reach the world, its clock among that.

    ``outdated`` is called with the reason when another version has changed the database meanwhile.
    """

    workers: int
    ways: Ways = field(default_factory=Ways)
    beats: Beats = field(default_factory=Beats)
    outdated: Callable[[str], None] = lambda _: None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Do everything until the block ends; ending takes a few seconds, in which what is in work is put back.

        Where several services share a database, one at a time does what goes by the clock; all of them have workers.
        Raises ``InputError`` when another service works on the data directory.
        """
        stop = Event()
        with serving(settings.DATA_DIR):
            leading = Thread(target=lead, args=[self._keep, stop], name="leading")
            presence = Presence("serve", settings.ZONES, self.workers, self.ways.now(), self.outdated)
            with presence, Workers.of_service(self.workers, self.ways, hooks(self.ways.now), settings.ZONES):
                leading.start()
                try:
                    yield
                finally:
                    stop.set()
            leading.join()

    def _keep(self, stop: Event) -> None:
        """Do what goes by the clock until ``stop`` is set."""
        threads = [Thread(target=run, name=name) for name, run in self._loops(stop).items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _loops(self, stop: Event) -> dict[str, Callable[[], None]]:
        def every(seconds: float, look: Callable[[datetime], object]) -> Callable[[], None]:
            return lambda: keep_time(look, self.ways.now, stop, seconds)

        loops = {
            "clock": every(self.beats.plans, tick),
            "sentinel": every(self.beats.urgent, Sentinel(stop).look),
            "mailer": lambda: _lasting(Mailer(self.ways.now, stop=stop).run, stop),
            "caller": every(self.beats.calls, Caller(stop=stop).look),
            "duties": every(self.beats.duties, Duties(_space, stop).run),
            "upkeep": every(self.beats.upkeep, lambda now: prune_unattended(now, Policy.of_settings(), stop.wait)),
        }
        if settings.CADENCE:
            loops["cadence"] = every(self.beats.cadence, lambda now: make_cadence_rounds(now, stop))
        return loops


def _lasting(run: Callable[[], None], stop: Event) -> None:
    """Run what runs until ``stop`` is set; should it break off before, begin again after a pause."""
    while not stop.is_set():
        try:
            run()
        except Exception:  # noqa: BLE001 - whatever it was, the next try may find it mended
            _log.exception("the mailer broke off; it begins again in %.0f s", AGAIN)
            stop.wait(AGAIN)


def _space() -> Space:
    usage = disk_usage(settings.DATA_DIR)
    return Space(usage.free, usage.total)
