"""Writes letters: the text of a mail in one language, as HTML and as plain text, from twin templates.

``report_templates/mail/<name>.html`` and ``<name>.txt`` extend ``base.html`` and ``base.txt`` and fill the block
``body`` with the pieces of ``pieces.html`` and ``pieces.txt`` (imported there as ``p``). Everything that is filled in
may come from a scanned host: it is escaped, and its control characters are made visible, in the plain text as well.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from markupsafe import Markup

from scanner.delivery.models import MessageKind
from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line
from scanner.reports import texts
from scanner.reports.dates import Dates
from scanner.reports.identity import office_contact, office_name
from scanner.reports.model import Finding
from scanner.reports.page import fill
from scanner.reports.render import endpoint
from scanner.reports.words import words
from targets.models import OptionalMail, Organisation

REPORT_MARK = "\x1a"
"""Stands where a mail says how to get at its report. No value can hold it, as controls are made visible."""

LISTED = 25
"""Findings that each list of a letter shows, which Gmail would cut at 102 kB; how many there are besides is told."""

SEEN = 200
"""Characters of what was seen that a letter shows; a report shows all of it."""

OPTIONAL = frozenset(MessageKind(each) for each in OptionalMail)
"""Kinds that a contact may decline (``Contact.declined``)."""

OF_ACCOUNTS = frozenset({MessageKind.INVITATION, MessageKind.ACCOUNT})
"""Kinds that are about somebody's account, and name no weakness."""

ACCENT = "#1d5266"
ALARM = "#8f1530"

_WIDTH = 76
"""Columns of the plain text of a language that puts spaces between words (RFC 5322 section 2.1.1 asks for 78)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What all letters about one organisation in one language share.

    ``instead`` tells that it goes to the operators, as the organisation has nobody to write to. Without an
    ``organisation`` it is for the operators themselves.
    """

    kind: MessageKind
    language: Language
    now: datetime
    organisation: Organisation | None = None
    instead: bool = False

    @property
    def name(self) -> str:
        """Whom the letter addresses: the organisation in the letter's language, or the office."""
        return name_of(self.organisation, self.language) if self.organisation else office_name(self.language)

    @property
    def zone(self) -> str:
        """The time zone of the dates (IANA)."""
        return self.organisation.time_zone if self.organisation else settings.TIME_ZONE


@dataclass(frozen=True, slots=True)
class Written:
    """A letter's words."""

    subject: str
    text: str
    html: str


def write(
    template: str,
    frame: Frame,
    *,
    subject: str,
    headline: str,
    preheader: str = "",
    has_report: bool = False,
    **context: object,
) -> Written:
    """Fill both forms of ``template`` (its name without ending). ``preheader`` is what a list of mails shows of it.

    ``has_report`` leaves a place for the sentence that says how to get at the report, which goes with the mail.
    Templates also get ``t`` (the locale), ``dates``, ``text_of`` (check to catalogue texts), ``evidence`` (of a
    finding of the report model), ``endpoint`` (of its place), ``shown`` (how many of a list), ``language``, ``now``.
    """
    language = frame.language
    shared = {
        "t": words(language),
        "language": str(language),
        "subject": line(subject, 200),
        "headline": headline,
        "preheader": preheader,
        "kind": str(frame.kind),
        "office": office_name(language),
        "contact": office_contact(language),
        "addressee": frame.name,
        "to_office": frame.organisation is None and frame.kind not in OF_ACCOUNTS,
        "marking": words(language)("mail.account.marking" if frame.kind in OF_ACCOUNTS else "mail.marking"),
        "instead": frame.instead,
        "optional": frame.kind in OPTIONAL and frame.organisation is not None and not frame.instead,
        "accent": ALARM if frame.kind is MessageKind.URGENT_ALERT else ACCENT,
        "dates": Dates(language, frame.zone, frame.now),
        "now": frame.now,
        "report_mark": Markup(REPORT_MARK),  # noqa: S704 - a constant of ours
        "has_report": has_report,
        "text_of": lambda check: texts.text(check, language),
        "evidence": lambda each: seen(each, language),
        "endpoint": endpoint,
        "shown": LISTED,
        **context,
    }
    # The plain text is escaped like the page, so that values stay apart from ours, and taken back at the very end.
    plain = html.unescape(fill("mail", f"{template}.txt", shared))
    page = fill("mail", f"{template}.html", shared)
    return Written(line(subject, 200), _laid_out(plain, language), page)


def name_of(organisation: Organisation, language: Language) -> str:
    """Return the organisation's name in ``language``, or in the other one when that is all there is."""
    names = (organisation.name_zh, organisation.name_en)
    first, second = names if language is Language.ZH_HANS else names[::-1]
    return first or second


def seen(finding: Finding, language: Language) -> str:
    """Return what was seen of a finding, as far as a letter shows it."""
    return line(texts.evidence(finding.check, finding.params, language), SEEN)


def wrapped(sentence: str, language: Language) -> str:
    """Return a sentence as the plain text of a letter holds it: in lines, where words have spaces between them."""
    return "\n".join(_wrapped(sentence)) if language is Language.EN else sentence


def own_language() -> Language:
    """Return the language of the operators."""
    return Language.ZH_HANS if settings.LANGUAGE_CODE == "zh-hans" else Language.EN


def _laid_out(plain: str, language: Language) -> str:
    """Wrap long lines where words have spaces between them, and leave at most one blank line in a row."""
    lines: list[str] = []
    for each in plain.split("\n"):
        kept = each.rstrip()
        if kept or (lines and lines[-1]):
            lines += _wrapped(kept) if language is Language.EN else [kept]
    return "\n".join(lines).strip("\n") + "\n"


def _wrapped(text: str) -> list[str]:
    indent = len(text) - len(text.lstrip(" "))
    hanging = " " * (indent + (2 if text[indent : indent + 2] == "- " else 0))
    return textwrap.wrap(text, _WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False) or [
        text
    ]
