"""How many requests a token may make, so that a program that runs wild leaves room for people."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Lock

PER_MINUTE = 600
"""Requests of one token, on the average."""

AT_ONCE = 100
"""Requests that may come together before the average counts."""

KNOWN = 10_000
"""Tokens that are remembered; then those that have their whole allowance again are forgotten."""


class Pace:
    """A bucket for each token, which fills at an even pace. It is kept in the memory of the process that serves.

    ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = Lock()

    def wait(self, token: int) -> int:
        """Count a request; return 0 to let it in, else the seconds after which the next one will be."""
        now = self._clock()
        with self._lock:
            if len(self._left) >= KNOWN:
                self._forget(now)
            left = self._filled(token, now)
            if left < 1:
                return math.ceil((1 - left) * 60 / PER_MINUTE)
            self._left[token] = (left - 1, now)
            return 0

    def _filled(self, token: int, now: float) -> float:
        left, at = self._left.get(token, (float(AT_ONCE), now))
        return min(AT_ONCE, left + (now - at) * PER_MINUTE / 60)

    def _forget(self, now: float) -> None:
        for token in [each for each in self._left if self._filled(each, now) >= AT_ONCE]:
            del self._left[token]
