"""``round``, ``report`` and ``finding`` at the command line."""

from __future__ import annotations

import datetime as dt
import json
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from typer import Typer
from typer.testing import CliRunner, Result

from scanner.cli import facts, finding, report, resume, round, stop  # noqa: A004 - the command's own name
from scanner.remediation.models import Finding
from scanner.rounds import ways
from scanner.rounds.look import LookAt
from scanner.rounds.models import Round
from scanner.rounds.steps import begin
from targets.models import Organisation
from tests.rounds.world import Engine, authorise, open_redis, open_web, organisation, planned, register, timed_out

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The round command, with an engine that sends nothing."""
    engine = Engine({"192.0.2.10": open_redis})
    monkeypatch.setattr(ways, "Ways", partial(ways.Ways, engine=engine))
    return engine


@pytest.fixture
def owner() -> Organisation:
    owner = organisation(language="en")
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24")
    return owner


def run(*arguments: str) -> Result:
    return CliRunner().invoke(round.app, ["run", "--ports", "80,6379", *arguments])


def test_a_round_ends_with_status_0_when_everything_was_inspected(owner: Organisation, engine: Engine) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert "water: 1 host(s), 0 not or only partly inspected" in result.stdout
    assert "findings: 1 new, 0 reopened, 0 fixed" in result.stdout
    assert Round.objects.get().followed is not None


def test_a_round_ends_with_status_3_and_the_reason_when_something_was_not(owner: Organisation, engine: Engine) -> None:
    engine.answers["192.0.2.10"] = timed_out
    result = run()
    assert result.exit_code == 3
    assert "192.0.2.10" in result.stdout
    assert "192.0.2.10: unreachable; timed-out: It did not finish in the time allowed." in result.stdout


def test_nothing_is_said_of_findings_that_nobody_looked_for(owner: Organisation, engine: Engine) -> None:
    engine.answers["192.0.2.10"] = timed_out
    assert "findings: nothing was inspected" in run().stdout
    assert "0 change(s); nothing was inspected" in CliRunner().invoke(facts.app, ["replay"]).stdout
    number = planned("water")
    shown = CliRunner().invoke(round.app, ["show", str(number)])
    assert "findings: not followed yet" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--organisation", "nobody"], "No active organisation is called nobody"),
        (["--ports", "70000"], "'70000' in '70000' is not a port or range"),
    ],
)
def test_bad_input_ends_with_status_2_and_makes_no_round(
    owner: Organisation, engine: Engine, arguments: list[str], complaint: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not Round.objects.exists()


def test_without_targets_the_next_step_is_named() -> None:
    result = run()
    assert result.exit_code == 2
    assert "roundsman targets apply" in result.stderr


def test_a_locked_database_is_said_clearly_and_resume_goes_on(
    owner: Organisation, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(LookAt, "store", locked)
        result = run()
    assert result.exit_code == 2
    assert "database is locked" in result.stderr
    assert "roundsman round resume" in result.stderr
    resumed = CliRunner().invoke(round.app, ["resume", str(Round.objects.get().pk)])
    assert resumed.exit_code == 0
    assert Finding.objects.get().state == "open"


def test_rounds_are_listed_and_shown(owner: Organisation, engine: Engine) -> None:
    assert "no round yet" in CliRunner().invoke(round.app, ["list"]).stdout
    run()
    number = Round.objects.get().pk
    listed = CliRunner().invoke(round.app, ["list"]).stdout
    assert str(number) in listed
    assert "water" in listed
    assert "done" in CliRunner().invoke(round.app, ["show", str(number)]).stdout
    missing = CliRunner().invoke(round.app, ["show", "999"])
    assert (missing.exit_code, "no round 999" in missing.stderr) == (2, True)


def test_findings_are_listed_worst_first_and_shown_with_their_history(owner: Organisation, engine: Engine) -> None:
    assert "No such finding" in CliRunner().invoke(finding.app, ["list"]).stdout
    run()
    number = Finding.objects.get().pk
    listed = CliRunner().invoke(finding.app, ["list", "--severity", "high"]).stdout
    assert "SVC-REDIS-UNAUTH" in listed
    shown = CliRunner().invoke(finding.app, ["show", str(number)]).stdout
    assert "redis_version:99.0.1" in shown
    assert "opened" in shown
    engine.answers["192.0.2.10"] = open_web
    run()
    assert "No such finding" in CliRunner().invoke(finding.app, ["list"]).stdout
    fixed = CliRunner().invoke(finding.app, ["list", "--state", "fixed"]).stdout
    ended = Finding.objects.get().fixed
    assert ended is not None
    assert f"fixed {ended.astimezone(ZoneInfo(owner.time_zone)):%Y-%m-%d}" in fixed
    assert CliRunner().invoke(finding.app, ["show", "999"]).exit_code == 2


def test_what_a_host_said_can_not_move_the_terminal(owner: Organisation, engine: Engine) -> None:
    run()
    hostile = {"sent": "INFO", "received": "\x1b[2J\x07gone", "at": ""}
    Finding.objects.update(params=[["version", "7\x1b]0;owned"]], exchanges=[hostile])
    shown = CliRunner().invoke(finding.app, ["show", str(Finding.objects.get().pk)]).stdout
    assert "received \\x1b[2J\\x07gone" in shown
    assert "\x1b" not in shown


def build(*arguments: str) -> Result:
    return CliRunner().invoke(report.app, ["build", *arguments])


def test_reports_are_written_in_both_forms_and_their_paths_printed(
    owner: Organisation, engine: Engine, tmp_path: Path
) -> None:
    run()
    number = Round.objects.get().pk
    result = build("--output", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    page, data = (Path(path) for path in result.stdout.split())
    assert (page.name, data.name) == (f"water-{number}.html", f"water-{number}.json")
    assert "Water Office" in page.read_text(encoding="utf-8")
    assert json.loads(data.read_text(encoding="utf-8"))["findings"][0]["check"] == "SVC-REDIS-UNAUTH"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [page.name, data.name]


def test_a_report_is_written_in_the_forms_that_were_asked_for(
    owner: Organisation, engine: Engine, tmp_path: Path
) -> None:
    run()
    number = Round.objects.get().pk
    result = build("--output", str(tmp_path), "--format", "CSV, xlsx,sarif,csv")
    assert result.exit_code == 0, result.output
    tables = [f"water-{number}-{name}.csv" for name in ("findings", "inventory", "gaps")]
    assert [Path(path).name for path in result.stdout.split()] == [
        *tables,
        f"water-{number}.xlsx",
        f"water-{number}.sarif",
    ]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("form", ["docx", "html,exe", ","])
def test_an_unknown_form_is_bad_input_and_the_known_ones_are_told(form: str) -> None:
    result = build("--format", form)
    assert (result.exit_code, "the forms are html, json" in result.stderr) == (2, True)


def test_only_an_organisation_that_was_named_must_have_a_round(
    owner: Organisation, engine: Engine, tmp_path: Path
) -> None:
    assert build("--output", str(tmp_path)).exit_code == 2
    run()
    organisation("power")
    assert build("--output", str(tmp_path)).exit_code == 0
    named = build("--organisation", "power", "--output", str(tmp_path))
    assert (named.exit_code, "covers power" in named.stderr) == (2, True)
    assert build("--round", "999", "--output", str(tmp_path)).exit_code == 2


def test_a_place_that_can_not_be_written_to_is_bad_input(owner: Organisation, engine: Engine, tmp_path: Path) -> None:
    run()
    (tmp_path / "file").write_text("")
    result = build("--output", str(tmp_path / "file"))
    assert result.exit_code == 2
    assert "--output" in result.stderr


@pytest.mark.parametrize("app", [round.app, report.app, finding.app, facts.app])
def test_help_explains_itself(app: Typer) -> None:
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(round.app, list(arguments))


def test_while_everything_is_stopped_no_round_is_made_and_it_is_said_by_whom(
    owner: Organisation, engine: Engine
) -> None:
    assert "Nothing was stopped" in CliRunner().invoke(resume.app).stdout
    assert "Stopped." in CliRunner().invoke(stop.app, ["--reason", "a fire"]).stdout
    assert "Stopped already" in CliRunner().invoke(stop.app).stdout
    refused = run()
    assert (refused.exit_code, "a fire" in refused.stderr, Round.objects.exists()) == (2, True, False)
    assert "Rounds go on" in CliRunner().invoke(resume.app).stdout
    assert run().exit_code == 0


def test_a_paused_round_goes_on_when_it_is_resumed(owner: Organisation, engine: Engine) -> None:
    number = str(planned())
    assert "is paused" in invoke("pause", number).stdout
    assert invoke("pause", number).exit_code == 2
    assert "the round is paused" not in invoke("status").stdout, "nothing of it waits yet"
    assert "paused" in invoke("status").stdout
    assert invoke("resume", number).exit_code == 0
    assert Round.objects.get().state == "done"
    assert "No round is under way" in invoke("status").stdout


def test_a_round_is_cancelled_only_when_that_was_agreed_to(owner: Organisation, engine: Engine) -> None:
    number = str(planned())
    assert invoke("cancel", number).exit_code == 2, "nobody can be asked"
    assert Round.objects.get().state == "planned"
    assert "cancelled" in invoke("cancel", number, "--yes").stdout
    this = Round.objects.get()
    assert (this.state, this.followed is not None) == ("cancelled", True)
    assert "192.0.2.10: error; cancelled" in invoke("show", number).stdout
    again = invoke("cancel", number, "--yes")
    assert (again.exit_code, "is over" in again.stderr) == (2, True)


def test_the_status_tells_what_waits_for_what(owner: Organisation, engine: Engine) -> None:
    number = planned()
    begin(number, dt.datetime.now(dt.UTC))
    shown = invoke("status", str(number)).stdout
    assert "hosts are being listed" in shown
    assert "waiting: 1 job(s) prepare of water for a service: none runs here" in shown
    assert invoke("status", "999").exit_code == 2
    invoke("resume", str(number))
    done = invoke("status", str(number), "--watch").stdout
    assert f"Round {number}, by-hand, by tester: done" in done
    assert "first look: 1 of 1 host(s) done" in done


def test_a_round_that_is_over_is_not_resumed(owner: Organisation, engine: Engine) -> None:
    run()
    number = str(Round.objects.get().pk)
    result = CliRunner().invoke(round.app, ["resume", number])
    assert result.exit_code == 2
    assert f"Round {number} is over" in result.stderr
