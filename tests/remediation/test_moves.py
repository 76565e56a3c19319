"""Findings of a name that moved to another address are closed where it leads now, once it surely left the old one."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models import F

from scanner.flow import carry_out
from scanner.remediation.models import Finding, FindingEvent
from scanner.rounds.models import HostResult, Round
from tests.rounds.world import Answer, Engine, authorise, open_redis, open_web, organisation, planned, register, ways

pytestmark = pytest.mark.django_db

NAME = "db.example.cn"
OLD, NEW, OTHER = "192.0.2.21", "192.0.2.22", "192.0.2.23"


@pytest.fixture
def engine() -> Engine:
    owner = organisation()
    register(owner, NAME)
    authorise(owner, NAME, "192.0.2.0/24")
    return Engine({OLD: open_redis})


def a_round(engine: Engine, answer: Answer, *addresses: str, days_later: int = 0) -> int:
    """Inspect the name at these addresses; what was inspected before was that many days earlier."""
    earlier = dt.timedelta(days=days_later)
    HostResult.objects.update(started=F("started") - earlier, finished=F("finished") - earlier)
    Round.objects.update(created=F("created") - earlier)
    Finding.objects.update(
        **{name: F(name) - earlier for name in ("first_seen", "last_seen", "last_inspected", "reported", "deadline")}
    )
    engine.answers.update(dict.fromkeys(addresses, answer))
    number = planned(ports="80,6379")
    carry_out(number, ways(engine, {NAME: list(addresses)}))
    return number


def state() -> str:
    return Finding.objects.get(check_id="SVC-REDIS-UNAUTH").state


def test_what_was_found_at_an_address_that_the_name_left_is_fixed_where_it_leads_now(engine: Engine) -> None:
    a_round(engine, open_redis, OLD)
    a_round(engine, open_web, NEW, days_later=1)
    assert state() == "open"
    number = a_round(engine, open_web, NEW, days_later=7)
    assert state() == "fixed"
    event = FindingEvent.objects.get(round=number, kind="fixed", finding__check_id="SVC-REDIS-UNAUTH")
    assert event.detail["left"] == OLD


def test_what_is_still_found_where_the_name_leads_now_stays_open(engine: Engine) -> None:
    a_round(engine, open_redis, OLD)
    for _ in range(2):
        a_round(engine, open_redis, NEW, days_later=7)
    assert state() == "open"
    a_round(engine, open_web, NEW, days_later=1)
    assert state() == "fixed"


def test_one_answer_without_an_address_does_not_mean_that_the_name_left_it(engine: Engine) -> None:
    a_round(engine, open_redis, OLD)
    a_round(engine, open_web, NEW, days_later=30)
    assert state() == "open"


def test_a_name_that_leads_to_several_addresses_is_fixed_at_all_of_them(engine: Engine) -> None:
    a_round(engine, open_redis, OLD)
    a_round(engine, open_web, NEW, days_later=1)
    engine.answers[OTHER] = open_redis
    number = planned(ports="80,6379")
    HostResult.objects.update(
        started=F("started") - dt.timedelta(days=8), finished=F("finished") - dt.timedelta(days=8)
    )
    carry_out(number, ways(engine, {NAME: [NEW, OTHER]}))
    assert state() == "open"
