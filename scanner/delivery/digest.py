"""The operators' daily digest: what ran, what failed, and what waits for a person. It comes even when there is nothing
to tell, so that its absence means that something is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from django.conf import settings

from scanner.delivery.day import due_day, mailing_of, tell_once, untold
from scanner.delivery.endings import authorisations_ending
from scanner.delivery.letters import Frame, Written, name_of
from scanner.delivery.models import Message, MessageKind, MessageState, Notice, Told
from scanner.delivery.recipients import operators
from scanner.delivery.round_summary import coverage_of
from scanner.delivery.sections import Section, digest_of
from scanner.delivery.template_check import check_all
from scanner.engine.hostile import line
from scanner.engine.model import Outcome, Severity
from scanner.remediation.acts import WARN_BEFORE
from scanner.remediation.counted import overdue
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Exemption, ExemptionState, Finding
from scanner.reports.dates import Dates
from scanner.reports.words import Words, words
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState, Stop
from targets.models import Authorisation, Contact, Organisation
from targets.query import registers_anything

LINES = 20
"""Lines that each part of the digest shows."""

FIRST_TIME = timedelta(days=1)
"""How far back the first digest looks."""

STUCK = timedelta(days=1)
"""A round, or a mail, that takes longer is worth a look."""

LITTLE_SPACE = 0.1
"""Part of the disk below which space is said to run out."""

_DAY_KEY = "digest:"
_OWNER = tuple(f"organisation__{name}" for name in ("slug", "name_zh", "name_en", "domains", "retired_at"))
"""What is read of the organisation of each overdue finding: there may be thousands."""


@dataclass(frozen=True, slots=True)
class Space:
    """The disk with the data directory, in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class _Look:
    """What all parts are written with: since when, until when, in which words."""

    since: datetime
    now: datetime
    t: Words
    dates: Dates

    def name(self, organisation: Organisation) -> str:
        return name_of(organisation, self.t.language)

    def some(self, lines: Iterable[str], total: int) -> list[str]:
        """Return the first lines, and how many there are besides."""
        shown = [each for _, each in zip(range(LINES), lines, strict=False)]
        more = total - len(shown)
        return [*shown, self.t("mail.digest.more", n=more)] if more > 0 else shown


def send_digest(now: datetime, space: Space) -> int:
    """Put the day's digest into the outbox for each operator; return how many that were."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = due_day(zone, now)
    chosen = operators()
    if today is None or not chosen or not untold({f"{_DAY_KEY}{today}"}):
        return 0
    before = Told.objects.filter(key__startswith=_DAY_KEY, at__lt=now).order_by("-at").first()
    since = before.at if before else now - FIRST_TIME
    mailing = mailing_of(MessageKind.DIGEST, None, today, now)
    letters = mailing.letters(chosen, partial(digest_letter, since, now, space))
    return tell_once(f"{_DAY_KEY}{today}", (), letters, now)


def digest_letter(since: datetime, now: datetime, space: Space, frame: Frame) -> Written:
    """Write the digest of what happened after ``since``, and of what waits ``now``."""
    t = words(frame.language)
    look = _Look(since, now, t, Dates(frame.language, frame.zone, now))
    sections = [each for each in (*(part(look) for part in _PARTS), _disk(look, space)) if each.lines]
    return digest_of(sections, frame)


def _stop(look: _Look) -> Section:
    stops = Stop.objects.filter(lifted_at=None)
    lines = [
        look.t("mail.digest.stopped", date=look.dates.moment(stop.at), by=line(stop.by), reason=line(stop.reason))
        for stop in stops
    ]
    return Section(look.t("mail.digest.stop"), lines)


def _rounds(look: _Look) -> Section:
    ended = Round.objects.filter(finished__gt=look.since, finished__lte=look.now).order_by("pk")
    unfinished = Round.objects.filter(state__in=(RoundState.RUNNING, RoundState.PLANNED, RoundState.PAUSED))
    lines = [_round(this, look) for this in ended[:LINES]]
    waiting = unfinished.count()
    if waiting:
        lines.append(look.t("mail.digest.unfinished", n=waiting))
    if not lines:
        lines.append(look.t("mail.digest.no_rounds"))
    return Section(
        look.t("mail.digest.rounds"), look.some(lines, len(lines) + ended.count() - len(ended[:LINES])), False
    )


def _round(this: Round, look: _Look) -> str:
    seen = coverage_of(this)
    told = look.t(
        "mail.digest.round",
        number=this.pk,
        kind=look.t(f"plan_kind.{this.kind}"),
        plan=line(this.plan.name) if this.plan else look.t("mail.digest.no_plan"),
        state=look.t(f"round_state.{this.state}"),
        hosts=seen.hosts,
        inspected=seen.inspected,
        partial=seen.partial,
        missing=seen.missed,
    )
    return look.t("mail.digest.caught_up", told=told, n=this.missed) if this.missed else told


def _stuck(look: _Look) -> Section:
    stuck = Round.objects.filter(state=RoundState.RUNNING, started__lt=look.now - STUCK).order_by("pk")
    lines = (
        look.t("mail.digest.stuck_round", number=this.pk, date=look.dates.moment(this.started or this.created))
        for this in stuck
    )
    return Section(look.t("mail.digest.stuck"), look.some(lines, stuck.count()))


def _set_aside(look: _Look) -> Section:
    failed = HostResult.objects.filter(
        outcome=Outcome.ERROR, look=LookNumber.FIRST, finished__gt=look.since, finished__lte=look.now
    ).defer("facts")
    lines = (
        look.t("mail.digest.host", host=line(row.host), name=look.name(row.organisation), number=row.round_id)
        for row in failed.select_related("organisation").order_by("pk")[:LINES]
    )
    return Section(look.t("mail.digest.set_aside"), look.some(lines, failed.count()))


def _dead_letters(look: _Look) -> Section:
    dead = Message.objects.filter(state=MessageState.DEAD, finished__gt=look.since, finished__lte=look.now)
    waiting = Message.objects.filter(
        state__in=(MessageState.QUEUED, MessageState.SENDING), created__lt=look.now - STUCK
    ).count()
    lines = [
        look.t(
            "mail.digest.dead",
            kind=look.t(f"mail.kind.{each.kind}"),
            recipient=line(each.recipient),
            reply=line(each.reply),
        )
        for each in dead[:LINES]
    ]
    listed = look.some(lines, dead.count())
    if waiting:
        listed.append(look.t("mail.digest.waiting", n=waiting))
    return Section(look.t("mail.digest.dead_letters"), listed)


def _contacts(look: _Look) -> Section:
    reachable = Contact.objects.filter(retired_at=None).values("organisation")
    without = Organisation.objects.filter(registers_anything()).exclude(pk__in=reachable)
    lines = (look.t("mail.digest.no_contact", name=look.name(each)) for each in without.order_by("slug")[:LINES])
    return Section(look.t("mail.digest.contacts"), look.some(lines, without.count()))


def _notices(look: _Look) -> Section:
    waiting = Notice.objects.filter(answered=None, withdrawn=None, organisation__retired_at=None)
    late = waiting.filter(answer_by__lte=look.now).select_related("organisation")
    lines = (
        look.t(
            "mail.digest.notice",
            number=line(each.number),
            name=look.name(each.organisation),
            date=look.dates.last_day(each.answer_by),
        )
        for each in late[:LINES]
    )
    return Section(look.t("mail.digest.notices"), look.some(lines, late.count()))


def _overdue(look: _Look) -> Section:
    late, serious = Counter[Organisation](), Counter[Organisation]()
    rows = Finding.objects.filter(overdue(look.now), organisation__retired_at=None)
    for finding in rows.select_related("organisation").only("severity", *_OWNER):
        late[finding.organisation] += 1
        serious[finding.organisation] += Severity(finding.severity).at_least(Severity.HIGH)
    worst = sorted(late, key=lambda each: (-serious[each], -late[each], each.slug))
    lines = (look.t("mail.digest.late", name=look.name(each), n=late[each], serious=serious[each]) for each in worst)
    return Section(look.t("mail.digest.overdue"), look.some(lines, len(worst)), urgent=False)


def _requests(look: _Look) -> Section:
    asked = Exemption.objects.filter(
        state=ExemptionState.REQUESTED,
        finding__state__in=TO_FIX,
        finding__registered=True,
        finding__organisation__retired_at=None,
    )
    lines = (
        look.t(
            "mail.digest.request",
            number=each.finding_id,
            name=look.name(each.finding.organisation),
            kind=look.t(f"state.{each.kind}"),
            date=look.dates.day(each.requested_at),
        )
        for each in asked.select_related("finding__organisation")[:LINES]
    )
    return Section(look.t("mail.digest.requests"), look.some(lines, asked.count()))


def _authorisations(look: _Look) -> Section:
    lines = []
    inspected = set(Organisation.objects.filter(registers_anything()).values_list("pk", flat=True))
    for organisation in Organisation.objects.filter(retired_at=None).order_by("slug"):
        name = look.name(organisation)
        held = Authorisation.objects.filter(organisation=organisation, retired_at=None)
        valid = held.filter(valid_from__lte=look.now, valid_until__gt=look.now)
        if organisation.pk in inspected and not valid.exists():
            lines.append(look.t("mail.digest.unauthorised", name=name))
        for each in authorisations_ending(organisation, look.now):
            date = look.dates.last_day(each.valid_until)
            lines.append(look.t("mail.digest.authorisation", name=name, document=line(each.document), date=date))
    return Section(look.t("mail.digest.authorisations"), look.some(lines, len(lines)))


def _exemptions(look: _Look) -> Section:
    granted = Exemption.objects.filter(
        state=ExemptionState.GRANTED, finding__registered=True, finding__organisation__retired_at=None
    )
    soon = granted.filter(until__gt=look.now, until__lte=look.now + WARN_BEFORE)
    ending = soon.select_related("finding__organisation")
    lines = (
        look.t(
            "mail.digest.exemption",
            number=each.finding_id,
            name=look.name(each.finding.organisation),
            date=look.dates.last_day(each.until),
        )
        for each in ending.order_by("until")[:LINES]
    )
    return Section(look.t("mail.digest.exemptions"), look.some(lines, ending.count()), urgent=False)


def _templates(look: _Look) -> Section:
    problems = [line(str(each), 300) for each in check_all()]
    return Section(look.t("mail.digest.templates"), look.some(problems, len(problems)))


def _disk(look: _Look, space: Space) -> Section:
    free, total = (f"{amount / 1024**3:.1f}" for amount in (space.free, space.total))
    little = space.free < LITTLE_SPACE * space.total
    told = look.t("mail.digest.space_little" if little else "mail.digest.space", free=free, total=total)
    return Section(look.t("mail.digest.disk"), [told], urgent=little)


_PARTS: tuple[Callable[[_Look], Section], ...] = (
    _stop,
    _rounds,
    _stuck,
    _set_aside,
    _dead_letters,
    _contacts,
    _notices,
    _overdue,
    _requests,
    _authorisations,
    _exemptions,
    _templates,
)
