"""``roundsman plan`` as a person uses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from scanner.audit.models import Entry
from scanner.cli import prompts, round  # noqa: A004 - the command's own name
from scanner.cli.plan import app
from scanner.rounds.clock import tick
from scanner.rounds.models import Plan, Round
from tests.rounds.world import organisation, register

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def water() -> None:
    register(organisation(), "192.0.2.1", "192.0.2.2")


def run(*arguments: str, status: int = 0, typed: str | None = None) -> str:
    result = CliRunner().invoke(app, list(arguments), input=typed)
    assert result.exit_code == status, result.output
    return result.output


def add(*arguments: str, status: int = 0) -> str:
    return run("add", "weekly", *arguments, status=status)


MONDAYS = ("--schedule", "0 3 * * mon", "--time-zone", "Asia/Shanghai")


class TestAdd:
    def test_a_plan_is_added_with_every_field(self) -> None:
        shown = add(
            *MONDAYS, "--until", "2099-12-31", "--jitter", "30m", "--blackout", "mon-fri 8:00-18:00",
            "--organisation", "water", "--profile", "deep", "--ports", "22,80", "--deadline", "critical=1",
            "--rate", "100", "--priority", "5", "--notice-from", "high",
        )  # fmt: skip

        assert "Plan weekly is added. Due 20" in shown
        assert "03:00 +0800 (20" in shown
        plan = Plan.objects.get()
        assert (plan.schedule, plan.time_zone, plan.jitter) == ("0 3 * * mon", "Asia/Shanghai", 1800)
        assert plan.until == datetime(2099, 12, 31, 16, tzinfo=UTC)
        assert (plan.blackouts, plan.deadlines) == (["Mon-Fri 08:00-18:00"], {"critical": 1})
        assert (plan.profile, plan.ports, plan.rate, plan.priority) == ("deep", "22,80", 100, 5)
        assert plan.notice_from == "high"
        assert [each.slug for each in plan.organisations.all()] == ["water"]
        assert plan.next_due is not None
        assert plan.next_due > datetime.now(UTC)

    def test_it_is_on_record(self) -> None:
        add(*MONDAYS)

        entry = Entry.objects.get()
        assert (entry.action, entry.subject) == ("plan-added", "plan weekly")
        assert entry.detail["schedule"] == "0 3 * * mon"

    def test_a_spot_check_has_a_share(self) -> None:
        add("--kind", "spot-check", "--share", "12.5%", "--schedule", "every 1d")

        assert Plan.objects.get().share == 0.125

    def test_a_campaign_looks_where_its_services_usually_are(self) -> None:
        add(
            "--kind", "campaign", "--check", "svc-redis-*", "--check", "SVC-MEMCACHED-EXPOSED", "--schedule", "every 6h"
        )

        plan = Plan.objects.get()
        assert plan.checks == ["SVC-MEMCACHED-EXPOSED", "SVC-REDIS-EXPOSED", "SVC-REDIS-UNAUTH"]
        assert plan.ports == "6379,6380,11211,16379,26379"

    def test_a_campaign_whose_checks_have_no_ports_must_be_given_some(self) -> None:
        told = add("--kind", "campaign", "--check", "TLS-V10", status=2)
        assert "say where to look, such as --ports top1000" in told

        add("--kind", "campaign", "--check", "TLS-V10", "--ports", "443,8443")
        assert Plan.objects.get().next_due is None

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ([], "A routine needs a schedule"),
            (["--schedule", "0 3 31 2 *"], "never comes"),
            (["--schedule", "0 3 1 * mon"], "gives a day of the month and a weekday"),
            ([*MONDAYS[:2], "--time-zone", "Asia/Peking"], "'Asia/Peking' is no IANA time zone"),
            ([*MONDAYS, "--until", "2020-01-01"], "would never be due"),
            ([*MONDAYS, "--until", "soon"], "'soon' is no end"),
            ([*MONDAYS, "--jitter", "soon"], "write for example 90s, 30m or 2h"),
            ([*MONDAYS, "--jitter", "25h"], "at most a day"),
            ([*MONDAYS, "--blackout", "nights"], "'nights' is no blackout window"),
            ([*MONDAYS, "--organisation", "rail"], "No active organisation is called rail"),
            ([*MONDAYS, "--ports", "http"], "is not a port or range"),
            ([*MONDAYS, "--share", "10%"], "A spot check needs the share"),
            ([*MONDAYS, "--check", "TLS-V10"], "A campaign needs the checks"),
            (["--kind", "spot-check", "--schedule", "every 1d"], "A spot check needs the share"),
            (["--kind", "spot-check", "--schedule", "every 1d", "--share", "0"], "above 0 and at most 100%"),
            (["--kind", "spot-check", "--schedule", "every 1d", "--share", "nan"], "above 0 and at most 100%"),
            (["--kind", "campaign", "--check", "NO-SUCH-*"], "No check is called 'NO-SUCH-*'"),
            (["--kind", "self-check", "--schedule", "every 1d"], "A self-check has no schedule"),
            (["--kind", "self-check", "--until", "2099-01-01"], "Only a plan with a schedule"),
            ([*MONDAYS, "--deadline", "high"], "'high' is no deadline"),
            ([*MONDAYS, "--deadline", "info=3"], "Hints have no deadline"),
            ([*MONDAYS, "--deadline", "high=0"], "1 to 366 days"),
            ([*MONDAYS, "--rate", "-1"], "The rate is from 0"),
            ([*MONDAYS, "--rate", "nan"], "The rate is from 0"),
            ([*MONDAYS, "--priority", "100"], "The priority is from -99 to 99"),
        ],
    )
    def test_what_is_wrong_is_told_and_nothing_is_added(self, arguments: list[str], told: str) -> None:
        assert told in add(*arguments, status=2)
        assert not Plan.objects.exists()

    def test_a_name_is_plain_and_in_use_once(self) -> None:
        assert "is no name for a plan" in run("add", "Weekly Full", *MONDAYS, status=2)
        add(*MONDAYS)
        assert "There is a plan weekly already" in add(*MONDAYS, status=2)


class TestLookingAtPlans:
    def test_without_a_plan_the_list_says_how_to_make_one(self) -> None:
        assert "'roundsman plan add' makes one" in run("list")

    def test_the_list_has_a_line_for_each(self) -> None:
        add(*MONDAYS)
        run("add", "ask", "--kind", "self-check")

        first, second = run("list").splitlines()
        assert first.startswith("ask")
        assert "Runs when asked.  all organisations" in first
        assert "weekly" in second
        assert "0 3 * * mon" in second

    def test_one_is_shown_with_its_rounds(self) -> None:
        add(*MONDAYS, "--rate", "50")
        run("run", "weekly", "--requested-by", "Lin of Water")

        shown = run("show", "weekly")
        assert "rate          50 packets a second" in shown
        assert "planned, asked for by Lin of Water" in shown
        assert "There is no plan 'monthly'. Plans: weekly." in run("show", "monthly", status=2)

    def test_what_is_next_is_told_in_local_time_and_utc(self) -> None:
        add("--schedule", "0 9 * * *", "--time-zone", "Asia/Shanghai", "--blackout", "daily 08:00-18:30")

        lines = run("next", "--days", "2").splitlines()
        assert len(lines) in (2, 3)
        assert "18:30 +0800" in lines[0]
        assert "10:30Z  weekly  (due " in lines[0]
        assert lines[0].endswith("09:00)")

    def test_nothing_may_be_due(self) -> None:
        run("add", "ask", "--kind", "self-check")
        assert run("next") == "Nothing is due within 7 day(s).\n"


class TestChangingPlans:
    def test_a_plan_is_paused_and_goes_on(self) -> None:
        add(*MONDAYS)
        run("pause", "weekly")
        assert "Paused." in run("list")
        assert "paused already" in run("pause", "weekly", status=2)
        assert "goes on. Due 20" in run("resume", "weekly")
        assert "is not paused" in run("resume", "weekly", status=2)
        assert list(Entry.objects.values_list("action", flat=True)) == ["plan-added", "plan-paused", "plan-resumed"]

    def test_removing_one_is_asked_for_and_keeps_its_rounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        add(*MONDAYS)
        run("run", "weekly")
        assert "Add --yes" in run("remove", "weekly", status=2)
        monkeypatch.setattr(prompts, "is_terminal", lambda: True)
        assert "Nothing was changed" in run("remove", "weekly", status=1, typed="\n")
        assert Plan.objects.get().retired_at is None
        assert "its rounds stay" in run("remove", "weekly", typed="y\n")

        assert "There is no plan 'weekly'" in run("show", "weekly", status=2)
        this = Round.objects.get()
        assert this.plan is not None
        assert this.plan.name == "weekly"
        add(*MONDAYS)


class TestRun:
    def test_what_was_missed_is_told_where_the_round_is_shown(self) -> None:
        add("--schedule", "every 1d")
        plan = Plan.objects.get()
        assert plan.next_due is not None
        (this,) = tick(plan.next_due + timedelta(days=3))

        told = CliRunner().invoke(round.app, ["show", str(this.pk)]).output
        assert f"a routine, due {this.due:%Y-%m-%d %H:%M}Z; it stands for 3 earlier due time(s)" in told
        assert "stands for 3 missed before" in run("show", "weekly")

    def test_a_self_check_runs_for_one_unit_and_is_on_record(self) -> None:
        run("add", "ask", "--kind", "self-check")
        shown = run("run", "ask", "--organisation", "water", "--requested-by", "Lin of Water")

        this = Round.objects.get()
        assert f"Round {this.pk} is made." in shown
        assert (this.kind, this.requested_by) == ("self-check", "Lin of Water")
        assert Entry.objects.latest("pk").action == "round-requested"
        assert "is not finished" in run("run", "ask", status=2)

    def test_who_asks_is_one_line(self) -> None:
        run("add", "ask", "--kind", "self-check")
        assert "Write in one line" in run("run", "ask", "--requested-by", "a\nb", status=2)
