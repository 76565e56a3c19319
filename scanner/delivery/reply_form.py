"""The reply form of a notice: a CSV table that an office program opens, and that comes back filled in."""

from __future__ import annotations

import csv
import io
import re
from enum import StrEnum

from scanner.delivery.notice_document import NoticeModel
from scanner.engine.catalogue.load import Language
from scanner.reports import texts
from scanner.reports.cells import inert
from scanner.reports.dates import Dates
from scanner.reports.words import words

_NOT_IN_A_FILE_NAME = re.compile(r"[^\w〔〕-]+")


class Column(StrEnum):
    """The columns, in order; their titles are texts of the locale (``form.<column>``)."""

    FINDING = "finding"
    WHERE = "where"
    TITLE = "title"
    SEVERITY = "severity"
    DEADLINE = "deadline"
    ANSWER = "answer"
    MEASURES = "measures"
    FINISHED = "finished"
    REASON = "reason"
    PROOF = "proof"
    RESPONSIBLE = "responsible"
    UNTIL = "until"


TO_FILL_IN = tuple(Column)[list(Column).index(Column.ANSWER) :]


def reply_form(notice: NoticeModel, language: Language) -> bytes:
    """Return the form: UTF-8 with a byte order mark, which Excel needs; lines end as RFC 4180 section 2 says.

    The first line holds the notice's number, by which the form is known when it comes back.
    """
    vocabulary = words(language)
    dates = Dates(language, notice.organisation.time_zone, notice.issued)
    rows = [
        [vocabulary("form.number"), notice.number],
        [vocabulary("form.how")],
        [vocabulary(f"form.{column}") for column in Column],
    ]
    for each in (*notice.findings, *notice.to_check):
        due, place = each.deadline, each.place
        known = [
            str(each.number),
            texts.endpoint(place.host, place.port, place.transport),
            texts.text(each.check, language).title,
            vocabulary(f"severity.{each.severity}"),
            vocabulary("form.deadline_value", date=dates.day(due), zone=dates.zone) if due else "",
        ]
        rows.append([*known, *("" for _ in TO_FILL_IN)])
    out = io.StringIO(newline="")
    csv.writer(out).writerows([inert(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def bare(form: bytes) -> bytes:
    """Return a form of ours that names findings by their numbers only: a table can't be encrypted, and is read back
    all the same."""
    rows = list(csv.reader(io.StringIO(form.decode("utf-8-sig"), newline="")))
    hidden = len(Column) - len(TO_FILL_IN) - 1
    shown = (row[:1] + [""] * hidden + row[1 + hidden :] if row[0].isdigit() else row for row in rows)
    out = io.StringIO(newline="")
    csv.writer(out).writerows(shown)
    return out.getvalue().encode("utf-8-sig")


def file_name(key: str, number: str, language: Language) -> str:
    """Return the name of a file that goes with the notice of this number: ``form.file`` or ``form.document``."""
    return words(language)(key, number=_NOT_IN_A_FILE_NAME.sub("-", number).strip("-"))
