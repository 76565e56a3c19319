"""Outdated and vulnerable software, by the versions that the facts name.

A version says little where a distribution carries fixes back. What bears a distribution's mark is therefore judged by
the distribution's own age; a version that a maintained distribution ships is only a hint to look on the host; the
rest is judged by its maker's dates, and called possible when it rests on a banner.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from scanner.engine.intel.distributions import Mark, distributions, maintainers, release_of_mark
from scanner.engine.intel.known import Affected
from scanner.engine.intel.lifecycles import Release, Support, as_of, release_of, releases_behind
from scanner.engine.model import Confidence, Finding, Service, Severity, Vantage
from scanner.engine.rules.base import Context, rule
from scanner.engine.rules.installed import Software, Source, installed

SOFTWARE_CHECKS = frozenset({"SW-EOL-OS", "SW-EOL-APP", "SW-EOL-SOON", "SW-OUTDATED", "SW-KEV", "SW-CVE"})
"""Checks that rest on a version being told: hiding it proves nothing."""

_RELEASES_BEHIND = 2
"""How many releases a product of which only the newest are mended may lag."""
_SHOWN = 5
_SCALE = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
"""CVSS 3.1 section 5: qualitative severity by base score."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """One piece of software, judged. ``detail`` stands behind its name: a date, a newer version."""

    software: Software
    severity: Severity
    confidence: Confidence
    detail: str
    maintained_by: tuple[Mark, ...] = ()


@rule("SW-EOL-OS")
def operating_system(service: Service, context: Context) -> Iterator[Finding]:
    """Judge the distribution release, or Windows, that a banner gives away."""
    verdicts = []
    for software in installed(service):
        mark = software.mark
        release = release_of_mark(mark) if mark else None
        if mark is None or release is None:
            continue
        severity = _of_system(mark, release, context)
        if severity is not None:
            confidence = Confidence.PROBABLE if mark.packaged else Confidence.POSSIBLE
            verdicts.append(_Verdict(software, severity, _aged(confidence, release, context), _date(release)))
    if verdicts:
        marks = dict.fromkeys(each.software.mark.label for each in verdicts if each.software.mark)
        yield _finding("SW-EOL-OS", service, context, verdicts, system=", ".join(marks))


def _of_system(mark: Mark, release: Release, context: Context) -> Severity | None:
    support = release.support(context.now.date())
    if support is Support.ENDED:
        return context.catalogue["SW-EOL-OS"].severity_at(context.vantage)
    if support is Support.EXTENDED:
        return Severity.INFO if distributions()[mark.distribution].extended_free else Severity.LOW
    return None


@rule("SW-EOL-APP", "SW-EOL-SOON")
def end_of_life(service: Service, context: Context) -> Iterator[Finding]:
    """Judge releases by the dates of their makers, except what a distribution maintains."""
    day = context.now.date()
    ended, ending = [], []
    for software, release in _released(service):
        support = Support.SUPPORTED if software.product.rolling else release.support(day)
        if support is Support.ENDING:
            ending.append(
                _Verdict(software, Severity.INFO, _aged(_certainty(software), release, context), _date(release))
            )
        elif support in (Support.ENDED, Support.EXTENDED):
            ended.append(_of_product(software, release, support, context))
    if ended:
        yield _finding("SW-EOL-APP", service, context, ended)
    if ending:
        yield _finding("SW-EOL-SOON", service, context, ending)


def _of_product(software: Software, release: Release, support: Support, context: Context) -> _Verdict:
    kept_by = _kept_by(software, context)
    if kept_by:
        return _Verdict(software, Severity.INFO, Confidence.POSSIBLE, _date(release), kept_by)
    severity = context.catalogue["SW-EOL-APP"].severity_at(context.vantage)
    intel = context.basis.intel
    attacked = any(each.cve in intel.exploited for each in intel.affected.get(software.product.id, ()))
    if support is Support.EXTENDED:
        severity = Severity.LOW
    elif attacked and context.vantage is Vantage.INTERNET:
        severity = Severity.HIGH
    return _Verdict(software, severity, _aged(_certainty(software), release, context), _date(release))


@rule("SW-OUTDATED")
def outdated(service: Service, context: Context) -> Iterator[Finding]:
    """Judge how far a version of a supported release lags behind its newest."""
    day = context.now.date()
    verdicts = []
    for software, release in _released(service):
        if _kept_by(software, context):
            continue
        behind = release.support(day) in (Support.SUPPORTED, Support.ENDING) and release.behind(software.version, day)
        if software.product.rolling:
            behind = releases_behind(software.product, release) >= _RELEASES_BEHIND
        if behind:
            verdicts.append(_Verdict(software, Severity.LOW, Confidence.POSSIBLE, release.latest or release.name))
    if verdicts:
        yield _finding("SW-OUTDATED", service, context, verdicts)


@rule("SW-KEV", "SW-CVE")
def vulnerable(service: Service, context: Context) -> Iterator[Finding]:
    """Match versions against the imported vulnerabilities, those that are being exploited apart."""
    for check, judged in (("SW-KEV", _exploited), ("SW-CVE", _known)):
        verdicts, listed = [], []
        for software in installed(service):
            affecting = context.basis.intel.affecting(software.product.id, software.version)
            found = [each for each in affecting if (each.cve in context.basis.intel.exploited) is (check == "SW-KEV")]
            if found:
                verdicts.append(_matched(software, found, judged, context))
                listed += found
        if verdicts:
            finding = _finding(
                check,
                service,
                context,
                verdicts,
                cves=_listed(listed),
                count=str(len({each.cve for each in listed})),
                as_of=str(context.basis.intel.as_of),
            )
            yield finding


def _matched(
    software: Software, found: list[Affected], judged: Callable[[float, Confidence], Severity], context: Context
) -> _Verdict:
    kept_by = (software.mark,) if software.mark else _kept_by(software, context)
    unconditional = [each for each in found if not each.conditional]
    if software.source is Source.INTERFACE and unconditional and not kept_by:
        severity = judged(max(each.score for each in unconditional), Confidence.PROBABLE)
        return _Verdict(software, severity, Confidence.PROBABLE, found[0].cve)
    severity = judged(found[0].score, Confidence.POSSIBLE)
    if kept_by:
        severity = Severity.LOW if severity is Severity.HIGH else Severity.INFO
    return _Verdict(software, severity, Confidence.POSSIBLE, found[0].cve, kept_by)


def _exploited(score: float, confidence: Confidence) -> Severity:
    del score  # what is being exploited is urgent at any score
    return Severity.CRITICAL if confidence is Confidence.PROBABLE else Severity.HIGH


def _known(score: float, confidence: Confidence) -> Severity:
    """Only a match of high confidence is given the weight of the CVE."""
    if confidence is not Confidence.PROBABLE:
        return Severity.LOW
    return next((severity for floor, severity in _SCALE if score >= floor), Severity.LOW)


def _released(service: Service) -> Iterator[tuple[Software, Release]]:
    """Yield what is judged by its maker's dates: no mark of a distribution, and a release that is known."""
    for software in installed(service):
        release = release_of(software.product, software.version)
        if release is not None and software.mark is None:
            yield software, release


def _kept_by(software: Software, context: Context) -> tuple[Mark, ...]:
    return keepers(software, context.host.services, context.now.date())


def keepers(software: Software, services: Iterable[Service], day: dt.date) -> tuple[Mark, ...]:
    """Return the maintained distributions that ship this version and that the host may run; none for an own build.

    ``services`` are those of the host: where other banners name a distribution, only that one can be meant, and only
    the release that they name.
    """
    if software.own_build:
        return ()
    found = maintainers(software.product.id, software.version, day)
    if not found:
        return ()
    named = {
        (distributions()[seen.mark.distribution].ships_like, seen.mark.release)
        for service in services
        for seen in installed(service)
        if seen.mark is not None
    }
    if not named:
        return found
    return tuple(mark for mark in found if {(mark.distribution, mark.release), (mark.distribution, "")} & named)


def _certainty(software: Software) -> Confidence:
    return Confidence.PROBABLE if software.source is Source.INTERFACE else Confidence.POSSIBLE


def _aged(confidence: Confidence, release: Release, context: Context) -> Confidence:
    """Lower a confidence that rests on a date which may have moved since the data was gathered."""
    return confidence if release.settled(context.now.date()) else Confidence.POSSIBLE


def _date(release: Release) -> str:
    day: dt.date | None = release.last_day
    return day.isoformat() if day else "-"


def _listed(found: list[Affected]) -> str:
    distinct = {each.cve: each for each in found}.values()
    worst = sorted(distinct, key=lambda each: (-each.score, -(each.epss or 0), each.cve))
    return ", ".join(f"{each.cve} (CVSS {each.score:.1f}{_chance(each)})" for each in worst[:_SHOWN])


def _chance(affected: Affected) -> str:
    return "" if affected.epss is None else f", EPSS {affected.epss:.1%}"


def _finding(check: str, service: Service, context: Context, verdicts: list[_Verdict], **params: str) -> Finding:
    """Return one finding for all software of the port, as grave as the worst of it."""
    worst = sorted(verdicts, key=lambda each: (-each.severity.rank, -each.confidence.rank, each.software.label))
    kept_by = dict.fromkeys(mark.label for each in worst for mark in each.maintained_by)
    finding = context.finding(
        check,
        service,
        severity=worst[0].severity,
        confidence=worst[0].confidence,
        exchanges=worst[0].software.exchanges,
        **{
            "as_of": as_of().isoformat(),
            "software": ", ".join(f"{each.software.label} ({each.detail})" for each in worst),
            "products": " ".join(sorted({each.software.product.id for each in worst})),
            "maintained_by": ", ".join(kept_by) or "-",
            **params,
        },
    )
    sure = worst[0].confidence is Confidence.PROBABLE
    return replace(finding, known_exploited=sure) if check == "SW-KEV" else finding


RULES = (operating_system, end_of_life, outdated, vulnerable)
