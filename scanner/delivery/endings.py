"""Announces what is about to end: authorisations, without which nothing is inspected, and exemptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from scanner.delivery.apart import apart
from scanner.delivery.day import due_day, mailing_of, tell_once, untold
from scanner.delivery.letters import Frame, Written, write
from scanner.delivery.models import MessageKind
from scanner.delivery.recipients import operators, recipients
from scanner.remediation.acts import end_exemptions, exemptions_ending, mark_warned
from scanner.remediation.models import Exemption
from scanner.reports import model
from scanner.reports.findings import report_finding
from scanner.reports.words import words
from targets.models import Authorisation, Organisation

STEPS = (1, 7, 14, 30)
"""Days before the last day of an authorisation on which that is announced."""


@dataclass(frozen=True, slots=True)
class Ending:
    """An exemption and the finding that it holds for."""

    finding: model.Finding
    kind: str
    until: datetime
    reason: str


def authorisations_ending(organisation: Organisation, now: datetime) -> list[Authorisation]:
    """Return the organisation's authorisations that end within 30 days and that no other one takes over from."""
    rows = list(Authorisation.objects.filter(organisation=organisation, retired_at=None, valid_until__gt=now))
    soon = [each for each in rows if each.valid_until <= now + timedelta(days=max(STEPS))]
    return [each for each in soon if not any(_takes_over(other, each) for other in rows)]


def with_authorisations_ending(organisations: Iterable[Organisation], now: datetime) -> set[int]:
    """Return which of the organisations have an authorisation that ends within 30 days."""
    soon = now + timedelta(days=max(STEPS))
    rows = Authorisation.objects.filter(retired_at=None, valid_until__gt=now, valid_until__lte=soon)
    return set(rows.filter(organisation__in=organisations).order_by().values_list("organisation", flat=True))


def announce_authorisations(organisation: Organisation, now: datetime) -> int:
    """Announce the ends of authorisations to those who answer for security there, and to the operators."""
    zone = ZoneInfo(organisation.time_zone)
    today = due_day(zone, now)
    if today is None:
        return 0
    ending = authorisations_ending(organisation, now)
    new = untold(_key(each, today, zone) for each in ending)
    if not new:
        return 0
    own = recipients(organisation, MessageKind.AUTHORISATION_ENDING)
    told = {each.address.lower() for each in own}
    copies = [each for each in operators() if each.address.lower() not in told]
    day_key = f"authorisations:{organisation.pk}:{today}"
    if not (own or copies) or not untold([day_key]):
        return 0
    ending.sort(key=lambda each: (each.valid_until, each.document))
    mailing = mailing_of(MessageKind.AUTHORISATION_ENDING, organisation, today, now)
    letters = [
        *mailing.letters(own, partial(authorisations_letter, ending, copy=False)),
        *mailing.letters(copies, partial(authorisations_letter, ending, copy=True)),
    ]
    return tell_once(day_key, new, letters, now)


def announce_exemptions(now: datetime) -> int:
    """End exemptions whose time is over; announce those, and the ones that end within 30 days, to their owners."""
    over: dict[Organisation, list[Exemption]] = defaultdict(list)
    soon: dict[Organisation, list[Exemption]] = defaultdict(list)
    for each in end_exemptions(now):
        over[each.finding.organisation].append(each)
    for each in exemptions_ending(now):
        soon[each.finding.organisation].append(each)
    return sum(
        apart(
            (f"announce exemptions of {owner.slug}", partial(_announce, owner, soon[owner], over[owner], now))
            for owner in {**over, **soon}
        )
    )


def _announce(organisation: Organisation, soon: Sequence[Exemption], over: Sequence[Exemption], now: datetime) -> int:
    today = due_day(ZoneInfo(organisation.time_zone), now)
    if today is None:
        return 0
    keys = {f"exemption:{each.pk}:ended": each for each in over}
    new = untold(keys)
    chosen = recipients(organisation, MessageKind.EXEMPTION_ENDING)
    day_key = f"exemptions:{organisation.pk}:{today}"
    if not (new or soon) or not chosen or not untold([day_key]):
        return 0
    ended = [_ending(each, now) for key, each in keys.items() if key in new]
    ahead = [_ending(each, now) for each in soon]
    mailing = mailing_of(MessageKind.EXEMPTION_ENDING, organisation, today, now)
    letters = mailing.letters(chosen, partial(exemptions_letter, ahead, ended))
    return tell_once(day_key, new, letters, now, also=lambda: mark_warned(soon, now))


def _ending(exemption: Exemption, now: datetime) -> Ending:
    shown = report_finding(exemption.finding, {}, {}, now)
    return Ending(shown, exemption.kind, exemption.until, exemption.reason)


def _takes_over(other: Authorisation, ending: Authorisation) -> bool:
    """Tell whether ``other`` begins in time, lasts longer and covers the same; a narrower one is no replacement."""
    return (
        other.pk != ending.pk
        and other.valid_until > ending.valid_until
        and other.valid_from <= ending.valid_until
        and set(other.scope) >= set(ending.scope)
        and other.ports == ending.ports
        and other.level >= ending.level
    )


def _key(each: Authorisation, today: date, zone: ZoneInfo) -> str:
    left = _days_left(each, today, zone)
    step = next((step for step in STEPS if left <= step), max(STEPS))
    return f"authorisation:{each.pk}:{each.valid_until:%Y%m%dT%H%M}:{step}"


def _days_left(each: Authorisation, today: date, zone: ZoneInfo) -> int:
    last_day = (each.valid_until - timedelta(microseconds=1)).astimezone(zone).date()
    return (last_day - today).days


def authorisations_letter(ending: Sequence[Authorisation], frame: Frame, *, copy: bool) -> Written:
    """Write the announcement; ``copy`` is the operators', who read for whom it was."""
    t = words(frame.language)
    return write(
        "authorisation-ending",
        frame,
        subject=t("mail.authorisation.subject", name=frame.name, n=len(ending)),
        headline=t("mail.authorisation.headline"),
        preheader=t("mail.authorisation.intro", n=len(ending)),
        ending=ending,
        copy=copy,
    )


def exemptions_letter(ahead: Sequence[Ending], ended: Sequence[Ending], frame: Frame) -> Written:
    """Write the announcement of exemptions that are about to end, and of those that have ended."""
    t = words(frame.language)
    return write(
        "exemption-ending",
        frame,
        subject=t("mail.exemption.subject", name=frame.name, ahead=len(ahead), ended=len(ended)),
        headline=t("mail.exemption.headline"),
        preheader=t("mail.exemption.intro"),
        ahead=ahead,
        ended=ended,
    )
