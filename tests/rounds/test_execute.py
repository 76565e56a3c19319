"""A round accounts for every registered host: inspected, or not and why."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest
from django.db import OperationalError

from scanner.engine.errors import InputError
from scanner.engine.inspect import Observer, Progress, Stage
from scanner.engine.model import Endpoint, GapReason, HostInspection, Level, Outcome, Vantage
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.rounds import look, run
from scanner.rounds.execute import execute
from scanner.rounds.look import LookAt
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import HostResult, Job, PlanKind, Round
from scanner.rounds.steps import begin
from scanner.rounds.ways import Ways
from targets.models import Exclusion, Organisation
from tests.rounds.world import Engine, authorise, open_redis, open_web, organisation, planned, register, ways

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Organisation:
    return organisation()


def executed(engine: Engine, names: dict[str, list[str]] | None = None) -> dict[str, HostResult]:
    number = planned()
    execute(number, ways(engine, names))
    assert Round.objects.get(pk=number).state == "done"
    return {result.address or result.hostname: result for result in HostResult.objects.filter(round=number)}


def reason(result: HostResult) -> tuple[GapReason, str]:
    (gap,) = result.inspection().coverage.gaps
    return gap.reason, gap.detail


def test_facts_are_kept_as_they_were_seen(owner: Organisation) -> None:
    register(owner, "192.0.2.10", key=True)
    authorise(owner, "192.0.2.10")
    result = executed(Engine({"192.0.2.10": open_redis}))["192.0.2.10"]
    assert (result.outcome, result.key_target, result.ports_open) == (Outcome.INSPECTED, True, 1)
    assert (result.ports_asked, result.connections) == (2, 3)
    assert result.inspection().services[0].version == "99.0.1"


def test_a_network_is_expanded_and_what_is_excluded_is_refused_without_a_packet(owner: Organisation) -> None:
    register(owner, "192.0.2.8/30")
    authorise(owner, "192.0.2.0/24")
    Exclusion.objects.create(organisation=owner, value="192.0.2.9", reason="heart monitor")
    engine = Engine({"192.0.2.10": open_web})
    results = executed(engine)
    assert set(results) == {"192.0.2.9", "192.0.2.10"}
    assert results["192.0.2.9"].outcome == Outcome.REFUSED
    assert reason(results["192.0.2.9"]) == (
        GapReason.REFUSED_BY_SCOPE,
        "excluded address=192.0.2.9 'why=heart monitor'",
    )
    assert [target.address for plan in engine.plans for target in plan.targets] == ["192.0.2.10"]


def test_a_network_that_is_too_wide_is_refused_and_said_so(owner: Organisation) -> None:
    register(owner, "10.0.0.0/8", "192.0.2.10")
    authorise(owner, "10.0.0.0/8", "192.0.2.10")
    results = executed(Engine({"192.0.2.10": open_web}))
    assert reason(results["10.0.0.0/8"]) == (GapReason.REFUSED_BY_SCOPE, "too-wide addresses=16777216")
    assert results["192.0.2.10"].outcome == Outcome.INSPECTED


def test_every_address_of_a_name_is_inspected_and_the_name_is_pinned(owner: Organisation) -> None:
    register(owner, "www.example.cn")
    authorise(owner, "www.example.cn")
    engine = Engine({"192.0.2.1": open_web, "2001:db8::1": open_web})
    results = executed(engine, {"www.example.cn": ["192.0.2.1", "2001:db8::1"]})
    assert {(result.address, result.hostname) for result in results.values()} == {
        ("192.0.2.1", "www.example.cn"),
        ("2001:db8::1", "www.example.cn"),
    }
    assert all(target.hostname == "www.example.cn" for plan in engine.plans for target in plan.targets)


def test_a_name_that_does_not_resolve_is_an_error_with_its_reason(owner: Organisation) -> None:
    register(owner, "gone.example.cn")
    authorise(owner, "gone.example.cn")
    result = executed(Engine())["gone.example.cn"]
    assert (result.outcome, result.address) == (Outcome.ERROR, "")
    assert reason(result) == (GapReason.NAME_NOT_RESOLVED, "unknown-name hostname=gone.example.cn")


def test_a_resolver_that_gives_no_answer_is_not_taken_for_a_name_without_address(owner: Organisation) -> None:
    register(owner, "www.example.cn")
    authorise(owner, "www.example.cn")

    def unavailable(hostname: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    number = planned()
    execute(number, Ways(engine=Engine(), resolve=unavailable))
    detail = "resolver-failed hostname=www.example.cn"
    assert reason(HostResult.objects.get(round=number)) == (GapReason.NAME_NOT_RESOLVED, detail)


def test_a_name_that_leads_to_a_special_address_is_refused(owner: Organisation) -> None:
    register(owner, "rebind.example.cn")
    authorise(owner, "rebind.example.cn")
    engine = Engine()
    result = executed(engine, {"rebind.example.cn": ["169.254.169.254"]})["169.254.169.254"]
    assert result.outcome == Outcome.REFUSED
    assert engine.plans == []


def test_without_an_authorisation_nothing_is_inspected(owner: Organisation) -> None:
    register(owner, "192.0.2.10")
    engine = Engine()
    assert reason(executed(engine)["192.0.2.10"])[0] is GapReason.REFUSED_BY_SCOPE
    assert engine.plans == []


def test_level_and_vantage_are_those_of_authorisation_and_zone(owner: Organisation) -> None:
    register(owner, "192.0.2.10")
    register(owner, "192.0.2.11", vantage="internal")
    authorise(owner, "192.0.2.10", level=2)
    authorise(owner, "192.0.2.11", level=0, document="Order 2")
    engine = Engine({"192.0.2.10": open_web, "192.0.2.11": open_web})
    executed(engine)
    assert {(plan.targets[0].address, plan.level, plan.vantage) for plan in engine.plans} == {
        ("192.0.2.10", Level.CREDENTIAL, Vantage.INTERNET),
        ("192.0.2.11", Level.GREETING, Vantage.INTERNAL),
    }


def test_a_host_with_ports_of_different_levels_is_inspected_at_the_lowest(owner: Organisation) -> None:
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.10", level=2, ports="6379")
    authorise(owner, "192.0.2.10", level=1, ports="80", document="Order 2")
    engine = Engine({"192.0.2.10": open_web})
    executed(engine)
    assert [plan.level for plan in engine.plans] == [Level.READ]


def test_a_url_is_inspected_on_its_port_and_a_target_on_its_own_ports(owner: Organisation) -> None:
    register(owner, "https://192.0.2.10:8443/app")
    register(owner, "192.0.2.11", ports="6379,7000-7002")
    authorise(owner, "192.0.2.0/24")
    assert_ports = {"192.0.2.10": "8443", "192.0.2.11": "6379,7000-7002"}
    engine = Engine(dict.fromkeys(assert_ports, open_web))
    executed(engine)
    assert {plan.targets[0].address: plan.ports.tcp for plan in engine.plans} == assert_ports


def test_a_host_that_two_targets_name_is_inspected_once_on_all_their_ports(owner: Organisation) -> None:
    register(owner, "192.0.2.10")
    register(owner, "https://192.0.2.10:8443/app", key=True)
    authorise(owner, "192.0.2.10")
    engine = Engine({"192.0.2.10": open_web})
    result = executed(engine)["192.0.2.10"]
    assert [plan.ports.tcp for plan in engine.plans] == ["80,6379,8443"]
    assert result.key_target


@pytest.mark.parametrize(
    ("drawn", "key"),
    [
        ("192.0.2.8/30", "192.0.2.10"),
        ("192.0.2.10", "192.0.2.8/30"),
        ("https://192.0.2.10:8443/", "192.0.2.10"),
        ("https://www.example.cn/", "www.example.cn"),
    ],
)
def test_a_spot_check_takes_for_key_what_is_key_whichever_target_was_drawn(
    owner: Organisation, drawn: str, key: str
) -> None:
    register(owner, drawn)
    register(owner, key, key=True)
    authorise(owner, drawn)
    only = owner.targets.get(value=drawn)
    engine = Engine(dict.fromkeys(("192.0.2.9", "192.0.2.10"), open_web))
    now = dt.datetime.now(dt.UTC)
    this = make_round(RoundRequest((owner,), "tester", ports="80", kind=PlanKind.SPOT_CHECK, targets=(only.pk,)), now)
    execute(this.pk, ways(engine, {"www.example.cn": ["192.0.2.10"]}))
    results = HostResult.objects.filter(round=this)
    assert {each.target_id for each in results} == {only.pk}
    assert [each.address for each in results.filter(key_target=True)] == ["192.0.2.10"]


def test_what_the_register_forbids_during_a_round_is_no_longer_touched(owner: Organisation) -> None:
    register(owner, "192.0.2.10", "192.0.2.11")
    authorise(owner, "192.0.2.0/24")
    asked: dict[str, str | None] = {}

    async def engine(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        first, second = plan.targets
        asked[first.address] = gate(Endpoint(first.address, 80))
        yield open_web(first, plan)
        asked[second.address] = gate(Endpoint(second.address, 80))

    number = planned()
    original = LookAt.store

    def store_and_forbid(self: LookAt, rows: list[HostResult]) -> None:
        original(self, rows)
        if any(row.address == "192.0.2.10" for row in rows):
            owner.authorisations.update(valid_until=dt.datetime.now(dt.UTC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LookAt, "store", store_and_forbid)
        patch.setattr(run, "PAUSE", 0)
        execute(number, Ways(engine=engine))
    assert asked["192.0.2.10"] is None
    assert (asked["192.0.2.11"] or "").startswith("authorisation-ended")
    left = HostResult.objects.get(round=number, address="192.0.2.11")
    assert (left.outcome, reason(left)[0]) == (Outcome.ERROR, GapReason.TOOL_FAILED)


def test_ctrl_c_keeps_what_was_seen_and_accounts_for_the_rest(owner: Organisation) -> None:
    register(owner, "192.0.2.10", "192.0.2.11", "gone.example.cn")
    other = organisation("power")
    register(other, "192.0.2.12")
    for each in (owner, other):
        authorise(each, "192.0.2.0/24")

    async def engine(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        if plan.targets[0].address != "192.0.2.12":
            raise KeyboardInterrupt
        yield open_web(plan.targets[0], plan)

    number = planned()
    with pytest.raises(KeyboardInterrupt):
        execute(number, replace(ways(Engine()), engine=engine))
    assert Round.objects.get(pk=number).state == "cancelled"
    results = {result.address: result for result in HostResult.objects.filter(round=number)}
    assert results["192.0.2.12"].outcome == Outcome.INSPECTED
    assert reason(results["192.0.2.10"])[0] is GapReason.CANCELLED
    assert reason(results["192.0.2.11"])[0] is GapReason.CANCELLED
    assert reason(results[""])[0] is GapReason.NAME_NOT_RESOLVED


def test_a_host_over_which_the_engine_fails_three_times_is_set_aside(owner: Organisation) -> None:
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.10")

    async def engine(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        tries.append(len(plan.targets))
        raise RuntimeError("a bug")
        yield

    tries: list[int] = []
    number = planned()
    execute(number, Ways(engine=engine))
    result = HostResult.objects.get(round=number)
    assert (result.outcome, reason(result)[0]) == (Outcome.ERROR, GapReason.SET_ASIDE)
    assert tries == [1, 1, 1]


def test_a_locked_database_loses_only_what_it_did_not_take_and_the_round_goes_on_later(
    owner: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(owner, "192.0.2.10", "192.0.2.11")
    authorise(owner, "192.0.2.0/24")
    engine = Engine({"192.0.2.10": open_web, "192.0.2.11": open_web})
    number = planned()
    store = LookAt.store

    def locked(self: LookAt, rows: list[HostResult]) -> None:
        if any(row.address == "192.0.2.11" for row in rows):
            raise OperationalError("database is locked")
        store(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(look, "AT_ONCE", 1)
        patch.setattr(LookAt, "store", locked)
        with pytest.raises(OperationalError):
            execute(number, ways(engine))
    assert [result.address for result in HostResult.objects.filter(round=number)] == ["192.0.2.10"]
    execute(number, ways(engine))
    assert [target.address for target in engine.plans[-1].targets] == ["192.0.2.11"]
    assert HostResult.objects.filter(round=number).count() == 2


def test_each_organisation_is_inspected_by_its_own_register(owner: Organisation) -> None:
    other = organisation("power")
    register(owner, "192.0.2.10")
    register(other, "192.0.2.10", shared=True)
    authorise(owner, "192.0.2.10")
    number = planned()
    execute(number, ways(Engine({"192.0.2.10": open_web})))
    outcomes = HostResult.objects.filter(round=number).values_list("organisation__slug", "outcome")
    assert dict(outcomes) == {"water": "inspected", "power": "refused"}


def test_the_observer_hears_of_every_host(owner: Organisation) -> None:
    register(owner, "192.0.2.10", "198.51.100.1")
    authorise(owner, "192.0.2.10")
    heard: list[Stage] = []
    expected: list[int] = []

    async def engine(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        for target in plan.targets:
            observer(Progress(Stage.DONE, target))
            yield open_web(target, plan)

    def watch(hosts: Callable[[], int]) -> AbstractContextManager[Observer]:
        expected.append(hosts())
        return nullcontext(lambda progress: heard.append(progress.stage))

    execute(planned(), Ways(engine=engine, watch=watch))
    assert heard == [Stage.DONE]
    assert expected == [1], "a host that may not be touched makes no progress"


def test_hosts_of_an_organisation_that_was_prepared_later_are_counted_as_they_come(owner: Organisation) -> None:
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24")
    other = organisation("power")
    register(other, "198.51.100.1", "198.51.100.2")
    authorise(other, "198.51.100.0/24")
    number, told = planned(), list[int]()
    asked: list[Callable[[], int]] = []

    async def engine(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        for target in plan.targets:
            observer(Progress(Stage.DONE, target))
            yield open_web(target, plan)

    def watch(hosts: Callable[[], int]) -> AbstractContextManager[Observer]:
        asked.append(hosts)
        return nullcontext(lambda _: told.append(asked[0]()))

    begin(number, dt.datetime.now(dt.UTC))
    Job.objects.filter(organisation=other).update(not_before=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    execute(number, Ways(engine=engine, watch=watch))
    assert (len(asked), told) == (1, [1, 3, 3]), "one display, whose total grows"


def test_bad_ports_and_unknown_organisations_make_no_round(owner: Organisation) -> None:
    with pytest.raises(InputError, match="70000"):
        planned(ports="70000")
    with pytest.raises(LookupError, match="nobody"):
        planned("nobody")
    assert not Round.objects.exists()
