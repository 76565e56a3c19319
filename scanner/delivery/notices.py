"""Rectification notices: which findings are due for one, how it gets its number, and how it is withdrawn.

A notice asks an organisation to fix findings by a date. What is merely possible is listed apart, to be checked: nobody
is asked to fix what may not be there. A finding stands in one live notice at a time; one that came back after its
notice is asked for anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from scanner.audit.trail import Action, record
from scanner.delivery.models import Message, MessageKind, Notice, NoticeItem
from scanner.delivery.outbox import cancel, key_of
from scanner.engine.errors import Refused
from scanner.engine.model import Confidence, Severity
from scanner.prepared import AnyOf, Given, Prepared
from scanner.remediation.follow import terms_for
from scanner.remediation.lifecycle import Happened, State, Terms, report
from scanner.remediation.models import TELLING, Finding, FindingEvent
from scanner.remediation.part import in_register
from scanner.rounds.models import Round
from targets.models import Organisation
from targets.registry.times import end_of_day

REPLY_WITHIN = timedelta(days=10)
"""Time to answer, unless a critical finding is to be fixed earlier. A default of this product."""

LEAST_TIME = timedelta(days=1)
"""A reply is never asked for earlier than this after the notice."""

_SEEN = (Happened.OPENED, Happened.SEEN, Happened.CHANGED, Happened.REOPENED, Happened.CLAIM_REFUTED)
_OPEN_AGAIN = (Happened.REOPENED, Happened.EXEMPTION_ENDED)
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Due:
    """What a notice to one organisation would hold, worst first: what is to be fixed, and what is to be checked."""

    organisation: Organisation
    findings: tuple[Finding, ...]
    to_check: tuple[Finding, ...]


def notices_due(this: Round, only: Collection[int] | None = None) -> list[Due]:
    """Return what the organisations of a followed round, or ``only`` these, are to be asked for, as its plan says.

    That is often nothing. Only what this round saw counts: a notice tells what was found, and when. An organisation
    that got the notice of this round gets no second one, withdrawn or not.
    """
    if this.plan is None or not this.plan.notice_from:
        return []
    told = FindingEvent.objects.filter(round=this, kind__in=_SEEN)
    least = Severity(this.plan.notice_from)
    asked = list(this.owners().values_list("pk", flat=True)) if only is None else only
    owners = {number for part in _OWNERS.parts(asked) for number in _with_news(least)(round=this, **part)}
    if not owners:
        return []
    found = []
    for organisation in Organisation.objects.filter(pk__in=owners, retired_at=None).order_by("slug"):
        due = due_for(organisation, least)
        seen = set(told.filter(finding__organisation=organisation).values_list("finding", flat=True))
        findings, to_check = ([each for each in part if each.pk in seen] for part in (due.findings, due.to_check))
        if findings:
            found.append(Due(organisation, tuple(findings), tuple(to_check)))
    return found


_OWNERS = AnyOf(16)


@lru_cache(maxsize=len(Severity))
def _with_news(least: Severity) -> Prepared[int]:
    """Return the question which organisations were told in a round of what no notice asks for, and got none by it."""

    def build() -> QuerySet[Finding, int]:
        served = Notice.objects.filter(round=Given("round")).values("organisation")
        told = FindingEvent.objects.filter(round=Given("round"), kind__in=_SEEN, finding=OuterRef("pk"))
        asked = _open(least).filter(Exists(told), organisation__pk__in=_OWNERS.places)
        fresh = asked.exclude(confidence=Confidence.POSSIBLE).exclude(Exists(_asking_for(OuterRef("pk"))))
        rows = fresh.exclude(organisation__in=served).order_by()
        return rows.values_list("organisation", flat=True).distinct()

    return Prepared(build)


def due_for(organisation: Organisation, least: Severity) -> Due:
    """Return the organisation's open findings, at least as severe as ``least``, that stand in no live notice."""
    rows = _open(least).filter(organisation=organisation)
    standing = Exists(_asking_for(OuterRef("pk")))
    due = list(rows.exclude(~Q(confidence=Confidence.POSSIBLE), standing))
    for each in due:
        each.organisation = organisation
    findings = sorted(in_register(due), key=_worst_first)
    return Due(
        organisation,
        tuple(each for each in findings if each.confidence != Confidence.POSSIBLE),
        tuple(each for each in findings if each.confidence == Confidence.POSSIBLE),
    )


def issue(
    organisation: Organisation,
    this: Round | None,
    findings: Sequence[Finding],
    *,
    by: str,
    now: datetime,
    to_check: Sequence[Finding] = (),
) -> Notice:
    """Give a notice its number and put it on record; :func:`scanner.delivery.posting.post` mails it.

    A round gives an organisation one notice: asked again, the first is returned. Numbers run without gaps in a year of
    the installation's time zone. Raises ``Refused`` when there is nothing to ask for, or a finding is another's.
    """
    if not findings:
        raise Refused(f"There is nothing to ask {organisation.slug} for: no notice was issued.", "nothing-to-ask")
    foreign = [each for each in (*findings, *to_check) if each.organisation_id != organisation.pk]
    if foreign:
        raise Refused(
            f"Finding {foreign[0].pk} is none of {organisation.slug}'s: no notice was issued.",
            "finding-of-another",
            number=foreign[0].pk,
        )
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                return _issue(organisation, this, findings, to_check, by, now)
        except IntegrityError:  # another process took the serial first, where transactions run side by side
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("The last try returns or raises.")


def withdraw(notice: Notice, by: str, now: datetime) -> None:
    """Withdraw a notice: it stays on record, asks for nothing more, and its findings may stand in another one.

    Its mail that has not left is cancelled.
    """
    with transaction.atomic():
        live = Notice.objects.filter(pk=notice.pk, withdrawn=None)
        if not live.update(withdrawn=now, withdrawn_by=by):
            raise Refused(f"Notice {notice.number} was withdrawn before.", "notice-withdrawn", number=notice.number)
        record(Action.NOTICE_WITHDRAWN, f"notice {notice.number}", actor=by, at=now)
        mails = Message.objects.filter(key__startswith=key_of(MessageKind.NOTICE, "", notice.pk))
        cancel(mails.values_list("pk", flat=True), by, now)
    notice.refresh_from_db()


def answer_by(findings: Iterable[Finding], zone: ZoneInfo, now: datetime) -> datetime:
    """Return when a reply is due: the end of the tenth day, or of the day by which the first critical one is due.

    A deadline that has passed, or ends within a day, brings no earlier date: nobody can answer yesterday.
    """
    critical = (each.deadline for each in findings if each.severity == Severity.CRITICAL and each.deadline)
    ahead = [each for each in critical if each >= now + LEAST_TIME]
    return end_of_day(min([now + REPLY_WITHIN, *ahead]).astimezone(zone).date(), zone)


def _issue(
    organisation: Organisation,
    this: Round | None,
    findings: Sequence[Finding],
    to_check: Sequence[Finding],
    by: str,
    now: datetime,
) -> Notice:
    before = Notice.objects.filter(organisation=organisation, round=this).first() if this else None
    if before is not None:
        return before
    terms = terms_for(this, organisation)
    asked = [_told(each, now, terms) for each in findings]
    year = now.astimezone(ZoneInfo(settings.TIME_ZONE)).year
    serial = (Notice.objects.filter(year=year).aggregate(last=Max("serial"))["last"] or 0) + 1
    notice = Notice.objects.create(
        organisation=organisation,
        round=this,
        year=year,
        serial=serial,
        number=settings.INSTALLATION.notice_number.format(year=year, serial=serial),
        issued=now,
        issued_by=by,
        answer_by=answer_by(asked, ZoneInfo(organisation.time_zone), now),
    )
    NoticeItem.objects.bulk_create(
        [
            *(NoticeItem(notice=notice, finding=each, deadline=each.deadline) for each in asked),
            *(NoticeItem(notice=notice, finding=each, to_check=True) for each in to_check),
        ]
    )
    record(
        Action.NOTICE_ISSUED,
        f"notice {notice.number}",
        actor=by,
        at=now,
        organisation=organisation.slug,
        findings=[each.pk for each in asked],
    )
    return notice


def _told(finding: Finding, now: datetime, terms: Terms) -> Finding:
    """Return the finding as it stands; its time begins with the notice when nobody was told of it before."""
    row = Finding.objects.select_for_update().get(pk=finding.pk)
    if row.reported is None:
        row.standing = report(row.standing, now, terms)
        row.save()
    return row


def _open(least: Severity) -> QuerySet[Finding]:
    """Return the open findings that are at least so severe; hints are asked of nobody."""
    severe = [each for each in Severity if each.at_least(least) and each is not Severity.INFO]
    return Finding.objects.filter(state=State.OPEN, severity__in=severe)


def _asking_for(finding: OuterRef) -> QuerySet[NoticeItem]:
    """Return where a live notice asks for a finding that did not come back since it was issued."""
    # What merely saw a finding is left out twice, so that the index without it, which is short, is read.
    back = FindingEvent.objects.filter(TELLING, kind__in=_OPEN_AGAIN)
    came_back = back.filter(finding=OuterRef("finding"), at__gt=OuterRef("notice__issued"))
    items = NoticeItem.objects.filter(finding=finding, notice__withdrawn=None, to_check=False)
    return items.exclude(Exists(came_back))


def _worst_first(finding: Finding) -> tuple[object, ...]:
    rank = -Severity(finding.severity).rank
    return (rank, -Confidence(finding.confidence).rank, finding.host, finding.port, finding.check_id)
