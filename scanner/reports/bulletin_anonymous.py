"""Takes the names out of a bulletin, for wider circulation: from the model, so that no form of it can give them away.

Units become letters, in an order that follows from a secret and the period, and from nothing that anybody knows of
them: neither size nor score nor name. Left out are counts of single units, which would tell how large they are, places,
findings, and weaknesses that few units share. Where there are too few units to stay unnamed, none is compared.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace

from scanner.reports.bulletin_model import BulletinModel, Campaign, Progress, Rate, Unit, UnitRow

FEWEST = 5
"""Units below which one would be known by what is said of it."""

SHARED_BY = 3
"""Units that have a weakness, at least, for it to be named."""


def anonymous(bulletin: BulletinModel, secret: str) -> BulletinModel:
    """Return the bulletin without names. The same bulletin and secret always give the same."""
    enough = len(bulletin.ranked) >= FEWEST
    letters = _letters(bulletin, secret)
    rows = (_row(row, letters) for row in bulletin.ranked) if enough else ()
    return replace(
        bulletin,
        anonymous=True,
        withheld=not enough,
        ranked=tuple(sorted(rows, key=lambda row: (len(row.unit.letter), row.unit.letter))),
        others=(),
        late=(),
        weaknesses=tuple(replace(each, places=None) for each in bulletin.weaknesses if each.units >= SHARED_BY),
        campaigns=tuple(_campaign(each) for each in bulletin.campaigns),
    )


def _letters(bulletin: BulletinModel, secret: str) -> Mapping[str, str]:
    about = f"{bulletin.organisation.slug} {bulletin.period.since.isoformat()} {bulletin.period.until.isoformat()}"

    def place(slug: str) -> bytes:
        return hmac.digest(secret.encode(), f"bulletin {about} {slug}".encode(), hashlib.sha256)

    slugs = sorted((row.unit.slug for row in bulletin.ranked), key=place)
    return {slug: letter(number) for number, slug in enumerate(slugs)}


def letter(number: int) -> str:
    """Return the name of the unit with this number, from 0: A to Z, then AA, AB, …"""
    rest, last = divmod(number, 26)
    return (letter(rest - 1) if rest else "") + chr(ord("A") + last)


def _row(row: UnitRow, letters: Mapping[str, str]) -> UnitRow:
    return replace(
        row,
        unit=Unit(letter=letters[row.unit.slug]),
        score=_rounded(row.score),
        ranked_by=_rounded(row.ranked_by),
        change=_rounded(row.change),
        inspected=None,
        coverage=_rounded(row.coverage, 2),
        hosts=None,
        open=None,
        serious=None,
        overdue=None,
        progress=Progress(*map(_share, _rates(row.progress))),
    )


def _campaign(campaign: Campaign) -> Campaign:
    return replace(campaign, name="")


def _rates(progress: Progress) -> Iterable[Rate]:
    return progress.rectified, progress.on_time, progress.recurred


def _share(rate: Rate) -> Rate:
    return Rate(_rounded(rate.share, 2))


def _rounded(value: float | None, places: int = 1) -> float | None:
    return None if value is None else round(value, places)
