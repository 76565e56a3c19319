"""Bulletins as files, and as rows that keep what was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from django.conf import settings

from scanner.delivery.kept_pdf import kept_pdf
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import Refused
from scanner.packing import Like, pack, unpack
from scanner.reports.bulletin_model import BulletinModel
from scanner.reports.bulletin_render import render_bulletin, render_bulletin_json
from scanner.reports.formats import ReportFormat
from scanner.reports.identity import office_name
from scanner.reports.models import Bulletin
from scanner.reports.words import words
from targets.models import Organisation

FORMS = (ReportFormat.HTML, ReportFormat.JSON, ReportFormat.PDF)
"""The forms in which a bulletin can be had."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bulletin: about whom (None: everyone), on the days from ``first`` to ``last``, with or without names."""

    top: Organisation | None
    first: date
    last: date
    nameless: bool = False

    @property
    def zone(self) -> str:
        """The time zone by which days are counted (IANA)."""
        return self.top.time_zone if self.top else settings.TIME_ZONE

    def name(self, language: Language, ending: str = "html") -> str:
        """Return the name of its file."""
        key = "bulletin.file_anonymous" if self.nameless else "bulletin.file"
        slug = self.top.slug if self.top else "all"
        return words(language)(key, slug=slug, date=f"{self.last:%Y-%m-%d}", ending=ending)


def row_of(wanted: Wanted, bulletin: BulletinModel, language: Language) -> Bulletin:
    """Return the row that keeps a bulletin, not saved yet."""
    page = render_bulletin(bulletin, language, office_name(language)).encode()
    return Bulletin(
        organisation=wanted.top,
        first=wanted.first,
        last=wanted.last,
        nameless=wanted.nameless,
        language=str(language),
        generated=bulletin.generated,
        html=pack(page, Like.PAGES),
        json=pack(render_bulletin_json(bulletin, language).encode(), Like.PAGES),
        digest=hashlib.sha256(page).hexdigest(),
    )


def kept_name(row: Bulletin, ending: str = "html") -> str:
    """Return the name of a kept bulletin's file, in its language."""
    wanted = Wanted(row.organisation, row.first, row.last, nameless=row.nameless)
    return wanted.name(Language(row.language), ending)


def files_of(row: Bulletin, forms: Iterable[ReportFormat]) -> Mapping[str, bytes]:
    """Return a bulletin's files by the ending of their names, as it was made.

    Raises ``Refused`` when its content was pruned.
    """
    if row.is_pruned:
        raise Refused(
            f"The content of bulletin {row.pk} was pruned, as its time was over; its digest proves a copy.", "pruned"
        )
    page = unpack(row.html)
    made = {
        ReportFormat.HTML: lambda: page,
        ReportFormat.JSON: lambda: unpack(row.json),
        ReportFormat.PDF: lambda: kept_pdf(row),
    }
    return {str(form): made[form]() for form in forms}
