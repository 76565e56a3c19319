"""Builds the model of a bulletin, in a number of queries that doesn't depend on how many organisations there are."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scanner.engine.errors import Refused
from scanner.engine.model import Confidence, Severity
from scanner.remediation.score import OrganisationScore
from scanner.reports import bulletin_reads as reads
from scanner.reports import model
from scanner.reports.bulletin_history import AFTER, SERIOUS, TO_FIX, Life, Passage, Stand, passage, progress_of
from scanner.reports.bulletin_model import (
    BulletinModel,
    Campaign,
    Late,
    LateUnit,
    Period,
    SeverityLine,
    Situation,
    TrendPoint,
    UnitRow,
    Weakness,
)
from scanner.reports.bulletin_reads import Scored, Subtree
from scanner.reports.bulletin_units import Standings, is_adequate, others, ranked, unit_of, unit_rows
from scanner.reports.places import Place
from scanner.reports.query import organisation_of
from targets.models import Organisation

WEAKNESSES = 10
"""Weaknesses that are listed as the most common ones."""

LATE_PER_UNIT, LATE_IN_ALL = 10, 500
"""Overdue findings that are listed of one unit, and in the whole bulletin; all are counted."""

POINTS = 12
"""Days that the trend shows at most."""

CARRIED = timedelta(days=90)
"""How long a score stands for its unit in the trend."""

WEIGHED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


def period_of(since: date, last: date, zone: str, now: datetime) -> Period:
    """Return the period from the beginning of the day ``since`` to the end of the day ``last``, by the clocks of
    ``zone`` (IANA). Raises ``Refused`` when it has not begun, or ends before it begins."""
    begin, end = _midnight(since, zone), _midnight(last + timedelta(days=1), zone)
    if end <= begin:
        raise Refused(f"The period ends on {last}, before it begins on {since}.", "period-backwards")
    if begin >= now:
        raise Refused(f"The period begins on {since}, which is still to come.", "period-to-come", day=since)
    return Period(begin, end, min(end, now))


def bulletin_model(top: Organisation | None, office: model.Organisation, period: Period) -> BulletinModel:
    """Return all that a bulletin on the organisations at and below ``top`` says; on all of them for None.

    ``office`` stands in the place of the organisation then.
    """
    those = reads.subtree(top, period.end)
    scored = reads.scorings(those, period)
    known, places = _standings(those, period, scored)
    everything = [each for those_of_one in known.passages.values() for each in those_of_one]
    counted = [each for each in everything if each.life.counts()]
    rows = unit_rows(known)
    best = ranked(rows)
    rest = others(rows)
    earlier = Period(period.before, period.since, period.since)
    return BulletinModel(
        organisation=organisation_of(top) if top else office,
        office=top is None,
        anonymous=False,
        withheld=False,
        period=period,
        generated=period.end,
        situation=_situation(known, best),
        severities=tuple(_line(counted, severity) for severity in WEIGHED),
        possible=_possible(everything),
        progress=progress_of(counted),
        progress_before=progress_of(passage(each.life, earlier) for each in counted),
        ranked=best,
        others=rest,
        reasons=tuple(sorted(Counter(row.unranked for row in rest if row.unranked).items())),
        late=_late(known, places),
        weaknesses=_weaknesses(counted),
        campaigns=_campaigns(known, counted),
        trend=_trend(known, scored, [each.life for each in counted], (top.time_zone if top else office.time_zone)),
    )


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _standings(those: Subtree, period: Period, scored: Sequence[Scored]) -> tuple[Standings, dict[int, Place]]:
    newest = {each.organisation: each for each in scored if each.finished >= period.since}
    before = {each.organisation: each for each in scored if each.finished < period.since}
    found = reads.scores((*newest.values(), *before.values()))
    lives, places = reads.lives(those, period)
    owned: dict[int, list[Passage]] = defaultdict(list)
    for life in lives.values():
        owned[life.organisation].append(passage(life, period))
    hosts = reads.hosts_of(newest, found, those)
    return Standings(those, period, newest, before, found, hosts, owned), places


def _situation(known: Standings, best: Sequence[UnitRow]) -> Situation:
    units = known.those.units
    now = {owner: known.score(owner) for owner in units}
    recent = {
        owner: known.score_before(owner)
        for owner in units
        if owner in known.before and known.before[owner].finished >= known.period.before
    }
    both = [owner for owner in units if is_adequate(now[owner]) and is_adequate(recent.get(owner))]
    old, new = _mean(known, recent, both), _mean(known, now, both)
    slugs = {row.unit.slug for row in best}
    return Situation(
        organisations=len(known.those.organisations),
        units=len(units),
        inspected=sum(score is not None and score.value is not None for score in now.values()),
        ranked=len(best),
        hosts=sum(each.all for each in known.hosts.values()),
        hosts_inspected=sum(each.inspected for each in known.hosts.values()),
        hosts_whole=sum(each.whole for each in known.hosts.values()),
        score=_mean(known, now, [owner for owner in units if units[owner].slug in slugs]),
        change=new - old if new is not None and old is not None else None,
        compared=len(both),
    )


def _mean(known: Standings, scores: Mapping[int, OrganisationScore | None], owners: Iterable[int]) -> float | None:
    """Return the mean of scores by the weight of their units."""
    found = ((scores.get(owner), known.those.units[owner].weight) for owner in owners)
    return weighed_mean((score.value, weight) for score, weight in found if score and score.value is not None)


def weighed_mean(pairs: Iterable[tuple[float, float]]) -> float | None:
    """Return the mean of the values, by their weights; None of nothing."""
    listed = list(pairs)
    mass = sum(weight for _, weight in listed)
    return sum(value * weight for value, weight in listed) / mass if mass else None


def _line(passages: Iterable[Passage], severity: Severity) -> SeverityLine:
    mine = [each for each in passages if each.life.severity is severity and each.to_fix]
    before = sum(each.before in TO_FIX for each in mine)
    stands = Counter(each.after for each in mine)
    return SeverityLine(
        severity=severity,
        open=stands[Stand.OPEN] + stands[Stand.CLAIMED],
        open_before=before,
        found=len(mine) - before,
        fixed=stands[Stand.FIXED],
        exempted=stands[Stand.EXEMPT],
        overdue=sum(each.overdue for each in mine),
    )


def _possible(passages: Iterable[Passage]) -> int:
    return sum(
        each.life.confidence is Confidence.POSSIBLE and each.life.severity is not Severity.INFO and each.is_open
        for each in passages
    )


def _late(known: Standings, places: Mapping[int, Place]) -> tuple[LateUnit, ...]:
    """Return the units with overdue findings, those with most serious ones first."""
    units = []
    for owner, passages in known.passages.items():
        late = [each.life for each in passages if each.life.counts() and each.overdue]
        if late and owner in known.those.units:
            late.sort(key=lambda life: (-life.severity.rank, life.deadline, life.number))
            serious = sum(life.severity in SERIOUS for life in late)
            units.append((serious, late, unit_of(known.those.units[owner])))
    units.sort(key=lambda each: (-each[0], -len(each[1]), each[2].slug))
    listed = []
    left = LATE_IN_ALL
    for serious, late, unit in units:
        shown = late[: min(LATE_PER_UNIT, left)]
        left -= len(shown)
        findings = tuple(
            Late(life.number, life.check, life.severity, places[life.number], life.deadline)
            for life in shown
            if life.deadline is not None
        )
        listed.append(LateUnit(unit, len(late), serious, findings))
    return tuple(listed)


def _weaknesses(passages: Iterable[Passage]) -> tuple[Weakness, ...]:
    by_check: dict[str, list[Life]] = defaultdict(list)
    for each in passages:
        if each.is_open:
            by_check[each.life.check].append(each.life)
    found = [
        Weakness(
            check=check,
            severity=max({life.severity for life in those}, key=lambda severity: severity.rank),
            units=len({life.organisation for life in those}),
            places=len(those),
        )
        for check, those in by_check.items()
    ]
    found.sort(key=lambda each: (-each.units, -each.severity.rank, -(each.places or 0), each.check))
    return tuple(found[:WEAKNESSES])


def _campaigns(known: Standings, passages: Iterable[Passage]) -> tuple[Campaign, ...]:
    fixed = {each.life.number: each.after is Stand.FIXED for each in passages if each.after is not Stand.EXEMPT}
    return tuple(
        Campaign(
            name=each.name,
            checks=each.checks,
            running=each.running,
            rounds=each.rounds,
            hosts=len(each.looked),
            missed=len(each.asked - each.looked),
            found=sum(number in fixed for number in each.found),
            fixed=sum(fixed.get(number, False) for number in each.found),
        )
        for each in reads.campaigns(known.those, known.period)
    )


def _trend(known: Standings, scored: Sequence[Scored], lives: Sequence[Life], zone: str) -> tuple[TrendPoint, ...]:
    """Return a point for each of the last days on which rounds ended, spread evenly where there are many."""
    last_of_day: dict[date, datetime] = {}
    for each in scored:
        last_of_day[each.finished.astimezone(ZoneInfo(zone)).date()] = each.finished
    moments = _spread(sorted(last_of_day.values()), POINTS)
    if not moments:
        return ()
    values = reads.values_since(known.those, moments[0] - CARRIED, known.period.end)
    opened = _changes(lives)
    return tuple(
        TrendPoint(
            at=moment,
            score=score,
            units=units,
            open=tuple((severity, _balance(opened[severity], moment)) for severity in WEIGHED),
        )
        for moment, score, units in _means(known, scored, values, moments)
    )


def _spread(moments: Sequence[datetime], most: int) -> list[datetime]:
    if len(moments) <= most:
        return list(moments)
    step = (len(moments) - 1) / (most - 1)
    return [moments[round(index * step)] for index in range(most)]


def _means(
    known: Standings, scored: Sequence[Scored], values: Mapping[int, float], moments: Sequence[datetime]
) -> Iterable[tuple[datetime, float | None, int]]:
    """Yield for each moment the mean of the newest scores until then, and of how many units."""
    standing: dict[int, Scored] = {}
    waiting = iter(scored)
    following = next(waiting, None)
    for moment in moments:
        while following is not None and following.finished <= moment:
            standing[following.organisation] = following
            following = next(waiting, None)
        valid = [each for each in standing.values() if each.number in values and each.finished > moment - CARRIED]
        weights = ((values[each.number], known.those.units[each.organisation].weight) for each in valid)
        yield moment, weighed_mean(weights), len(valid)


def _changes(lives: Iterable[Life]) -> Mapping[Severity, tuple[list[datetime], list[datetime]]]:
    """Return by severity when findings began to be open, and when they ceased to be, each in order."""
    found: dict[Severity, tuple[list[datetime], list[datetime]]] = {each: ([], []) for each in Severity}
    for life in lives:
        began, ended = found[life.severity]
        is_open = False
        for kind, when in life.events:
            now = AFTER[kind] in TO_FIX
            if now != is_open:
                (began if now else ended).append(when)
            is_open = now
    for began, ended in found.values():
        began.sort()
        ended.sort()
    return found


def _balance(changes: tuple[list[datetime], list[datetime]], moment: datetime) -> int:
    """Return how many were open once what happened at ``moment`` had happened."""
    after = moment + timedelta(microseconds=1)
    return bisect_left(changes[0], after) - bisect_left(changes[1], after)
