"""A report's tables as an Excel workbook: one sheet a table, with filters, and nothing that an office program runs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from openpyxl import Workbook
from openpyxl.cell import Cell as OfficeCell
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, NamedStyle, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from scanner.reports.cells import inert
from scanner.reports.model import ReportModel
from scanner.reports.office import dated
from scanner.reports.tables import Cell, Table, tables

_TITLE_LIMIT = 31
"""Characters of a sheet's name, by Excel's limits."""

_A4 = 9
"""The number of the paper size (ISO/IEC 29500-1 section 18.3.1.63)."""

_FIRST_DAY = datetime(1900, 3, 1)  # noqa: DTZ001 - cells have no time zone
"""Earlier days are off by one in Excel, or unknown to it; they are written as text."""

_CODE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""What begins a character's code in a text of the format (``_x003D_``, ISO/IEC 29500-1 section 22.9.2.19)."""

_WRAPPED_FROM = 40
"""Columns at least this wide hold sentences, which are wrapped."""


_HEAD, _DATE, _PLAIN, _WRAPPED = "Roundsman head", "Roundsman date", "Roundsman text", "Roundsman wrapped"


def render_xlsx(model: ReportModel) -> bytes:
    """Return the workbook. Every text is stored as text: no cell is a formula, a link or an error."""
    book = Workbook(write_only=True)
    for style in _styles():
        book.add_named_style(style)
    book.properties.creator = "Roundsman"
    for table in tables(model):
        _sheet(book, table)
    out = io.BytesIO()
    book.save(out)
    return dated(out.getvalue(), model.generated)


def _styles() -> tuple[NamedStyle, ...]:
    top = Alignment(vertical="top")
    return (
        NamedStyle(
            _HEAD,
            font=Font(bold=True, color="FFFFFF"),
            fill=PatternFill("solid", fgColor="1D5266"),
            alignment=Alignment(vertical="center", wrap_text=True),
        ),
        NamedStyle(_DATE, number_format="yyyy-mm-dd hh:mm", alignment=Alignment(horizontal="left", vertical="top")),
        NamedStyle(_PLAIN, alignment=top),
        NamedStyle(_WRAPPED, alignment=Alignment(vertical="top", wrap_text=True)),
    )


def _sheet(book: Workbook, table: Table) -> None:
    sheet = book.create_sheet(table.title[:_TITLE_LIMIT])
    for number, width in enumerate(table.widths, 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _A4
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(table.columns))}{len(table.rows) + 1}"

    # A cell is written before the next one is asked for, so that one of each style is enough, which is twice as fast.
    cells = {style: WriteOnlyCell(sheet) for style in (_HEAD, _DATE, _PLAIN, _WRAPPED)}
    for style, cell in cells.items():
        cell.style = style

    def filled(values: Iterable[Cell], styles: Iterable[str]) -> Iterator[OfficeCell | None]:
        for value, style in zip(values, styles, strict=True):
            if value is None:
                yield None
                continue
            shown, kind = _shown(value)
            cell = cells[_DATE if kind == "d" else style]
            cell.value = shown
            cell.data_type = kind
            yield cell

    styles = [_WRAPPED if width >= _WRAPPED_FROM else _PLAIN for width in table.widths]
    sheet.append(filled(table.columns, [_HEAD] * len(table.columns)))
    for row in table.rows:
        sheet.append(filled(row, styles))


def _shown(value: str | float | datetime) -> tuple[str | float | datetime, str]:
    """Return what a cell holds and its type, which is not left to be guessed: text is never a formula or an error."""
    if isinstance(value, str):
        return _CODE.sub("_x005F_", inert(value)), "s"
    if isinstance(value, datetime):
        return (value, "d") if value >= _FIRST_DAY else (value.isoformat(sep=" "), "s")
    return value, "n"
