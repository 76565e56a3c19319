"""Letters about single findings: urgent alerts, results of re-inspections, recurrences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from scanner.delivery.letters import Frame, Written, seen, write
from scanner.remediation.reinspection import Verdict
from scanner.reports import texts
from scanner.reports.dates import Dates
from scanner.reports.gaps import gap_sentence
from scanner.reports.model import Finding, Reason
from scanner.reports.words import Words, sentences, words

OF_EACH_VERDICT = 15
"""Findings that the result of a re-inspection shows of each verdict, with what was seen."""

REASONS = 3
"""Reasons that are told of one finding that could not be verified."""

_STEPS = ("mail.urgent.cut", "mail.urgent.look", "mail.urgent.mend", "mail.urgent.tell")


@dataclass(frozen=True, slots=True)
class Result:
    """How the re-inspection of one finding went. ``looks`` are both looks that prove it fixed, ``reasons`` say why it
    could not be verified."""

    finding: Finding
    verdict: Verdict
    looks: tuple[datetime, datetime] | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    finding: Finding
    verdict: Verdict
    told: str


def urgent_letter(findings: Sequence[Finding], frame: Frame) -> Written:
    """Write the alert about findings that can't wait; the worst should come first."""
    t = words(frame.language)
    return write(
        "urgent-alert",
        frame,
        subject=t("mail.urgent.subject", name=frame.name, n=len(findings)),
        headline=t("mail.urgent.headline", n=len(findings)),
        preheader=t("mail.urgent.intro", n=len(findings)),
        findings=findings,
        why=lambda each: _why(each, t),
        steps=[t(step) for step in _STEPS],
    )


def recurrence_letter(findings: Sequence[tuple[Finding, datetime]], frame: Frame) -> Written:
    """Write the alert about findings that are back, each with when it had been proven fixed."""
    t = words(frame.language)
    return write(
        "recurrence",
        frame,
        subject=t("mail.recurrence.subject", name=frame.name, n=len(findings)),
        headline=t("mail.recurrence.headline"),
        preheader=t("mail.recurrence.intro", n=len(findings)),
        findings=findings,
    )


def reinspection_letter(results: Sequence[Result], when: datetime, frame: Frame) -> Written:
    """Write how the re-inspection that ended at ``when`` went."""
    t = words(frame.language)
    dates = Dates(frame.language, frame.zone, frame.now)
    counts = {verdict: sum(each.verdict is verdict for each in results) for verdict in Verdict}
    numbers = {
        "fixed": counts[Verdict.FIXED],
        "still": counts[Verdict.STILL_THERE],
        "unknown": counts[Verdict.NOT_VERIFIED],
    }
    told = [_Told(each.finding, each.verdict, _told(each, t, dates)) for each in results]
    summary = t("mail.reinspection.summary", **numbers)
    return write(
        "re-inspection",
        frame,
        subject=t("mail.reinspection.subject", name=frame.name, **numbers),
        headline=t("mail.reinspection.headline", date=dates.day(when)),
        preheader=summary,
        summary=summary,
        groups=[
            (
                t(f"mail.reinspection.title.{verdict}", n=counts[verdict]),
                t(f"mail.reinspection.meaning.{verdict}"),
                [each for each in told if each.verdict is verdict],
            )
            for verdict in Verdict
            if counts[verdict]
        ],
        shown=OF_EACH_VERDICT,
        left=counts[Verdict.FIXED] < len(results),
    )


def _why(finding: Finding, t: Words) -> str:
    ground = "mail.urgent.exploited" if finding.known_exploited else "mail.urgent.critical"
    return sentences((t(ground), texts.text(finding.check, t.language).impact), t.language)


def _told(result: Result, t: Words, dates: Dates) -> str:
    finding = result.finding
    match result.verdict:
        case Verdict.FIXED if result.looks:
            first, second = result.looks
            return t("mail.reinspection.proof", first=dates.moment(first), second=dates.moment(second))
        case Verdict.FIXED:
            return t("mail.reinspection.proven", date=dates.day(finding.fixed or finding.last_inspected))
        case Verdict.STILL_THERE:
            return t("mail.reinspection.still", evidence=seen(finding, t.language))
        case Verdict.NOT_VERIFIED:
            return _reasons(result.reasons, t) or t("mail.reinspection.unknown")


def _reasons(reasons: Iterable[Reason], t: Words) -> str:
    told = dict.fromkeys(gap_sentence(each.reason, each.detail, t) for each in reasons)
    return sentences(islice(told, REASONS), t.language)
