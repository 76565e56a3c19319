"""Every document and mail that people read, filled with sample data: for previews, and for checks of templates.

Nothing of it is in the database, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from markupsafe import escape

from scanner.delivery import endings, finding_letters, reminders
from scanner.delivery.account_letter import account_letter
from scanner.delivery.account_news import AccountEvent, AccountNews
from scanner.delivery.bulletins import bulletin_letter
from scanner.delivery.invitation_letter import invitation_letter
from scanner.delivery.letters import REPORT_MARK, Frame, Written, name_of, wrapped
from scanner.delivery.models import MessageKind
from scanner.delivery.notice_document import Inspected, NoticeModel, demands_of, render_notice
from scanner.delivery.posting import notice_letter
from scanner.delivery.round_letter import round_letter
from scanner.delivery.round_summary import Coverage, Found, Mails, Named, OrganisationLine, RoundSummary, Work
from scanner.delivery.sections import Section, digest_of
from scanner.delivery.summary_letter import summary_letter, summary_page
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Confidence, GapReason, Outcome, Severity, Vantage
from scanner.remediation.reinspection import Verdict
from scanner.remediation.score import Grade
from scanner.reports import bulletin_model as b
from scanner.reports.bulletin_anonymous import anonymous
from scanner.reports.bulletin_render import render_bulletin
from scanner.reports.findings import count
from scanner.reports.identity import office_name
from scanner.reports.model import Finding, Reason, ReportModel
from scanner.reports.priorities import fix_first
from scanner.reports.render import render_html
from scanner.reports.sample import DAY, NAME, NOW, SUPERVISOR, sample_report
from scanner.reports.words import Words, words
from targets.models import Authorisation, Organisation

ZONE = "Asia/Shanghai"
Files = Mapping[str, str]
"""Endings of file names (``html``, ``txt``) and what is in the files."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the documents and mails in one language are filled with."""

    language: Language
    report: ReportModel
    organisation: Organisation
    bulletin: b.BulletinModel
    summary: RoundSummary

    def frame(self, kind: MessageKind) -> Frame:
        return Frame(kind, self.language, NOW, self.organisation)

    def office_frame(self, kind: MessageKind) -> Frame:
        """The frame of a letter to the operators."""
        return Frame(kind, self.language, NOW)

    @property
    def open(self) -> list[Finding]:
        """What is to be fixed."""
        return [each for each in self.report.findings if each.state == "open"]


def samples() -> tuple[str, ...]:
    """Return the names of all documents and mails: ``report``, ``mail:reminder``."""
    return (*_DOCUMENTS, *(f"mail:{kind}" for kind in _MAILS))


def render_sample(name: str, language: Language) -> Files:
    """Return the files of a document or mail, on the present stationery. Raises ``KeyError`` for an unknown name."""
    return render(name, sample_of(language))


def sample_of(language: Language) -> Sample:
    """Return what they are filled with in ``language``."""
    names = {"name_zh": NAME.zh, "name_en": NAME.en, "time_zone": ZONE, "language": str(language)}
    return Sample(
        language,
        sample_report(language),
        Organisation(slug="water", **names),
        sample_bulletin(language),
        sample_summary(),
    )


def render(name: str, sample: Sample) -> Files:
    """Return the files of a document or mail that is filled with ``sample``. Raises as :func:`render_sample`."""
    kind = name.removeprefix("mail:")
    if kind == name:
        return {"html": _DOCUMENTS[name](sample)}
    written = _MAILS[MessageKind(kind)](sample)
    attached = _attached(MessageKind(kind), words(sample.language))
    text = f"{written.subject}\n\n{written.text}".replace(REPORT_MARK, wrapped(attached, sample.language))
    return {"html": written.html.replace(REPORT_MARK, str(escape(attached))), "txt": text}


def _attached(kind: MessageKind, t: Words) -> str:
    """Return the sentence that tells what goes with a mail."""
    match kind:
        case MessageKind.NOTICE:
            files = {each: t(f"form.{each}", number="R2026-17") for each in ("document", "slip")}
            return t("mail.notice.files", **files, form=t("form.file", number="R2026-17"))
        case MessageKind.BULLETIN:
            return t(
                "mail.bulletin.attached", name=t("bulletin.file", slug="city", date=f"{NOW:%Y-%m-%d}", ending="pdf")
            )
        case _:
            return t("mail.report.attached", name="water-3.html")


def sample_notice(sample: Sample) -> NoticeModel:
    """Return a notice that asks for what the sample report found."""
    asked = [each for each in sample.open if each.severity.at_least(Severity.HIGH) and each.seen_now]
    report = sample.report
    return NoticeModel(
        number="R2026-17",
        organisation=sample.organisation,
        issued=NOW,
        answer_by=NOW + 5 * DAY,
        inspected=Inspected(report.round.started, report.round.finished, report.authorisations, 8, 6, 1, report.score),
        vantages=(Vantage.INTERNET,),
        counts=count(asked),
        main_risks=fix_first(asked),
        findings=tuple(asked),
        to_check=(_doubtful(sample),),
        demands=demands_of(asked),
    )


def _doubtful(sample: Sample) -> Finding:
    """Return a finding that is merely possible, and so has no deadline."""
    return replace(sample.open[-1], number=44, confidence=Confidence.POSSIBLE, deadline=None, overdue=False)


def sample_bulletin(language: Language) -> b.BulletinModel:
    """Return a bulletin on six units of a city."""
    units = (
        (
            "library",
            "示例市图书馆",
            "Example City Library",
            96.4,
            Grade.A,
            1.2,
            (12, 12),
            (1, 0, 0),
            (2, 3, 2, 2, 0, 2),
        ),
        ("museum", "示例市博物馆", "Example City Museum", 92.1, Grade.A, 0.0, (5, 6), (0, 0, 0), (1, 1, 1, 1, 0, 1)),
        ("school", "示例市第一中学", "Example First School", 87.5, Grade.B, 4.0, (8, 9), (2, 0, 0), (1, 3, 1, 1, 0, 1)),
        ("transit", "示例市公交公司", "Example Transit", 84.0, Grade.B, -3.5, (28, 31), (6, 1, 0), (2, 8, 1, 2, 0, 2)),
        ("water", NAME.zh, NAME.en, 69.0, Grade.D, 21.5, (7, 8), (8, 5, 1), (2, 8, 1, 3, 1, 2)),
    )
    ranked = tuple(_unit_row(rank, *each) for rank, each in enumerate(units, 1))
    hospital = (
        "hospital",
        "示例县医院",
        "Example County Hospital",
        100.0,
        None,
        None,
        (9, 12),
        (0, 0, 0),
        (1, 1, 1, 1, 0, 1),
    )
    unseen = replace(_unit_row(None, *hospital), unranked=b.Unranked.LOW_COVERAGE)
    late = next(each for each in sample_report(language).findings if each.overdue)
    progress = b.Progress(b.rate(9, 24), b.rate(7, 10), b.rate(1, 9))
    organisation = replace(sample_report(language).organisation, slug="city", name=SUPERVISOR, supervisor=None)
    deadline = late.deadline or NOW
    return b.BulletinModel(
        organisation=organisation,
        office=False,
        anonymous=False,
        withheld=False,
        period=b.Period(NOW - 30 * DAY, NOW, NOW),
        generated=NOW,
        situation=b.Situation(7, 6, 6, 5, 78, 69, 84.3, 4.1, 5),
        severities=tuple(
            b.SeverityLine(severity, *numbers)
            for severity, numbers in (
                (Severity.CRITICAL, (2, 1, 2, 1, 0, 0)),
                (Severity.HIGH, (4, 5, 3, 4, 0, 1)),
                (Severity.MEDIUM, (6, 7, 2, 2, 1, 0)),
                (Severity.LOW, (5, 5, 2, 2, 0, 0)),
            )
        ),
        possible=3,
        progress=progress,
        progress_before=b.Progress(b.rate(5, 20), b.rate(3, 8), b.rate(0, 4)),
        ranked=ranked,
        others=(unseen,),
        reasons=((b.Unranked.LOW_COVERAGE, 1),),
        late=(
            b.LateUnit(ranked[-1].unit, 1, 1, (b.Late(late.number, late.check, late.severity, late.place, deadline),)),
        ),
        weaknesses=(
            b.Weakness("TLS-V10", Severity.MEDIUM, 3, 7),
            b.Weakness("SVC-REDIS-UNAUTH", Severity.CRITICAL, 1, 2),
        ),
        campaigns=(b.Campaign("Redis", ("SVC-REDIS-UNAUTH", "SVC-REDIS-EXPOSED"), True, 2, 69, 9, 3, 1),),
        trend=tuple(
            b.TrendPoint(NOW - days * DAY, value, 5, tuple(zip(tuple(reversed(Severity))[:4], open_ones, strict=True)))
            for days, value, open_ones in ((14, 78.0, (2, 7, 7, 5)), (7, 80.2, (1, 5, 7, 5)), (0, 84.3, (2, 4, 6, 5)))
        ),
    )


def _unit_row(
    rank: int | None,
    slug: str,
    zh: str,
    en: str,
    score: float | None,
    grade: Grade | None,
    change: float | None,
    seen: tuple[int, int],
    counts: tuple[int, int, int],
    rates: tuple[int, int, int, int, int, int],
) -> b.UnitRow:
    """Return a row. ``seen`` is of how many hosts, ``rates`` are those of progress, part before whole."""
    open_ones, serious, overdue = counts
    inspected, hosts = seen
    return b.UnitRow(
        unit=b.Unit(slug, zh, en),
        rank=rank,
        unranked=None,
        score=score,
        ranked_by=score,
        grade=grade,
        change=change,
        inspected=NOW,
        coverage=inspected / hosts,
        hosts=hosts,
        open=open_ones,
        serious=serious,
        overdue=overdue,
        progress=b.Progress(b.rate(*rates[:2]), b.rate(*rates[2:4]), b.rate(*rates[4:])),
    )


def sample_summary() -> RoundSummary:
    """Return the summary of the sample's round."""
    coverage, found, mails = Coverage(8, 6, 1, 1, 246), Found(2, 1, 1), Mails(3, 1, 0, 0)
    return RoundSummary(
        number=3,
        kind="routine",
        plan="weekly",
        state="done",
        requested_by="plan weekly",
        due=NOW - timedelta(hours=2),
        missed=0,
        started=NOW - timedelta(hours=2),
        finished=NOW - timedelta(minutes=20),
        seconds=6000.0,
        work=Work(3, 1, 1, 0),
        coverage=coverage,
        gaps=((GapReason.HOST_SILENT, 1), (GapReason.TIMED_OUT, 1)),
        failed=0,
        set_aside=(),
        slowest=(
            Named(NAME, "portal.water.example", 96.5, Outcome.PARTIAL),
            Named(NAME, "mail.water.example", 41.2, Outcome.INSPECTED),
        ),
        found=found,
        mails=mails,
        organisations=(OrganisationLine("water", NAME, coverage, 69.0, found, mails),),
    )


def _reinspection(sample: Sample) -> Written:
    first, second, third, *_ = sample.open
    results = [
        finding_letters.Result(first, Verdict.FIXED, (NOW - timedelta(minutes=70), NOW - timedelta(minutes=24))),
        finding_letters.Result(second, Verdict.STILL_THERE),
        finding_letters.Result(
            third, Verdict.NOT_VERIFIED, reasons=(Reason(GapReason.HOST_SILENT, None, None, third.place.transport, ""),)
        ),
    ]
    return finding_letters.reinspection_letter(results, NOW, sample.frame(MessageKind.REINSPECTION))


def _reminder(sample: Sample) -> Written:
    late = [each for each in sample.open if each.overdue]
    soon = NOW + 7 * DAY
    ahead = [each for each in sample.open if not each.overdue and each.deadline and each.deadline < soon]
    return reminders.reminder_letter(late, ahead, [_doubtful(sample)], sample.frame(MessageKind.REMINDER))


def _above(sample: Sample) -> Organisation:
    """Return the organisation that supervises the sample's."""
    name = sample.report.organisation.supervisor or SUPERVISOR
    return Organisation(slug="city", name_zh=name.zh, name_en=name.en, time_zone=ZONE)


def _escalation(sample: Sample) -> Written:
    late = [each for each in sample.open if each.overdue]
    return reminders.escalation_letter(late, _above(sample), sample.frame(MessageKind.ESCALATION))


def _exemptions(sample: Sample) -> Written:
    finding, held = next((each, each.exemption) for each in sample.report.findings if each.exemption)
    ahead = endings.Ending(finding, held.kind, NOW + 14 * DAY, held.reason)
    ended = endings.Ending(sample.open[-1], held.kind, NOW - timedelta(hours=9, minutes=30), held.reason)
    return endings.exemptions_letter([ahead], [ended], sample.frame(MessageKind.EXEMPTION_ENDING))


def _authorisations(sample: Sample) -> Written:
    known = sample.report.authorisations[0]
    row = Authorisation(document=known.reference, allowed_by=known.granted_by, valid_until=NOW + 14 * DAY)
    return endings.authorisations_letter([row], sample.frame(MessageKind.AUTHORISATION_ENDING), copy=False)


def _digest(sample: Sample) -> Written:
    t = words(sample.language)
    late = Section(
        t("mail.digest.overdue"),
        [t("mail.digest.late", name=name_of(sample.organisation, sample.language), n=1, serious=1)],
    )
    space = t("mail.digest.space", free="31.5", total="80.0")
    disk = Section(t("mail.digest.disk"), [space], urgent=False)
    return digest_of([late, disk], sample.office_frame(MessageKind.DIGEST))


def _recurrence(sample: Sample) -> Written:
    back = [(each, NOW - 7 * DAY) for each in sample.open if each.recurrences]
    return finding_letters.recurrence_letter(back, sample.frame(MessageKind.RECURRENCE))


_DOCUMENTS: Mapping[str, Callable[[Sample], str]] = {
    "report": lambda sample: render_html(sample.report),
    "notice": lambda sample: render_notice(sample_notice(sample), sample.language),
    "bulletin": lambda sample: render_bulletin(sample.bulletin, sample.language, office_name(sample.language)),
    "bulletin-anonymous": lambda sample: render_bulletin(
        anonymous(sample.bulletin, "sample"), sample.language, office_name(sample.language)
    ),
    "round-summary": lambda sample: summary_page(sample.summary, sample.language, ZONE, NOW),
}
_MAILS: Mapping[MessageKind, Callable[[Sample], Written]] = {
    MessageKind.ROUND_REPORT: lambda sample: round_letter(sample.report, sample.frame(MessageKind.ROUND_REPORT)),
    MessageKind.URGENT_ALERT: lambda sample: finding_letters.urgent_letter(
        sample.open[:2], sample.frame(MessageKind.URGENT_ALERT)
    ),
    MessageKind.NOTICE: lambda sample: notice_letter(sample_notice(sample), sample.frame(MessageKind.NOTICE)),
    MessageKind.REMINDER: _reminder,
    MessageKind.ESCALATION: _escalation,
    MessageKind.REINSPECTION: _reinspection,
    MessageKind.RECURRENCE: _recurrence,
    MessageKind.EXEMPTION_ENDING: _exemptions,
    MessageKind.AUTHORISATION_ENDING: _authorisations,
    MessageKind.DIGEST: _digest,
    MessageKind.BULLETIN: lambda sample: bulletin_letter(
        sample.bulletin, Frame(MessageKind.BULLETIN, sample.language, NOW, _above(sample))
    ),
    MessageKind.ROUND_SUMMARY: lambda sample: summary_letter(
        sample.summary, sample.office_frame(MessageKind.ROUND_SUMMARY)
    ),
    MessageKind.INVITATION: lambda sample: invitation_letter(
        name_of(sample.organisation, sample.language),
        "https://roundsman.example.org/invitation/SAMPLE-sample-SAMPLE-sample-SAMPLE-sample-S/",
        NOW + 3 * DAY,
        Frame(MessageKind.INVITATION, sample.language, NOW),
    ),
    MessageKind.ACCOUNT: lambda sample: account_letter(
        name_of(sample.organisation, sample.language),
        AccountNews(AccountEvent.ELSEWHERE, origin="198.51.100.7"),
        Frame(MessageKind.ACCOUNT, sample.language, NOW),
    ),
}
