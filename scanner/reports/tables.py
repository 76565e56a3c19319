"""A report as tables, for administrators who work with spreadsheets: the same rows as CSV and as a workbook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scanner.engine.catalogue.load import Language
from scanner.reports import texts
from scanner.reports.dates import Dates
from scanner.reports.gaps import gap_sentence
from scanner.reports.model import Finding, Reason, ReportModel
from scanner.reports.places import Certificate, InventoryHost, InventoryService, Place
from scanner.reports.render import View, endpoint, part_of, references, verdict, version_name, without_services
from scanner.reports.words import MISSING, Words, words

Cell = str | int | float | datetime | None
"""A datetime is in the organisation's time zone, without saying so: office programs know none."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below titles. ``name`` is for files, ``title`` for people; ``widths`` are in characters."""

    name: str
    title: str
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    rows: tuple[tuple[Cell, ...], ...]


_PLACES = 20
"""Places that one cell names."""

_LAST = timedelta(seconds=1)
"""Before what an end does not include: a day that ends at midnight is shown as itself, and not as the next."""

# fmt: off
_WIDTHS = {
    "summary": {"what": 34, "value": 90},
    "first": {"order": 8, "severity": 10, "title": 40, "places": 50, "fix": 80, "who": 24, "deadline": 18,
              "overdue": 10},
    "findings": {
        "number": 10, "severity": 10, "title": 40, "host": 26, "address": 18, "port": 8, "transport": 10, "state": 16,
        "deadline": 18, "overdue": 10, "confidence": 14, "exploited": 14, "key_target": 14, "first_seen": 18,
        "last_seen": 18, "recurrences": 12, "service": 14, "evidence": 60, "impact": 60, "fix": 70, "verify": 60,
        "references": 36, "check": 24, "claimed": 18, "exempt_until": 18, "last_inspected": 18, "seen_now": 18,
    },
    "inventory": {
        "host": 26, "address": 18, "target": 22, "key_target": 14, "outcome": 16, "port": 8, "transport": 10,
        "service": 14, "product": 20, "version": 14, "tls": 14, "tls_versions": 22, "findings": 16,
    },
    "certificates": {"expires": 18, "days": 12, "host": 26, "address": 18, "port": 8, "subject": 44, "issuer": 44},
    "products": {"product": 26, "version": 14, "ends": 14, "extended": 14, "kept_by": 24, "places": 60},
    "gaps": {"host": 26, "address": 18, "target": 22, "outcome": 16, "port": 8, "transport": 10, "what": 26, "why": 80},
}
# fmt: on
"""The columns of each table, in order, and their widths. Titles are texts of the locale (``column.<name>``)."""


def tables(model: ReportModel) -> tuple[Table, ...]:
    """Return the report's tables in its organisation's language, the summary first."""
    return _Tables(model).all()


class _Tables:
    def __init__(self, model: ReportModel) -> None:
        language = Language(model.organisation.language)
        self._model = model
        self._view = View(model, language)
        self._t: Words = words(language)
        self._dates = Dates(language, model.organisation.time_zone, model.generated)
        self._language = language

    def all(self) -> tuple[Table, ...]:
        rows = {
            "summary": self._summary(),
            "first": self._first(),
            "findings": (self._finding(each) for each in self._model.findings),
            "inventory": self._inventory(),
            "certificates": self._certificates(),
            "products": self._products(),
            "gaps": self._gaps(),
        }
        return tuple(
            Table(
                name,
                self._t(f"sheet.{name}"),
                tuple(self._t(f"column.{column}") for column in _WIDTHS[name]),
                tuple(_WIDTHS[name].values()),
                tuple(each),
            )
            for name, each in rows.items()
        )

    def _summary(self) -> Iterator[tuple[Cell, ...]]:
        t, model = self._t, self._model
        coverage, score = model.coverage, model.score
        yield t("summary.organisation"), self._view.name(model.organisation.name)
        yield t("label.round"), model.round.serial
        yield t("summary.started"), self._moment(model.round.started)
        yield t("summary.finished"), self._moment(model.round.finished) or t("summary.interrupted")
        yield t("summary.generated"), self._moment(model.generated)
        yield t("summary.zone"), self._dates.zone
        yield t("summary.verdict"), t(f"verdict.{verdict(model)}")
        yield t("label.score"), t("score.none") if score.value is None else round(score.value, 1)
        yield t("summary.grade"), t(f"grade.{score.grade}") if score.grade else t("summary.no_grade")
        yield t("summary.nature"), t("score.nature")
        yield from self._bounds()
        for count in model.counts:
            known = count.open or score.value is not None
            yield t("summary.open", severity=t(f"severity.{count.severity}")), count.open if known else MISSING
        yield t("summary.overdue"), sum(count.overdue for count in model.counts)
        yield t("summary.targets"), coverage.targets
        yield t("summary.hosts"), coverage.hosts
        yield t("outcome.inspected"), coverage.inspected
        yield t("outcome.partial"), coverage.partial
        yield t("summary.not_inspected"), coverage.not_inspected
        yield t("summary.not_clean"), t("coverage.not_clean")
        yield t("summary.marking"), t("report.marking")

    def _bounds(self) -> Iterator[tuple[Cell, ...]]:
        """What bounds the score and the numbers below it."""
        t, model = self._t, self._model
        part = part_of(model, self._language)
        if part:
            yield t("summary.part"), part
        if model.score.provisional and model.score.value is not None:
            yield t("summary.provisional"), t("score.provisional")

    def _first(self) -> Iterator[tuple[Cell, ...]]:
        for order, action in enumerate(self._model.fix_first, 1):
            text = texts.text(action.check, self._language)
            yield (
                order,
                self._t(f"severity.{action.severity}"),
                text.title,
                self._places(action.places),
                text.fix,
                self._t(f"who.{action.who}"),
                self._moment(action.deadline),
                self._yes(action.overdue),
            )

    def _finding(self, finding: Finding) -> tuple[Cell, ...]:
        place, text = finding.place, texts.text(finding.check, self._language)
        policy = self._view.policy_verdict(finding)
        return (
            finding.number,
            self._t(f"severity.{finding.severity}"),
            text.title,
            place.host,
            place.address,
            place.port or None,
            self._t(f"transport.{place.transport}"),
            self._t(f"state.{finding.state}"),
            self._moment(finding.deadline),
            self._yes(finding.overdue),
            self._t(f"confidence.{finding.confidence}"),
            self._yes(finding.known_exploited),
            self._yes(finding.key_target),
            self._moment(finding.first_seen),
            self._moment(finding.last_seen),
            finding.recurrences,
            finding.service,
            self._t("summary.seen", evidence=self._view.evidence(finding), policy=policy)
            if policy
            else self._view.evidence(finding),
            text.impact,
            text.fix,
            self._view.verify(finding),
            self._t.listed(references(finding, self._t)),
            finding.check,
            self._moment(finding.claimed),
            self._moment(finding.exemption.until - _LAST) if finding.exemption else None,
            self._moment(finding.last_inspected),
            self._yes(finding.seen_now),
        )

    def _inventory(self) -> Iterator[tuple[Cell, ...]]:
        for host in self._model.inventory:
            head = (
                host.host,
                host.address,
                host.target,
                self._yes(host.key_target),
                self._t(f"outcome.{host.outcome}"),
            )
            for service in host.services:
                yield (*head, *self._service(service))
            without = without_services(host)
            if not host.services and without:
                yield (*head, None, None, self._t(without), *(None,) * 5)
            if host.unlisted:
                yield (*head, None, None, self._t("inventory.unlisted", ports=host.unlisted), *(None,) * 5)

    def _service(self, service: InventoryService) -> tuple[Cell, ...]:
        return (
            service.port,
            self._t(f"transport.{service.transport}"),
            service.protocol,
            service.product,
            service.version,
            self._t("inventory.tls_unknown") if service.tls is None else self._yes(service.tls),
            self._versions(service),
            service.findings,
        )

    def _versions(self, service: InventoryService) -> str:
        unfinished = [self._t("inventory.tls_unfinished")] if service.tls_unfinished else []
        return self._t.listed([*map(version_name, service.tls_versions), *unfinished])

    def _certificates(self) -> Iterator[tuple[Cell, ...]]:
        """The certificates, those that end first at the top."""
        seen: list[tuple[Certificate, InventoryHost, int]] = [
            (service.certificate, host, service.port)
            for host in self._model.inventory
            for service in host.services
            if service.certificate
        ]
        for certificate, host, port in sorted(seen, key=lambda each: (each[0].not_after, each[1].host, each[2])):
            ends = certificate.not_after
            days = self._dates.days_until(ends)
            yield self._moment(ends), days, host.host, host.address, port, certificate.subject, certificate.issuer

    def _products(self) -> Iterator[tuple[Cell, ...]]:
        for age in self._model.products:
            yield (
                age.name,
                age.version,
                age.ends.isoformat() if age.ends else None,
                age.extended.isoformat() if age.extended else None,
                self._t.listed(age.kept_by),
                self._t.listed([endpoint(place) for place in age.places]),
            )

    def _gaps(self) -> Iterator[tuple[Cell, ...]]:
        t = self._t
        for gap in self._model.coverage.gaps:
            head = gap.host, gap.address, gap.target, t(f"outcome.{gap.outcome}")
            for reason in gap.reasons:
                yield (
                    *head,
                    reason.port,
                    t(f"transport.{reason.transport}") if reason.port is not None else None,
                    self._what(reason),
                    gap_sentence(reason.reason, reason.detail, t),
                )
            if not gap.reasons:
                yield (*head, None, None, t("gaps.everything"), t("gaps.unknown"))

    def _what(self, reason: Reason) -> str:
        if reason.check:
            return self._t("gaps.check", title=texts.text(reason.check, self._language).title)
        return self._t(f"facet.{reason.facet}" if reason.facet else "gaps.everything")

    def _yes(self, value: bool) -> str:
        return self._t("summary.yes" if value else "summary.no")

    def _places(self, places: Sequence[Place]) -> str:
        """Return where something is, the first places by name: a cell holds so much, and the findings have them all."""
        named, more = self._t.listed([endpoint(place) for place in places[:_PLACES]]), len(places) - _PLACES
        return f"{named} {self._t('first.more', n=more)}" if more > 0 else named

    def _moment(self, moment: datetime | None) -> datetime | None:
        """Return the local time to the minute, without its zone."""
        return self._dates.local(moment).replace(tzinfo=None, second=0, microsecond=0) if moment else None
