"""Renders a bulletin: one self-contained HTML page, and the same as JSON. The same model gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line
from scanner.reports import texts
from scanner.reports.bulletin_model import BulletinModel, Rate, TrendPoint, Unit
from scanner.reports.dates import Dates, utc
from scanner.reports.page import fill
from scanner.reports.render import endpoint
from scanner.reports.words import MISSING, percents, sentences, words

SCHEMA = "roundsman.bulletin/1"

ALIKE = 0.05
"""Scores are shown with one decimal; less than half of one is no change."""


def render_bulletin(bulletin: BulletinModel, language: Language, office: str) -> str:
    """Return the bulletin as one HTML page, without script or outside resource. ``office`` is who issues it."""
    view = View(bulletin, language)
    t = words(language)
    context = {
        "t": t,
        "language": str(language),
        "bulletin": bulletin,
        "office": office,
        "dates": view.dates,
        "title": view.title,
        "scope": view.scope,
        "period": view.period,
        "unit": view.unit,
        "percent": view.percent,
        "before": view.before,
        "score_change": view.score_change,
        "of": view.of,
        "score": score,
        "change": view.change,
        "moved": view.moved,
        "text_of": lambda check: texts.text(check, language),
        "endpoint": endpoint,
        "utc": utc,
        "line": line,
        "missing": MISSING,
        "severities": tuple(each.severity for each in bulletin.severities),
        "open_parts": [(each.severity, each.open) for each in bulletin.severities],
        "trend": trend_points(bulletin.trend),
    }
    return fill("bulletin", "bulletin.html", context)


def render_bulletin_json(bulletin: BulletinModel, language: Language) -> str:
    """Return the bulletin as JSON with sorted keys; titles are in ``language``, times in UTC."""
    document = asdict(bulletin)
    document["schema"] = SCHEMA
    document["language"] = str(language)
    for weakness in document["weaknesses"]:
        weakness["title"] = texts.text(weakness["check"], language).title
    for unit in document["late"]:
        for late in unit["findings"]:
            late["title"] = texts.text(late["check"], language).title
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2, default=_utc) + "\n"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class View:
    """Answers what a page and a letter ask about a bulletin in one language."""

    def __init__(self, bulletin: BulletinModel, language: Language) -> None:
        self._bulletin = bulletin
        self._chinese = language is Language.ZH_HANS
        self._t = words(language)
        # The day that days are counted to is the last of the period, not the one that begins when it ends.
        last = bulletin.period.end - timedelta(microseconds=1)
        self.dates = Dates(language, bulletin.organisation.time_zone, last)

    @property
    def scope(self) -> str:
        """Whom the bulletin is for: the supervising organisation, or the office."""
        name = self._bulletin.organisation.name
        return (name.zh or name.en) if self._chinese else (name.en or name.zh)

    @property
    def title(self) -> str:
        return self._t("bulletin.title_anonymous" if self._bulletin.anonymous else "bulletin.title", name=self.scope)

    @property
    def period(self) -> str:
        """From the first day to the last, as far as it has come."""
        period = self._bulletin.period
        last = min(period.until, period.end + timedelta(microseconds=1))
        return self._t("bulletin.period", start=self.dates.day(period.since), end=self.dates.last_day(last))

    def unit(self, unit: Unit) -> str:
        """Return what a unit is called."""
        if unit.letter:
            return self._t("bulletin.unit", letter=unit.letter)
        return (unit.zh or unit.en) if self._chinese else (unit.en or unit.zh)

    def of(self, rate: Rate) -> str:
        """Return a rate with what it is made of, where the version says that."""
        if rate.whole is None or not rate.whole:
            return self.percent(rate.share)
        return self._t("bulletin.rate", percent=self.percent(rate.share), part=rate.part, whole=rate.whole)

    def percent(self, share: float | None) -> str:
        """Return a share as whole percents."""
        return MISSING if share is None else self._t("bulletin.percent", n=percents(share))

    def before(self, rate: Rate) -> str:
        """Return what a rate was in the period before."""
        return self._t("bulletin.before", value=self.percent(rate.share))

    @property
    def score_change(self) -> str:
        """How the mean score changed, or why that can't be told."""
        now = self._bulletin.situation
        if now.change is None:
            return self._t("bulletin.no_score" if now.score is None else "bulletin.no_change")
        return self._t("bulletin.change_compared", change=self.change(now.change), n=now.compared)

    @property
    def moved(self) -> str:
        """How many ranked units got better and worse, and which the most; empty where nothing can be compared."""
        changes = [(row.change, row.unit) for row in self._bulletin.ranked if row.change is not None]
        if not changes:
            return ""
        up, down = (sum(sign * delta >= ALIKE for delta, _ in changes) for sign in (1, -1))
        told = [self._t("bulletin.moved", up=up, same=len(changes) - up - down, down=down)]
        for key, some, (delta, unit) in (
            ("bulletin.most_up", up, max(changes, key=lambda each: each[0])),
            ("bulletin.most_down", down, min(changes, key=lambda each: each[0])),
        ):
            if some:
                told.append(self._t(key, name=self.unit(unit), change=self.change(delta)))
        return sentences(told, self._t.language)

    def change(self, delta: float | None) -> str:
        """Return a change of scores in words."""
        if delta is None:
            return MISSING
        key = "same" if abs(delta) < ALIKE else "up" if delta > 0 else "down"
        return self._t(f"bulletin.change_{key}", delta=f"{abs(delta):.1f}")


def score(value: float | None) -> str:
    """Return a score as it is shown."""
    return MISSING if value is None else f"{value:.1f}"


def trend_points(trend: Sequence[TrendPoint]) -> list[tuple[float, float]]:
    """Return where the scored points of a trend are drawn, 0 to 100 across and 0 to 100 down."""
    if not trend:
        return []
    first, last = trend[0].at.timestamp(), trend[-1].at.timestamp()
    width = last - first or 1.0
    return [
        (100 * (point.at.timestamp() - first) / width if last > first else 50.0, 100 - point.score)
        for point in trend
        if point.score is not None
    ]
