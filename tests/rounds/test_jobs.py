"""Jobs are claimed, kept, lost, put off, set aside and fenced as their rows say, whatever the clock does."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.inspect import Observer as Watcher
from scanner.engine.model import GapReason, HostInspection, Outcome, Target, Transport
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.rounds import lease, steps
from scanner.rounds.assignment import read_hosts
from scanner.rounds.execute import execute
from scanner.rounds.lease import LEASE, Lease, LeaseLost, Observer, claim, is_gone, worker_name
from scanner.rounds.look import LOSSES_ALONE_FROM, LOSSES_ASIDE_FROM, LookAt
from scanner.rounds.models import HostResult, Job, JobKind, JobState, LookNumber, Round
from scanner.rounds.models import Plan as PlanRow
from scanner.rounds.switch import blocked_until, current_stop, lift_stop, stop_all
from scanner.rounds.ways import Again, Hooks, Ways
from scanner.rounds.worker import Hand
from targets.models import Organisation, Zone
from targets.models import Target as TargetRow
from tests.rounds.world import Engine, authorise, open_web, organisation, planned, register, ways

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 25, 10, 0, tzinfo=dt.UTC)  # a Wednesday; 18:00 in Shanghai
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR
HOSTS = ("192.0.2.10", "192.0.2.11", "192.0.2.12")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> dt.datetime:
        return self.time


@pytest.fixture
def owner() -> Organisation:
    owner = organisation()
    register(owner, *HOSTS)
    authorise(owner, "192.0.2.0/24")
    return owner


@pytest.fixture
def engine() -> Engine:
    return Engine(dict.fromkeys(HOSTS, open_web))


def hand(using: Ways, hooks: Hooks | None = None, name: str = "") -> Hand:
    return Hand(name or worker_name("serve"), using, hooks or Hooks(), Observer())


def a_look(now: dt.datetime = NOW) -> tuple[Job, Lease]:
    """A round whose hosts are listed, and the claimed job that looks at them."""
    number = planned()
    steps.begin(number, now)
    hand(ways(Engine())).work_one()
    held = claim("worker", now)
    assert held is not None
    return Job.objects.select_related("round", "organisation").get(pk=held.job_id), held


def look_at(job: Job, held: Lease, using: Ways) -> LookAt:
    return LookAt(held, job, using, lambda _: None, lambda: None)


def states(kind: JobKind = JobKind.LOOK) -> list[str]:
    return list(Job.objects.filter(kind=kind).order_by("pk").values_list("state", flat=True))


def seen(outcome: Outcome = Outcome.INSPECTED) -> set[str]:
    return set(HostResult.objects.filter(outcome=outcome).values_list("address", flat=True))


def test_a_worker_that_lost_its_lease_can_write_nothing(owner: Organisation, engine: Engine) -> None:
    job, held = a_look()
    assert lease.take_back(job.pk, held.attempt, Job.objects.get(pk=job.pk).beat)
    again = claim("another", NOW)
    assert again == Lease(job.pk, held.attempt + 1)
    with pytest.raises(LeaseLost):
        look_at(job, held, ways(engine)).carry_out()
    with pytest.raises(LeaseLost):
        held.beat(NOW)
    with pytest.raises(LeaseLost):
        held.put_back()
    with pytest.raises(LeaseLost):
        steps.end_job(held, job, NOW)
    assert not HostResult.objects.exists()
    assert Job.objects.get(pk=job.pk).worker == "another"


@pytest.mark.parametrize("step", [2 * HOUR, -2 * HOUR], ids=["forward", "back"])
def test_a_clock_that_steps_neither_steals_a_job_nor_strands_it(owner: Organisation, step: dt.timedelta) -> None:
    job, held = a_look()
    seconds = 0.0
    observer = Observer(lambda: seconds)
    assert observer.look() == 0
    held.beat(NOW + step)
    seconds = LEASE - 1
    assert observer.look() == 0
    assert Job.objects.get(pk=job.pk).state == JobState.RUNNING
    seconds += LEASE
    assert observer.look() == 1
    assert claim("another", NOW + step) == Lease(job.pk, held.attempt + 1)


def test_a_beat_keeps_a_job_and_silence_loses_it(owner: Organisation) -> None:
    _, held = a_look()
    seconds = 0.0
    observer = Observer(lambda: seconds)
    for _ in range(5):
        assert observer.look() == 0
        seconds += LEASE - 1
        held.beat(NOW)
    observer.look()
    seconds += LEASE
    assert observer.look() == 1


def test_a_worker_whose_process_ended_loses_its_job_at_once_and_one_that_lives_does_not(owner: Organisation) -> None:
    job, _ = a_look()
    own = worker_name("serve")
    kind, _, started, place, number = own.split(":")
    assert not is_gone(own)
    assert not is_gone(f"{kind}:4194304:{started}:elsewhere:{number}")
    Job.objects.filter(pk=job.pk).update(worker=f"{kind}:4194304:{started}:{place}:{number}")
    assert Observer().look() == 1
    held = claim(own, NOW)
    assert held is not None
    assert lease.take_back_from_former_service() == 0, "its process lives"
    Job.objects.filter(pk=job.pk).update(worker=f"{kind}:1:{started}:elsewhere:{number}")
    assert lease.take_back_from_former_service() == 1


def test_a_host_that_kills_the_probes_is_set_aside_alone(owner: Organisation) -> None:
    poison = HOSTS[1]
    looks: list[list[str]] = []

    async def engine(plan: Plan, gate: Gate, observer: Watcher) -> AsyncIterator[HostInspection]:
        looks.append([target.address for target in plan.targets])
        for target in plan.targets:
            if target.address == poison:
                raise RuntimeError("a parser bug")
            yield open_web(target, plan)

    execute(planned(), Ways(engine=engine))
    assert seen() == set(HOSTS) - {poison}
    result = HostResult.objects.get(address=poison)
    assert [gap.reason for gap in result.inspection().coverage.gaps] == [GapReason.SET_ASIDE]
    assert looks == [list(HOSTS), [poison, HOSTS[2]], [poison], [HOSTS[2]]]


def test_losing_worker_after_worker_without_a_result_sets_hosts_aside(owner: Organisation, engine: Engine) -> None:
    number = planned()
    using = ways(engine)
    steps.begin(number, NOW)
    hand(using).work_one()
    Job.objects.filter(kind=JobKind.LOOK).update(losses=LOSSES_ALONE_FROM)
    assert hand(using).work_one()
    assert sorted(len(job.hosts) for job in Job.objects.filter(kind=JobKind.LOOK)) == [0, 1, 1, 1]
    Job.objects.filter(kind=JobKind.LOOK, state=JobState.WAITING, hosts__0__2=HOSTS[0]).update(losses=LOSSES_ASIDE_FROM)
    execute(number, using)
    assert seen() == set(HOSTS[1:])
    assert seen(Outcome.ERROR) == {HOSTS[0]}


def test_a_result_ends_the_row_of_losses(owner: Organisation, engine: Engine) -> None:
    job, held = a_look()
    Job.objects.filter(pk=job.pk).update(losses=4)
    look_at(job, held, ways(engine)).carry_out()
    assert Job.objects.get(pk=job.pk).losses == 0


def test_names_stay_pinned_for_the_whole_round(engine: Engine) -> None:
    owner = organisation()
    register(owner, "www.example.cn")
    authorise(owner, "www.example.cn")
    names = {"www.example.cn": [HOSTS[0]]}
    using = ways(engine, names)
    worker = hand(using, Hooks(doubt=lambda _: [Again(HostResult.objects.get().pk, ((80, Transport.TCP),))]))
    planned()
    worker.work_one()
    names["www.example.cn"] = [HOSTS[1]]
    while worker.work_one():
        pass
    looked = HostResult.objects.order_by("look").values_list("look", "address", "hostname")
    assert list(looked) == [(1, HOSTS[0], "www.example.cn"), (2, HOSTS[0], "www.example.cn")]
    assert Round.objects.get().state == "done"


def test_every_step_may_be_done_again_after_a_crash(owner: Organisation, engine: Engine) -> None:
    followed: list[int] = []
    hooks = Hooks(
        doubt=lambda _: [Again(HostResult.objects.get(address=HOSTS[0], look=1).pk, ((80, Transport.TCP),))],
        follow=followed.append,
    )
    steps.begin(planned(), NOW)
    crashes = 0
    while True:
        worker = hand(ways(engine), hooks)
        held = claim("a worker that crashes", NOW)
        if held is not None:
            crashes += 1
            assert lease.take_back(held.job_id, held.attempt, Job.objects.get(pk=held.job_id).beat)
        if not worker.work_one():
            break
    assert crashes == 5
    assert list(HostResult.objects.values_list("look").order_by("look")) == [(1,), (1,), (1,), (2,)]
    assert (len(followed), Round.objects.get().state) == (1, "done")
    kinds = list(Job.objects.order_by("pk").values_list("kind", "look", "state"))
    assert kinds == [
        ("prepare", 1, "done"),
        ("look", 1, "done"),
        ("doubt", 1, "done"),
        ("look", 2, "done"),
        ("follow", 1, "done"),
    ]


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
    worker = hand(ways(engine), Hooks(follow=followed.append))
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


def test_a_round_about_a_part_looks_at_that_part(owner: Organisation, engine: Engine) -> None:
    number = planned()
    chosen = owner.targets.get(value=HOSTS[1]).pk
    Round.objects.update(targets=[chosen])
    execute(number, ways(engine))
    assert [target.address for plan in engine.plans for target in plan.targets] == [HOSTS[1]]
    number = planned()
    Round.objects.filter(pk=number).update(hosts=[HOSTS[2], "gone.example.cn"])
    execute(number, ways(engine))
    assert [target.address for target in engine.plans[-1].targets] == [HOSTS[2]]


def test_jobs_hold_at_most_64_hosts_of_the_same_terms() -> None:
    owner = organisation()
    register(owner, "192.0.2.0/25")
    register(owner, "198.51.100.1", blackouts=["Sun 00:00-06:00"])
    authorise(owner, "192.0.2.0/24", "198.51.100.0/24")
    planned()
    hand(ways(Engine())).work_one()
    jobs = Job.objects.filter(kind=JobKind.LOOK).order_by("pk")
    assert [len(read_hosts(job)) for job in jobs] == [64, 62, 1]
    assert jobs[2].terms["blackouts"] == ["Sun 00:00-06:00"]


def test_a_step_that_fails_is_tried_again_and_then_gone_on_without(owner: Organisation, engine: Engine) -> None:
    clock = Clock()

    def broken(_: int) -> list[Again]:
        raise ValueError("a bug")

    worker = hand(replace(ways(engine), now=clock), Hooks(doubt=broken))
    planned()
    for _ in range(12):
        worker.work_one()
        clock.time += dt.timedelta(minutes=5)
    assert states(JobKind.DOUBT) == ["done"]
    assert not HostResult.objects.filter(look=LookNumber.AGAIN).exists()
    assert Round.objects.get().state == "done"


def test_an_organisation_whose_hosts_can_not_be_listed_is_accounted_for(owner: Organisation, engine: Engine) -> None:
    register(owner, "www.example.cn")
    clock = Clock()

    def broken(name: str) -> list[str]:
        raise ValueError("a bug")

    worker = hand(replace(ways(engine), now=clock, resolve=broken))
    planned()
    for _ in range(6):
        worker.work_one()
        clock.time += dt.timedelta(minutes=5)
    assert set(HostResult.objects.values_list("address", "hostname")) == {
        *((address, "") for address in HOSTS),
        ("", "www.example.cn"),
    }
    assert Round.objects.get().state == "done"


def test_what_follows_a_round_is_tried_until_it_succeeds(owner: Organisation, engine: Engine) -> None:
    clock = Clock()
    tries: list[int] = []

    def follow(number: int) -> None:
        tries.append(number)
        if len(tries) < 6:
            raise OSError("disk full")

    worker = hand(replace(ways(engine), now=clock), Hooks(follow=follow))
    planned()
    for _ in range(12):
        worker.work_one()
        clock.time += dt.timedelta(minutes=5)
    assert (len(tries), Round.objects.get().state) == (6, "done")


def test_older_rounds_are_finished_first_but_for_more_important_ones(owner: Organisation, engine: Engine) -> None:
    first, second, urgent = planned(), planned(), planned()
    Round.objects.filter(pk=urgent).update(priority=5)
    order: list[int] = []
    worker = hand(ways(engine), Hooks(follow=order.append))
    while worker.work_one():
        pass
    assert order == [urgent, first, second]


def test_hosts_that_no_job_named_are_not_taken_from_the_engine(owner: Organisation) -> None:
    async def engine(plan: Plan, gate: Gate, observer: Watcher) -> AsyncIterator[HostInspection]:
        yield open_web(Target("x", "203.0.113.1"), plan)
        for target in plan.targets:
            yield open_web(target, plan)

    execute(planned(), Ways(engine=engine))
    assert seen() == set(HOSTS)


def test_hosts_that_can_not_be_looked_at_for_a_bug_of_ours_are_set_aside(
    owner: Organisation, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def broken(name: str) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("scanner.rounds.look.policy", broken)
    worker = hand(replace(ways(engine), now=clock))
    planned()
    for _ in range(12):
        worker.work_one()
        clock.time += dt.timedelta(minutes=5)
    assert (seen(Outcome.ERROR), engine.plans) == (set(HOSTS), [])
    assert Round.objects.get().state == "done"
