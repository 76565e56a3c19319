"""Pieces of pages that stand as they did when they were last written: most of a report is what it was the day before.

A piece is taken over where all that it shows is equal, by value, to what it showed then.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import attrgetter
from random import randrange
from threading import Lock
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from scanner.engine.catalogue.load import Language
from scanner.engine.plugins.load import all_checks
from scanner.reports import texts
from scanner.reports.model import Finding, ReportModel
from scanner.reports.page import is_shipped
from scanner.reports.places import InventoryHost, InventoryService
from scanner.reports.remedy import hints_for
from scanner.reports.stationery import current
from scanner.reports.words import Words

if TYPE_CHECKING:
    from scanner.reports.render import Group, View

CUT = Markup("\x1a")
"""Stands in a piece where something is put in later. No value can hold it, as controls are made visible."""

_lasting = attrgetter(
    *("place.host", "place.address", "place.port", "place.transport.value", "key_target", "known_exploited"),
    *("confidence.value", "severity.value", "state", "recurrences", "first_seen", "reported", "claimed", "exemption"),
    "params",
)
"""What the row of a finding shows, and its texts are filled with. Left out is what is another nearly every day."""

_of_host = attrgetter("outcome.value", "score", "key_target", "domain", "unlisted")
_of_service = attrgetter(
    *("port", "transport.value", "protocol", "tls", "product", "version", "tls_versions", "findings"),
    *("tls_unfinished", "certificate_unseen"),
)

_happened = attrgetter("kind", "at", "round", "before", "after")


class Standing:
    """Remembers pieces, up to ``most`` bytes of them; any number of threads may ask.

    What has to go is drawn by lot: reports come round in a circle, in which what was used longest ago is needed next.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._known: dict[Hashable, tuple[object, bytes]] = {}
        self._keys: list[Hashable] = []
        self._lock = Lock()

    def parts(self, key: Hashable, shows: object, write: Callable[[], str]) -> list[Markup]:
        """Return the parts of a piece between its cuts: of that which was written before under the ``key``, where it
        ``shows`` the same, else of what is written now."""
        known = self._known.get(key)
        if known is not None and known[0] == shows:
            text = known[1].decode()
        else:
            text = str(write())
            self._put(key, shows, text.encode())
        return _cut(text)

    def _put(self, key: Hashable, shows: object, text: bytes) -> None:
        with self._lock:
            before = self._known.get(key)
            if before is None:
                self._keys.append(key)
            self._known[key] = shows, text
            self._held += len(text) - (len(before[1]) if before else 0)
            while self._held > self._most:
                at = randrange(len(self._keys))  # noqa: S311 - no secret
                self._keys[at], self._keys[-1] = self._keys[-1], self._keys[at]
                self._held -= len(self._known.pop(self._keys.pop())[1])


def _cut(text: str) -> list[Markup]:
    return [Markup(part) for part in text.split(CUT)]  # noqa: S704 - what was written is markup


_SHIPPED = Standing(6_000_000)
"""The pieces that the shipped templates wrote: some 9,000, which take 15 MB with what they show."""


class Pieces:
    """The pieces of one page. What templates of others write is not remembered: they may show anything."""

    def __init__(self, view: View, language: Language, model: ReportModel) -> None:
        self._view = view
        self._generated = model.generated
        self._owner = model.organisation.slug
        self._language = language
        self._worded = current().words, model.organisation.time_zone
        self._known: dict[str, tuple[str, str]] = {}
        self._standing = _SHIPPED if is_shipped() else None

    def row(self, write: Callable[..., str], by: tuple[Any, ...], finding: Finding, *besides: object) -> list[Markup]:
        """Return the parts of a finding's row. ``write`` makes it ``by`` what the page writes with, of the finding and
        of what the page shows ``besides``."""

        def written() -> str:
            view = self._view
            told = view.evidence(finding), view.policy_verdict(finding), view.verify(finding)
            return write(*by, finding, *told, *besides)

        if self._standing is None:
            return _cut(str(written()))
        # Plain values in plain tuples: the collector of garbage leaves these alone, however many there are.
        shows = (
            self._worded,
            None if finding.seen_now else finding.last_inspected,
            *_lasting(finding),
            tuple(map(_happened, finding.history)) if len(finding.history) > 1 else (),
            *self._templates(finding.check),
            self._view.speaks_tls(finding.place),
            *besides,
        )
        return self._standing.parts((str(self._language), finding.number), shows, written)

    def remedies(self, write: Callable[..., str], t: Words, group: Group) -> Markup:
        """Return what ``write`` makes of how to fix a check, and of whether the products were recognised."""
        hints, recognised = hints_for(group.check, group.findings, self._language)
        key = str(self._language), group.check, *(hint.product for hint in hints)
        shows = self._worded, hints, recognised
        return self._whole(key, shows, lambda: write(t, hints, recognised))

    def host(self, write: Callable[..., str], by: tuple[Any, ...], host: InventoryHost) -> Markup:
        """Return a host with its services, which ``write`` makes ``by`` what the page writes with."""
        shows = self._worded, *_of_host(host), *map(self._of_service, host.services)
        key = str(self._language), self._owner, host.host, host.address
        return self._whole(key, shows, lambda: write(*by, host))

    def _whole(self, key: Hashable, shows: object, write: Callable[[], str]) -> Markup:
        """Return a piece that has no cuts."""
        return _cut(str(write()))[0] if self._standing is None else self._standing.parts(key, shows, write)[0]

    def _of_service(self, service: InventoryService) -> tuple[Any, ...]:
        leaf = service.certificate
        return (*_of_service(service), leaf and leaf.not_after, leaf is not None and leaf.not_after < self._generated)

    def _templates(self, check: str) -> tuple[str, str]:
        """Return what the texts of a check's findings are made from."""
        if check not in self._known:
            entry = all_checks().get(check)
            self._known[check] = texts.text(check, self._language).evidence, entry.verify if entry else ""
        return self._known[check]
