"""The letter that goes with the report of a round."""

from __future__ import annotations

from collections.abc import Sequence

from scanner.delivery.letters import Frame, Written, write
from scanner.engine.model import Severity
from scanner.reports.findings import OPEN_STATES
from scanner.reports.gaps import gap_sentence
from scanner.reports.model import Action, Finding, NotInspected, Reason, ReportModel
from scanner.reports.render import endpoint, extent, incomparable, verdict
from scanner.reports.words import Words, sentences, words
from scanner.rounds.models import PlanKind

SHOWN = 8
"""Findings and hosts that each list of the letter shows; the report holds them all."""

PLACES = 3
"""Places that are named of one thing to do."""

_ALIKE = 0.05
"""Scores are shown with one decimal; less than half of one is no change."""


def round_letter(model: ReportModel, frame: Frame, part: PlanKind | None = None, *, sealed: bool = False) -> Written:
    """Write the letter about one organisation after one round; the report itself goes with it.

    ``part`` is the kind of a round that looked at a part of the register only. ``sealed``: the letter tells numbers,
    and not what was found or where, as the report is encrypted.
    """
    t = words(frame.language)
    open_ones = {count.severity: count.open for count in model.counts}
    serious = sum(open_ones[severity] for severity in Severity if severity.at_least(Severity.HIGH))
    scored = model.score.value is not None
    subject = t(
        "mail.round.subject.scored" if scored else "mail.round.subject.unscored",
        name=frame.name,
        serial=model.round.serial,
        value=f"{model.score.value:.1f}" if scored else "",
        urgent=serious,
        overdue=sum(count.overdue for count in model.counts),
    )
    return write(
        "round-report",
        frame,
        subject=subject,
        headline=t("mail.round.headline", name=frame.name, serial=model.round.serial),
        preheader=t(
            "mail.round.preheader",
            critical=open_ones[Severity.CRITICAL],
            high=open_ones[Severity.HIGH],
            medium=open_ones[Severity.MEDIUM],
            missed=model.coverage.not_inspected + model.coverage.partial,
        ),
        has_report=True,
        part=t("mail.part", kind=t(f"mail.plan.{part}")) if part else "",
        model=model,
        verdict=verdict(model),
        extent=extent(model),
        change=_change(model, t),
        score_notes=_notes(model, t),
        changes=_changes(model, t),
        changed=[] if sealed else _changed(model, t),
        due=[] if sealed else _due(model.findings),
        sealed=sealed,
        coverage=_coverage(model, t),
        why=lambda gap: _why(gap, t),
        places=lambda action: _places(action, t),
        shown=SHOWN,
    )


def _change(model: ReportModel, t: Words) -> str:
    change = model.score_change
    if change is None:
        return t("score.first")
    delta = change.now - change.before
    key = "same" if abs(delta) < _ALIKE else "better" if delta > 0 else "worse"
    hosts = t("score.compared", n=change.hosts)
    return t(f"score.{key}", delta=f"{abs(delta):.1f}", serial=change.previous_round, hosts=hosts)


def _notes(model: ReportModel, t: Words) -> list[str]:
    notes = [t("score.provisional")] if model.score.provisional else []
    if model.coverage.partial:
        notes.append(t("score.partly", n=model.coverage.partial))
    return notes if model.score.grade else [*notes, t("score.no_grade")]


def _changes(model: ReportModel, t: Words) -> str:
    changes = model.changes
    if why := incomparable(model):
        return t(f"changes.{why}")
    return t(
        "changes.line",
        new=len(changes.new),
        reopened=len(changes.reopened),
        fixed=len(changes.fixed),
        open=len(changes.still_open),
        unseen=len(changes.not_inspected),
    )


def _changed(model: ReportModel, t: Words) -> list[tuple[str, Sequence[Finding]]]:
    changes = model.changes
    lists = {
        "changes.new": () if incomparable(model) else changes.new,
        "changes.reopened": changes.reopened,
        "changes.fixed": tuple(proof.finding for proof in changes.fixed),
        "changes.not_inspected": changes.not_inspected,
    }
    return [(t(key, n=len(those)), those) for key, those in lists.items() if those]


def _places(action: Action, t: Words) -> str:
    named = t.listed([endpoint(place) for place in action.places[:PLACES]])
    more = len(action.places) - PLACES
    return f"{named} {t('first.more', n=more)}" if more > 0 else named


def _due(findings: Sequence[Finding]) -> list[Finding]:
    """What has a deadline, the nearest first."""
    dated = [(each.deadline, each) for each in findings if each.deadline and each.state in OPEN_STATES]
    return [each for _, each in sorted(dated, key=lambda pair: pair[0])]


def _coverage(model: ReportModel, t: Words) -> str:
    seen = model.coverage
    return t(
        "coverage.line",
        targets=seen.targets,
        hosts=seen.hosts,
        inspected=seen.inspected,
        partial=seen.partial,
        missing=seen.not_inspected,
    )


def _why(gap: NotInspected, t: Words) -> str:
    """Why a host was not, or only partly, inspected: each reason once, and what of the host it is about."""
    about: dict[str, list[str]] = {}
    for reason in gap.reasons:
        about.setdefault(gap_sentence(reason.reason, reason.detail, t), []).append(_part(reason, t))
    return sentences((_told_of(parts, sentence, t) for sentence, parts in about.items()), t.language)


def _part(reason: Reason, t: Words) -> str:
    """What of a host was not inspected; empty for all of it."""
    facet = t(f"facet.{reason.facet}") if reason.facet else ""
    if not reason.port:
        return facet
    where = f"{reason.port}/{reason.transport}"
    return t("gaps.where", where=where, what=facet) if facet else where


def _told_of(parts: Sequence[str], sentence: str, t: Words) -> str:
    if not all(parts):
        return sentence
    named, more = t.listed(parts[:PLACES]), len(parts) - PLACES
    what = f"{named} {t('first.more', n=more)}" if more > 0 else named
    return t("mail.left_out", what=what, why=sentence)
