"""Sends bulletins to supervising organisations, when somebody asks and, where that is set, every month or quarter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from scanner.delivery.bulletin_files import Wanted, row_of
from scanner.delivery.day import tell_once, untold
from scanner.delivery.letters import Frame, Written, own_language, write
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import Letter, enqueue, key_of
from scanner.delivery.recipients import Recipient, operators, overseers
from scanner.engine.catalogue.load import Language
from scanner.reports import model
from scanner.reports.bulletin_anonymous import anonymous
from scanner.reports.bulletin_model import BulletinModel
from scanner.reports.bulletin_query import bulletin_model, period_of
from scanner.reports.bulletin_render import View, score
from scanner.reports.models import Bulletin
from scanner.reports.stationery import stationery_of
from scanner.reports.words import words
from targets.models import Organisation

LATE_SHOWN = 5
"""Units with overdue findings that the letter names; the bulletin names them all."""


def key_for(wanted: Wanted, address: str) -> str:
    """Return the key of a bulletin's letter to this address."""
    version = "nameless" if wanted.nameless else "named"
    about = wanted.top.pk if wanted.top else "office"
    return key_of(MessageKind.BULLETIN, address, about, wanted.first, wanted.last, version)


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
    keys = {key_for(wanted, each.address): each for each in audience(wanted.top)}
    had = set(Message.objects.filter(key__in=keys).values_list("key", flat=True))
    left = tuple(each for key, each in keys.items() if key not in had)
    if left:
        letters = _letters(wanted, bulletin_on(wanted, now), left, now)
        with transaction.atomic():
            _keep(letters)
            for letter in letters:
                enqueue(letter, now)
    return left


def send_due_bulletin(organisation: Organisation, now: datetime) -> int:
    """Send a supervising organisation its bulletin on the month or quarter that is over; return how many letters.

    One on a period in which no round ended is not sent.
    """
    every = settings.INSTALLATION.bulletin
    if every == "off" or not organisation.children.filter(retired_at=None).exists():
        return 0
    today = now.astimezone(ZoneInfo(organisation.time_zone)).date()
    wanted = Wanted(organisation, *last_span(today, months=3 if every == "quarterly" else 1))
    done = f"bulletin:{organisation.pk}:{wanted.first}:{wanted.last}"
    if not untold({done}):
        return 0
    made = bulletin_on(wanted, now)
    letters = _letters(wanted, made, audience(organisation), now) if made.situation.inspected else []
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


def _letters(wanted: Wanted, bulletin: BulletinModel, chosen: Iterable[Recipient], now: datetime) -> list[Letter]:
    """Write to each; those who share a language get the same bulletin, which is not saved yet."""
    rows: dict[Language, Bulletin] = {}
    with stationery_of(wanted.top):
        for each in chosen:
            if each.language not in rows:
                rows[each.language] = row_of(wanted, bulletin, each.language)
        return [_letter(wanted, bulletin, rows[each.language], each, now) for each in chosen]


def _letter(wanted: Wanted, bulletin: BulletinModel, row: Bulletin, to: Recipient, now: datetime) -> Letter:
    written = bulletin_letter(bulletin, Frame(MessageKind.BULLETIN, to.language, now, wanted.top, to.instead))
    return Letter(
        key=key_for(wanted, to.address),
        kind=MessageKind.BULLETIN,
        recipient=to.address,
        language=str(to.language),
        subject=written.subject,
        text=written.text,
        html=written.html,
        organisation=wanted.top,
        bulletin=row,
    )


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
