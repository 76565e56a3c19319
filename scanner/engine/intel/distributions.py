"""Distributions: the marks they leave in banners, and the versions they keep mended under an old number."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from scanner.engine.hostile import remembering
from scanner.engine.intel.lifecycles import Release, Support, releases
from scanner.engine.intel.products import table
from scanner.engine.intel.versions import begins_with


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution. ``ships`` maps its releases to what they ship: product id → beginnings of versions.

    ``ships_like`` is the distribution whose packages it rebuilds, or its own id.
    """

    id: str
    name: str
    lifecycle: str
    extended_free: bool
    ships_like: str
    ships: dict[str, dict[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A distribution named in a banner. ``release`` is empty when the banner does not tell it.

    ``packaged`` tells that the mark is a package's revision (``deb12u3``, ``.el8``): it can't be anything else.
    """

    distribution: str
    release: str = ""
    packaged: bool = False

    @property
    def label(self) -> str:
        """The distribution's name and release, as people write them."""
        release = self.release.replace("-r2", " R2")  # as Microsoft writes it
        return " ".join(filter(None, (distributions()[self.distribution].name, release)))


_REVISIONS = (
    ("debian", re.compile(r"[+~-]deb(\d{1,2})(?:u\d+)?\b")),
    ("ubuntu", re.compile(r"ubuntu0?\.?(\d\d\.\d\d)\.\d")),
    ("ubuntu", re.compile(r"\bUbuntu-\d|\d(?:build|ubuntu)\d")),
    ("debian", re.compile(r"\bDebian-\d|\+(?:ds|dfsg)\d*\b|-Debian\b")),
    ("rhel", re.compile(r"\.el(\d{1,2})(?:[._]\d|\b)")),
    ("fedora", re.compile(r"\.fc(\d{2})\b")),
    ("amazon", re.compile(r"\.amzn(2023|2)\b")),
    ("openeuler", re.compile(r"\.oe(\d{1,4})\b")),
    ("kylin", re.compile(r"\.ky(\d{2})\b")),
    ("uos", re.compile(r"\.u[eo]l(\d{2})\b")),
    ("anolis", re.compile(r"\.an(\d{1,2})\b")),
    ("freebsd", re.compile(r"\bFreeBSD-\d{8}\b")),
)
_NAMES = (
    ("debian", re.compile(r"\(Debian(?: GNU/Linux)?\)")),
    ("ubuntu", re.compile(r"\(Ubuntu\)")),
    ("centos", re.compile(r"\(CentOS(?: Linux)?\)")),
    ("rhel", re.compile(r"\(Red ?Hat(?: Enterprise Linux)?\)")),
    ("rocky", re.compile(r"\(Rocky Linux\)")),
    ("alma", re.compile(r"\(AlmaLinux\)")),
    ("oracle-linux", re.compile(r"\(Oracle Linux(?: Server)?\)")),
    ("amazon", re.compile(r"\(Amazon(?: Linux)?\)")),
    ("fedora", re.compile(r"\(Fedora(?: Linux)?\)")),
    ("suse", re.compile(r"\((?:Linux/)?SUSE\)")),
    ("freebsd", re.compile(r"\(FreeBSD\)")),
    ("openeuler", re.compile(r"\(openEuler\)")),
    ("kylin", re.compile(r"\(Kylin\)")),
    ("uos", re.compile(r"\(UOS\)")),
    ("anolis", re.compile(r"\(Anolis OS\)")),
)


@cache
def distributions() -> dict[str, Distribution]:
    """Return every known distribution by id."""
    return {
        name: Distribution(
            id=name,
            name=entry["name"],
            lifecycle=entry.get("lifecycle", ""),
            extended_free=entry.get("extended") == "free",
            ships_like=entry.get("ships_like", name),
            ships={
                release: {product: tuple(versions) for product, versions in shipped.items()}
                for release, shipped in entry.get("ships", {}).items()
            },
        )
        for name, entry in table("distributions").items()
    }


@remembering(most=1024, longest=1024)
def read_mark(text: str) -> Mark | None:
    """Return the mark that a distribution left in a banner, the most telling one; None when there is none."""
    for distribution, pattern in _REVISIONS:
        if found := pattern.search(text):
            release = found[1] if pattern.groups else ""
            return Mark(distribution, release, packaged=True)
    return next((Mark(distribution) for distribution, pattern in _NAMES if pattern.search(text)), None)


@lru_cache(maxsize=4096)
def with_release(mark: Mark, product: str, version: str) -> Mark:
    """Return the mark with the release that alone ships this version of ``product``, where the mark names none."""
    ships = distributions()[distributions()[mark.distribution].ships_like].ships
    fitting = [release for release, shipped in ships.items() if _is_among(shipped.get(product, ()), version)]
    if mark.release or len(fitting) != 1:
        return mark
    return Mark(mark.distribution, fitting[0], mark.packaged)


def release_of_mark(mark: Mark) -> Release | None:
    """Return the marked distribution's release with its dates; None when the mark or the data doesn't tell."""
    return releases(distributions()[mark.distribution].lifecycle).get(mark.release)


@lru_cache(maxsize=4096)
def maintainers(product: str, version: str, day: dt.date) -> tuple[Mark, ...]:
    """Return the distribution releases that ship this very version and were still mending it on ``day``."""
    return tuple(
        mark
        for mark, release, versions in _shipping().get(product, ())
        if _is_among(versions, version) and release.support(day) is not Support.ENDED
    )


@cache
def _shipping() -> dict[str, list[tuple[Mark, Release, tuple[str, ...]]]]:
    """Return, for each product, the releases with known dates that ship it, and the beginnings of its versions."""
    found: defaultdict[str, list[tuple[Mark, Release, tuple[str, ...]]]] = defaultdict(list)
    for distribution in distributions().values():
        known = releases(distribution.lifecycle)
        for release, shipped in distribution.ships.items():
            for product, versions in shipped.items() if release in known else ():
                found[product].append((Mark(distribution.id, release), known[release], versions))
    return dict(found)


def _is_among(beginnings: Iterable[str], version: str) -> bool:
    return any(begins_with(version, beginning) for beginning in beginnings)
