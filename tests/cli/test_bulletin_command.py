"""``bulletin`` and ``round summary`` at the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scanner.cli import bulletin as bulletin_command
from scanner.cli import prompts
from scanner.cli import round as round_command
from scanner.delivery.models import Message, MessageKind
from scanner.reports.models import Bulletin
from scanner.rounds.models import Round
from targets.models import Organisation
from tests.delivery.office import contact, installed
from tests.reports.district import District
from tests.reports.test_pdf import in_order, text_of
from tests.rounds.world import open_redis

pytestmark = pytest.mark.django_db

SEPTEMBER = ("--since", "2026-09-01", "--until", "2026-09-30")


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def city() -> Organisation:
    district = District()
    city = district.unit("city", None, 0, 0, name_zh="滨海市网信办", name_en="City Office", language="zh-Hans")
    contact(city)
    district.answers["192.0.1.1"] = open_redis
    district.round(1, district.unit("water", city, 3, 1), district.unit("foreign", None, 3, 2))
    return city


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(bulletin_command.app, [str(each) for each in arguments])


def test_build_writes_a_page_and_a_document_for_their_owners_eyes(city: Organisation, tmp_path: Path) -> None:
    done = run("build", "--organisation", "city", *SEPTEMBER, "--output", tmp_path / "out")

    assert done.exit_code == 0, done.output
    page, document = (Path(line) for line in done.stdout.splitlines())
    assert (page.name, document.name) == ("bulletin-city-2026-09-30.html", "bulletin-city-2026-09-30.json")
    assert page.stat().st_mode & 0o777 == 0o600
    assert "滨海市网信办网络安全风险情况通报" in page.read_text("utf-8")
    said = json.loads(document.read_text("utf-8"))
    assert [row["unit"]["slug"] for row in said["ranked"]] == ["water"]
    assert "foreign" not in page.read_text("utf-8") + document.read_text("utf-8")


def test_build_without_names_says_so_in_its_file_name(city: Organisation, tmp_path: Path) -> None:
    done = run("build", "--organisation", "city", *SEPTEMBER, "--anonymous", "--language", "en", "--output", tmp_path)

    page, _ = (Path(line) for line in done.stdout.splitlines())
    assert page.name == "bulletin-city-2026-09-30-without-names.html"
    assert "without names" in page.read_text("utf-8")
    assert "water" not in page.read_text("utf-8")


def test_build_as_pdf_and_of_no_other_form(city: Organisation, tmp_path: Path) -> None:
    done = run("build", "--organisation", "city", *SEPTEMBER, "--format", "pdf", "--output", tmp_path)
    other = run("build", "--organisation", "city", *SEPTEMBER, "--format", "pdf,xlsx", "--output", tmp_path)

    (path,) = (Path(line) for line in done.stdout.splitlines())
    assert path.name == "bulletin-city-2026-09-30.pdf"
    assert in_order(text_of(path.read_bytes()), "滨海市网信办网络安全风险情况通报", "总体情况", "数据说明")
    assert other.exit_code == 2
    assert "is no form of a bulletin; the forms are html, json, pdf" in other.stderr


def test_what_was_sent_is_listed_and_written_again_byte_for_byte(city: Organisation, tmp_path: Path) -> None:
    assert "No such bulletin was sent" in run("list").stdout
    run("send", "--organisation", "city", *SEPTEMBER, "--yes")
    (sent,) = Bulletin.objects.all()

    listed = run("list", "--organisation", "city").stdout
    shown = run("show", str(sent.pk), "--format", "html,json", "--output", tmp_path)
    assert f"2026-09-01 to 2026-09-30  with names     en       {sent.digest[:16]}" in listed
    digest, page, document = shown.stdout.splitlines()
    assert digest == f"SHA-256 of the page: {hashlib.sha256(Path(page).read_bytes()).hexdigest()}"
    assert Path(page).name == "bulletin-city-2026-09-30.html"
    assert json.loads(Path(document).read_text("utf-8"))["language"] == "en"
    Bulletin.objects.update(html=b"", json=b"")
    assert "was pruned" in run("show", str(sent.pk)).stderr
    assert "There is no bulletin 99" in run("show", "99").stderr


def test_build_on_everyone_names_the_office(city: Organisation, tmp_path: Path) -> None:
    done = run("build", *SEPTEMBER, "--output", tmp_path)

    page, _ = (Path(line) for line in done.stdout.splitlines())
    assert page.name == "bulletin-all-2026-09-30.html"
    assert "Unit foreign" in page.read_text("utf-8")


def test_a_period_of_days_ends_today(city: Organisation, tmp_path: Path) -> None:
    done = run("build", "--organisation", "city", "--days", "7", "--output", tmp_path)

    today = (datetime.now(UTC) + timedelta(hours=8)).date()
    assert f"bulletin-city-{today}.html" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--organisation", "nowhere"), "No active organisation is called nowhere"),
        (("--since", "2026-09-01", "--days", "3"), "not both"),
        (("--since", "2026-09-02", "--until", "2026-09-01"), "before it begins"),
        (("--since", "2200-01-01", "--until", "2200-01-02"), "still to come"),
    ],
)
def test_what_makes_no_sense_is_refused(city: Organisation, arguments: tuple[str, ...], complaint: str) -> None:
    done = run("build", *arguments)

    assert done.exit_code == 2
    assert complaint in done.stderr


def test_send_asks_first_and_tells_each_once(city: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "is_terminal", lambda: True)

    declined, agreed, again = (
        CliRunner().invoke(bulletin_command.app, ["send", "--organisation", "city", *SEPTEMBER], input=answer)
        for answer in ("n\n", "y\n", "y\n")
    )

    assert (declined.exit_code, agreed.exit_code, again.exit_code) == (1, 0, 0)
    assert "would go to: security@city.example" in declined.stdout
    assert "In the outbox for: security@city.example" in agreed.stdout
    assert "All of them have it already" in again.stdout
    assert Message.objects.filter(kind=MessageKind.BULLETIN).count() == 1


def test_round_summary_in_all_its_forms(city: Organisation) -> None:
    number = str(Round.objects.get().pk)

    def summary(*options: str) -> str:
        done = CliRunner().invoke(round_command.app, ["summary", number, *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "hosts 6: 6 inspected" in summary()
    assert "  water                 3/3 host(s)" in summary()
    assert json.loads(summary("--format", "json"))["coverage"]["hosts"] == 6
    assert '<html lang="zh-Hans">' in summary("--format", "html", "--language", "zh-Hans")


def test_the_summary_of_an_unknown_round_is_an_error() -> None:
    done = CliRunner().invoke(round_command.app, ["summary", "99"])

    assert done.exit_code == 2
    assert "There is no round 99" in done.stderr
