"""Reads a reply form that came back: whatever program saved it, in whatever order its columns stand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

from scanner.delivery.models import Answer
from scanner.delivery.reply_form import TO_FILL_IN, Column
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.hostile import line
from scanner.reports.words import words

SIZE_LIMIT = 4 * 1024 * 1024
"""Bytes of a form."""

ROW_LIMIT = 20_000
CELL_LIMIT = 2000
"""Characters of one cell that is read."""

_WORKBOOK = b"PK\x03\x04"
_HEADER_WITHIN = 30
_DELIMITERS = ",;\t"
_ENCODINGS = ("utf-8-sig", "gb18030")
_EXCEL_EPOCH = date(1899, 12, 30)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})\s*[-/.年]\s*(\d{{1,2}})\s*[-/.月]\s*(\d{{1,2}})\s*日?{_TIME}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_TIME}")
_MONTH_IN_LETTERS = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4}|\d{2})")
_SERIAL = re.compile(r"\d{5}(?:\.0+)?")

_ANSWERS: Mapping[str, Answer] = {
    "fixed": Answer.FIXED,
    "已整改": Answer.FIXED,
    "已完成整改": Answer.FIXED,
    "accept": Answer.ACCEPT,
    "accepted": Answer.ACCEPT,
    "风险接受": Answer.ACCEPT,
    "接受风险": Answer.ACCEPT,
    "dispute": Answer.DISPUTE,
    "disputed": Answer.DISPUTE,
    "falsepositive": Answer.DISPUTE,
    "误报": Answer.DISPUTE,
    "inprogress": Answer.IN_PROGRESS,
    "整改中": Answer.IN_PROGRESS,
    "正在整改": Answer.IN_PROGRESS,
}


_TEXTS = {
    "measures": Column.MEASURES,
    "reason": Column.REASON,
    "proof": Column.PROOF,
    "responsible": Column.RESPONSIBLE,
}
"""The columns whose texts are taken as they are, by the field of :class:`Said`."""

_Mistake = tuple[Column, str]
"""The column, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one row (as a spreadsheet counts, from 1). ``column`` is its title in the form, or empty."""

    row: int
    column: str
    message: str

    def __str__(self) -> str:
        place = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Said:
    """What one row says. Texts are printable lines; ``finished`` is a day, ``until`` the last day of an acceptance."""

    row: int
    finding: int
    answer: Answer
    measures: str = ""
    finished: date | None = None
    reason: str = ""
    proof: str = ""
    responsible: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was read. ``number`` is that of its notice, empty when it doesn't say. ``blank`` rows say nothing.

    ``titles`` are the titles of the columns as this form writes them.
    """

    number: str
    said: tuple[Said, ...]
    blank: int
    errors: tuple[RowError, ...]
    titles: Mapping[Column, str]


def read_form(content: bytes) -> Form:
    """Read a form. Rows that can't be used are told in ``errors``; raises ``InputError`` for a file that is no form."""
    if len(content) > SIZE_LIMIT:
        raise InputError(f"The file has more than {SIZE_LIMIT // 1024 // 1024} MB; a reply form is a small CSV file.")
    rows, at, columns = _table(_decoded(content))
    titles = {column: line(rows[at][index], 40) for column, index in columns.items()}
    said: list[Said] = []
    errors: list[RowError] = []
    blank = 0
    for number, row in enumerate(rows[at + 1 :], at + 2):
        cells = {column: row[index].strip() for column, index in columns.items() if index < len(row)}
        if not any(cells.get(column) for column in TO_FILL_IN):
            blank += any(cells.values())
            continue
        row_said, wrong = _said(number, cells)
        said += [row_said] if row_said else []
        errors += [RowError(number, titles.get(column, column), message) for column, message in wrong]
    errors += _twice(said, titles)
    return Form(_number(rows[:at]), tuple(said), blank, tuple(errors), titles)


def _decoded(content: bytes) -> str:
    if content.startswith(_WORKBOOK):
        raise InputError("The file is a workbook (XLSX or ODS). Open it, save the table as CSV, and try again.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("The file is no text in UTF-8 or GB18030. Save the table as 'CSV UTF-8' and try again.")


def _table(text: str) -> tuple[list[list[str]], int, Mapping[Column, int]]:
    """Return the rows, where the header stands among them, and where each column stands in it."""
    for delimiter in _DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter)
            rows = [row for _, row in zip(range(ROW_LIMIT + 1), reader, strict=False)]
        except csv.Error:
            continue
        for at, row in enumerate(rows[:_HEADER_WITHIN]):
            columns = _columns(row)
            if Column.FINDING in columns and Column.ANSWER in columns:
                if len(rows) > ROW_LIMIT:
                    raise InputError(f"The file has more than {ROW_LIMIT} rows; no reply form has.")
                return rows, at, columns
    raise InputError(
        "The file is no reply form: no row has both 'Finding number' and 'Answer' (隐患编号, 答复). "
        "Keep the row with the titles, and save the table as CSV."
    )


def _columns(row: list[str]) -> Mapping[Column, int]:
    found: dict[Column, int] = {}
    for index, cell in enumerate(row):
        column = _titles().get(_plain(cell))
        if column is not None:
            found.setdefault(column, index)
    return found


@cache
def _titles() -> Mapping[str, Column]:
    return {_plain(words(language)(f"form.{column}")): column for language in Language for column in Column}


def _number(rows: list[list[str]]) -> str:
    labels = {_plain(words(language)("form.number")) for language in Language}
    for row in rows:
        for label, value in pairwise(row):
            if _plain(label) in labels:
                return line(value.strip().removeprefix("'"), 100)
    return ""


def _said(row: int, cells: Mapping[Column, str]) -> tuple[Said | None, list[_Mistake]]:
    """Return what a row says, or None and everything that is wrong in it."""
    cell = _Cells(cells)
    finding, answer = cell.finding(), cell.answer()
    if answer is Answer.FIXED:
        cell.require(Column.MEASURES, "say what was done")
    elif answer is Answer.IN_PROGRESS:
        cell.require(Column.REASON, "say why it isn't finished, and what protects it until then", Column.MEASURES)
    elif answer is not None:
        cell.require(Column.REASON, "no reason is given")
    if answer is Answer.ACCEPT:
        cell.require(Column.RESPONSIBLE, "say who answers for the risk")
        cell.require(Column.UNTIL, "say until when the risk is accepted")
    texts = {name: cell.text(column) for name, column in _TEXTS.items()}
    finished, until = cell.day(Column.FINISHED), cell.day(Column.UNTIL)
    if cell.wrong or finding is None or answer is None:
        return None, cell.wrong
    return Said(row=row, finding=finding, answer=answer, finished=finished, until=until, **texts), []


class _Cells:
    """The cells of one row. What is wrong in them is gathered in ``wrong``."""

    def __init__(self, cells: Mapping[Column, str]) -> None:
        self._cells = cells
        self.wrong: list[_Mistake] = []

    def finding(self) -> int | None:
        cell = self._cells.get(Column.FINDING, "")
        if re.fullmatch(r"\d{1,18}(\.0+)?", cell, re.ASCII):
            return int(cell.partition(".")[0])
        self.wrong.append((Column.FINDING, f"{line(cell, 40)!r} is no number of a finding"))
        return None

    def answer(self) -> Answer | None:
        cell = self._cells.get(Column.ANSWER, "")
        answer = _ANSWERS.get(_plain(cell))
        if not cell:
            self.wrong.append((Column.ANSWER, "no answer is given: fixed, in progress, accept or dispute"))
        elif answer is None:
            self.wrong.append((Column.ANSWER, f"{line(cell, 40)!r} is none of: fixed, in progress, accept, dispute"))
        return answer

    def require(self, column: Column, message: str, instead: Column | None = None) -> None:
        if not self._cells.get(column) and not (instead and self._cells.get(instead)):
            self.wrong.append((column, message))

    def text(self, column: Column) -> str:
        cell = self._cells.get(column, "")
        if len(cell) > CELL_LIMIT:
            self.wrong.append((column, f"it has more than {CELL_LIMIT} characters"))
        return line(cell, CELL_LIMIT)

    def day(self, column: Column) -> date | None:
        cell = self._cells.get(column, "")
        try:
            return _parsed_date(cell) if cell else None
        except ValueError:
            self.wrong.append((column, f"{line(cell, 40)!r} is no date that is certain; write it as 2026-03-05"))
            return None


def _parsed_date(cell: str) -> date:
    """Read a date as office programs write it. Raises ``ValueError`` where day and month could be meant either way."""
    if match := _YEAR_FIRST.fullmatch(cell):
        return date(int(match[1]), int(match[2]), int(match[3]))
    if match := _YEAR_LAST.fullmatch(cell):
        return _year_last(int(match[1]), int(match[3]), int(match[4]), dotted=match[2] == ".")
    if match := _MONTH_IN_LETTERS.fullmatch(cell):
        year = int(match[3])
        return date(year if year > 99 else 2000 + year, _MONTHS.index(match[2].lower()) + 1, int(match[1]))
    if _SERIAL.fullmatch(cell):
        return _EXCEL_EPOCH + timedelta(days=int(float(cell)))
    raise ValueError(cell)


def _year_last(first: int, second: int, year: int, *, dotted: bool) -> date:
    """Dots are written by those who put the day first; elsewhere only a number above 12 tells day from month."""
    if dotted or first > 12 or first == second:
        return date(year, second, first)
    if second > 12:
        return date(year, first, second)
    raise ValueError("day and month can't be told apart")


def _twice(said: list[Said], titles: Mapping[Column, str]) -> Iterator[RowError]:
    first: dict[int, int] = {}
    for each in said:
        if each.finding in first:
            message = f"finding {each.finding} is answered in row {first[each.finding]} as well"
            yield RowError(each.row, titles[Column.FINDING], message)
        first.setdefault(each.finding, each.row)


def _plain(text: str) -> str:
    return re.sub(r"[\s_\-'’“”\"﻿]+", "", text).casefold()
