"""The worker's side of a child process: one for each job, ended when the block that uses it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from scanner.engine.errors import InputError
from scanner.engine.inspect import Progress, Stage
from scanner.engine.model import HostInspection, Target
from scanner.engine.serialize import load_host
from scanner.rounds.frames import FrameError, FrameReader, GoOn, Kind, Request, frame
from scanner.rounds.nursery import NURSERY
from targets.scope import Scope

HUNG = 60.0
"""Seconds without a sign of life after which a child is taken to hang. It gives one every second, unless it is busy
with something that no deadline can break off."""

_TAKES = 2.0
"""Seconds that a child may take to take what it is told."""


class ChildDied(Exception):  # noqa: N818 - reads as the event it is
    """The child ended, hung or failed before it was done: perhaps over a host that it was looking at."""


class ChildUnheard(Exception):  # noqa: N818 - reads as the event it is
    """The child ended because its worker had not told it to go on in time; no host is to blame."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A host came back, with its stored form."""

    inspection: HostInspection
    facts: bytes


class Probes:
    """The probes of one job, in a child process. ``targets`` are those it may speak of, by address and host name.

    Entering raises ``ChildRefused`` when no child can be started.
    """

    def __init__(self, request: Request, targets: Mapping[tuple[str, str], Target]) -> None:
        self._request = request
        self._targets = targets
        self._scope = request.scope

    def __enter__(self) -> Self:
        self._channel, self._pidfd = NURSERY.child()
        self._frames = FrameReader(self._channel)
        self._heard = time.monotonic()
        self._send(frame(Kind.REQUEST, pickle.dumps(self._request)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child at once, and with it whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        select.select([self._pidfd], [], [], 5.0)
        os.close(self._pidfd)
        self._channel.close()

    def go_on(self, scope: Scope | None, now: datetime) -> None:
        """Tell the child that it may go on, by ``scope`` where that is given and changed."""
        changed = scope if scope is not None and scope != self._scope else None
        self._scope = changed or self._scope
        self._send(frame(Kind.GO_ON, pickle.dumps(GoOn(now, changed))))

    def next(self, seconds: float) -> Seen | Progress | Kind | None:
        """Return what comes next within so many seconds: a host, a host's progress, or ``Kind.END``; else None.

        Raises ``ChildDied`` and ``ChildUnheard``.
        """
        try:
            found = self._frames.next(seconds)
            if found is None:
                if time.monotonic() - self._heard > HUNG:
                    raise ChildDied("it gave no sign of life")
                return None
            self._heard = time.monotonic()
            return self._read(*found)
        except EOFError as error:
            raise ChildDied("it ended") from error
        except (FrameError, InputError, ValueError, TypeError) as error:
            raise ChildDied(f"it said something that is not understood: {error}") from error

    def _read(self, kind: Kind, payload: bytes) -> Seen | Progress | Kind | None:
        if kind is Kind.HOST:
            return Seen(load_host(payload), payload)
        if kind is Kind.PROGRESS:
            stage, address, hostname = json.loads(payload)
            target = self._targets.get((str(address), str(hostname)))
            return None if target is None else Progress(Stage(stage), target)
        if kind is Kind.FAILED:
            raise ChildDied(payload.decode(errors="replace"))
        if kind is Kind.UNHEARD:
            raise ChildUnheard
        return Kind.END if kind is Kind.END else None

    def _send(self, data: bytes) -> None:
        """Send. A child that is gone, or takes nothing, is found out when it is listened to: it says nothing either."""
        self._channel.settimeout(_TAKES)
        with contextlib.suppress(OSError):
            self._channel.sendall(data)
