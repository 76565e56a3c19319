"""Shows a round's summary: as a page, as a letter to the operators, and sends that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from scanner.delivery.letters import Frame, Written, write
from scanner.delivery.mailing import Mailing
from scanner.delivery.models import MessageKind
from scanner.delivery.outbox import File, enqueue_all
from scanner.delivery.papers import HTML
from scanner.delivery.recipients import operators
from scanner.delivery.round_summary import RoundSummary, round_summary
from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line
from scanner.reports.askers import asker
from scanner.reports.dates import Dates
from scanner.reports.identity import office_name
from scanner.reports.model import Name
from scanner.reports.page import fill
from scanner.reports.stationery import stationery_of
from scanner.reports.words import MISSING, Words, words
from scanner.rounds.models import Round

LINES = 20
"""Organisations that the letter names; the page that goes with it names all."""


def summary_page(summary: RoundSummary, language: Language, zone: str, now: datetime) -> str:
    """Return the summary as one HTML page."""
    return fill("bulletin", "round-summary.html", _shown(summary, language, zone, now))


def summary_letter(summary: RoundSummary, frame: Frame) -> Written:
    """Write the letter; the page goes with it."""
    t = words(frame.language)
    seen = summary.coverage
    return write(
        "round-summary",
        frame,
        subject=t(
            "mail.summary.subject",
            number=summary.number,
            kind=t(f"plan_kind.{summary.kind}"),
            inspected=seen.inspected,
            hosts=seen.hosts,
            failed=summary.failed,
        ),
        headline=t("round_summary.title", number=summary.number),
        preheader=_coverage(summary, t),
        **_shown(summary, frame.language, frame.zone, frame.now),
        lines=summary.organisations[:LINES],
        more=max(0, len(summary.organisations) - LINES),
        file=_file_name(summary, frame.language),
    )


def send_round_summary(round_id: int, now: datetime) -> int:
    """Put the summary of a whole, followed round into the outbox for the operators, where that is set; return how many
    letters that were. Once for each round and operator."""
    this = Round.objects.select_related("plan").get(pk=round_id)
    if not settings.INSTALLATION.round_summary or this.followed is None or not this.is_whole:
        return 0
    mailing = Mailing(MessageKind.ROUND_SUMMARY, None, (this.pk,), now)
    left = mailing.untold(operators())
    if not left:
        return 0
    summary = round_summary(this)
    letters = mailing.letters(left, partial(summary_letter, summary))
    with stationery_of(None):
        pages = {each: _page(summary, Language(each), now) for each in {letter.language for letter in letters}}
    with transaction.atomic():
        return enqueue_all((replace(letter, files=(pages[letter.language],)) for letter in letters), now)


def _page(summary: RoundSummary, language: Language, now: datetime) -> File:
    page = summary_page(summary, language, settings.TIME_ZONE, now)
    return File(_file_name(summary, language), HTML, page.encode())


def _file_name(summary: RoundSummary, language: Language) -> str:
    return words(language)("round_summary.file", number=summary.number)


def _shown(summary: RoundSummary, language: Language, zone: str, now: datetime) -> dict[str, Any]:
    """What the page and the letter are filled with."""
    t = words(language)
    chinese = language is Language.ZH_HANS

    def name(of: Name) -> str:
        return (of.zh or of.en) if chinese else (of.en or of.zh)

    return {
        "t": t,
        "language": str(language),
        "summary": summary,
        "office": office_name(language),
        "dates": Dates(language, zone, now),
        "now": now,
        "name": name,
        "line": line,
        "took": lambda seconds: duration(seconds, t),
        "coverage": _coverage(summary, t),
        "by": line(asker(summary.requested_by, t)),
        "plan": line(summary.plan) or t("mail.digest.no_plan"),
        "missing": MISSING,
    }


def _coverage(summary: RoundSummary, t: Words) -> str:
    seen = summary.coverage
    return t(
        "round_summary.coverage",
        hosts=seen.hosts,
        inspected=seen.inspected,
        partial=seen.partial,
        missing=seen.missed,
        unused=seen.unused,
    )


def duration(seconds: float | None, t: Words) -> str:
    """Return a duration for people: the two units that matter."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return t("round_summary.seconds", s=f"{seconds:.1f}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return t("round_summary.minutes", m=minutes, s=rest)
    return t("round_summary.hours", h=minutes // 60, m=minutes % 60)
