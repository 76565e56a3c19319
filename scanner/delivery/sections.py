"""The digest as a letter: its parts, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scanner.delivery.letters import Frame, Written, write
from scanner.reports.dates import Dates
from scanner.reports.identity import office_name
from scanner.reports.words import words


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the digest. ``urgent``: it asks for something to be done."""

    title: str
    lines: Sequence[str]
    urgent: bool = True


def digest_of(sections: Sequence[Section], frame: Frame) -> Written:
    """Write the digest of these sections."""
    t = words(frame.language)
    urgent = sum(section.urgent for section in sections)
    summary = t("mail.digest.urgent", n=urgent) if urgent else t("mail.digest.calm")
    return write(
        "digest",
        frame,
        subject=t("mail.digest.subject", office=office_name(frame.language), summary=summary),
        headline=t("mail.digest.headline", date=Dates(frame.language, frame.zone, frame.now).day(frame.now)),
        preheader=summary,
        summary=summary,
        urgent=urgent,
        sections=sections,
    )
