"""Jobs are claimed, kept, lost, put off, set aside and fenced as their rows say, whatever the clock does."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.inspect import Observer as Watcher
from scanner.engine.model import GapReason, HostInspection, Outcome, Target, Transport
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.rounds import lease, steps
from scanner.rounds.assignment import read_hosts
from scanner.rounds.execute import execute
from scanner.rounds.lease import LEASE, Lease, LeaseLost, Observer, claim, is_gone, worker_name
from scanner.rounds.look import LOSSES_ALONE_FROM, LOSSES_ASIDE_FROM
from scanner.rounds.models import HostResult, Job, JobKind, JobState, LookNumber, Round
from scanner.rounds.ways import Again, Hooks, Ways
from targets.models import Organisation
from tests.rounds.jobs import HOSTS, HOUR, NOW, Clock, a_look, hand, look_at, seen, states
from tests.rounds.world import Engine, authorise, open_web, organisation, planned, register, ways

pytestmark = pytest.mark.django_db


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


def test_a_process_that_the_system_hides_counts_as_gone_only_when_its_id_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As ``hidepid`` of proc(5) and ``ProtectProc`` of systemd.exec(5) hide others, and what has more rights."""
    kind, _, started, place, number = worker_name("worker").split(":")
    monkeypatch.setattr(lease, "_PROC", tmp_path)
    with subprocess.Popen(["sleep", "60"]) as process:
        hidden = f"{kind}:{process.pid}:{started}:{place}:{number}"
        assert not is_gone(hidden)
        process.kill()
        process.wait()
        assert is_gone(hidden)
    assert is_gone(f"{kind}:{10**30}:{started}:{place}:{number}")


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
    done: list[tuple[str, int, list[int]]] = []
    hooks = Hooks(
        doubt=lambda _: [Again(HostResult.objects.get(address=HOSTS[0], look=1).pk, ((80, Transport.TCP),))],
        keys=lambda number: done.append(("keys", number, [])),
        follow=lambda number, owners: done.append(("follow", number, list(owners))),
        tell=lambda number, owners: done.append(("tell", number, list(owners))),
        close=lambda number: done.append(("close", number, [])),
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
    assert crashes == 8
    assert list(HostResult.objects.values_list("look").order_by("look")) == [(1,), (1,), (1,), (2,)]
    this = Round.objects.get()
    about = {"keys": [], "follow": [owner.pk], "tell": [owner.pk], "close": []}
    assert (done, this.state) == ([(step, this.pk, owners) for step, owners in about.items()], "done")
    assert this.followed is not None
    kinds = list(Job.objects.order_by("pk").values_list("kind", "look", "state"))
    assert kinds == [
        ("prepare", 1, "done"),
        ("look", 1, "done"),
        ("doubt", 1, "done"),
        ("look", 2, "done"),
        ("keys", 1, "done"),
        ("follow", 1, "done"),
        ("tell", 1, "done"),
        ("close", 1, "done"),
    ]


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
    for _ in range(8):
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

    def follow(number: int, owners: Collection[int]) -> None:
        assert list(owners) == [owner.pk]
        tries.append(number)
        if len(tries) < 6:
            raise OSError("disk full")

    worker = hand(replace(ways(engine), now=clock), Hooks(follow=follow))
    planned()
    for _ in range(14):
        worker.work_one()
        clock.time += dt.timedelta(minutes=5)
    assert (len(tries), Round.objects.get().state) == (6, "done")


def test_a_round_that_an_older_roundsman_was_about_to_follow_is_followed_as_a_whole(
    owner: Organisation, engine: Engine
) -> None:
    done: list[tuple[str, list[int]]] = []
    worker = hand(
        ways(engine),
        Hooks(
            keys=lambda _: done.append(("keys", [])),
            follow=lambda _, owners: done.append(("follow", list(owners))),
            tell=lambda _, owners: done.append(("tell", list(owners))),
        ),
    )
    number = planned()
    while JobKind.KEYS not in set(Job.objects.values_list("kind", flat=True)):
        worker.work_one()
    Job.objects.filter(kind=JobKind.KEYS).update(kind=JobKind.FOLLOW)
    while worker.work_one():
        pass
    assert done == [("keys", []), ("follow", [owner.pk]), ("tell", [owner.pk])]
    assert Round.objects.get(pk=number).state == "done"


def test_older_rounds_are_finished_first_but_for_more_important_ones(owner: Organisation, engine: Engine) -> None:
    first, second, urgent = planned(), planned(), planned()
    Round.objects.filter(pk=urgent).update(priority=5)
    order: list[int] = []
    worker = hand(ways(engine), Hooks(close=order.append))
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

    monkeypatch.setattr("scanner.rounds.look_plan.policy", broken)
    worker = hand(replace(ways(engine), now=clock))
    planned()
    for _ in range(12):
        worker.work_one()
        clock.time += dt.timedelta(minutes=5)
    assert (seen(Outcome.ERROR), engine.plans) == (set(HOSTS), [])
    assert Round.objects.get().state == "done"
