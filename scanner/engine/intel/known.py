"""Known vulnerabilities: which versions of a product they affect (CPE 2.3), and which of them are being exploited."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.engine.intel.versions import Version

_UNESCAPED_WILDCARD = re.compile(r"(?<!\\)[*?]")


@dataclass(frozen=True, slots=True)
class Exploited:
    """An entry of CISA's catalogue of known exploited vulnerabilities. ``ransomware`` as far as CISA knows."""

    cve: str
    added: dt.date
    due: dt.date | None
    ransomware: bool


@dataclass(frozen=True, slots=True)
class Affected:
    """One range of versions that a CVE affects.

    ``version`` and ``update`` are CPE 2.3 components: ``*`` any, ``-`` none, else a value or a pattern. ``start`` and
    ``end`` bound the versions, empty where there is no bound. ``conditional`` marks a range that holds only together
    with something unseen: a platform, an edition, another product.
    """

    cve: str
    score: float
    version: str = "*"
    update: str = "*"
    start: str = ""
    start_included: bool = True
    end: str = ""
    end_included: bool = True
    conditional: bool = False
    epss: float | None = None

    @property
    def bounded(self) -> bool:
        """Tell whether the range names versions at all; one that means every version proves nothing."""
        return self.version not in ("*", "") or bool(self.start or self.end)

    def holds(self, version: str) -> bool:
        """Tell whether ``version`` lies in the range (NIST IR 7696 for the name, NVD's API 2.0 for the bounds)."""
        if self.version == "-" or not self.bounded:
            return False
        if self.version != "*":
            return self._named(version)
        seen = Version(version)
        after_start = not self.start or _beyond(Version(self.start), seen, included=self.start_included)
        before_end = not self.end or _beyond(seen, Version(self.end), included=self.end_included)
        return after_start and before_end

    def _named(self, version: str) -> bool:
        named = self.version + ("" if self.update in ("*", "-") else self.update)
        if _UNESCAPED_WILDCARD.search(named):
            return fnmatch.fnmatchcase(version.lower(), unescape(named).lower())
        if self.update == "*" and Version(_without_update(version)) == Version(unescape(named)):
            return True
        return Version(version) == Version(unescape(named))


@dataclass(frozen=True, slots=True)
class Intel:
    """All that was imported, ready for judging. Without an import it is empty, and nothing matches."""

    exploited: Mapping[str, Exploited] = field(default_factory=dict)
    affected: Mapping[str, tuple[Affected, ...]] = field(default_factory=dict)
    as_of: dt.date | None = None
    """The day of the oldest data that the matching rests on."""

    def affecting(self, product: str, version: str) -> tuple[Affected, ...]:
        """Return what affects this version of the product (its id), the gravest first; each CVE once.

        Of several ranges of a CVE that hold, one without conditions counts.
        """
        holding: dict[str, Affected] = {}
        for affected in self.affected.get(product, ()):
            if affected.holds(version) and (affected.cve not in holding or holding[affected.cve].conditional):
                holding[affected.cve] = affected
        return tuple(sorted(holding.values(), key=lambda each: (-each.score, -(each.epss or 0), each.cve)))


def unescape(component: str) -> str:
    """Return a CPE component without the backslashes that quote its punctuation (NIST IR 7695 section 6.2)."""
    return re.sub(r"\\(.)", r"\1", component)


def _without_update(version: str) -> str:
    """Return ``9.2`` of ``9.2p1``: a CPE keeps what follows the number in a component of its own."""
    return re.sub(r"(?<=\d)[-_.]?(?:p|rc|beta|alpha|u|sp)\d*$", "", version, flags=re.IGNORECASE)


def _beyond(low: Version, high: Version, *, included: bool) -> bool:
    return low <= high if included else low < high
