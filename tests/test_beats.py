"""What runs by itself asks the database the same few questions at each beat, however long its history is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from scanner.accounts import people
from scanner.accounts.roles import Role
from scanner.delivery.duties import Duties
from scanner.delivery.sender import Mailer
from scanner.flow import Sentinel, hooks
from scanner.remediation.cadence import make_cadence_rounds
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Attention
from scanner.rounds.clock import tick
from scanner.rounds.lease import Observer
from scanner.rounds.models import Round
from scanner.rounds.ways import Ways
from scanner.rounds.worker import Hand
from scanner.upkeep.retention import Policy, prune_unattended
from scanner.webhooks.caller import Caller
from scanner.webhooks.hooks import add
from scanner.webhooks.models import Call
from scanner.webhooks.models import Event as Told
from scanner.webhooks.post import Told as Answer
from targets.models import Organisation
from tests.delivery.daily import ROOMY
from tests.delivery.office import NOW, finding, followed_round, happened, installed, plan, unit

pytestmark = pytest.mark.django_db

GROWS = re.compile(
    r"(rounds_(round|job|hostresult)|remediation_(finding|exemption|attention)|delivery_(message|notice|told)"
    r"|webhooks_call|reports_)\w*"
)
"""Tables that grow with the history, or with what is registered."""

Look = Callable[[dt.datetime], object]


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed(), override_settings(CADENCE=True):
        yield


def beats() -> dict[str, Look]:
    """What looks at the database every few seconds or minutes, by itself."""

    def taken(*_: object, **__: object) -> Answer:
        return Answer(True, "HTTP 200")

    hand = Hand("serve:test", Ways(now=lambda: NOW), hooks(lambda: NOW), Observer())
    return {
        "clock": tick,
        "worker": lambda _: hand.work_one(),
        "cadence": make_cadence_rounds,
        "sentinel": Sentinel().look,
        "caller": Caller(taken).look,
        "mailer": lambda _: Mailer(lambda: NOW).send_due(),
        "duties": Duties(lambda: ROOMY).run,
    }


def history(owner: Organisation, rounds: int) -> None:
    """Rounds that ended, what they found, and what was told of it."""
    known = [finding(owner, port=port, deadline=NOW - dt.timedelta(days=port)) for port in range(1, 4)]
    for age in range(rounds, 0, -1):
        at = NOW - dt.timedelta(days=age)
        this = followed_round(owner, at=at)
        for each in known:
            happened(each, Happened.REOPENED, at, this)


def asked(look: Look, now: dt.datetime) -> tuple[list[str], list[str]]:
    """Return what one look asks, and how the database reads whole tables for it that grow."""
    questions: list[str] = []
    read_whole: list[str] = []
    explaining = False

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal explaining
        if not explaining and sql.startswith(("SELECT", "UPDATE", "DELETE")):
            questions.append(sql)
            explaining = True
            read_whole.extend(_read_whole(sql, params))
            explaining = False
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # so that small tables are read as large ones are
            cursor.execute("SET LOCAL enable_seqscan = off")
    with connection.execute_wrapper(explain):
        look(now)
    return questions, read_whole


def _read_whole(sql: str, params: Any) -> list[str]:
    how, scan = ("EXPLAIN", r"Seq Scan on (\w+)") if connection.vendor == "postgresql" else (
        "EXPLAIN QUERY PLAN", r"SCAN (\w+)"
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {sql}", params)
        steps = [str(row[-1]) for row in cursor.fetchall()]
    found = [match for step in steps for match in re.findall(scan, step)]
    return [f"{table}: {sql}" for table in found if GROWS.fullmatch(table)]


def test_a_beat_asks_the_same_questions_whatever_the_history_and_reads_no_table_that_grows() -> None:
    owner = unit()
    user = people.add("siem@x.example", "SIEM", "tests", NOW - dt.timedelta(days=400))
    people.give(user, Role.OPERATOR, None, "tests", NOW)
    add(user, "tickets", "https://tickets.example/in", Told.values, "ops", NOW - dt.timedelta(days=400))
    plan(name="routine")
    looks = beats()
    history(owner, 2)
    few = _once_quiet(looks, NOW)
    history(unit("library"), 12)
    many = _once_quiet(looks, NOW + dt.timedelta(minutes=1))

    assert {name: len(questions) for name, (questions, _) in many.items()} == {
        name: len(questions) for name, (questions, _) in few.items()
    }
    assert max(len(questions) for questions, _ in many.values()) <= 12
    assert {name: whole for name, (_, whole) in many.items() if whole} == {}


def _once_quiet(looks: dict[str, Look], now: dt.datetime) -> dict[str, tuple[list[str], list[str]]]:
    """Return what each asks when all that there was to do is done."""
    for _ in range(3):  # what is told lets mails leave and calls be made
        for look in looks.values():
            look(now)
    return {name: asked(look, now) for name, look in looks.items()}


def test_hosts_that_wait_for_their_routine_round_cost_nothing_while_they_wait() -> None:
    routine = plan(name="routine")
    routine.schedule, routine.next_due = "0 3 * * *", NOW + dt.timedelta(hours=10)
    routine.save()
    owners = [unit(f"unit-{number}") for number in range(4)]
    for owner in owners:
        Attention.objects.create(organisation=owner, host="192.0.2.10", hours=7 * 24, due=NOW - dt.timedelta(hours=1))
    questions, _ = asked(make_cadence_rounds, NOW)
    assert len(questions) == 3, "plans, what each is about, hosts that are due"
    assert not Round.objects.exists()


def test_what_becomes_overdue_by_a_change_of_its_deadline_is_told_within_a_quarter_of_an_hour() -> None:
    owner = unit()
    user = people.add("siem@x.example", "SIEM", "tests", NOW - dt.timedelta(days=30))
    people.give(user, Role.OPERATOR, None, "tests", NOW)
    add(user, "tickets", "https://tickets.example/in", [Told.OVERDUE], "ops", NOW - dt.timedelta(days=30))
    found = finding(owner, deadline=NOW + dt.timedelta(days=3))
    seconds = 0.0

    def taken(*_: object, **__: object) -> Answer:
        return Answer(True, "HTTP 200")

    caller = Caller(taken, monotonic=lambda: seconds)
    caller.look(NOW)
    found.deadline = NOW - dt.timedelta(days=1)
    found.save()
    for seconds in (5.0, 899.0):
        caller.look(NOW + dt.timedelta(seconds=seconds))
        assert not Call.objects.exists()
    seconds = 900.0
    caller.look(NOW + dt.timedelta(seconds=seconds))
    assert Call.objects.get().event == "finding-overdue"


@pytest.mark.parametrize("name", ["cadence", "sentinel", "caller", "duties", "upkeep"])
def test_whoever_is_told_to_stop_begins_nothing_more(name: str) -> None:
    stop = Event()
    stop.set()
    owner = unit()
    this = followed_round(owner)
    Round.objects.filter(pk=this.pk).update(followed=None, state="running")
    Attention.objects.create(organisation=unit("library"), host="192.0.2.10", hours=12, due=NOW)
    finding(owner, deadline=NOW - dt.timedelta(days=2))
    looks: dict[str, Look] = {
        "cadence": lambda now: make_cadence_rounds(now, stop),
        "sentinel": Sentinel(stop).look,
        "caller": Caller(stop=stop).look,
        "duties": Duties(lambda: ROOMY, stop).run,
        "upkeep": lambda now: prune_unattended(now, Policy.of_settings(), stop.wait),
    }
    writes: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT"):
            writes.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        looks[name](NOW)
    assert writes == []
