"""Findings on a real database: the same history gives the same standing, whatever died, was renamed or moved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from scanner.engine.catalogue.load import Catalogue
from scanner.engine.plugins import load
from scanner.remediation import acts
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Exemption, ExemptionKind, Finding, FindingEvent, RoundScore
from scanner.remediation.urgent import open_urgent
from scanner.rounds.models import PlanKind, Round
from targets.models import Organisation
from tests.remediation.looks import a_round, day, followed, look, looks
from tests.rounds.world import Answer, authorise, open_redis, open_web, organisation, register, timed_out

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"
CHECK = "SVC-REDIS-UNAUTH"
FIELDS = [field.attname for field in Finding._meta.concrete_fields if not field.primary_key]


class Killed(Exception):  # noqa: N818 - reads as the event it is
    """The process dies here."""


@pytest.fixture
def owner() -> Organisation:
    return make_owner()


def make_owner() -> Organisation:
    owner = organisation()
    register(owner, HOST, "db.example.cn")
    authorise(owner, "192.0.2.0/24", "db.example.cn")
    return owner


def finding() -> Finding:
    return Finding.objects.get(check_id=CHECK)


def record() -> list[object]:
    """Everything that is kept of findings, apart from the numbers of rows."""
    return [
        list(Finding.objects.order_by("host", "port", "check_id").values(*FIELDS)),
        sorted(FindingEvent.objects.values_list("finding__check_id", "round", "kind", "at"), key=str),
        RoundScore.objects.count(),
        list(Exemption.objects.values_list("state", "ended_at")),
    ]


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """Die before the write of this number, counted from 1."""
    left = number

    def wrapper(execute: Callable[..., object], sql: str, *rest: object) -> object:
        nonlocal left
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            left -= 1
            if not left:
                raise Killed
        return execute(sql, *rest)

    with connection.execute_wrapper(wrapper):
        yield


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def survives(work: Callable[[], object]) -> int:
    """Kill ``work`` before each of its writes in turn; done again it must lead to the same. Returns how many."""
    with undone():
        work()
        expected = record()
    for number in range(1, 100):
        with undone():
            try:
                with killed_at(number):
                    work()
            except Killed:
                transaction.set_rollback(False)  # only what surrounds the test's own transaction was marked
                work()
                assert record() == expected, f"killed before write {number}"
                continue
            assert record() == expected
            return number - 1
    raise AssertionError("It writes without end.")


def test_following_survives_death_between_any_two_writes(owner: Organisation) -> None:
    followed(owner, open_redis, 0)
    acts.grant(finding(), ExemptionKind.ACCEPTED, "Li", "old", "", day(0.5), "operator", day(0.2))
    this = a_round(owner, 1)
    looks(this, HOST, open_web, 1)
    assert survives(lambda: follow_round(this.pk, day(1.1))) > 5


def test_opening_what_is_urgent_survives_death_between_any_two_writes(owner: Organisation) -> None:
    this = a_round(owner)
    result = look(this, HOST, open_redis, 0)

    def work() -> None:
        assert [each.check_id for each in open_urgent(this.pk, [result.pk], day(0))] == [CHECK]
        follow_round(this.pk, day(0.1))

    assert survives(work) >= 5


def test_ending_exemptions_survives_death_between_any_two_writes(owner: Organisation) -> None:
    followed(owner, open_redis, 0)
    acts.grant(finding(), ExemptionKind.ACCEPTED, "Li", "old", "", day(2), "operator", day(1))
    assert survives(lambda: acts.end_exemptions(day(3))) >= 3


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue of a version that calls the check otherwise than the one before did."""
    checks = dict(load.all_checks())
    checks[CHECK] = replace(checks[CHECK], formerly=("SVC-REDIS-OPEN",))
    monkeypatch.setattr(load, "all_checks", lambda: Catalogue(checks))
    load.renamed_checks.cache_clear()
    yield
    load.renamed_checks.cache_clear()


@pytest.mark.parametrize(("answer", "state"), [(open_redis, "open"), (open_web, "fixed"), (timed_out, "open")])
@pytest.mark.usefixtures("renamed")
def test_a_check_that_was_renamed_keeps_its_findings(owner: Organisation, answer: Answer, state: str) -> None:
    followed(owner, open_redis, 0)
    Finding.objects.filter(check_id=CHECK).update(check_id="SVC-REDIS-OPEN")
    before = Finding.objects.get(check_id="SVC-REDIS-OPEN")
    this = followed(owner, answer, 1)
    after = finding()
    assert (after.pk, after.first_seen, after.state) == (before.pk, before.first_seen, state)
    event = FindingEvent.objects.get(round=this, finding=after, kind="renamed")
    assert event.detail == {"check_before": "SVC-REDIS-OPEN", "check": CHECK}
    assert not FindingEvent.objects.filter(round=this, finding=after, kind="opened").exists()


@pytest.mark.usefixtures("renamed")
def test_a_campaign_for_a_check_that_was_renamed_is_about_it_still(owner: Organisation) -> None:
    followed(owner, open_redis, 0, checks=("SVC-REDIS-OPEN",), kind=PlanKind.CAMPAIGN)
    assert Finding.objects.get().check_id == CHECK


def test_a_host_that_got_another_address_keeps_its_findings(owner: Organisation) -> None:
    first = a_round(owner)
    look(first, "db.example.cn", open_redis, 0, address="192.0.2.21")
    follow_round(first.pk, day(0.1))
    before = finding()
    moved = a_round(owner, 1)
    look(moved, "db.example.cn", open_redis, 1, address="192.0.2.22")
    follow_round(moved.pk, day(1.1))
    assert (finding().pk, finding().first_seen) == (before.pk, before.first_seen)
    assert finding().addresses == ["192.0.2.21", "192.0.2.22"]


def test_a_new_address_alone_does_not_tell_that_the_old_one_is_mended(owner: Organisation) -> None:
    first = a_round(owner)
    look(first, "db.example.cn", open_redis, 0, address="192.0.2.21")
    follow_round(first.pk, day(0.1))
    moved = a_round(owner, 1)
    look(moved, "db.example.cn", open_web, 1, address="192.0.2.22")
    assert would_be_fixed(moved.pk) == []
    follow_round(moved.pk, day(1.1))
    assert finding().state == "open"


ANSWERS = {"seen": open_redis, "gone": open_web, "down": timed_out}

_acts = st.lists(
    st.sampled_from(["seen", "seen", "gone", "down", "part", "claim", "exempt", "reopen", "again"]),
    min_size=1,
    max_size=7,
)


class Histories(TestCase):
    """Random months of rounds and acts."""

    @given(_acts)
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_the_record_never_contradicts_itself_and_following_again_changes_nothing(self, history: list[str]) -> None:
        owner = make_owner()
        followed(owner, open_redis, 0)
        number = finding().pk
        for at, act in enumerate(history, 1):
            _happens(owner, act, at * 10)
            found = Finding.objects.get(check_id=CHECK)
            assert found.pk == number
            self._is_sound(found)
        before = record()
        for this in Round.objects.order_by("-pk"):
            follow_round(this.pk, day(900))
        assert record() == before

    def _is_sound(self, found: Finding) -> None:
        assert (found.state == "fixed") == (found.fixed is not None)
        exempt = found.exemptions.filter(state="granted").exists()
        assert (found.state in ("accepted", "false-positive")) == exempt
        kinds = list(found.events.values_list("kind", flat=True))
        assert kinds.count("reopened") - kinds.count("fixed") in ((-1,) if found.fixed else (0,))
        assert found.recurrences <= kinds.count("reopened")
        assert kinds[0] == "opened"
        assert kinds.count("opened") == 1


def _happens(owner: Organisation, act: str, when: float) -> None:
    found = finding()
    if act in ANSWERS:
        followed(owner, ANSWERS[act], when)
    elif act == "part":
        followed(owner, open_web, when, hosts=("192.0.2.99",))
    elif act == "claim" and found.state == "open":
        acts.claim(found, "Wang", "", day(when))
    elif act == "exempt" and found.state in ("open", "claimed"):
        acts.grant(found, ExemptionKind.ACCEPTED, "Li", "old", "", day(when + 25), "operator", day(when))
    elif act == "reopen" and found.exempt_until is not None:
        acts.end_exemption(found, "operator", "", day(when) + dt.timedelta(hours=1))
    elif act == "again":
        follow_round(Round.objects.latest("pk").pk, day(when))
