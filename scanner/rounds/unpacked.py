"""Keeps, within bounds, the facts that were unpacked a moment ago: a round reads each of its results several times.

Its keys are read, what would count as fixed, what its findings did, and what its report shows.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from scanner.engine.model import HostInspection
from scanner.engine.serialize import load_host

_MOST = 5_000_000
"""Bytes of packed facts; in memory they take some five times as much."""


class Unpacked:
    """The facts that were read last, by their packed form, ``most`` bytes of it; any number of threads may ask."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._held = 0
        self._known: OrderedDict[bytes, HostInspection] = OrderedDict()
        self._lock = Lock()

    def read(self, facts: bytes) -> HostInspection:
        """Return the facts. Raises ``InputError`` when a newer Roundsman wrote them, or they are damaged."""
        with self._lock:
            known = self._known.get(facts)
            if known is not None:
                self._known.move_to_end(facts)
                return known
        inspection = load_host(facts)
        self.keep(facts, inspection)
        return inspection

    def keep(self, facts: bytes, inspection: HostInspection) -> None:
        """Hold facts whose unpacked form is at hand."""
        with self._lock:
            self._held += 0 if facts in self._known else len(facts)
            self._known[facts] = inspection
            while self._held > self._most:
                self._held -= len(self._known.popitem(last=False)[0])
