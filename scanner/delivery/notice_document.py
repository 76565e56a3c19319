"""A notice as a document: one HTML page in either language, for A4, with nothing from elsewhere.

It holds what an official letter of this kind does: number, addressee, basis, what was inspected when and from where,
how it stands, the main risks, what is asked by when, how to answer, and two annexes: the findings, and the reply slip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from django.conf import settings

from scanner.delivery.letters import name_of
from scanner.delivery.models import Notice, NoticeItem
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Outcome, Severity, Vantage
from scanner.remediation.models import RoundScore
from scanner.remediation.score import OrganisationScore
from scanner.remediation.scores import load_score, never_answered
from scanner.reports import model, texts
from scanner.reports.dates import Dates, utc
from scanner.reports.findings import count, report_finding, worst_first
from scanner.reports.identity import office_contact, office_name
from scanner.reports.page import fill
from scanner.reports.priorities import fix_first
from scanner.reports.query import latest_round
from scanner.reports.together import authorisations_during
from scanner.reports.words import Words, words
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation

LISTED = 40
"""Numbers of findings that one sentence lists."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a notice rests on. ``finished`` is None for a round that did not end; the numbers are of hosts.

    ``score`` is None where the round was about a part only, or nothing could be scored. ``pruned``: what is kept of the
    round is not all any more, so that its hosts can't be counted.
    """

    started: datetime
    finished: datetime | None
    authorisations: tuple[model.Authorisation, ...]
    hosts: int
    inspected: int
    partial: int
    score: OrganisationScore | None
    pruned: bool = False

    @property
    def missing(self) -> int:
        return self.hosts - self.inspected - self.partial


@dataclass(frozen=True, slots=True)
class Demand:
    """Findings that are to be fixed by the same time; ``overdue``: that time had passed when the notice was issued."""

    deadline: datetime
    overdue: bool
    findings: tuple[model.Finding, ...]


@dataclass(frozen=True, slots=True)
class NoticeModel:
    """All that a notice says; times are UTC. ``findings`` and ``to_check`` are worst first."""

    number: str
    organisation: Organisation
    issued: datetime
    answer_by: datetime
    inspected: Inspected | None
    vantages: tuple[Vantage, ...]
    counts: tuple[model.SeverityCount, ...]
    main_risks: tuple[model.Action, ...]
    findings: tuple[model.Finding, ...]
    to_check: tuple[model.Finding, ...]
    demands: tuple[Demand, ...]


def notice_model(notice: Notice) -> NoticeModel:
    """Return what the notice says, with its findings as they stand now and their deadlines as it was issued."""
    items = list(notice.items.select_related("finding"))
    shown = {item.finding_id: _as_issued(item, notice.issued) for item in items}
    findings = sorted((shown[item.finding_id] for item in items if not item.to_check), key=worst_first)
    to_check = sorted((shown[item.finding_id] for item in items if item.to_check), key=worst_first)
    this = notice.round or latest_round(notice.organisation)
    return NoticeModel(
        number=notice.number,
        organisation=notice.organisation,
        issued=notice.issued,
        answer_by=notice.answer_by,
        inspected=_inspected(notice.organisation, this) if this else None,
        vantages=tuple(sorted({Vantage(item.finding.vantage) for item in items}, key=list(Vantage).index)),
        counts=count(findings),
        main_risks=fix_first(findings),
        findings=tuple(findings),
        to_check=tuple(to_check),
        demands=demands_of(findings),
    )


def render_notice(notice: NoticeModel, language: Language) -> str:
    """Return the document as one HTML page."""
    vocabulary = words(language)
    installation = settings.INSTALLATION
    context = {
        "t": vocabulary,
        "language": str(language),
        "notice": notice,
        "dates": Dates(language, notice.organisation.time_zone, notice.issued),
        "utc": utc,
        "addressee": name_of(notice.organisation, language),
        "office": office_name(language),
        "contact": office_contact(language),
        "basis": installation.notice_basis_zh if language is Language.ZH_HANS else installation.notice_basis_en,
        "severities": tuple(each for each in reversed(Severity) if each is not Severity.INFO),
        "vantages": vocabulary.listed([vocabulary(f"vantage.{each}") for each in notice.vantages]),
        "numbers": lambda findings: numbers(findings, vocabulary),
        "text_of": lambda check: texts.text(check, language),
        "evidence": lambda finding: texts.evidence(finding.check, finding.params, language),
        "endpoint": lambda place: texts.endpoint(place.host, place.port, place.transport),
    }
    return fill("notice", "notice.html", context)


def numbers(findings: Sequence[model.Finding], vocabulary: Words) -> str:
    """Return the numbers of findings, listed; of very many the first ones, as annex 1 holds them all."""
    listed = vocabulary.listed([str(each.number) for each in findings[:LISTED]])
    more = len(findings) - LISTED
    return vocabulary("notice.numbers_more", numbers=listed, n=more) if more > 0 else listed


def _as_issued(item: NoticeItem, issued: datetime) -> model.Finding:
    shown = report_finding(item.finding, {}, {}, issued)
    return replace(shown, deadline=item.deadline, overdue=item.deadline is not None and item.deadline <= issued)


def demands_of(findings: Sequence[model.Finding]) -> tuple[Demand, ...]:
    """Return what a notice asks for, by deadline, the earliest first."""
    dated = [(each.deadline, each) for each in findings if each.deadline is not None]
    dated.sort(key=lambda pair: (pair[0], pair[1].number))
    grouped = groupby(dated, key=lambda pair: pair[0])
    return tuple(_demand(deadline, [each for _, each in group]) for deadline, group in grouped)


def _demand(deadline: datetime, findings: Sequence[model.Finding]) -> Demand:
    return Demand(deadline, findings[0].overdue, tuple(findings))


def _inspected(organisation: Organisation, this: Round) -> Inspected:
    rows = HostResult.objects.filter(round=this, organisation=organisation, look=LookNumber.FIRST)
    unused = never_answered(this, organisation)
    kept = [outcome for pk, outcome in rows.values_list("pk", "outcome") if pk not in unused]
    outcomes = kept if this.pruned is None else []
    return Inspected(
        started=this.started or this.created,
        finished=this.finished,
        authorisations=tuple(authorisations_during([organisation.pk], this).get(organisation.pk, ())),
        hosts=len(outcomes),
        inspected=outcomes.count(Outcome.INSPECTED),
        partial=outcomes.count(Outcome.PARTIAL),
        score=_score(organisation, this),
        pruned=this.pruned is not None,
    )


def _score(organisation: Organisation, this: Round) -> OrganisationScore | None:
    row = RoundScore.objects.filter(organisation=organisation, round=this).first() if this.is_whole else None
    score = load_score(row) if row else None
    return score if score and score.value is not None else None
