"""``finding`` at the command line: claims, exemptions and what waits."""

from __future__ import annotations

import datetime as dt

import pytest
from typer.testing import CliRunner, Result

from scanner.cli import finding as command
from scanner.remediation.models import Exemption, Finding, FindingEvent
from scanner.rounds.models import Round
from targets.models import Organisation
from tests.remediation.looks import followed
from tests.rounds.world import authorise, open_redis, open_web, organisation, register, retire

pytestmark = pytest.mark.django_db

NEXT_YEAR = f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=300):%Y-%m-%d}"


@pytest.fixture
def number() -> int:
    owner = organisation(time_zone="Asia/Shanghai")
    register(owner, "192.0.2.10", "192.0.2.11")
    authorise(owner, "192.0.2.0/24")
    followed(owner, open_redis, 0)
    return Finding.objects.get().pk


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command.app, [str(each) for each in arguments])


def state(number: int) -> str:
    return Finding.objects.get(pk=number).state


def test_a_claim_names_the_round_that_looks_again_and_who_runs_it(number: int) -> None:
    result = run("claim", number, "--by", "Wang", "--note", "closed")
    assert result.exit_code == 0, result.output
    this = Round.objects.latest("pk")
    assert f"Round {this.pk} looks at it again" in result.stdout
    assert f"roundsman round resume {this.pk}" in result.stdout
    assert (state(number), this.findings, this.requested_by) == ("claimed", [number], "Wang")
    assert "was claimed before" in run("claim", number).stdout
    assert Round.objects.count() == 2
    assert "claimed" in run("list").stdout


def test_a_finding_tells_when_it_was_last_inspected_and_that_it_was_never_reported(number: int) -> None:
    Finding.objects.update(last_inspected=dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC), reported=None, deadline=None)
    shown = run("show", number).stdout
    assert "last inspected 2026-03-04 05:06Z" in shown
    assert "not reported yet" in shown


def test_one_finding_that_can_not_be_claimed_keeps_all_from_being_claimed(number: int) -> None:
    for answer in (open_redis, open_web):
        followed(Organisation.objects.get(), answer, 1 if answer is open_redis else 2, "192.0.2.11")
    fixed = Finding.objects.get(state="fixed").pk
    result = run("claim", number, fixed)
    assert (result.exit_code, state(number)) == (2, "open")
    assert f"Finding {fixed} can't be claimed to be fixed: it is fixed." in result.stderr


def test_an_accepted_risk_ends_with_its_last_day_where_the_organisation_is(number: int) -> None:
    result = run("accept", number, "--owner", "Li", "--reason", "old", "--until", NEXT_YEAR, "--yes")
    assert result.exit_code == 0, result.output
    held = Exemption.objects.get()
    assert held.until == dt.datetime.fromisoformat(f"{NEXT_YEAR}T16:00+00:00"), "midnight in Shanghai"
    assert (state(number), held.kind, held.decided_by != "") == ("accepted", "accepted", True)
    assert "exempt until" in run("list").stdout
    assert "by Li: old" in run("show", number).stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Say until when"),
        (["--until", "2020-01-01"], "in the past"),
        (["--until", "2199-01-01"], "at most a year"),
    ],
)
def test_no_risk_is_accepted_without_a_sensible_end(number: int, arguments: list[str], complaint: str) -> None:
    result = run("accept", number, "--owner", "Li", "--reason", "old", "--yes", *arguments)
    assert (result.exit_code, complaint in result.stderr, state(number)) == (2, True, "open")


def test_nothing_is_accepted_when_nobody_can_be_asked(number: int) -> None:
    result = run("accept", number, "--owner", "Li", "--reason", "old", "--until", NEXT_YEAR)
    assert (result.exit_code, "Add --yes" in result.stderr, state(number)) == (2, True, "open")


def test_a_dispute_waits_until_it_is_decided(number: int) -> None:
    assert run("dispute", number, "--reason", "a honeypot", "--by", "Wang").exit_code == 0
    waiting = run("list", "--requests").stdout
    assert "false positive requested, up to and including" in waiting
    assert "by Wang: a honeypot" in waiting
    assert "Say --grant or --refuse" in run("decide", number).stderr
    assert run("decide", number, "--grant", "--yes").exit_code == 0
    assert state(number) == "false-positive"
    assert "No such finding" in run("list", "--requests").stdout
    assert "Nothing was asked" in run("decide", number, "--refuse", "--yes").stderr


def test_a_refusal_leaves_it_open_with_the_reason_on_record(number: int) -> None:
    run("dispute", number, "--reason", "a honeypot")
    assert run("decide", number, "--refuse", "--note", "it answers strangers", "--yes").exit_code == 0
    assert state(number) == "open"
    assert "note it answers strangers" in run("show", number).stdout


def test_an_exemption_is_ended_early(number: int) -> None:
    assert "is not exempt" in run("reopen", number, "--yes").stderr
    run("accept", number, "--owner", "Li", "--reason", "old", "--until", NEXT_YEAR, "--yes")
    assert "open" in run("reopen", number, "--yes").stdout
    assert FindingEvent.objects.filter(kind="exemption-ended").exists()


def test_overdue_findings_are_listed_alone(number: int) -> None:
    assert f"{number}" in run("list", "--overdue").stdout
    assert "overdue" in run("list").stdout
    Finding.objects.update(deadline=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    assert "No such finding" in run("list", "--overdue").stdout


def test_a_deadline_is_a_day_of_the_organisation(number: int) -> None:
    evening = dt.datetime(2026, 3, 2, 4, 59, 59, tzinfo=dt.UTC)  # 1 March, 23:59:59 in New York
    Organisation.objects.update(time_zone="America/New_York")
    Finding.objects.update(deadline=evening)
    assert "due 2026-03-01, overdue" in run("list").stdout
    assert "due 2026-03-01, overdue" in run("show", number).stdout


def test_findings_of_hosts_that_are_not_registered_any_more_are_left_out_with_the_reason(number: int) -> None:
    retire(Organisation.objects.get(), "192.0.2.10", "192.0.2.11")
    listed = run("list")
    assert "No such finding" in listed.stdout
    assert "Left out: 1 of hosts that are not registered any more" in listed.stderr
    assert f"{number}" in run("list", "--unregistered").stdout
    assert "not registered any more" in run("show", number).stdout
    assert Organisation.objects.get().findings.filter(state="open").exists(), "nobody proved it fixed"
