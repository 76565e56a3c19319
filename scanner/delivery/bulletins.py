"""Sends bulletins to supervising organisations, when somebody asks and, where that is set, every month or quarter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction

from scanner.delivery.bulletin_files import Wanted, row_of
from scanner.delivery.day import tell_once, untold
from scanner.delivery.letters import Frame, Written, own_language, write
from scanner.delivery.mailing import Mailing
from scanner.delivery.models import MessageKind
from scanner.delivery.outbox import Letter, enqueue_all
from scanner.delivery.recipients import Recipient, operators, overseers
from scanner.engine.catalogue.load import Language
from scanner.reports import model
from scanner.reports.bulletin_anonymous import anonymous
from scanner.reports.bulletin_model import BulletinModel
from scanner.reports.bulletin_query import bulletin_model, period_of
from scanner.reports.bulletin_render import View, score
from scanner.reports.stationery import stationery_of
from scanner.reports.words import words
from targets.models import Organisation

LATE_SHOWN = 5
"""Units with overdue findings that the letter names; the bulletin names them all."""


def bulletin_on(wanted: Wanted, now: datetime) -> BulletinModel:
    """Return the bulletin. Raises ``InputError`` for a period that has no past."""
    made = bulletin_model(wanted.top, _office(), period_of(wanted.first, wanted.last, wanted.zone, now))
    return anonymous(made, settings.SECRET_KEY) if wanted.nameless else made


def audience(top: Organisation | None) -> tuple[Recipient, ...]:
    """Return whom a bulletin goes to: those who oversee others at the organisation; the operators for everyone's."""
    return overseers(top) if top else operators()


def send_bulletin(wanted: Wanted, now: datetime) -> tuple[Recipient, ...]:
    """Keep the bulletin, and put it into the outbox for those who have not got it; return them. Once for each period
    and person."""
    left = _mailing(wanted, now).untold(audience(wanted.top))
    if left:
        letters = _letters(wanted, bulletin_on(wanted, now), left, now)
        with transaction.atomic():
            _keep(letters)
            enqueue_all(letters, now)
    return tuple(left)


def with_bulletins(organisations: Iterable[Organisation]) -> set[int]:
    """Return which of the organisations get bulletins by themselves: those that supervise others, where it is set."""
    if settings.INSTALLATION.bulletin == "off":
        return set()
    below = Organisation.objects.filter(retired_at=None, parent__in=organisations).order_by()
    return {parent for parent in below.values_list("parent", flat=True) if parent is not None}


def send_due_bulletin(organisation: Organisation, now: datetime) -> int:
    """Send a supervising organisation its bulletin on the month or quarter that is over; return how many letters.

    One on a period in which no round ended is not sent.
    """
    every = settings.INSTALLATION.bulletin
    if every == "off" or not organisation.children.filter(retired_at=None).exists():
        return 0
    today = organisation.day_of(now)
    wanted = Wanted(organisation, *last_span(today, months=3 if every == "quarterly" else 1))
    done = f"bulletin:{organisation.pk}:{wanted.first}:{wanted.last}"
    if not untold({done}):
        return 0
    made = bulletin_on(wanted, now)
    looked_for = made.situation.inspected or made.situation.hosts
    letters = _letters(wanted, made, audience(organisation), now) if looked_for else []
    return tell_once(done, (), letters, now, also=lambda: _keep(letters))


def last_span(today: date, months: int) -> tuple[date, date]:
    """Return the first and the last day of the newest span of so many months, counted from January, that is over."""
    begun = date(today.year, (today.month - 1) // months * months + 1, 1)
    last = begun - timedelta(days=1)
    return date(last.year, last.month - months + 1, 1), last


def _office() -> model.Organisation:
    installation = settings.INSTALLATION
    name = model.Name(installation.office_name_zh, installation.office_name_en)
    return model.Organisation("", name, str(own_language()), settings.TIME_ZONE, None)


def _keep(letters: Iterable[Letter]) -> None:
    """Save the bulletins that letters go with, one in each language; belongs into their transaction."""
    for row in {each.language: each.bulletin for each in letters}.values():
        if row is not None:
            row.save()


def _mailing(wanted: Wanted, now: datetime) -> Mailing:
    version = "nameless" if wanted.nameless else "named"
    about = wanted.top.pk if wanted.top else "office"
    return Mailing(MessageKind.BULLETIN, wanted.top, (about, wanted.first, wanted.last, version), now)


def _letters(wanted: Wanted, bulletin: BulletinModel, chosen: Iterable[Recipient], now: datetime) -> list[Letter]:
    """Write to each; those who share a language get the same bulletin, which is not saved yet."""
    letters = _mailing(wanted, now).letters(chosen, partial(bulletin_letter, bulletin))
    with stationery_of(wanted.top):
        rows = {each: row_of(wanted, bulletin, Language(each)) for each in {letter.language for letter in letters}}
    return [replace(letter, bulletin=rows[letter.language]) for letter in letters]


def bulletin_letter(bulletin: BulletinModel, frame: Frame) -> Written:
    """Write the letter with the key figures; the bulletin itself goes with it."""
    t = words(frame.language)
    view = View(bulletin, frame.language)
    progress, before = bulletin.progress, bulletin.progress_before
    figures = (
        ("score", score(bulletin.situation.score), view.score_change),
        ("rectified", view.percent(progress.rectified.share), view.before(before.rectified)),
        ("on_time", view.percent(progress.on_time.share), view.before(before.on_time)),
        ("overdue", str(bulletin.overdue), t("bulletin.of_open", n=bulletin.open)),
    )
    return write(
        "bulletin",
        frame,
        subject=t("mail.bulletin.subject", name=view.scope, period=view.period, overdue=bulletin.overdue),
        headline=view.title,
        preheader=t("mail.bulletin.preheader", open=bulletin.open, overdue=bulletin.overdue),
        bulletin=bulletin,
        period=view.period,
        figures=[(t(f"bulletin.figure_{name}"), value, note) for name, value, note in figures],
        late=[(view.unit(each.unit), each) for each in bulletin.late[:LATE_SHOWN]],
        late_more=max(0, len(bulletin.late) - LATE_SHOWN),
        has_report=True,
        marking=t("bulletin.marking_anonymous" if bulletin.anonymous else "bulletin.marking"),
    )
