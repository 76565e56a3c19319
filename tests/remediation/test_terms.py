"""By which plan's terms findings are due."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding
from scanner.rounds.models import Plan, PlanKind
from targets.models import Organisation
from tests.days import last_second
from tests.remediation.looks import a_round, day, followed, looks
from tests.rounds.world import authorise, old_elasticsearch, open_redis, open_web, organisation, register

pytestmark = pytest.mark.django_db

USUAL, KEY = dt.timedelta(days=3), dt.timedelta(days=1.5)


def owner(slug: str = "water", *, key: bool = False) -> Organisation:
    made = organisation(slug)
    register(made, "192.0.2.10", key=key, shared=True)
    authorise(made, "192.0.2.0/24")
    return made


def plan(name: str, days: float, *owners: Organisation, **fields: object) -> Plan:
    made = Plan.objects.create(
        name=name,
        **{"kind": PlanKind.ROUTINE, "profile": "standard", "ports": "80", "created": day(0), **fields},
        deadlines={"critical": days},
    )
    made.organisations.set(owners)
    return made


def is_due_after(allowed: dt.timedelta) -> bool:
    found = Finding.objects.get()
    assert found.reported is not None
    return found.deadline == last_second(found.reported + allowed, found.organisation.time_zone)


@pytest.mark.parametrize(("key", "expected"), [(False, USUAL), (True, KEY)])
def test_without_a_plan_the_usual_times_hold(key: bool, expected: dt.timedelta) -> None:
    followed(owner(key=key), open_redis, 0)
    assert is_due_after(expected)


def test_a_plans_round_goes_by_its_plan() -> None:
    water = owner()
    plan("other", 9, water)
    followed(water, open_redis, 0, plan=plan("ours", 2, water), kind=PlanKind.ROUTINE)
    assert is_due_after(dt.timedelta(days=2))


def test_a_round_without_a_plan_goes_by_the_organisations_first_routine_plan() -> None:
    water, power = owner(), owner("power")
    plan("theirs", 1, power)
    plan("removed", 1, water, retired_at=day(0))
    plan("campaign", 1, water, kind=PlanKind.CAMPAIGN)
    plan("ours", 5, power, water)
    plan("later", 1, water)
    followed(water, open_redis, 0)
    assert is_due_after(dt.timedelta(days=5))


def test_a_plan_for_everyone_is_an_organisations_too() -> None:
    water = owner()
    plan("everyone", 5)
    followed(water, open_redis, 0)
    assert is_due_after(dt.timedelta(days=5))


def test_a_deadline_that_runs_stays_when_the_plan_changes() -> None:
    water = owner()
    routine = plan("ours", 5, water)
    followed(water, open_redis, 0)
    Plan.objects.filter(pk=routine.pk).update(deadlines={"critical": 1})
    followed(water, open_redis, 1)
    assert is_due_after(dt.timedelta(days=5))


def test_what_a_round_between_rounds_saw_is_due_from_the_report_that_tells_it() -> None:
    water = owner()
    between: dict[str, Any] = {"kind": PlanKind.CADENCE, "hosts": ("192.0.2.10",)}
    followed(water, old_elasticsearch("7.10.0"), 0, **between)
    followed(water, old_elasticsearch("7.10.0"), 1, **between)
    assert set(Finding.objects.values_list("reported", "deadline")) == {(None, None)}, "nobody was told"

    followed(water, old_elasticsearch("7.10.0"), 5)
    assert set(Finding.objects.values_list("reported", flat=True)) == {day(5) + dt.timedelta(hours=1)}


def test_what_is_alerted_between_rounds_is_due_from_then() -> None:
    water = owner()
    between: dict[str, Any] = {"kind": PlanKind.CADENCE, "hosts": ("192.0.2.10",)}
    followed(water, open_redis, 0, **between)
    assert is_due_after(USUAL)
    followed(water, open_web, 1)
    followed(water, open_redis, 2, **between)
    assert is_due_after(USUAL)
    assert Finding.objects.get().reported == day(2) + dt.timedelta(hours=1), "a recurrence is alerted"


def test_an_organisation_that_was_retired_while_its_round_ran_can_not_be_late() -> None:
    water = owner()
    this = a_round(water, 0)
    looks(this, "192.0.2.10", open_redis, 0)
    Organisation.objects.update(retired_at=day(0.01))
    follow_round(this.pk, day(0.1))
    assert (Finding.objects.get().reported, Finding.objects.get().deadline) == (None, None)
