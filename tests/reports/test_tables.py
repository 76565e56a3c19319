"""What an administrator gets to sort and filter: the report as CSV, as a workbook and as SARIF, for other tools."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from scanner.reports.cells import CELL_LIMIT, inert
from scanner.reports.csv_files import render_csv
from scanner.reports.model import ReportModel
from scanner.reports.places import InventoryService
from scanner.reports.sarif import render_report_sarif
from scanner.reports.tables import tables
from scanner.reports.xlsx import render_xlsx
from tests.reports import sample, showcase
from tests.reports.test_render import EVERY_MODEL, EVERYWHERE, said_by_a_host

Make = Callable[[str], ReportModel]


def rows_of(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheets_of(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(io.BytesIO(content))
    return {sheet.title: [tuple(cell.value for cell in row) for row in sheet.iter_rows()] for sheet in book.worksheets}


@EVERYWHERE
@EVERY_MODEL
def test_the_files_hold_a_row_for_every_finding_service_and_gap(model: Make, language: str) -> None:
    shown = model(language)
    files = {name: rows_of(content) for name, content in render_csv(shown).items()}

    assert [row[0] for row in files["findings"][1:]] == [str(each.number) for each in shown.findings]
    assert len(files["inventory"]) == 1 + sum(max(1, len(host.services)) for host in shown.inventory)
    assert len(files["gaps"]) == 1 + sum(len(gap.reasons) for gap in shown.coverage.gaps)
    assert all(len(row) == len(rows[0]) for rows in files.values() for row in rows)


def test_dates_are_local_sort_as_they_are_and_name_their_zone() -> None:
    head, first, *_ = rows_of(render_csv(showcase.showcase("zh-Hans"))["findings"])
    book = load_workbook(io.BytesIO(render_xlsx(showcase.showcase("zh-Hans"))))

    assert first[head.index("整改时限")] == "2026-11-25 22:30"
    assert ("时间所属时区", "北京时间") in [(row[0].value, row[1].value) for row in book["概况"].iter_rows()]
    cell = book["隐患清单"].cell(2, head.index("整改时限") + 1)
    assert (cell.value, cell.data_type) == (datetime(2026, 11, 25, 22, 30), "d")  # noqa: DTZ001 - Excel knows no zones


def test_the_workbook_has_a_sheet_for_each_question_with_filters_and_a_frozen_head() -> None:
    book = load_workbook(io.BytesIO(render_xlsx(sample.busy("en"))))

    titles = ["Summary", "What to do first", "Findings", "Inventory", "Certificates", "Product support"]
    assert book.sheetnames == [*titles, "Not inspected"]
    for sheet in book.worksheets:
        assert (sheet.freeze_panes, sheet.print_title_rows) == ("A2", "$1:$1")
        assert sheet.auto_filter.ref == sheet.dimensions
        assert sheet.column_dimensions["A"].width >= 8
    assert [row[0].value for row in book["Certificates"].iter_rows(min_row=2)] == [
        datetime(2026, 11, 20, 14, 30),  # noqa: DTZ001 - sheets hold local times
        datetime(2027, 1, 2, 14, 30),  # noqa: DTZ001 - sheets hold local times
    ]


def test_the_same_model_gives_the_same_bytes_whatever_the_time() -> None:
    first = render_xlsx(sample.busy("en"))

    assert render_xlsx(sample.busy("en")) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2026, 11, 23, 14, 30, 0)}
        assert archive.read("docProps/core.xml").count(b"2026-11-23T14:30:00Z") == 2


HOSTILE = st.one_of(
    st.text(min_size=1, max_size=40),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", " ", "\t", "\ufeff", "\u202e", "\x00", "\r\n"]),
        st.sampled_from(["=cmd|'/c calc'!A1", "+1+1", "-2", "@SUM(A1)", "＝1+1", "#N/A", "http://evil.example", "<f>"]),
        st.sampled_from(["", "\n=1", '"', "\ud800", ",=1", "_x0041_"]),
    ),
)


@settings(max_examples=25, deadline=None)
@given(text=HOSTILE)
def test_nothing_a_host_says_becomes_a_formula_a_link_or_a_broken_file(text: str) -> None:
    model = said_by_a_host(text)

    for content in render_csv(model).values():
        assert [cell for row in rows_of(content) for cell in row if cell.startswith(tuple("=+-@\t\r＝＋－＠"))] == []
    book = load_workbook(io.BytesIO(content := render_xlsx(model)))
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    texts = [str(cell.value) for cell in cells if cell.data_type == "s"]
    assert [each for each in texts if each.startswith(("=", "+", "-", "@", "_x00"))] == []
    assert not any(cell.hyperlink for cell in cells)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [name for name in archive.namelist() if b"External" in archive.read(name)] == []


def test_a_megabyte_said_by_a_host_stays_small() -> None:
    model = said_by_a_host("=A" * 500_000)

    assert sum(map(len, render_csv(model).values())) < 300_000
    assert len(render_xlsx(model)) < 100_000
    assert len(inert("=A" * 500_000)) == CELL_LIMIT + 1


def test_a_certificate_without_an_end_is_shown_in_every_time_zone() -> None:
    model = sample.busy("zh-Hans")
    endless = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    def with_end(service: InventoryService, end: datetime) -> InventoryService:
        return replace(service, certificate=service.certificate and replace(service.certificate, not_after=end))

    for end, shown in ((endless, "9999-12-31 23:59"), (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 08:05:43")):
        inventory = tuple(
            replace(host, services=tuple(with_end(each, end) for each in host.services)) for host in model.inventory
        )
        rows = sheets_of(render_xlsx(replace(model, inventory=inventory)))["数字证书"]
        assert str(rows[1][0])[:15] == shown[:15]


@EVERYWHERE
@EVERY_MODEL
def test_sarif_tells_what_changed_and_what_nobody_looked_at(model: Make, language: str) -> None:
    shown = model(language)
    (run,) = render_report_sarif(shown)["runs"]
    by_number = {result["properties"]["number"]: result for result in run["results"]}

    assert set(by_number) == {each.number for each in (*shown.findings, *(p.finding for p in shown.changes.fixed))}
    assert all(run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert {number for number, each in by_number.items() if each["baselineState"] == "new"} == {
        each.number for each in (*shown.changes.new, *shown.changes.reopened)
    }
    assert {number for number, each in by_number.items() if each["baselineState"] == "absent"} == {
        proof.finding.number for proof in shown.changes.fixed
    }
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] == (not shown.coverage.gaps)
    assert len(invocation["toolExecutionNotifications"]) >= len(shown.coverage.gaps)


def test_sarif_suppresses_what_was_accepted() -> None:
    model = sample.busy()
    model = replace(model, findings=(*model.findings, *model.changes.accepted))
    (run,) = render_report_sarif(model)["runs"]

    assert [each["properties"]["number"] for each in run["results"] if "suppressions" in each] == [107]


@pytest.mark.parametrize("text", ["plain", "'plain", "a=b", "(+1)"])
def test_an_ordinary_cell_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_a_cell_names_the_first_of_many_places_and_tells_how_many_there_are_besides() -> None:
    crowded = sample.crowded("zh-Hans")
    everywhere = replace(crowded.fix_first[0], places=tuple(each.place for each in crowded.findings))

    (first,) = next(each for each in tables(replace(crowded, fix_first=(everywhere,))) if each.name == "first").rows

    assert str(first[3]).count("/tcp") == 20
    assert str(first[3]).endswith(" 等，另有 40 处")


def test_an_exemption_is_shown_with_its_last_day() -> None:
    model = sample.busy()
    midnight = datetime(2027, 3, 1, tzinfo=UTC)
    held = replace(model.findings[0], exemption=sample.exemption(until=midnight))

    (_, row) = rows_of(render_csv(replace(model, findings=(held,)))["findings"])

    assert row[-3] == "2027-02-28 23:59"
