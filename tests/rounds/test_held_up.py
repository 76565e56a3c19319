"""Stopped, paused, cancelled, in a blackout, or held to a rate: when jobs wait, and for how long."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.inspect import Observer as Watcher
from scanner.engine.model import GapReason, HostInspection, Outcome
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.rounds import steps
from scanner.rounds.execute import execute
from scanner.rounds.lease import claim
from scanner.rounds.models import HostResult, Job, JobKind, Round
from scanner.rounds.models import Plan as PlanRow
from scanner.rounds.switch import blocked_until, current_stop, lift_stop, stop_all
from scanner.rounds.ways import Hooks
from targets.models import Organisation, Zone
from targets.models import Target as TargetRow
from tests.rounds.jobs import DAY, HOSTS, HOUR, NOW, Clock, hand, seen
from tests.rounds.world import Engine, authorise, open_web, organisation, planned, register, ways

pytestmark = pytest.mark.django_db


def test_a_stop_holds_everything_up_until_it_is_lifted(owner: Organisation, engine: Engine) -> None:
    resolved: list[str] = []

    def resolve(name: str) -> list[str]:
        resolved.append(name)
        return [HOSTS[0]]

    using = replace(ways(engine), resolve=resolve)
    register(owner, "www.example.cn")
    number = planned()
    stop, new = stop_all("tester", "a fire", NOW)
    assert new
    assert stop_all("another", "", NOW) == (stop, False)
    assert not hand(using).work_one()
    with pytest.raises(RoundsmanError, match="stopped by tester"):
        execute(number, using)
    assert (resolved, engine.plans) == ([], [])
    assert lift_stop("tester", NOW)
    assert current_stop() is None
    execute(number, using)
    assert Round.objects.get().state == "done"


def test_a_round_is_paused_and_goes_on_where_it_was(owner: Organisation, engine: Engine) -> None:
    number = planned()
    using = ways(engine)
    hand(using).work_one()
    steps.pause(number, "tester", NOW)
    assert not hand(using).work_one()
    with pytest.raises(RoundsmanError, match=f"round resume {number}"):
        execute(number, using)
    with pytest.raises(InputError, match="only one that is planned or running"):
        steps.pause(number, "tester", NOW)
    assert engine.plans == []
    assert steps.unpause(number, "tester", NOW)
    execute(number, using)
    assert seen() == set(HOSTS)


@pytest.mark.parametrize("steps_done", [0, 1], ids=["before hosts are listed", "before hosts are looked at"])
def test_a_cancelled_round_accounts_for_everything_and_is_followed(
    owner: Organisation, engine: Engine, steps_done: int
) -> None:
    followed: list[int] = []
    worker = hand(ways(engine), Hooks(close=followed.append))
    number = planned()
    steps.begin(number, NOW)
    for _ in range(steps_done):
        worker.work_one()
    steps.cancel(number, "tester", NOW)
    while worker.work_one():
        pass
    this = Round.objects.get()
    assert (this.state, this.finished, followed, engine.plans) == ("cancelled", NOW, [number], [])
    gaps = {gap.reason for row in HostResult.objects.all() for gap in row.inspection().coverage.gaps}
    assert (seen(Outcome.ERROR), gaps) == (set(HOSTS), {GapReason.CANCELLED})
    with pytest.raises(InputError, match="is over"):
        steps.cancel(number, "tester", NOW)


def test_hosts_are_left_alone_in_a_blackout_and_looked_at_after_it(owner: Organisation, engine: Engine) -> None:
    owner.blackouts = ["Wed 08:00-20:00"]
    owner.save()
    clock = Clock()
    worker = hand(replace(ways(engine), now=clock))
    planned()
    assert worker.work_one(), "hosts are listed in a blackout, too"
    assert not worker.work_one()
    assert (engine.plans, Job.objects.get(kind=JobKind.LOOK).why) == ([], "blackout until 2026-11-25 12:00Z")
    clock.time = NOW + HOUR
    assert not worker.work_one()
    clock.time = NOW - HOUR
    assert not worker.work_one(), "a clock that stepped back strands nothing, and opens nothing"
    clock.time = NOW + 2 * HOUR
    assert worker.work_one()
    assert seen() == set(HOSTS)


def test_a_look_in_work_ends_when_a_blackout_begins(
    owner: Organisation, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.blackouts = ["Wed 19:00-20:00"]
    owner.save()
    clock = Clock()

    async def slow(plan: Plan, gate: Gate, observer: Watcher) -> AsyncIterator[HostInspection]:
        for target in plan.targets:
            yield open_web(target, plan)
            clock.time += HOUR

    monkeypatch.setattr("scanner.rounds.run.PAUSE", 0)
    worker = hand(replace(ways(engine), engine=slow, now=clock))
    planned()
    worker.work_one()
    worker.work_one()
    assert seen() == set(HOSTS[:2])
    look = Job.objects.get(kind=JobKind.LOOK)
    assert (look.state, look.failures, look.why) == ("waiting", 0, "blackout until 2026-11-25 12:00Z")
    clock.time = NOW + 2 * HOUR
    assert worker.work_one()
    assert seen() == set(HOSTS)


def test_a_window_that_a_target_gets_while_its_round_runs_holds_at_once(owner: Organisation, engine: Engine) -> None:
    clock = Clock()
    worker = hand(replace(ways(engine), now=clock))
    planned()
    worker.work_one()
    TargetRow.objects.filter(value=HOSTS[0]).update(blackouts=["Wed 08:00-20:00"])
    assert not worker.work_one()
    assert (engine.plans, Job.objects.get(kind=JobKind.LOOK).why) == ([], "blackout until 2026-11-25 12:00Z")
    TargetRow.objects.update(blackouts=[])
    clock.time = NOW + dt.timedelta(minutes=6)
    assert worker.work_one()
    assert seen() == set(HOSTS)


@pytest.mark.parametrize(
    ("windows", "next_due", "waits"),
    [
        (["Wed 17:00-20:00"], HOUR, True),
        (["Wed 00:00-Fri 20:00"], 7 * DAY, True),
        (["Wed 00:00-Fri 20:00"], DAY, False),
        (["2026-11-25/2026-12-20"], 60 * DAY, False),
        (["daily 00:00-12:00", "daily 12:00-24:00"], 60 * DAY, False),
    ],
)
def test_a_round_waits_for_the_end_of_a_blackout_but_not_for_weeks_nor_beyond_the_next_one(
    owner: Organisation, engine: Engine, windows: list[str], next_due: dt.timedelta, waits: bool
) -> None:
    plan = PlanRow.objects.create(
        name="p", kind="routine", profile="standard", ports="80", created=NOW, next_due=NOW + next_due
    )
    owner.blackouts = windows[:1]
    owner.save()
    register(owner, "192.0.2.99", blackouts=windows[1:])
    TargetRow.objects.update(blackouts=windows[1:])
    clock = Clock()
    number = planned()
    Round.objects.update(plan=plan)
    worker = hand(replace(ways(engine), now=clock))
    while worker.work_one():
        pass
    assert engine.plans == []
    this = Round.objects.get(pk=number)
    if waits:
        assert (this.state, HostResult.objects.count()) == ("running", 0)
    else:
        assert (this.state, seen(Outcome.REFUSED)) == ("done", {*HOSTS, "192.0.2.99"})
        assert {gap.reason for each in HostResult.objects.all() for gap in each.inspection().coverage.gaps} == {
            GapReason.BLACKOUT
        }


def test_windows_that_can_not_be_read_let_no_packet_out_and_hold_up_no_other(
    owner: Organisation, engine: Engine
) -> None:
    other = organisation("power")
    register(other, "192.0.2.20")
    authorise(other, "192.0.2.0/24")
    engine.answers["192.0.2.20"] = open_web
    worker = hand(ways(engine))
    planned("power", "water")
    assert [worker.work_one() for _ in range(2)] == [True, True]
    Organisation.objects.filter(pk=other.pk).update(time_zone="Mars/Olympus")
    assert worker.work_one()
    assert seen() == set(HOSTS)
    assert "its blackouts can't be read" in Job.objects.values_list("why", flat=True)


def test_windows_of_plan_organisation_and_targets_hold_alike(owner: Organisation) -> None:
    this = Round.objects.get(pk=planned())
    assert blocked_until(this, owner, ["Wed 17:00-19:00"], NOW) == NOW + HOUR
    owner.blackouts = ["Wed 17:00-20:00"]
    assert blocked_until(this, owner, ["Wed 17:00-19:00"], NOW) == NOW + 2 * HOUR
    assert blocked_until(this, owner, [], NOW - 2 * HOUR) is None


@pytest.mark.parametrize("capped", ["organisation", "zone", "round"])
def test_what_has_a_rate_cap_is_worked_by_one_job_at_a_time(capped: str) -> None:
    owner = organisation(rate=100 if capped == "organisation" else 0)
    register(owner, HOSTS[0], ports="80")
    register(owner, HOSTS[1], ports="81")
    authorise(owner, "192.0.2.0/24")
    number = planned()
    if capped == "zone":
        Zone.objects.update(rate=50)
    if capped == "round":
        Round.objects.update(rate=20)
    hand(ways(Engine())).work_one()
    first = claim("one", NOW)
    assert first is not None
    assert claim("another", NOW) is None
    first.finish(NOW)
    assert claim("another", NOW) is not None
    assert Round.objects.get(pk=number).state == "running"


def test_the_least_rate_that_is_set_reaches_the_engine(owner: Organisation, engine: Engine) -> None:
    number = planned()
    owner.rate = 80
    owner.save()
    Zone.objects.update(rate=50)
    Round.objects.update(rate=200)
    execute(number, ways(engine))
    assert [plan.limits.rate for plan in engine.plans] == [50]
