"""Reminds organisations of deadlines, and tells their supervisors of those that passed.

A finding is reminded of three days before its deadline, or the day before when it has less than a week; again on the
first day after it, and every seventh from then on. Past its deadline, a critical or high one goes to the supervising
organisation once; any, once more, when it has taken more than twice its time. Claims that wait for their inspection,
and findings whose hosts left the register, are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain
from typing import cast
from zoneinfo import ZoneInfo

from scanner.delivery.day import due_day, mailing_of, tell_once, untold, untold_today
from scanner.delivery.letters import Frame, Written, name_of, write
from scanner.delivery.models import MessageKind
from scanner.delivery.recipients import recipients, supervising, supervisors
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Confidence, Severity
from scanner.prepared import AnyOf, Given, Prepared
from scanner.remediation.lifecycle import State, age
from scanner.remediation.models import Exemption, ExemptionState, Finding
from scanner.remediation.part import in_register
from scanner.remediation.score import Age
from scanner.reports import model
from scanner.reports.findings import report_finding, worst_first
from scanner.reports.identity import office_name
from scanner.reports.words import words
from targets.models import Organisation

AHEAD_DAYS = 3
AHEAD_DAYS_SHORT = 1
"""How many days before a deadline it is reminded of, and of one that leaves less than :data:`SHORT`."""

SHORT = timedelta(days=7)
AGAIN_DAYS = 7
"""Days between two reminders of the same overdue finding."""

_STEPS_NEED = ("pk", "confidence", "deadline", "first_seen", "organisation_id", "reported", "severity")


def remind(organisation: Organisation, now: datetime) -> int:
    """Remind the organisation of what is due soon or overdue, all in one letter to each; return how many there were.

    A letter leaves on days on which at least one finding has reached its next step, and lists all that need work.
    """
    zone = ZoneInfo(organisation.time_zone)
    today = due_day(zone, now)
    if today is None:
        return 0
    soon = now + timedelta(days=AHEAD_DAYS + 1)
    due = _due_before([organisation.pk], soon)
    keys = {each.pk: _key(each, step) for each in due if (step := _step(each, today, now, zone))}
    day_key = f"reminder:{organisation.pk}:{today}"
    new = untold_today(day_key, keys.values())
    if not new:
        return 0  # the register, which takes longer to read, makes no more of it
    reached = _whole(organisation, keys)
    new.intersection_update(keys[each.pk] for each in reached)
    chosen = recipients(organisation, MessageKind.REMINDER)
    if not new or not chosen:
        return 0
    late, ahead = _shown((each for each in reached if each.confidence != Confidence.POSSIBLE), now)
    possible = (each for each in reached if each.confidence == Confidence.POSSIBLE)
    to_check = [each for part in _shown(possible, now) for each in part]
    mailing = mailing_of(MessageKind.REMINDER, organisation, today, now)
    letters = mailing.letters(chosen, partial(reminder_letter, late, ahead, to_check))
    return tell_once(day_key, new, letters, now)


def pressing(organisations: Iterable[Organisation], now: datetime) -> tuple[set[int], set[int]]:
    """Return which of the organisations are to be reminded, and of which their supervisors are to be told.

    Some of them need not be, as the register, which takes longer to read, may make less of it.
    """
    owners = {each.pk: each for each in organisations}
    to_remind: dict[str, int] = {}
    to_escalate: dict[str, int] = {}
    soon = now + timedelta(days=AHEAD_DAYS + 1)
    for finding in _due_before(owners, soon):
        owner = owners[finding.organisation_id]
        zone = ZoneInfo(owner.time_zone)
        if step := _step(finding, now.astimezone(zone).date(), now, zone):
            to_remind[_key(finding, step)] = owner.pk
        if finding.confidence != Confidence.POSSIBLE:
            to_escalate |= {_key(finding, step): owner.pk for step in _late_steps(finding, now)}
    new = untold({*to_remind, *to_escalate})
    reminded, escalated = ({steps[key] for key in steps.keys() & new} for steps in (to_remind, to_escalate))
    return reminded, escalated


def escalate(organisation: Organisation, now: datetime) -> int:
    """Tell the supervising organisation of overdue findings, and the organisation whom that told; return how many."""
    today = due_day(ZoneInfo(organisation.time_zone), now)
    if today is None:
        return 0
    keys = {each.pk: [_key(each, step) for step in _late_steps(each, now)] for each in _to_escalate(organisation, now)}
    day_key = f"escalation:{organisation.pk}:{today}"
    new = untold_today(day_key, chain.from_iterable(keys.values()))
    if not new:
        return 0
    fresh = _whole(organisation, [pk for pk, steps in keys.items() if not new.isdisjoint(steps)])
    new.intersection_update(key for each in fresh for key in keys[each.pk])
    above = supervisors(organisation)
    if not fresh or not above:
        return 0
    shown, _ = _shown(fresh, now)
    told = [each.address for each in above]
    own = recipients(organisation, MessageKind.ESCALATION)
    supervisor = supervising(organisation)
    mailing = mailing_of(MessageKind.ESCALATION, organisation, today, now)
    letters = [
        *mailing.letters(above, partial(escalation_letter, shown, supervisor)),
        *mailing.letters(
            [each for each in own if each.address not in told], partial(_told_above, shown, supervisor, told)
        ),
    ]
    return tell_once(day_key, new, letters, now)


_OWNERS = AnyOf(50)
_DUE = Prepared(
    lambda: (
        Finding.objects.filter(
            organisation__id__in=_OWNERS.places, state=State.OPEN, deadline__lt=Given("moment"), registered=True
        )
        .exclude(severity=Severity.INFO)
        .order_by()
        .values_list(*_STEPS_NEED, named=True)
    )
)


def _due_before(owners: Collection[int], moment: datetime) -> list[Finding]:
    """Return rows that tell no more of findings than what steps they have reached: most have been told before."""
    due = chain.from_iterable(_DUE(moment=moment, **part) for part in _OWNERS.parts(owners))
    return cast("list[Finding]", list(due))


_FINDINGS = AnyOf(50)
_WHOLE = Prepared(lambda: Finding.objects.filter(pk__in=_FINDINGS.places).order_by())


def _whole(organisation: Organisation, numbers: Collection[int]) -> list[Finding]:
    """Read what a letter tells of the findings, as far as their places are still registered."""
    rows = list(chain.from_iterable(_WHOLE(**part) for part in _FINDINGS.parts(numbers)))
    for row in rows:
        row.organisation = organisation
    return in_register(rows)


def _to_escalate(organisation: Organisation, now: datetime) -> list[Finding]:
    """Return what may be told to others: not what is merely possible, nor what waits for the office to decide."""
    asked = set(_ASKED(organisation=organisation))
    sure = (each for each in _due_before([organisation.pk], now) if each.confidence != Confidence.POSSIBLE)
    return [each for each in sure if each.pk not in asked]


_ASKED = Prepared(
    lambda: Exemption.objects.filter(
        finding__organisation=Given("organisation"), state=ExemptionState.REQUESTED
    ).values_list("finding", flat=True)
)


def _step(finding: Finding, today: date, now: datetime, zone: ZoneInfo) -> str:
    """Return the step of reminding that a finding has reached, or nothing."""
    if finding.deadline is None:
        return ""
    left = (finding.deadline.astimezone(zone).date() - today).days
    if finding.deadline > now:
        allowed = finding.deadline - (finding.reported or finding.first_seen)
        return "ahead" if left <= (AHEAD_DAYS if allowed >= SHORT else AHEAD_DAYS_SHORT) else ""
    return f"overdue-{(-left - 1) // AGAIN_DAYS}" if left < 0 else ""


def _late_steps(finding: Finding, now: datetime) -> tuple[str, ...]:
    """Return the steps of escalation that a finding has reached."""
    how_late = age(finding.reported, finding.deadline, now)
    serious = Severity(finding.severity).at_least(Severity.HIGH) and how_late is not Age.IN_TIME
    steps = (("escalated", serious), ("escalated-long", how_late is Age.LONG_OVERDUE))
    return tuple(step for step, reached in steps if reached)


def _key(finding: Finding, step: str) -> str:
    return f"finding:{finding.pk}:{finding.deadline:%Y%m%dT%H%M}:{step}"


def _shown(findings: Iterable[Finding], now: datetime) -> tuple[list[model.Finding], list[model.Finding]]:
    """Return the overdue ones, worst first, and the others, the most pressing first."""
    shown = [report_finding(each, {}, {}, now) for each in findings]
    late = sorted((each for each in shown if each.overdue), key=worst_first)
    ahead = sorted((each for each in shown if not each.overdue), key=lambda each: (each.deadline, worst_first(each)))
    return late, ahead


def reminder_letter(
    late: Sequence[model.Finding], ahead: Sequence[model.Finding], to_check: Sequence[model.Finding], frame: Frame
) -> Written:
    """Write the reminder; what is merely possible is listed apart, as nobody has to fix what may not be there."""
    t = words(frame.language)
    return write(
        "reminder",
        frame,
        subject=t("mail.reminder.subject", name=frame.name, late=len(late), ahead=len(ahead)),
        headline=t("mail.reminder.headline"),
        preheader=t("mail.reminder.intro", late=len(late), ahead=len(ahead)),
        late=late,
        ahead=ahead,
        to_check=to_check,
    )


def escalation_letter(findings: Sequence[model.Finding], above: Organisation | None, frame: Frame) -> Written:
    """Write to the supervising organisation ``above``; None: to the operators, as nobody there can be written to."""
    t = words(frame.language)
    nobody = t("mail.escalation.nobody", name=frame.name, n=len(findings))
    intro = t("mail.escalation.intro", name=frame.name, n=len(findings)) if above else nobody
    return write(
        "escalation",
        frame,
        subject=t("mail.escalation.subject", name=frame.name, n=len(findings)),
        headline=t("mail.escalation.headline", name=frame.name),
        preheader=intro,
        addressee=_supervisor_name(above, frame.language),
        instead=False,
        intro=intro,
        request=t("mail.escalation.request", name=frame.name),
        findings=findings,
    )


def _told_above(
    findings: Sequence[model.Finding], above: Organisation | None, told: Sequence[str], frame: Frame
) -> Written:
    t = words(frame.language)
    name = _supervisor_name(above, frame.language)
    intro = t("mail.escalation.copy_intro", above=name, told=t.listed(told), n=len(findings))
    return write(
        "escalation",
        frame,
        subject=t("mail.escalation.copy_subject", name=frame.name, above=name, n=len(findings)),
        headline=t("mail.escalation.copy_headline", above=name),
        preheader=intro,
        intro=intro,
        request=t("mail.escalation.copy_request"),
        findings=findings,
    )


def _supervisor_name(above: Organisation | None, language: Language) -> str:
    return name_of(above, language) if above else office_name(language)
