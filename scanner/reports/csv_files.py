"""A report's tables as CSV, one file a table: what an administrator sorts, filters and feeds to other tools."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from scanner.reports.cells import inert
from scanner.reports.model import ReportModel
from scanner.reports.tables import Cell, Table, tables

FILES = ("findings", "inventory", "gaps")
"""The tables that become files; the others are summaries of these."""


def render_csv(model: ReportModel) -> dict[str, bytes]:
    """Return the files by the name of their table: UTF-8 with a byte order mark, which Excel needs; CRLF (RFC 4180)."""
    return {table.name: _file(table) for table in tables(model) if table.name in FILES}


def _file(table: Table) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows([_written(cell) for cell in row] for row in table.rows)
    return out.getvalue().encode("utf-8-sig")


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        # Not strftime, which writes years before 1000 without their zeros.
        return cell.isoformat(sep=" ", timespec="minutes")
    return inert(cell) if isinstance(cell, str) else str(cell)
