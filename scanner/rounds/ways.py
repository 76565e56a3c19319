"""What a round is handed from outside: how it reaches the world, and what lies above it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from django.conf import settings

from scanner.engine.inspect import Observer
from scanner.engine.model import HostInspection, Transport
from scanner.engine.plan import Plan, ResolverAddress, SitePlace
from scanner.engine.probes.dial import Gate
from scanner.rounds.expand import Resolve
from scanner.rounds.models import HostResult, Round
from targets.models import Organisation
from targets.names import resolve_name


def _nobody_watches(hosts: Callable[[], int]) -> AbstractContextManager[Observer]:
    del hosts
    return nullcontext(lambda _: None)


@dataclass(frozen=True, slots=True)
class Again:
    """A host of the round to look at once more, on these ports only, its sites at these places too."""

    result_id: int
    ports: tuple[tuple[int, Transport], ...]
    places: tuple[SitePlace, ...] = ()


@dataclass(frozen=True, slots=True)
class Ways:
    """How a round reaches the world: which engine, which resolver, whose clock, and who watches.

    ``engine`` None is the real one, in a child process; a given one runs in the worker itself. ``resolver`` is asked
    about domains; None means that they are not inspected. ``watch`` is given what tells the number of hosts and domains
    to inspect, as far as it is known by then, and returns a context whose value hears of the progress of each. ``now``
    tells the time, aware, in UTC.
    """

    watch: Callable[[Callable[[], int]], AbstractContextManager[Observer]] = _nobody_watches
    resolve: Resolve = resolve_name
    engine: Callable[[Plan, Gate, Observer], AsyncIterator[HostInspection]] | None = None
    resolver: ResolverAddress | None = field(default_factory=lambda: settings.RESOLVER)
    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC))


Arrived = Sequence[tuple[HostResult, HostInspection]]
"""First looks of one round at hosts of one organisation, about to be stored."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the rooms above do at the turning points of a round. Each may be called again after a crash.

    ``arrived`` tells of each first look that is about to be stored whether it shows nothing new. ``doubt`` is given a
    round whose first look is over and returns what to look at once more, ``keys`` a round whose looks are over. Then
    ``follow`` is given it, and the primary keys of some of its organisations, until all were followed; ``tell`` in the
    same way; and ``close`` when all were told.
    """

    arrived: Callable[[Round, Organisation, Arrived], list[bool]] = lambda _this, _owner, looks: [False] * len(looks)
    doubt: Callable[[int], list[Again]] = lambda _: []
    keys: Callable[[int], None] = lambda _: None
    follow: Callable[[int, Collection[int]], None] = lambda *_: None
    tell: Callable[[int, Collection[int]], None] = lambda *_: None
    close: Callable[[int], None] = lambda _: None
