"""Reports in every form, and notices, for programs."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from scanner.accounts.roles import Role
from scanner.delivery.tell import drafted
from scanner.engine.catalogue.load import Language
from scanner.reports import downloads
from scanner.reports.models import Report
from scanner.reports.press import NotYetError, Press
from scanner.reports.query import report_model
from tests.api.programs import AT, Programs
from tests.console.house import House


def test_a_report_is_had_in_every_form(house: House, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    made = drafted(
        house.round, house.water, report_model(house.water, house.round, house.report.generated), Language.EN
    )
    Report.objects.filter(pk=house.report.pk).update(html=made.html, json=made.json)
    monkeypatch.setattr(downloads, "PRESS", Press(lambda page: b"%PDF-" + page.encode()[:20]))
    program = programs.of(Role.UNIT_MEMBER)
    (row,) = program.get(f"{AT}/reports").json()["items"]
    assert row["forms"] == ["html", "json", "pdf", "csv", "xlsx", "sarif"]
    got = {form: program.get(f"{AT}/reports/{house.report.pk}/{form}") for form in row["forms"]}
    assert {form: answer["Content-Type"].partition(";")[0] for form, answer in got.items()} == {
        "html": "text/html",
        "json": "application/json",
        "pdf": "application/pdf",
        "csv": "application/zip",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "sarif": "application/sarif+json",
    }
    assert len(zipfile.ZipFile(io.BytesIO(got["csv"].content)).namelist()) == 3
    assert json.loads(got["sarif"].content)["version"] == "2.1.0"
    assert got["pdf"]["Content-Disposition"] == f'attachment; filename="water-{house.round.pk}-en.pdf"'


def test_a_program_is_told_when_to_ask_again_for_a_pdf(
    house: House, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> bytes:
        raise NotYetError(mine=False)

    monkeypatch.setattr("scanner.api.notices.PRESS.pdf", busy)
    answer = programs.of(Role.UNIT_MEMBER).get(f"{AT}/notices/{house.notice.pk}/en/pdf")
    assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "5", "not-yet")


def test_a_notice_tells_what_it_asks_for(house: House, programs: Programs) -> None:
    program = programs.of(Role.UNIT_MEMBER)
    (row,) = program.get(f"{AT}/notices", {"open": "true"}).json()["items"]
    whole = program.get(f"{AT}/notices/{row['number']}").json()
    assert whole.items() >= row.items()
    (item,) = whole["items"]
    assert (item["finding"], item["state"], item["to_check"], item["replies"]) == (house.finding.pk, "open", False, [])
    form = program.get(f"{AT}/notices/{row['number']}/zh-Hans/form")
    assert house.notice.number in form.content.decode("utf-8-sig")
