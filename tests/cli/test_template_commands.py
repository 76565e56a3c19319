"""``templates`` and ``report preview`` at the command line: begin, look, watch, check, list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from typer.testing import CliRunner, Result

from scanner.cli import report, templates
from tests.delivery.office import installed
from tests.reports.test_stationery import put
from tests.rounds.world import organisation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    with override_settings(OWN_TEMPLATES=tmp_path / "templates", DATA_DIR=tmp_path), installed():
        yield tmp_path / "templates"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(templates.app, list(arguments))


def previewed(output: Path, *arguments: str) -> Result:
    return CliRunner().invoke(report.app, ["preview", "--output", str(output), *arguments])


def test_a_set_is_begun_once_and_is_good(home: Path) -> None:
    assert "Nothing is overridden" in run("list").output
    assert run("init").exit_code == 0
    put(home, "words.toml", '[en.office]\nname = "Our Office"')
    assert "words.toml is there already" in run("init").output
    listed = run("list").output
    assert "words.toml  (0 in zh-Hans, 1 in en)" in listed
    assert "css/own.css" in listed
    assert "README" not in listed
    checked = run("check")
    assert (checked.exit_code, "nothing is wrong" in checked.output) == (0, True)


def test_an_organisation_begins_its_own(home: Path) -> None:
    organisation("water")
    assert run("init", "--organisation", "water").exit_code == 0
    assert (home / "organisations" / "water" / "words.toml").is_file()
    assert "water  " in run("list").output
    unknown = run("init", "--organisation", "nobody")
    assert unknown.exit_code == 2
    assert "nobody" in unknown.output


def test_a_mistake_is_named_with_its_line_and_the_status_tells(home: Path) -> None:
    put(home, "report/part_card.html", "\n{% if %}")
    checked = run("check")
    assert checked.exit_code == 1
    assert checked.output.startswith(f"{home}/report/part_card.html:2: Expected an expression")


def test_a_preview_shows_one_s_own_words_and_what_is_wrong(home: Path, tmp_path: Path) -> None:
    put(home, "words.toml", '[en.office]\nname = "Our Office"')
    put(home, "mail/reminder.html", "{{ nothing }}")
    shown = previewed(tmp_path / "out", "--template", "mail:reminder", "--template", "notice", "--language", "en")
    assert shown.exit_code == 0
    assert f"{home}/mail/reminder.html:1: 'nothing' is undefined" in shown.output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["mail-reminder-en.html", "mail-reminder-en.txt", "notice-en.html"]
    assert all("Our Office" in path.read_text() for path in (tmp_path / "out").iterdir())


def test_a_preview_of_nothing_known_says_what_there_is(tmp_path: Path) -> None:
    shown = previewed(tmp_path, "--template", "reprot")
    assert shown.exit_code == 2
    assert "mail:round-report" in shown.output


def test_watching_renders_again_after_a_change_until_it_is_stopped(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, "words.toml", '[en.office]\nname = "Before"')
    looks = iter(("nothing", "change", "stop"))

    def sleep(_: float) -> None:
        match next(looks):
            case "change":
                put(home, "words.toml", '[en.office]\nname = "Afterwards"')
            case "stop":
                raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    shown = previewed(tmp_path / "out", "--template", "mail:digest", "--language", "en", "--watch")
    assert shown.exit_code == 0
    assert shown.output.count("mail-digest-en.html") == 2
    assert "Afterwards" in (tmp_path / "out" / "mail-digest-en.html").read_text()
