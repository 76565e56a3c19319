"""Rounds are made when plans are due: each due time once, whatever the clock and the machine do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.engine.errors import InputError
from scanner.rounds import clock
from scanner.rounds.clock import coming, keep_time, run_plan, tick
from scanner.rounds.drawing import draw
from scanner.rounds.models import Plan, PlanKind, Round, RoundState
from scanner.rounds.planning import PlanRequest, find_plan, make_plan, pause_plan, remove_plan, resume_plan
from scanner.rounds.schedule import parse_schedule, put_off
from targets.models import Organisation, Target
from targets.windows import open_again, parse_windows
from tests.rounds.world import organisation, register

pytestmark = pytest.mark.django_db

MADE = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def water() -> Organisation:
    owner = organisation()
    register(owner, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    return owner


def plan(name: str = "nightly", kind: PlanKind = PlanKind.ROUTINE, **fields: object) -> Plan:
    wanted = {"schedule": "0 3 * * *", **fields}
    return make_plan(PlanRequest(name, kind, "tester", **wanted), MADE)  # type: ignore[arg-type]  # by name


def end_rounds() -> None:
    Round.objects.update(state=RoundState.DONE)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=UTC)


def dues() -> list[tuple[str, int]]:
    """The due time of each round, and how many it stands for as well."""
    return [(f"{each.due:%d %H:%M}", each.missed) for each in Round.objects.order_by("pk") if each.due]


class TestDueOnce:
    def test_a_round_is_made_when_its_time_comes_and_carries_what_the_plan_says(self, water: Organisation) -> None:
        plan(ports="22,80", rate=50, priority=7)

        assert tick(at(2, 2, 59)) == []
        (this,) = tick(at(2, 3))

        assert this.plan is not None
        assert (this.plan.name, this.kind, this.due, this.missed) == ("nightly", "routine", at(2, 3), 0)
        assert (this.ports, this.rate, this.priority, this.requested_by) == ("22,80", 50, 7, "plan nightly")
        assert list(this.organisations.all()) == [water]
        assert this.is_whole
        assert find_plan("nightly").next_due == at(3, 3)

    def test_it_is_made_once(self, water: Organisation) -> None:
        plan()
        tick(at(2, 3))
        end_rounds()

        assert tick(at(2, 3)) == tick(at(2, 4)) == []

    def test_what_was_missed_while_the_machine_slept_is_caught_up_once(self, water: Organisation) -> None:
        plan()

        tick(at(5, 9))
        end_rounds()
        tick(at(5, 10))

        assert dues() == [("05 03:00", 3)]
        assert find_plan("nightly").next_due == at(6, 3)

    def test_a_clock_that_is_set_back_makes_nothing_twice(self, water: Organisation) -> None:
        plan(schedule="every 1h")
        for hour in (13, 14, 15, 13, 14, 15, 16):
            tick(at(1, hour))
            end_rounds()

        assert dues() == [("01 13:00", 0), ("01 14:00", 0), ("01 15:00", 0), ("01 16:00", 0)]

    def test_a_clock_that_was_years_ahead_leaves_no_plan_silent_for_years(self, water: Organisation) -> None:
        plan(schedule="every 1d")
        monthly = plan("monthly", schedule="0 3 20 * *").next_due
        (wrong,) = [each for each in tick(MADE + timedelta(days=3650)) if each.plan and each.plan.name == "nightly"]
        end_rounds()

        for moment in (at(2, 11), at(2, 12), at(3, 12)):
            tick(moment)
            end_rounds()

        assert dues()[-2:] == [("02 12:00", 0), ("03 12:00", 0)]
        assert wrong.due == MADE + timedelta(days=3650)
        assert find_plan("monthly").next_due == monthly

    def test_a_clock_that_jumps_ahead_has_missed_what_lies_between(self, water: Organisation) -> None:
        plan(schedule="every 1h")
        for hour in (13, 16, 17):
            tick(at(1, hour))
            end_rounds()

        assert dues() == [("01 13:00", 0), ("01 16:00", 2), ("01 17:00", 0)]

    def test_a_clock_that_breaks_down_half_way_has_done_nothing(
        self, water: Organisation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan()
        with monkeypatch.context() as broken:
            broken.setattr(clock, "make_round", _fail)
            with pytest.raises(OSError, match="disk"):
                tick(at(2, 3))
        assert find_plan("nightly").next_due == at(2, 3)

        assert len(tick(at(2, 4))) == 1

    def test_a_due_time_that_has_its_round_already_is_passed_over(self, water: Organisation) -> None:
        this = plan()
        tick(at(2, 3))
        end_rounds()
        this.next_due = at(2, 3)
        this.save()

        assert tick(at(2, 3, 30)) == []
        assert find_plan("nightly").next_due == at(3, 3)

    def test_a_plan_that_can_not_be_read_holds_up_no_other(self, water: Organisation) -> None:
        broken = plan("aaa")
        broken.schedule = "when the moon is full"
        broken.save()
        plan("good")

        (this,) = tick(at(2, 3))

        assert this.plan is not None
        assert this.plan.name == "good"

    def test_the_most_urgent_plan_goes_first(self, water: Organisation) -> None:
        plan("slow", priority=-5)
        plan("quick", priority=5)

        assert [each.plan.name for each in tick(at(2, 3)) if each.plan] == ["quick", "slow"]

    def test_a_night_that_has_three_twice_has_one_round(self, water: Organisation) -> None:
        plan(schedule="30 2 * * *", time_zone="Europe/Berlin")
        moment = datetime(2026, 10, 24, 12, tzinfo=UTC)
        Plan.objects.update(next_due=moment + HOUR)
        for _ in range(48):
            tick(moment)
            end_rounds()
            moment += HOUR / 2

        assert [due for due, _ in dues()] == ["24 13:00", "25 00:30"]


def _fail(*arguments: object) -> None:
    raise OSError("disk full")


class TestPutOff:
    def test_a_plan_in_a_blackout_waits_for_its_end_in_the_plans_own_time(self, water: Organisation) -> None:
        plan(schedule="0 9 * * *", time_zone="Asia/Shanghai", blackouts=("daily 08:00-18:00",))

        assert tick(at(2, 1)) == tick(at(2, 9, 59)) == []
        (this,) = tick(at(2, 10))
        assert (this.due, this.missed) == (at(2, 1), 0)

    def test_while_the_former_round_runs_no_other_is_made_and_then_one_for_the_last(self, water: Organisation) -> None:
        plan(schedule="every 1h")
        tick(at(1, 13))

        assert tick(at(1, 14)) == tick(at(1, 16)) == []
        end_rounds()
        tick(at(1, 16, 30))

        assert dues() == [("01 13:00", 0), ("01 16:00", 2)]

    def test_each_due_time_has_its_own_jitter(self, water: Organisation) -> None:
        this = plan(jitter=3600)
        late = put_off(this.pk, at(2, 3), 3600)

        assert tick(at(2, 3) + late - timedelta(seconds=1)) == []
        (made,) = tick(at(2, 3) + late)
        assert made.due == at(2, 3)

    def test_a_jitter_longer_than_the_interval_loses_nothing(self, water: Organisation) -> None:
        plan(schedule="every 10m", jitter=3600)
        for minutes in range(0, 6 * 60, 3):
            tick(MADE + timedelta(minutes=minutes))
            end_rounds()

        made = [due for due, _ in dues()]
        assert made == sorted(set(made))
        assert 5 * 6 <= sum(1 + missed for _, missed in dues()) <= 6 * 6

    def test_a_paused_plan_makes_no_round_and_catches_nothing_up(self, water: Organisation) -> None:
        plan()
        pause_plan("nightly", by="tester", now=at(1, 13))
        assert tick(at(4, 9)) == []
        resume_plan("nightly", by="tester", now=at(4, 10))

        assert tick(at(4, 11)) == []
        assert [each.due for each in tick(at(5, 3))] == [at(5, 3)]
        assert dues() == [("05 03:00", 0)]


class TestEnds:
    def test_a_removed_plan_makes_no_round_and_keeps_those_it_made(self, water: Organisation) -> None:
        plan()
        tick(at(2, 3))
        end_rounds()
        remove_plan("nightly", by="tester", now=at(2, 4))

        assert tick(at(9, 9)) == []
        assert Round.objects.get().plan is not None
        plan()  # its name is free again

    def test_a_plan_with_an_end_is_due_no_more_from_then_on(self, water: Organisation) -> None:
        plan(until=at(4, 3))
        tick(at(9, 9))

        assert dues() == [("03 03:00", 1)]
        assert find_plan("nightly").next_due is None

    def test_a_plan_whose_organisations_are_retired_moves_on_without_a_round(self, water: Organisation) -> None:
        plan(organisations=("water",))
        water.retired_at = MADE
        water.save()
        other = organisation("roads")
        register(other, "192.0.2.9")

        assert tick(at(2, 3)) == []
        assert find_plan("nightly").next_due == at(3, 3)

    def test_a_plan_for_all_takes_in_who_comes_later(self, water: Organisation) -> None:
        plan()
        register(organisation("roads"), "192.0.2.9")

        (this,) = tick(at(2, 3))
        assert sorted(each.slug for each in this.organisations.all()) == ["roads", "water"]


class TestSpotCheck:
    def test_it_draws_its_share_of_every_organisation_and_at_least_one(self, water: Organisation) -> None:
        register(water, *(f"192.0.2.{number}" for number in range(4, 21)))
        roads, empty = organisation("roads"), organisation("empty")
        register(roads, "192.0.2.99")
        plan(kind=PlanKind.SPOT_CHECK, share=0.25)

        (this,) = tick(at(2, 3))

        drawn = Target.objects.filter(pk__in=this.targets or ())
        assert (drawn.filter(organisation=water).count(), drawn.filter(organisation=roads).count()) == (5, 1)
        assert empty not in this.organisations.all()
        assert not this.is_whole

    def test_the_draw_follows_from_its_seed_and_the_register(self, water: Organisation) -> None:
        register(water, *(f"192.0.2.{number}" for number in range(4, 41)))
        plan(kind=PlanKind.SPOT_CHECK, share=0.2)
        tick(at(2, 3))
        end_rounds()
        (this,) = tick(at(3, 3))

        assert tuple(this.targets or ()) == draw(water, 0.2, this.seed)
        first = Round.objects.order_by("pk")[0]
        assert first.seed != this.seed
        assert first.targets != this.targets

    def test_in_the_long_run_every_target_is_drawn(self, water: Organisation) -> None:
        drawn = {number for seed in range(40) for number in draw(water, 0.3, str(seed))}

        assert len(drawn) == 3
        assert draw(water, 0.3, "a") != draw(water, 0.3, "c") or draw(water, 0.3, "a") != draw(water, 0.3, "d")

    def test_a_tenth_of_thirty_is_three(self, water: Organisation) -> None:
        register(water, *(f"192.0.2.{number}" for number in range(4, 31)))

        assert len(draw(water, 0.1, "seed")) == 3


class TestOnRequest:
    def test_a_self_check_runs_when_a_unit_asks_for_it(self, water: Organisation) -> None:
        register(organisation("roads"), "192.0.2.9")
        this = plan("ask", PlanKind.SELF_CHECK, schedule="")
        assert tick(at(9, 9)) == []

        made = run_plan(this, ["water"], "Lin of Water", at(2, 8))

        assert (made.kind, made.due, made.requested_by) == ("self-check", None, "Lin of Water")
        assert list(made.organisations.all()) == [water]
        with pytest.raises(InputError, match=f"Round {made.pk} of plan ask is not finished"):
            run_plan(this, [], "Lin", at(2, 9))
        end_rounds()
        run_plan(this, [], "Lin", at(2, 9))

    def test_an_organisation_that_the_plan_is_not_about_is_refused(self, water: Organisation) -> None:
        organisation("roads")
        this = plan(organisations=("water",))
        with pytest.raises(InputError, match="Plan nightly is not about roads, but about water"):
            run_plan(this, ["roads"], "Lin", at(2, 9))

    def test_a_round_on_request_holds_up_the_planned_one(self, water: Organisation) -> None:
        run_plan(plan(), [], "Lin", at(2, 2))

        assert tick(at(2, 3)) == []
        end_rounds()
        assert len(tick(at(2, 4))) == 1


def test_what_is_coming_counts_jitter_and_blackouts(water: Organisation) -> None:
    plan("early", schedule="0 9 * * *", time_zone="Asia/Shanghai", blackouts=("Wed 08:00-18:00",))
    jittered = plan("late", schedule="0 4 3 * *", jitter=600)
    plan("asked", PlanKind.SELF_CHECK, schedule="")

    found = coming(Plan.objects.all(), MADE, at(4, 0))

    assert [(each.plan.name, each.due, each.begins) for each in found] == [
        ("early", at(2, 1), at(2, 1)),
        ("late", at(3, 4), at(3, 4) + put_off(jittered.pk, at(3, 4), 600)),
        ("early", at(3, 1), at(3, 10)),
    ]


def test_due_times_that_passed_unused_come_as_the_one_round_that_catches_them_up(water: Organisation) -> None:
    plan("busy", schedule="every 1h")

    found = coming(Plan.objects.all(), MADE + 5 * HOUR, MADE + 6 * HOUR)

    assert [(each.due, each.begins) for each in found] == [
        (MADE + 5 * HOUR, MADE + 5 * HOUR),
        (MADE + 6 * HOUR, MADE + 6 * HOUR),
    ]


class TestTheLoop:
    def test_it_looks_again_and_again_until_it_is_stopped(self) -> None:
        stop, seen = Event(), []
        times = iter([MADE, MADE - 2 * HOUR, MADE + HOUR])

        def look(now: datetime) -> None:
            seen.append(now)
            if len(seen) == 3:
                stop.set()

        keep_time(look, lambda: next(times), stop, beat=0.01)

        assert seen == [MADE, MADE - 2 * HOUR, MADE + HOUR]

    def test_an_error_does_not_end_it(self) -> None:
        stop, seen = Event(), []

        def look(now: datetime) -> None:
            seen.append(now)
            if len(seen) == 1:
                raise OSError("disk full")
            stop.set()

        keep_time(look, lambda: MADE, stop, beat=0.01)

        assert len(seen) == 2


def test_local_time_is_what_the_schedule_reads(water: Organisation) -> None:
    plan(time_zone="Asia/Shanghai")

    (this,) = tick(at(2, 3))

    assert this.due is not None
    assert f"{this.due.astimezone(ZoneInfo('Asia/Shanghai')):%H:%M}" == "03:00"


steps = st.lists(
    st.tuples(st.sampled_from(["on", "back", "asleep"]), st.integers(1, 300), st.booleans()), min_size=5, max_size=25
)
wishes = st.tuples(
    st.sampled_from(["every 1h", "every 45m", "*/30 * * * *", "30 2 * * *"]),
    st.sampled_from([0, 600, 7200]),
    st.sampled_from([(), ("daily 01:00-03:30",), ("Sat 22:00-Mon 06:00", "daily 12:00-13:00")]),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes, steps)
def test_over_any_history_every_due_time_is_counted_once(
    water: Organisation, wish: tuple[str, int, tuple[str, ...]], history: list[tuple[str, int, bool]]
) -> None:
    """The clock goes on, is set back, or sleeps, and rounds end or go on, over the night when clocks go back."""
    schedule, jitter, blackouts = wish
    Round.objects.all().delete()
    Plan.objects.all().delete()
    start = moment = datetime(2026, 10, 24, 20, tzinfo=UTC)
    wanted = PlanRequest(
        "any", PlanKind.ROUTINE, "tester", (), schedule, "Europe/Berlin", jitter=jitter, blackouts=blackouts
    )
    this = make_plan(wanted, start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "tool_versions", lambda: {"nmap": "7.93"})
        for event, minutes, ends in history:
            moment += timedelta(minutes=-minutes if event == "back" else minutes if event == "on" else 20 * minutes)
            made = tick(moment)
            assert len(made) <= 1
            assert not made or open_again(parse_windows(blackouts), moment, BERLIN) is None
            assert all(each.due and each.due + put_off(this.pk, each.due, jitter) <= moment for each in made)
            if ends:
                end_rounds()

    rounds = list(Round.objects.order_by("pk"))
    made_for = [each.due for each in rounds if each.due]
    assert made_for == sorted(set(made_for))
    if made_for:
        due = list(parse_schedule(schedule).due_times(start, made_for[-1], BERLIN, start))
        assert sum(1 + each.missed for each in rounds) == len(due)
