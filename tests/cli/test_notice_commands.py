"""``notice`` and ``replies`` at the command line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scanner.cli import notice as notice_command
from scanner.cli import prompts
from scanner.cli import replies as replies_command
from scanner.delivery.models import Message, Notice, NoticeItem, Reply
from scanner.delivery.notice_document import notice_model
from scanner.delivery.notices import issue
from scanner.delivery.posting import post
from scanner.delivery.reply_form import reply_form
from scanner.engine.catalogue.load import Language
from scanner.remediation.models import Finding
from targets.models import Organisation
from tests.delivery.office import NOW, finding, unit

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Organisation:
    return unit()


@pytest.fixture
def notice(owner: Organisation) -> Notice:
    made = issue(owner, None, [finding(owner), finding(owner, port=6380)], by="ops", now=NOW)
    post(made, NOW)
    return made


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(notice_command.app, list(arguments), input=answer)


def read(*arguments: str) -> Result:
    return CliRunner().invoke(replies_command.app, ["import", *arguments])


def filled(notice: Notice, folder: Path, *answers: str) -> str:
    rows = list(csv.reader(io.StringIO(reply_form(notice_model(notice), Language.EN).decode("utf-8-sig"))))
    for row, answer in zip(rows[3:], answers, strict=False):
        row[5:7] = [answer, "closed the port"]
    file = folder / "reply.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    return str(file)


def test_issue_shows_what_it_would_ask_for_and_does_nothing_unless_one_agrees(
    owner: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding(owner)
    possible = finding(owner, port=6380, confidence="possible")
    monkeypatch.setattr(prompts, "is_terminal", lambda: True)
    result = run("issue", "--organisation", "water", answer="n\n")
    assert result.exit_code == 1
    assert "would ask for 1 finding(s)" in result.output
    assert str(possible.pk) in result.output.partition("Merely possible")[2]
    assert "security@water.example" in result.output
    assert not Notice.objects.exists()


def test_deadlines_are_days_of_the_organisation(owner: Organisation, notice: Notice) -> None:
    evening = dt.datetime(2026, 3, 2, 4, 59, 59, tzinfo=dt.UTC)  # 1 March, 23:59:59 in New York
    Organisation.objects.update(time_zone="America/New_York")
    NoticeItem.objects.update(deadline=evening)
    assert run("show", notice.number).output.count("by 1 Mar 2026") == 2
    Finding.objects.filter(pk=finding(owner, port=6381).pk).update(deadline=evening)
    assert "by 1 Mar 2026" in run("issue", "--organisation", "water", "--yes").output


def test_issue_numbers_and_mails_the_notice(owner: Organisation) -> None:
    finding(owner)
    result = run("issue", "--organisation", "water", "--yes")
    assert result.exit_code == 0, result.output
    assert Notice.objects.get().number in result.output
    assert Message.objects.get().kind == "notice"
    again = run("issue", "--organisation", "water", "--yes")
    assert (again.exit_code, "waits for a notice" in again.output) == (0, True)


def test_issue_without_a_terminal_asks_nobody(owner: Organisation) -> None:
    finding(owner)
    result = run("issue", "--organisation", "water")
    assert (result.exit_code, Notice.objects.count()) == (2, 0)
    assert "Add --yes" in result.output


def test_list_and_show_tell_where_a_notice_stands(notice: Notice, tmp_path: Path) -> None:
    assert "to be answered by 29 Nov 2026" in run("list", "--open").output
    shown = run("show", notice.number, "--output", str(tmp_path / "out"))
    assert "SVC-REDIS-UNAUTH" in shown.output
    files = sorted((tmp_path / "out").iterdir())
    assert [path.suffix for path in files] == [".html", ".csv", ".csv", ".html"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    run("show", notice.number, "--output", str(tmp_path / "word"), "--format", "docx,pdf")
    written = sorted(path.suffix for path in (tmp_path / "word").iterdir())
    assert written == [".csv", ".csv", *[".docx"] * 4, ".pdf", ".pdf"]
    assert run("show", notice.number, "--format", "doc").exit_code == 2
    assert run("withdraw", notice.number, "--yes").exit_code == 0
    assert "There is no such notice." in run("list", "--open").output
    assert "withdrawn" in run("list", "--organisation", "water").output


def test_an_unknown_number_is_said_to_be_one() -> None:
    result = run("show", "R1999-1")
    assert (result.exit_code, "'roundsman notice list' shows them" in result.output) == (2, True)


def test_a_form_is_shown_then_taken_over(notice: Notice, tmp_path: Path) -> None:
    file = filled(notice, tmp_path, "fixed")
    shown = read(file, "--dry-run")
    assert (shown.exit_code, Reply.objects.count()) == (0, 0)
    assert "Answers of water (水务局) to notice" in shown.output
    assert "1 row(s) without an answer" in shown.output

    assert read(file, "--organisation", "water", "--by", "Ann", "--yes").exit_code == 0
    assert Reply.objects.get().by.startswith("Ann (read by ")
    assert Finding.objects.filter(state="claimed").count() == 1
    again = read(file, "--yes")
    assert (again.exit_code, "read before" in again.output) == (0, True)
    assert "no new answer; nothing was done" in again.output


def test_a_form_of_another_organisation_is_refused(notice: Notice, tmp_path: Path) -> None:
    unit("power", english="Power Office")
    result = read(filled(notice, tmp_path, "fixed"), "--organisation", "power", "--yes")
    assert (result.exit_code, Reply.objects.count()) == (2, 0)
    assert "went to water, not to power" in result.output


def test_wrong_rows_hold_back_the_form_and_end_with_status_3(notice: Notice, tmp_path: Path) -> None:
    file = filled(notice, tmp_path, "fixed", "perhaps")
    result = read(file, "--yes")
    assert (result.exit_code, Reply.objects.count()) == (3, 0)
    assert "Error: row 5, Answer: 'perhaps' is none of" in result.output
    assert "add --partial" in result.output
    assert (read(file, "--yes", "--partial").exit_code, Reply.objects.count()) == (3, 1)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    result = read(str(tmp_path / "none.csv"))
    assert (result.exit_code, "can't be read" in result.output) == (2, True)
