"""Between the rounds of plans, hosts are looked at again as often as what is open there deserves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from scanner.engine.model import Severity
from scanner.flow import carry_out
from scanner.remediation.cadence import (
    BY_SEVERITY,
    CLEAN,
    LADDER,
    LONGEST,
    SILENT,
    UNPROVEN,
    Seen,
    interval,
    make_cadence_rounds,
    next_hours,
)
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Attention, Finding
from scanner.reports.query import latest_round, report_model
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import PlanKind, Round, RoundState
from scanner.rounds.planning import PlanRequest, make_plan, pause_plan
from targets.models import Organisation, Target
from tests.rounds.world import (
    PORTS,
    Engine,
    authorise,
    half_seen_redis,
    open_redis,
    open_web,
    organisation,
    register,
    silent,
    timed_out,
)
from tests.rounds.world import ways as ways_of

HOUR = timedelta(hours=1)
DAY = 24 * HOUR

seen_kinds = st.sampled_from(Seen)
earned_hours = st.sampled_from(sorted(BY_SEVERITY.values()))
steps = st.lists(st.tuples(seen_kinds, earned_hours), min_size=1, max_size=40)


class TestIntervals:
    @pytest.mark.parametrize(
        ("worst", "hours"),
        [("critical", 12), ("high", 24), ("medium", 96), ("low", 144), ("info", 168), (None, 168)],
    )
    def test_the_worst_open_finding_gives_the_interval(self, worst: str | None, hours: int) -> None:
        assert interval(Severity(worst) if worst else None) == hours

    def test_what_attackers_use_counts_as_critical(self) -> None:
        assert interval(Severity.LOW, known_exploited=True) == 12

    def test_silence_doubles_from_two_weeks_up_to_ninety_days(self) -> None:
        hours, found = CLEAN, []
        for _ in range(5):
            hours = next_hours(hours, Seen.GONE, CLEAN)
            found.append(hours // 24)
        assert found == [14, 28, 56, 90, 90]

    @given(steps)
    def test_intervals_stay_on_the_ladder(self, history: list[tuple[Seen, int]]) -> None:
        hours = None
        for seen, earned in history:
            hours = next_hours(hours, seen, earned)
            assert hours in LADDER

    @given(steps, earned_hours)
    def test_worse_is_immediate(self, history: list[tuple[Seen, int]], worse: int) -> None:
        hours = _after(history)
        if worse <= hours:
            assert next_hours(hours, Seen.ANSWERED, worse) == worse
            assert next_hours(hours, Seen.NOTHING, worse) == worse

    @given(steps, seen_kinds, earned_hours)
    def test_better_is_one_step_a_round(self, history: list[tuple[Seen, int]], seen: Seen, earned: int) -> None:
        hours = _after(history)
        after = next_hours(hours, seen, earned)
        assert LADDER.index(after) <= LADDER.index(hours) + 1

    @given(steps, earned_hours)
    def test_a_host_that_keeps_answering_comes_to_what_it_earned(
        self, history: list[tuple[Seen, int]], earned: int
    ) -> None:
        hours = _after(history)
        for _ in LADDER:
            hours = next_hours(hours, Seen.ANSWERED, earned)
        assert hours == earned

    @given(steps)
    def test_a_look_that_learned_nothing_never_makes_it_longer(self, history: list[tuple[Seen, int]]) -> None:
        hours = _after(history)
        assert next_hours(hours, Seen.NOTHING, LONGEST) == hours


def _after(history: list[tuple[Seen, int]]) -> int:
    hours = None
    for seen, earned in history:
        hours = next_hours(hours, seen, earned)
    assert hours is not None
    return hours


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def water(db: None) -> Organisation:
    owner = organisation()
    register(owner, "192.0.2.1", "192.0.2.2")
    authorise(owner, "192.0.2.0/24")
    return owner


@pytest.fixture
def engine() -> Engine:
    return Engine({"192.0.2.1": open_redis, "192.0.2.2": open_web})


def inspect(owner: Organisation, engine: Engine, now: datetime, **fields: object) -> Round:
    """A whole round from its making to its following, at ``now``."""
    wanted = {"ports": PORTS, **fields}
    return finish(make_round(RoundRequest((owner,), "tester", **wanted), now), engine, now)  # type: ignore[arg-type]  # by name


def finish(this: Round, engine: Engine, now: datetime) -> Round:
    carry_out(this.pk, replace(ways_of(engine), now=lambda: now))
    this.refresh_from_db()
    return this


def hours() -> dict[str, int]:
    return {row.host: row.hours for row in Attention.objects.all()}


class TestAttention:
    def test_a_host_of_which_a_part_was_not_inspected_is_not_clean(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        engine.answers = {"192.0.2.1": half_seen_redis, "192.0.2.2": open_web}
        inspect(water, engine, now)
        assert hours() == {"192.0.2.1": UNPROVEN, "192.0.2.2": CLEAN}

    def test_after_a_round_each_host_is_due_by_its_worst_finding(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)

        assert Finding.objects.filter(host="192.0.2.1", severity="critical").exists()
        assert hours()["192.0.2.1"] == 12
        assert hours()["192.0.2.2"] > 12
        assert Attention.objects.get(host="192.0.2.1").due == now + 12 * HOUR

    def test_a_host_that_was_mended_relaxes_one_step_a_round(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        engine.answers["192.0.2.1"] = open_web
        found = []
        for day in range(1, 8):
            inspect(water, engine, now + day * DAY)
            found.append(hours()["192.0.2.1"])

        assert found[:2] == [24, 96]
        assert found[-1] == hours()["192.0.2.2"]
        engine.answers["192.0.2.1"] = open_redis
        inspect(water, engine, now + 9 * DAY)
        assert hours()["192.0.2.1"] == 12

    def test_a_host_that_fell_silent_is_looked_for_ever_less_often(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        Attention.objects.update(hours=CLEAN)
        engine.answers["192.0.2.2"] = silent
        for day in range(1, 3):
            inspect(water, engine, now + day * DAY)

        row = Attention.objects.get(host="192.0.2.2")
        assert (row.hours, row.silent) == (2 * SILENT, 2)

    def test_an_address_that_never_answered_earns_nothing(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        engine.answers["192.0.2.2"] = silent
        inspect(water, engine, now)

        assert set(hours()) == {"192.0.2.1"}

    def test_a_look_that_ran_out_of_time_changes_no_interval(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        before = hours()
        engine.answers = dict.fromkeys(engine.answers, timed_out)
        inspect(water, engine, now + DAY)

        assert hours() == before

    def test_a_round_about_some_checks_makes_no_host_due_later(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        before = {row.host: row.due for row in Attention.objects.all()}
        inspect(water, engine, now + HOUR, checks=("SVC-REDIS-UNAUTH",), kind=PlanKind.CAMPAIGN)

        assert {row.host: row.due for row in Attention.objects.all()} == before

    def test_following_again_changes_nothing(self, water: Organisation, engine: Engine, now: datetime) -> None:
        this = inspect(water, engine, now)
        before = list(Attention.objects.values())
        follow_round(this.pk, now + DAY)

        assert list(Attention.objects.values()) == before


class TestCadenceRounds:
    def test_a_round_is_made_for_the_hosts_that_are_due(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        assert make_cadence_rounds(now + 12 * HOUR - HOUR) == []

        (this,) = make_cadence_rounds(now + 12 * HOUR)

        assert (this.kind, this.hosts, this.ports, this.profile) == ("cadence", ["192.0.2.1"], PORTS, "standard")
        assert (this.priority, this.plan, this.is_whole) == (50, None, False)
        assert list(this.organisations.all()) == [water]

    def test_it_is_made_once(self, water: Organisation, engine: Engine, now: datetime) -> None:
        inspect(water, engine, now)
        make_cadence_rounds(now + 12 * HOUR)
        assert make_cadence_rounds(now + 13 * HOUR) == []
        Round.objects.update(state=RoundState.CANCELLED)

        assert make_cadence_rounds(now + 13 * HOUR) == []
        assert len(make_cadence_rounds(now + 24 * HOUR)) == 1

    def test_not_while_a_round_of_the_organisation_is_unfinished(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        make_round(RoundRequest((water,), "tester"), now)

        assert make_cadence_rounds(now + 5 * DAY) == []

    def test_not_in_the_organisations_blackouts(self, water: Organisation, engine: Engine, now: datetime) -> None:
        inspect(water, engine, now)
        begins, ends = now.date(), (now + 3 * DAY).date()
        water.blackouts, water.time_zone = [f"{begins}/{ends}"], "UTC"
        water.save()

        assert make_cadence_rounds(now + 12 * HOUR) == []
        assert len(make_cadence_rounds(now + 3 * DAY)) == 1

    def test_a_routine_round_that_comes_within_their_patience_is_waited_for(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        plan = make_plan(PlanRequest("daily", PlanKind.ROUTINE, "tester", schedule="every 14h"), now)
        assert make_cadence_rounds(now + 12 * HOUR) == []

        pause_plan(plan.name, by="tester", now=now)
        assert len(make_cadence_rounds(now + 12 * HOUR)) == 1

    def test_a_routine_round_that_comes_later_is_not(self, water: Organisation, engine: Engine, now: datetime) -> None:
        inspect(water, engine, now)
        make_plan(PlanRequest("daily", PlanKind.ROUTINE, "tester", schedule="every 1d"), now)

        assert len(make_cadence_rounds(now + 12 * HOUR)) == 1

    def test_hosts_that_are_no_longer_registered_are_forgotten(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now)
        Target.objects.filter(value="192.0.2.1").update(retired_at=now)

        assert make_cadence_rounds(now + 12 * HOUR) == []
        assert set(hours()) == {"192.0.2.2"}

    def test_a_retired_organisation_gets_none(self, water: Organisation, engine: Engine, now: datetime) -> None:
        inspect(water, engine, now)
        Organisation.objects.update(retired_at=now)

        assert make_cadence_rounds(now + 12 * HOUR) == []

    def test_it_can_be_switched_off(
        self, water: Organisation, engine: Engine, now: datetime, settings: Settings
    ) -> None:
        inspect(water, engine, now)
        settings.CADENCE = False

        assert make_cadence_rounds(now + 12 * HOUR) == []

    def test_ports_are_those_of_the_last_routine_round_rather_than_of_one_by_hand(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now, kind=PlanKind.ROUTINE)
        inspect(water, engine, now + HOUR, ports="6379")

        (this,) = make_cadence_rounds(now + 14 * HOUR)
        assert this.ports == PORTS

    def test_the_ports_of_what_is_open_on_the_hosts_that_are_due_are_asked_as_well(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        engine.answers["192.0.2.2"] = open_redis
        inspect(water, engine, now, ports="T:80", kind=PlanKind.ROUTINE)
        Finding.objects.filter(host="192.0.2.1").update(port=7000)
        Finding.objects.filter(host="192.0.2.2").update(port=9000)
        Attention.objects.filter(host="192.0.2.2").update(due=now + 9 * DAY)

        (this,) = make_cadence_rounds(now + 12 * HOUR)
        assert (this.hosts, this.ports) == (["192.0.2.1"], "T:80,T:7000")

    def test_what_was_found_by_hand_off_the_routine_ports_is_proven_fixed_between_rounds(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        inspect(water, engine, now, kind=PlanKind.ROUTINE, ports="80")
        inspect(water, engine, now + HOUR, ports="6379")
        engine.answers["192.0.2.1"] = open_web
        (this,) = make_cadence_rounds(now + 14 * HOUR)
        finish(this, engine, now + 14 * HOUR)

        assert Finding.objects.get(host="192.0.2.1", check_id="SVC-REDIS-UNAUTH").state == "fixed"


class TestPartsAreNoWhole:
    def test_a_cadence_round_is_neither_the_latest_nor_the_one_before(
        self, water: Organisation, engine: Engine, now: datetime
    ) -> None:
        first = inspect(water, engine, now)
        (part,) = make_cadence_rounds(now + 12 * HOUR)
        finish(part, engine, now + 13 * HOUR)
        assert {result.host for result in part.results.all()} == {"192.0.2.1"}
        assert latest_round(water) == first
        second = inspect(water, engine, now + DAY)

        change = report_model(water, second, now + DAY).score_change
        assert change is not None
        assert change.previous_round == first.pk
        assert report_model(water, part, now + DAY).score_change is None
        assert latest_round(water) == second
