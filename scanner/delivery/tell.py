"""Tells organisations what a round found: reports are kept and letters put into the outbox, in one transaction each.

Everything here may be done again after a crash at any point: what is missing is added, and nothing is told twice.
Rendering happens before the transaction begins.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial

from django.db import IntegrityError, transaction
from django.db.models import Q

from scanner.delivery.apart import apart
from scanner.delivery.finding_letters import Result, recurrence_letter, reinspection_letter, urgent_letter
from scanner.delivery.mailing import Mailing
from scanner.delivery.models import Message, MessageKind, Told
from scanner.delivery.outbox import Letter, enqueue_all
from scanner.delivery.passwords import with_passwords
from scanner.delivery.recipients import Recipient, contacts_of, recipients
from scanner.delivery.reports import mailed_forms
from scanner.delivery.round_letter import round_letter
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.model import Facet, Gap, GapReason, Transport
from scanner.locks import Turn, take_turn
from scanner.packing import Like, pack
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding as FindingRow
from scanner.remediation.models import FindingEvent
from scanner.remediation.reinspection import Verdict, verdicts
from scanner.reports.coverage import reason_of
from scanner.reports.findings import report_finding, worst_first
from scanner.reports.formats import ReportFormat, rendered
from scanner.reports.model import Reason, ReportModel
from scanner.reports.models import Report, ReportFile
from scanner.reports.query import report_model
from scanner.reports.render import render_html, render_json
from scanner.reports.stationery import stationery_of
from scanner.reports.together import Together
from scanner.rounds.models import HostResult, LookNumber, PlanKind, Round
from targets.models import Organisation

PER_LETTER = 20
"""Findings that one urgent alert shows at most, so that mail programs don't cut it; more make more letters."""


def tell_round(round_id: int, now: datetime, only: Collection[int] | None = None) -> int:
    """Tell the organisations of a followed round, or ``only`` these, what it found; return how many letters that made.

    Rounds get a report, but for those that look again at hosts between rounds; re-inspections of findings get their
    result instead. What came back is alerted after every round. Organisations with nothing registered, such as those
    that only supervise, get no report. Raises ``InputError`` for a round that was not followed yet. What goes wrong for
    one organisation is raised when the others were told.
    """
    this = Round.objects.select_related("plan").get(pk=round_id)
    if this.followed is None:
        raise InputError(f"Round {this.pk} was not followed yet, so there is nothing to tell of it.")
    owners = list(this.owners(only).filter(retired_at=None).select_related("parent"))
    telling = _Telling(this, owners, now)
    tell = [telling.recurrences]
    if this.findings:
        tell.insert(0, telling.reinspection)
    elif this.kind != PlanKind.CADENCE:
        tell.insert(0, telling.report)
    return sum(
        apart(
            (f"tell {owner.slug} of {this} ({each.__name__})", partial(each, owner))
            for owner in owners
            for each in tell
        )
    )


def alert_urgent(findings: Iterable[FindingRow], now: datetime) -> int:
    """Tell organisations at once of findings that can't wait; return how many letters were put into the outbox.

    Each finding is told once in its life, and again when it comes back after it was fixed, or when attackers begin to
    use it.
    """
    owners: dict[Organisation, list[FindingRow]] = defaultdict(list)
    for finding in findings:
        owners[finding.organisation].append(finding)
    return sum(
        apart((f"alert {owner.slug}", partial(_alert, owner, those, now)) for owner, those in owners.items()),
    )


def _alert(organisation: Organisation, findings: Sequence[FindingRow], now: datetime) -> int:
    lives = {_alert_key(each, exploited=each.known_exploited): each for each in findings}
    known = set(Told.objects.filter(key__in=lives).values_list("key", flat=True))
    new = {key: each for key, each in lives.items() if key not in known}
    chosen = recipients(organisation, MessageKind.URGENT_ALERT)
    if not new or not chosen:
        return 0
    shown = sorted(new, key=lambda key: worst_first(report_finding(new[key], {}, {}, now)))
    letters: list[Letter] = []
    for first in range(0, len(shown), PER_LETTER):
        part = shown[first : first + PER_LETTER]
        told = [report_finding(new[key], {}, {}, now) for key in part]
        about = hashlib.sha256(" ".join(part).encode()).hexdigest()[:16]
        mailing = Mailing(MessageKind.URGENT_ALERT, organisation, (organisation.pk, about), now)
        letters += mailing.letters(chosen, partial(urgent_letter, told))
    with transaction.atomic():
        take_turn(Turn.ALERTS, organisation.pk)
        if Told.objects.filter(key__in=new).exists():
            return 0  # somebody else was faster; what is left is told when it is asked for again
        keys = {*new, *(_alert_key(each, exploited=False) for each in new.values())}
        Told.objects.bulk_create((Told(key=key, at=now) for key in sorted(keys)), ignore_conflicts=True)
        return enqueue_all(letters, now)


def _alert_key(finding: FindingRow, *, exploited: bool) -> str:
    """Return what names a part of a finding's life: it may be critical first, and later be used by attackers too."""
    why = "exploited" if exploited else "urgent"
    return f"{why}:{finding.pk}:{finding.first_seen.isoformat()}:{finding.recurrences}"


class _Telling:
    """Tells the organisations of a round of it, one by one; what can be is asked for all of them at once."""

    def __init__(self, this: Round, owners: Sequence[Organisation], now: datetime) -> None:
        self._this = this
        self._owners = owners
        self._now = now
        self._contacts = contacts_of(owners)
        self._together = Together(owners, this)

    def report(self, organisation: Organisation) -> int:
        """Keep the report in its organisation's language and those of whom it goes to, and write to them."""
        if not self._together.registers_anything(organisation):
            return 0
        mailing = self._mailing(MessageKind.ROUND_REPORT, organisation)
        left = mailing.untold(self._recipients(mailing.kind, organisation), self._told)
        languages = {Language(organisation.language), *(each.language for each in left)}
        kept = dict(self._kept.get(organisation.pk, {}))
        if not left and languages <= kept.keys():
            return 0
        model = report_model(organisation, self._this, self._now, self._together)
        part = None if self._this.is_whole else PlanKind(self._this.kind)
        sealed = organisation.pk in self._sealed
        # Only what is mailed needs further forms; the report in the organisation's language is kept all the same.
        forms = {each.language: mailed_forms(sealed=sealed) for each in left}
        with stationery_of(organisation):
            drafts = [
                (drafted(self._this, organisation, model, each), _files(translated(model, each), forms.get(each, ())))
                for each in sorted(languages - kept.keys())
            ]
        letters = mailing.letters(
            left, lambda frame: round_letter(translated(model, frame.language), frame, part, sealed=sealed)
        )
        with transaction.atomic():
            kept |= {Language(draft.language): _keep(draft, files) for draft, files in drafts}
            return enqueue_all((replace(each, report=kept[Language(each.language)]) for each in letters), self._now)

    def reinspection(self, organisation: Organisation) -> int:
        """Write how the inspection of single findings went."""
        mailing = self._mailing(MessageKind.REINSPECTION, organisation)
        ours = [(each, verdict) for each, verdict in self._verdicts if each.organisation_id == organisation.pk]
        if not ours:
            return 0
        left = mailing.untold(self._recipients(mailing.kind, organisation))
        if not left:
            return 0
        results = [_result(self._this, each, verdict, self._now) for each, verdict in ours]
        results.sort(key=lambda each: worst_first(each.finding))
        when = self._this.finished or self._now
        letters = mailing.letters(left, partial(reinspection_letter, results, when))
        with transaction.atomic():
            return enqueue_all(letters, self._now)

    def recurrences(self, organisation: Organisation) -> int:
        """Alert what is back within the same life; what comes back after a long absence is new, and in the report."""
        back = [
            (report_finding(event.finding, {}, {}, self._now), datetime.fromisoformat(event.detail["fixed"]))
            for event in self._back.get(organisation.pk, ())
            if event.finding.first_seen < event.at and "fixed" in event.detail
        ]
        if not back:
            return 0
        back.sort(key=lambda pair: worst_first(pair[0]))
        mailing = self._mailing(MessageKind.RECURRENCE, organisation)
        left = mailing.untold(self._recipients(mailing.kind, organisation))
        letters = mailing.letters(left, partial(recurrence_letter, back))
        with transaction.atomic():
            return enqueue_all(letters, self._now)

    def _mailing(self, kind: MessageKind, organisation: Organisation) -> Mailing:
        return Mailing(kind, organisation, (self._this.pk, organisation.pk), self._now)

    def _recipients(self, kind: MessageKind, organisation: Organisation) -> tuple[Recipient, ...]:
        return recipients(organisation, kind, self._contacts[organisation.pk])

    @cached_property
    def _sealed(self) -> Container[int]:
        return with_passwords(self._owners)

    @cached_property
    def _kept(self) -> Mapping[int, Mapping[Language, Report]]:
        """The reports that were kept before, without their contents."""
        found: dict[int, dict[Language, Report]] = defaultdict(dict)
        rows = Report.objects.filter(round=self._this, organisation__in=self._owners)
        for each in rows.only("organisation", "language"):
            found[each.organisation_id][Language(each.language)] = each
        return found

    @cached_property
    def _told(self) -> Container[str]:
        """The keys of the letters that went with them: none goes without."""
        reports = [report.pk for of_one in self._kept.values() for report in of_one.values()]
        return set(Message.objects.filter(report__in=reports).values_list("key", flat=True))

    @cached_property
    def _verdicts(self) -> Sequence[tuple[FindingRow, Verdict]]:
        return verdicts(self._this)

    @cached_property
    def _back(self) -> Mapping[int, Sequence[FindingEvent]]:
        """What the round opened again, by organisation; nothing of places that left the register meanwhile."""
        found = defaultdict(list)
        # A job tells few of a large round's organisations: those of the others are not its to read.
        events = FindingEvent.objects.filter(
            round=self._this, kind=Happened.REOPENED, finding__organisation__in=self._owners, finding__registered=True
        )
        for event in events.select_related("finding"):
            found[event.finding.organisation_id].append(event)
        return found


def _keep(draft: Report, files: Mapping[ReportFormat, bytes]) -> Report:
    """Save a report with its files, and return it; or the one that somebody else has kept at this moment."""
    try:
        with transaction.atomic():
            draft.save(force_insert=True)
    except IntegrityError:
        return Report.objects.get(organisation=draft.organisation, round=draft.round, language=draft.language)
    ReportFile.objects.bulk_create(ReportFile(report=draft, form=f, content=c) for f, c in files.items())
    return draft


def drafted(this: Round, organisation: Organisation, model: ReportModel, language: Language) -> Report:
    """Return the row that keeps a report, not saved yet; the caller says on whose stationery."""
    told = translated(model, language)
    page = render_html(told).encode()
    return Report(
        organisation=organisation,
        round=this,
        language=str(language),
        generated=model.generated,
        html=pack(page, Like.PAGES),
        json=pack(render_json(told, indented=False), Like.PAGES),
        digest=hashlib.sha256(page).hexdigest(),
    )


def _files(model: ReportModel, forms: Iterable[ReportFormat]) -> dict[ReportFormat, bytes]:
    """Render the forms that are kept beside HTML and JSON; each is one file."""
    made = {form: rendered(model, (form,)) for form in forms if form is not ReportFormat.HTML}
    return {form: pack(content) for form, files in made.items() for content in files.values()}


def translated(model: ReportModel, language: Language) -> ReportModel:
    """Return the report in another language."""
    return replace(model, organisation=replace(model.organisation, language=str(language)))


def _result(this: Round, row: FindingRow, verdict: Verdict, now: datetime) -> Result:
    finding = report_finding(row, {}, {}, now)
    if verdict is Verdict.FIXED:
        proofs = FindingEvent.objects.filter(round=this, finding=row, kind__in=(Happened.FIXED, Happened.NOT_SEEN))
        proof = next((each.detail for each in proofs if "first_look" in each.detail), None)
        if proof is None:
            return Result(finding, verdict)
        looks = datetime.fromisoformat(proof["first_look"]), datetime.fromisoformat(proof["second_look"])
        return Result(finding, verdict, looks)
    return Result(finding, verdict, reasons=_reasons(this, row) if verdict is Verdict.NOT_VERIFIED else ())


def _reasons(this: Round, finding: FindingRow) -> tuple[Reason, ...]:
    """Return what kept the round from looking at a finding: what concerns its whole host, then its port, which may have
    said nothing."""
    here = Q(hostname=finding.host) | Q(hostname="", address=finding.host)
    looks = HostResult.objects.filter(here, round=this, organisation=finding.organisation, look=LookNumber.FIRST)
    coverages = [look.inspection().coverage for look in looks]
    ours = [gap for each in coverages for gap in each.gaps if gap.port in (None, finding.port)]
    ours.sort(key=lambda gap: gap.port is not None)
    transport = Transport(finding.transport)
    if any(each.kept_silent(finding.port, transport) for each in coverages):
        ours.append(Gap(GapReason.UDP_SILENT, Facet.SERVICE, finding.port, transport))
    return tuple(map(reason_of, ours))
