"""The processes that work on one PostgreSQL database, on any number of machines: who they are, and whether they fit.

A process that works writes a row, and writes it again with every beat by the database's own clock, as those of machines
differ. It also looks whether the database is still the one that it was made for: another version may have changed it
meanwhile, and work by the old one would be wrong. Then it ends.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from types import TracebackType
from typing import Self

from django.db import DatabaseError, connection, connections, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.db.models.functions import Now

from scanner import locks
from scanner.engine.errors import InputError, RoundsmanError
from scanner.rounds.lease import BEAT, Share, process_name, worker_name
from scanner.rounds.lease import Observer as LeaseObserver
from scanner.rounds.models import Job, JobKind, JobState, Worker
from scanner.rounds.ways import Hooks, Ways
from scanner.rounds.worker import Hand, Workers
from targets.models import Zone

_log = logging.getLogger(__name__)

SILENT = timedelta(seconds=30)
"""After so long without a beat a process is taken to be gone or cut off."""

FORGOTTEN = timedelta(days=7)
"""After so long nobody wants to read of it any more."""


@dataclass(frozen=True, slots=True)
class AtWork:
    """A process that works, or did until a while ago. ``zones`` None is all; ``since_beat`` tells for how long it has
    been silent; ``jobs`` are those that it holds now."""

    name: str
    machine: str
    zones: tuple[str, ...] | None
    concurrency: int
    version: str
    started: datetime
    since_beat: timedelta
    jobs: int

    @property
    def works(self) -> bool:
        return self.since_beat < SILENT

    @property
    def is_current(self) -> bool:
        """Whether it is of the version that asks."""
        return self.version == version("roundsman")


def processes() -> list[AtWork]:
    """Return all that were seen lately, the last ones first. Raises ``InputError`` where there is one machine only."""
    if not locks.is_shared():
        raise InputError("All work is done on this machine, by 'roundsman serve': ROUNDSMAN_DATABASE is not set.")
    age = models.ExpressionWrapper(Now() - F("seen"), output_field=models.DurationField())
    held = list(Job.objects.filter(state=JobState.RUNNING).values_list("worker", flat=True))
    return [
        AtWork(
            row.name,
            row.machine,
            None if row.zones is None else tuple(row.zones),
            row.concurrency,
            row.version,
            row.started,
            row.age,
            sum(worker.startswith(f"{row.name}:") for worker in held),
        )
        for row in Worker.objects.annotate(age=age).order_by("-seen", "name")
    ]


def deserted_zones() -> list[str]:
    """Return the zones with hosts that wait for a worker, of which there is none now."""
    waiting = Job.objects.filter(state=JobState.WAITING, kind=JobKind.LOOK).order_by()
    return unserved(waiting.values_list("zone", flat=True).distinct())


def unserved(zones: Iterable[str]) -> list[str]:
    """Return those of the zones that no process works in; none where the database is one machine's."""
    asked = {zone for zone in zones if zone}
    if not asked or not locks.is_shared():
        return []
    working = list(Worker.objects.filter(seen__gt=Now() - SILENT).values_list("zones", flat=True))
    served = {zone for zones in working for zone in zones or ()}
    return [] if None in working else sorted(asked - served)


def registered_zones() -> frozenset[str]:
    """Return the names of all zones of the register."""
    return frozenset(Zone.objects.values_list("name", flat=True))


def awaited_zones() -> list[str]:
    """Return the zones that a process works in and that the register does not have: not yet, or they are misspelt."""
    working = Worker.objects.filter(seen__gt=Now() - SILENT, zones__isnull=False).values_list("zones", flat=True)
    return sorted({zone for zones in working for zone in zones or () if zone} - registered_zones())


def unfit() -> str:
    """Return why this version must not work on the database as it is now; empty when it may."""
    known = set(MigrationLoader(None).disk_migrations)
    return _unfit(known)


def _unfit(known: set[tuple[str, str]]) -> str:
    applied = set(MigrationRecorder(connection).applied_migrations())
    if applied - known:
        return "a newer version has changed the database; upgrade Roundsman here, too"
    if known - applied:
        return "the database is of an older version; let 'roundsman serve' of this version bring it up to date first"
    return ""


def looking(count: int, zones: frozenset[str] | None, ways: Ways) -> Workers:
    """Return the workers of ``roundsman worker``: they look at the hosts of some zones, and do nothing else."""
    lost, share = LeaseObserver(), Share(kinds=(JobKind.LOOK,), zones=zones)
    return Workers(count, lambda drain: Hand(worker_name("worker"), ways, Hooks(), lost, drain, share=share))


class Presence:
    """Be listed while the block lasts, and have ``outdated`` called with the reason when this version no longer fits.

    Does nothing where the database is this machine's alone.
    """

    def __init__(
        self, kind: str, zones: frozenset[str] | None, concurrency: int, now: datetime, outdated: Callable[[str], None]
    ) -> None:
        self._row = {
            "machine": socket.gethostname()[:253],
            "zones": None if zones is None else sorted(zones),
            "concurrency": concurrency,
            "version": version("roundsman"),
            "started": now,
        }
        self._name = process_name(kind)
        self._outdated = outdated
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Self:
        if locks.is_shared():
            why = unfit()
            if why:
                raise RoundsmanError(f"This is Roundsman {version('roundsman')}: {why}.")
            self._beat()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat(self) -> None:
        if not Worker.objects.filter(name=self._name).update(seen=Now()):
            Worker.objects.create(name=self._name, seen=Now(), **self._row)

    def _run(self) -> None:
        known = set(MigrationLoader(None).disk_migrations)
        try:
            while not self._over.wait(BEAT):
                try:
                    self._beat()
                    why = _unfit(known)
                except DatabaseError:
                    _log.warning("the database does not answer", exc_info=True)
                    continue
                if why:
                    _log.error("this process ends: %s", why)
                    self._outdated(why)
                    return
            Worker.objects.filter(name=self._name).delete()
            Worker.objects.filter(seen__lt=Now() - FORGOTTEN).delete()
        except DatabaseError:
            _log.warning("this process could not be taken off the list of workers", exc_info=True)
        finally:
            connections.close_all()
