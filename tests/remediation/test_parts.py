"""Rounds that are about a part follow no more than that part."""

from __future__ import annotations

import pytest

from scanner.engine.model import Confidence, Severity
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Finding, FindingEvent, RoundScore
from scanner.rounds.models import PlanKind, Round
from targets.models import Organisation, Target
from tests.remediation.looks import a_round, day, followed, look, looks
from tests.rounds.world import authorise, open_redis, open_web, organisation, register

pytestmark = pytest.mark.django_db

HOST, OTHER = "192.0.2.10", "192.0.2.11"
CHECK = "SVC-REDIS-UNAUTH"


@pytest.fixture
def owner() -> Organisation:
    owner = organisation()
    register(owner, HOST, OTHER)
    authorise(owner, "192.0.2.0/24")
    return owner


def on(host: str, check: str = CHECK) -> Finding:
    return Finding.objects.get(host=host, check_id=check)


def events(this: Round, host: str) -> list[str]:
    told = FindingEvent.objects.filter(round=this, finding__host=host, finding__check_id=CHECK)
    return list(told.values_list("kind", flat=True))


def both_open(owner: Organisation) -> None:
    this = a_round(owner)
    for host in (HOST, OTHER):
        look(this, host, open_redis, 0)
    follow_round(this.pk, day(0.1))


def test_hosts_that_a_round_is_not_about_are_not_missed(owner: Organisation) -> None:
    both_open(owner)
    this = followed(owner, open_web, 1, hosts=(HOST,))
    assert (on(HOST).state, on(OTHER).state) == ("fixed", "open")
    assert (events(this, HOST), events(this, OTHER)) == (["fixed"], [])


def test_a_host_that_a_round_is_about_and_has_no_result_of_is_missed(owner: Organisation) -> None:
    both_open(owner)
    this = followed(owner, open_redis, 1, hosts=(HOST, OTHER))
    assert (events(this, HOST), events(this, OTHER)) == (["seen"], ["not-inspected"])


def test_targets_stand_for_the_hosts_in_them(owner: Organisation) -> None:
    register(owner, "198.51.100.0/24")
    both_open(owner)
    inside = a_round(owner, 0.5)
    look(inside, "198.51.100.7", open_redis, 0.5)
    follow_round(inside.pk, day(0.6))
    this = a_round(owner, 1, targets=(Target.objects.get(value="198.51.100.0/24").pk,))
    follow_round(this.pk, day(1.1))
    assert events(this, "198.51.100.7") == ["not-inspected"]
    assert (events(this, HOST), events(this, OTHER)) == ([], [])


def test_a_campaign_sees_and_closes_only_its_checks(owner: Organisation) -> None:
    this = followed(owner, open_redis, 0, checks=(CHECK,), kind=PlanKind.CAMPAIGN)
    assert list(Finding.objects.values_list("check_id", flat=True)) == [CHECK]
    Finding.objects.update(check_id="SVC-REDIS-EXPOSED")
    this = followed(owner, open_web, 1, checks=(CHECK,), kind=PlanKind.CAMPAIGN)
    assert Finding.objects.get().state == "open"
    assert not FindingEvent.objects.filter(round=this).exists()


def test_the_second_look_is_only_at_what_the_round_is_about(owner: Organisation) -> None:
    both_open(owner)
    this = a_round(owner, 1, findings=(on(HOST).pk,), hosts=(HOST, OTHER))
    for host in (HOST, OTHER):
        look(this, host, open_web, 1)
    (again,) = would_be_fixed(this.pk)
    assert this.results.get(pk=again.result_id).host == HOST


def test_a_reinspection_follows_its_findings_and_opens_beside_them_only_what_can_not_wait(owner: Organisation) -> None:
    followed(owner, open_web, 0, OTHER)
    followed(owner, open_redis, 0.5)
    Finding.objects.exclude(check_id=CHECK).delete()
    this = a_round(owner, 1, findings=(on(HOST).pk,), hosts=(HOST, OTHER))
    looks(this, HOST, open_web, 1)
    look(this, OTHER, open_redis, 1)
    follow_round(this.pk, day(1.1))
    assert on(HOST).state == "fixed"
    assert (on(OTHER).severity, on(OTHER).confidence) == (Severity.CRITICAL, Confidence.CONFIRMED)
    assert Finding.objects.count() == 2


def test_following_a_part_twice_changes_nothing(owner: Organisation) -> None:
    both_open(owner)
    this = followed(owner, open_web, 1, hosts=(HOST,))
    before = list(Finding.objects.values()), list(FindingEvent.objects.values()), RoundScore.objects.count()
    follow_round(this.pk, day(9))
    assert (list(Finding.objects.values()), list(FindingEvent.objects.values()), RoundScore.objects.count()) == before


def test_what_is_not_registered_any_more_is_neither_missed_nor_fixed(owner: Organisation) -> None:
    both_open(owner)
    Target.objects.filter(value=OTHER).update(retired_at=day(1))
    this = followed(owner, open_redis, 2)
    assert events(this, OTHER) == []
    assert on(OTHER).state == State.OPEN
    Target.objects.filter(value=OTHER).update(retired_at=None)
    this = followed(owner, open_redis, 3)
    assert events(this, OTHER) == ["not-inspected"]
