"""When a release of a product stops getting fixes. The dates are shipped, and say of which day they are."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from scanner.engine.intel.products import Product, table
from scanner.engine.intel.versions import Version, begins_with

STALE_AFTER = dt.timedelta(days=90)
"""An announced date that lay ahead when the data was gathered may have moved when the data is older than this."""
SOON = dt.timedelta(days=180)
"""Notice before the end of support."""
BEHIND_AFTER = dt.timedelta(days=90)
"""How long a newer version must have been out before an older one counts as behind."""


class Support(StrEnum):
    """Where a release stands."""

    SUPPORTED = "supported"
    ENDING = "ending"
    """The free support ends within :data:`SOON`, and nothing comes after it."""
    EXTENDED = "extended"
    """The free support is over; longer support, by contract or by volunteers, still goes on."""
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Release:
    """One release. ``ends`` is None while no end is announced; ``ended`` marks one that ended on an unknown day."""

    name: str
    ends: dt.date | None = None
    ended: bool = False
    extended: dt.date | None = None
    latest: str = ""
    latest_released: dt.date | None = None

    def support(self, day: dt.date) -> Support:
        """Return where the release stands on ``day``."""
        if self.ended:
            return Support.ENDED
        if self.ends is None:
            return Support.SUPPORTED
        if day <= self.ends:
            soon = day + SOON > self.ends and self.extended is None
            return Support.ENDING if soon else Support.SUPPORTED
        return Support.EXTENDED if self.extended is not None and day <= self.extended else Support.ENDED

    @property
    def last_day(self) -> dt.date | None:
        """The last day of any support, as far as it is known."""
        return max((date for date in (self.ends, self.extended) if date), default=None)

    def settled(self, day: dt.date) -> bool:
        """Tell whether what is said about the end can still be relied on: it had come, or the data is fresh."""
        ends = self.ends
        return self.ended or ends is None or ends <= as_of() or day - as_of() <= STALE_AFTER

    def behind(self, version: str, day: dt.date) -> bool:
        """Tell whether ``version`` of this release lags behind its newest for longer than is usual."""
        if not self.latest or self.latest_released is None or day - self.latest_released <= BEHIND_AFTER:
            return False
        return Version(version) < Version(self.latest)


@cache
def as_of() -> dt.date:
    """Return the day of the shipped data."""
    day: dt.date = _data()["as_of"]
    return day


@cache
def releases(lifecycle: str) -> dict[str, Release]:
    """Return the releases of a product by name, newest first; empty when nothing is known."""
    return {
        name: Release(
            name=name,
            ends=entry["ends"] if isinstance(entry.get("ends"), dt.date) else None,
            ended=entry.get("ends") == "ended",
            extended=entry.get("extended"),
            latest=entry.get("latest", ""),
            latest_released=entry.get("latest_released"),
        )
        for name, entry in _data().get(lifecycle, {}).items()
    }


@lru_cache(maxsize=4096)
def release_of(product: Product, version: str) -> Release | None:
    """Return the release that ``version`` belongs to, the most specific one; None when none is known.

    A version newer than the data stays unknown: nothing is guessed.
    """
    known = releases(product.lifecycle)
    if product.builds:
        return next((known[name] for start, name in product.builds if begins_with(version, start)), None)
    fitting = [name for name in known if begins_with(version, name)]
    return known[max(fitting, key=len)] if fitting else None


def releases_behind(product: Product, release: Release) -> int:
    """Return how many releases of the product came after this one."""
    return list(releases(product.lifecycle)).index(release.name)


@cache
def _data() -> dict[str, Any]:
    return table("lifecycles")
