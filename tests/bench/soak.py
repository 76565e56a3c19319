"""A year in half an hour: plans, workers, letters and upkeep over a world that lives, with its clock.

The rooms are the real ones: the clock's tick, cadence, leased jobs, follow, letters, duties, the mailer into its quiet
folder, pruning. Only the engine is replaced, by one that finds the hosts of :mod:`tests.bench.living`; what must be
true at the end of every step is held against that world while the next goes on (:mod:`tests.bench.accounts`). Workers
are processes of their own, so that judging uses all cores.

``python -m tests.bench.soak`` needs ``ROUNDSMAN_DATA_DIR`` and prints its figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import resource
import statistics
import sys
import threading
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from tests.processes import processor_seconds

SEED = 20
HALF_A_DAY = timedelta(hours=12)
"""A step."""

POLL, WAIT = 0.004, 0.01
"""Seconds between two looks for work, and for its end. ``serve`` takes one: its rounds take as many times longer."""

SENTINEL = 2.0
"""Seconds between two looks for what can't wait; ``serve`` takes 30, but its rounds take as many times longer."""


@dataclass(frozen=True, slots=True)
class Size:
    days: int = 365
    units: int = 50
    hosts: int = 2000
    workers: int = 2


class Clock:
    """A clock that is set by one process and read by all; between two settings it goes on as clocks do."""

    def __init__(self) -> None:
        self._set: Any = mp.Array("d", [0.0, 0.0, 0.0])

    def set(self, step: int, at: datetime) -> None:
        with self._set.get_lock():
            self._set[:] = [float(step), at.timestamp(), time.monotonic()]

    @property
    def step(self) -> int:
        return int(self._set[0])

    def now(self) -> datetime:
        with self._set.get_lock():
            _, at, since = self._set[:]
        return datetime.fromtimestamp(at + time.monotonic() - since, UTC)


@dataclass(slots=True)
class Figures:
    """What a soak took. Sizes are in MB (10⁶ bytes); times in seconds, those of a write, which stores up to
    16 results, in milliseconds."""

    days: int = 0
    seconds: float = 0
    cpu_seconds: float = 0
    results: int = 0
    rounds: int = 0
    database_mb: dict[int, float] = field(default_factory=dict)
    wal_mb: float = 0
    memory_mb: dict[int, float] = field(default_factory=dict)
    written_ms: dict[int, float] = field(default_factory=dict)
    opened: int = 0
    fixed: int = 0
    recurred: int = 0
    mails: int = 0


def main() -> int:
    """Soak, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    size = Size(**vars(parser.parse_args()))
    from scanner.settings import prepare

    prepare()
    print(json.dumps(asdict(soak(size))))
    return 0


def soak(size: Size) -> Figures:
    """Live through it. Raises ``Broken`` when something that must be true is not."""
    from django.conf import settings
    from django.db import connections

    from scanner import garbage
    from tests.bench.accounts import Accounts
    from tests.bench.living import START, STEPS, World

    world = World(SEED, size.units, size.hosts)
    _register(world)
    connections.close_all()
    clock, stop, written = Clock(), mp.Event(), mp.Array("d", size.days * size.workers)
    began = time.monotonic()
    figures = Figures(days=size.days)
    accounts = Accounts(world, settings.DATA_DIR / "mail")
    with _workers(size, clock, stop, written) as workers:
        service = _Service(clock, settings.DATA_DIR)
        figures.database_mb[0] = _size(settings.DATA_DIR)
        garbage.settle()  # as serve does
        for step in range(size.days * STEPS):
            clock.set(step, START + timedelta(days=step / STEPS))
            day = (step + 1) // STEPS
            is_evening = step % STEPS == STEPS - 1
            service.step(workers, prunes=not is_evening, last=is_evening and day == size.days)
            looks_back = is_evening and (day % 30 == 0 or day == size.days)
            accounts.hold(step, day if looks_back else None)
            if is_evening:
                figures.wal_mb = max(figures.wal_mb, _size(settings.DATA_DIR, "-wal"))
                if day % 10 == 0 or day == size.days or day == 1:
                    figures.memory_mb[day] = _memory(workers)
                    figures.database_mb[day] = _size(settings.DATA_DIR)
                print(_line(day, began, figures, written, size), file=sys.stderr, flush=True)
        accounts.end()
    figures.seconds = time.monotonic() - began
    figures.cpu_seconds = _cpu()
    figures.mails = accounts.mails
    figures.opened, figures.fixed, figures.recurred = accounts.histories
    figures.results, figures.rounds = service.counted()
    figures.written_ms = {day: _median(written, day, size) for day in range(1, size.days + 1)}
    return figures


def soak_rows(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what the figures say, each with what is allowed; those are of :func:`main`, read back from JSON."""
    written = list(figures["written_ms"].values())
    memory, database = figures["memory_mb"], figures["database_mb"]
    days = figures["days"]

    def at(values: Mapping[str, float], *wanted: int) -> str:
        return " / ".join(f"{values[str(day)]:.0f} MB" if str(day) in values else "-" for day in wanted)

    return [
        ("wall-clock time", f"{figures['seconds']:.0f} s", "1,800 s for a year of 2,000 hosts"),
        ("processor time", f"{figures['cpu_seconds']:.0f} s", ""),
        ("rounds, looks at hosts", f"{figures['rounds']:,}, {figures['results']:,}", ""),
        ("database at the start, after 90 days, at the end", at(database, 0, 90, days), "3,000 MB at the end"),
        ("write-ahead log at most", f"{figures['wal_mb']:.0f} MB", ""),
        ("memory after 30 days, 180 days, at the end", at(memory, 30, 180, days), "flat"),
        (
            "median time of a write of up to 16 results, first and last ten days",
            f"{statistics.median(written[:10]):.1f} / {statistics.median(written[-10:]):.1f} ms",
            "20 ms",
        ),
        (
            "findings opened, fixed, reopened",
            f"{figures['opened']:,}, {figures['fixed']:,}, {figures['recurred']:,}",
            "",
        ),
        ("mails", f"{figures['mails']:,}", "each once"),
        ("truths broken", "none", "none"),
    ]


class _Service:
    """What ``serve`` does beside its workers, one thing after the other, while they work."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        from scanner.delivery.digest import Space
        from scanner.delivery.duties import Duties
        from scanner.delivery.models import Message, MessageState
        from scanner.delivery.sender import Mailer
        from scanner.prepared import Given, Prepared
        from scanner.rounds.models import ENDED, Round

        self._clock = clock
        self._duties = Duties(lambda: Space(10**9, 10**10))
        self._mailer = Mailer(clock.now)
        waiting = Message.objects.filter(state=MessageState.QUEUED, created__lt=Given("before"))
        self._late = Prepared(lambda: waiting.order_by().values_list("pk", flat=True)[:1])
        self._unfinished = Prepared(lambda: Round.objects.exclude(state__in=ENDED).values_list("pk", flat=True)[:1])

    def step(self, workers: list[Any], *, prunes: bool, last: bool) -> None:
        """Make what is due, and wait until the workers have done it; meanwhile what was put into the outbox leaves.

        Letters that the workers write at its end leave in the next steps, within a day, as nothing in ``serve`` waits
        for the mailer; after the ``last`` step all leave.
        """
        from scanner.remediation.cadence import make_cadence_rounds
        from scanner.rounds.clock import tick

        now = self._clock.now()
        tick(now)
        make_cadence_rounds(now)
        self._duties.run(now)
        if prunes:
            self._prune(now)
        while self._unfinished() or self._late(before=now - HALF_A_DAY):
            if not self._mailer.send_due().tried:
                time.sleep(WAIT)
            if not all(each.is_alive() for each in workers):
                raise RuntimeError("A worker ended.")
        while last and self._mailer.send_due().tried:
            pass

    @staticmethod
    def _prune(now: datetime) -> None:
        from scanner.upkeep.retention import Policy, prune

        prune(now, Policy.of_settings(), rest=lambda _: None)

    @staticmethod
    def counted() -> tuple[int, int]:
        from scanner.rounds.models import HostResult, Round

        newest = HostResult.objects.order_by("-pk").first()
        return newest.pk if newest else 0, Round.objects.count()


@contextmanager
def _workers(size: Size, clock: Clock, stop: Any, written: Any) -> Iterator[list[Any]]:
    made = [
        mp.Process(target=_work, args=(size, number, clock, stop, written), daemon=True)
        for number in range(size.workers)
    ]
    for each in made:
        each.start()
    try:
        yield made
    finally:
        stop.set()
        for each in made:
            each.join(30)


def _work(*given: Any) -> None:
    """Work in a thread, as the workers of ``serve`` do: a main thread minds signals for each host."""
    thread = threading.Thread(target=_work_until_the_end, args=given)
    thread.start()
    thread.join()


def _work_until_the_end(size: Size, number: int, clock: Clock, stop: Any, written: Any) -> None:
    """Do jobs until the end, and keep the median of each day's times to write results, up to 16 at once.

    Each has rounds of its own, and helps with others when these are done: so it finds remembered what it judged, as all
    workers of ``serve`` do, which are threads of one process. The first one looks for what can't wait in between: in
    ``serve``, too, a process of workers does.
    """
    from django.db import connections

    from scanner import garbage
    from scanner.flow import Sentinel, hooks
    from scanner.rounds import look
    from scanner.rounds.lease import EVERYTHING, Observer, worker_name
    from scanner.rounds.ways import Ways
    from scanner.rounds.worker import Hand
    from tests.bench.living import STEPS, Replay, World
    from tests.bench.shares import own_rounds

    world = World(SEED, size.units, size.hosts)
    times: array[float] = array("d")
    store = look.LookAt.store

    def timed(*arguments: Any) -> None:
        began = time.perf_counter()
        store(*arguments)
        times.append(time.perf_counter() - began)

    look.LookAt.store = timed  # type: ignore[method-assign,assignment]  # measured on its way

    def walk() -> None:
        world.walk_to(clock.step)

    def resolve(name: str) -> list[str]:
        walk()
        return world.resolve(name)

    ways = Ways(resolve=resolve, engine=Replay(world, walk, clock.now), now=clock.now)
    lost, own = Observer(), own_rounds(number, size.workers)
    hands = [Hand(worker_name("serve"), ways, hooks(clock.now), lost, share=share) for share in (own, EVERYTHING)]
    sentinel, looked, day = Sentinel(), 0.0, 0
    garbage.settle()  # as serve does
    while not stop.is_set():
        if number == 0 and time.monotonic() - looked > SENTINEL:
            sentinel.look(clock.now())
            looked = time.monotonic()
        if not any(hand.work_one() for hand in hands):
            time.sleep(POLL)
        today = clock.step // STEPS
        if times:
            written[today * size.workers + number] = statistics.median(times) * 1000
        if today != day:
            day, times = today, array("d")
    connections.close_all()


def _register(world: Any) -> None:
    """Five regions, each with a plan of its own; in each the first unit supervises the others."""
    from scanner.engine.model import Severity
    from scanner.rounds.models import PlanKind
    from scanner.rounds.planning import PlanRequest, make_plan
    from targets.models import Contact, Organisation
    from tests.bench.living import START
    from tests.rounds.world import authorise, register

    regions = min(5, max(1, world.units // 2))
    above: dict[int, Organisation] = {}
    for unit in range(world.units):
        language, other = ("zh-Hans", "en") if unit % 3 else ("en", "zh-Hans")
        owner = Organisation.objects.create(
            slug=f"unit-{unit:02}",
            name_zh=f"第{unit:02}单位",
            name_en=f"Unit-{unit:02}",
            language=language,
            parent=above.get(unit % regions),
        )
        above.setdefault(unit % regions, owner)
        mail = f"unit{unit:02}.example"
        Contact.objects.create(organisation=owner, name="Li", email=f"security@{mail}", language=language)
        if unit % 4 == 0:
            Contact.objects.create(
                organisation=owner, name="Wang", email=f"it@{mail}", language=other, role="technical"
            )
        hosts = world.of_unit(unit)
        for key in (True, False):
            register(owner, *(host.known_as for host in hosts if (host.number % 11 == 0) is key), key=key)
        authorise(
            owner,
            f"10.{unit}.0.0/16",
            *(host.name for host in hosts if host.name),
            valid_from=START - timedelta(days=10),
            valid_until=START + timedelta(days=500),
        )
    for region in range(regions):
        members = tuple(f"unit-{unit:02}" for unit in range(world.units) if unit % regions == region)
        wanted = PlanRequest(
            f"region-{region}",
            PlanKind.ROUTINE,
            "soak",
            members,
            schedule="0 2 * * *",
            notice_from=Severity.HIGH,
        )
        make_plan(wanted, START - timedelta(hours=12))


def _line(day: int, began: float, figures: Figures, written: Any, size: Size) -> str:
    memory = next(reversed(figures.memory_mb.values()), 0)
    database = next(reversed(figures.database_mb.values()), 0)
    return (
        f"day {day}: {time.monotonic() - began:.0f} s, {database:.0f} MB, {memory:.0f} MB of memory, "
        f"{_median(written, day, size):.1f} ms a write, load {os.getloadavg()[0]:.1f}, cpu {_cpu():.0f}"
    )


def _median(written: Any, day: int, size: Size) -> float:
    medians: list[float] = written[(day - 1) * size.workers : day * size.workers]
    return statistics.mean(medians)


def _size(folder: Path, suffix: str = "") -> float:
    path = folder / f"roundsman.sqlite3{suffix}"
    return path.stat().st_size / 1e6 if path.exists() else 0.0


def _memory(workers: list[Any]) -> float:
    processes = [psutil.Process(), *(psutil.Process(each.pid) for each in workers)]
    return sum(each.memory_full_info().uss for each in processes) / 1e6


def _cpu() -> float:
    """Seconds of processor time of this process, and of its children that ended or live."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = sum(map(processor_seconds, psutil.Process().children()))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + alive


if __name__ == "__main__":
    sys.exit(main())
