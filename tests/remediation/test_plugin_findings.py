"""A plugin's finding is closed only when the plugin took part, could judge, and did not see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.judge import judge_whole, with_unjudged
from scanner.engine.model import Endpoint, HostInspection, Outcome, Service, Target
from scanner.engine.plan import Plan
from scanner.engine.plugins import load
from scanner.engine.plugins.api import Context, Finding, Rule
from scanner.flow import carry_out
from scanner.remediation.models import Finding as FindingRow
from scanner.rounds.models import HostResult, Round
from tests.plugging import CHECK, Plugs, plugin, write_catalogue
from tests.rounds.world import Answer, Engine, authorise, inspected, organisation, planned, register, ways

pytestmark = pytest.mark.django_db

HOST, PORT = "192.0.2.10", 7001
REDIS_CHECK = "SVC-REDIS-UNAUTH"


def answer(access: Access, *plugins: str) -> Answer:
    """A thing and a Redis, both of this access, as seen while these plugins took part."""

    def look(target: Target, plan: Plan) -> HostInspection:
        thing = Service(Endpoint(HOST, PORT), "x-acme-thing", facts=ServiceFacts("X-ACME-THING", access))
        redis = Service(Endpoint(HOST, 6379), "redis", facts=ServiceFacts("REDIS", access))
        both = (redis, thing)
        seen = replace(inspected(target, plan, (6379, PORT), both, both), plugins=plugins)
        return with_unjudged(seen, judge_whole(seen).unjudged)

    return look


def nothing_listens(target: Target, plan: Plan) -> HostInspection:
    return inspected(target, plan, (80,), (Service(Endpoint(HOST, 80), "http"),))


def breaks(service: Service, context: Context) -> Iterable[Finding]:
    raise ZeroDivisionError


def a_round(seen: Answer) -> None:
    carry_out(planned(ports="80,6379,7001"), ways(Engine({HOST: seen})))


@pytest.fixture
def opened(plug: Plugs, tmp_path: Path) -> Plugs:
    """An organisation with a plugin's finding and one of ours."""
    owner = organisation()
    register(owner, HOST)
    authorise(owner, HOST)
    plug(acme=plugin(tmp_path))
    a_round(answer(Access.OPEN, "acme"))
    assert states() == {CHECK: "open", REDIS_CHECK: "open"}
    assert "plugin acme" in Round.objects.get().tools
    return plug


def states() -> dict[str, str]:
    checks = FindingRow.objects.filter(check_id__in=(CHECK, REDIS_CHECK))
    return dict(checks.values_list("check_id", "state"))


def happened() -> set[str]:
    last = Round.objects.latest("pk")
    return set(last.finding_events.filter(finding__check_id=CHECK).values_list("kind", flat=True))


@pytest.mark.parametrize("seen", [answer(Access.RESTRICTED, "acme"), nothing_listens])
def test_what_the_plugin_no_longer_sees_and_a_port_that_is_shut_are_fixed(opened: Plugs, seen: Answer) -> None:
    a_round(seen)
    assert states() == {CHECK: "fixed", REDIS_CHECK: "fixed"}


def _uninstall(plug: Plugs, folder: Path) -> None:
    plug()


def _switch_off(plug: Plugs, folder: Path) -> None:
    load.leave_out({"acme"})
    load.forget()


def _spoil(plug: Plugs, folder: Path) -> None:
    plug(acme=replace(plugin(folder), catalogue=write_catalogue(folder / "c", CHECK, chinese="de")))


def _let_the_rule_fail(plug: Plugs, folder: Path) -> None:
    plug(acme=plugin(folder, Rule(frozenset({CHECK}), breaks)))


@pytest.mark.parametrize("trouble", [_uninstall, _switch_off, _spoil, _let_the_rule_fail])
def test_a_plugin_that_can_not_judge_closes_nothing_of_its_own_and_hinders_nothing_of_ours(
    opened: Plugs, trouble: Callable[[Plugs, Path], None], tmp_path: Path
) -> None:
    trouble(opened, tmp_path)
    a_round(answer(Access.RESTRICTED, "acme"))
    assert states() == {CHECK: "open", REDIS_CHECK: "fixed"}
    assert happened() == {"not-inspected"}
    failed = {result.outcome for result in HostResult.objects.filter(round=Round.objects.latest("pk"))}
    assert failed == {Outcome.PARTIAL if trouble is _let_the_rule_fail else Outcome.INSPECTED}


def test_a_look_in_which_the_plugin_took_no_part_closes_nothing_of_it(opened: Plugs) -> None:
    a_round(answer(Access.RESTRICTED))
    assert states() == {CHECK: "open", REDIS_CHECK: "fixed"}
    assert happened() == {"not-inspected"}
