"""What can't wait is opened before its round ends, once, and stays new in the round's report."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.engine.judge import Judgement, judge_whole
from scanner.engine.model import HostInspection
from scanner.engine.rules.base import Basis
from scanner.remediation import observe
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding, FindingEvent
from scanner.remediation.urgent import open_urgent
from scanner.reports.query import report_model
from scanner.rounds.models import LookNumber
from targets.models import Organisation
from tests.remediation.looks import a_round, day, followed, look
from tests.rounds.world import authorise, old_elasticsearch, open_redis, open_web, organisation, register

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"
CHECK = "SVC-REDIS-UNAUTH"


@pytest.fixture
def owner() -> Organisation:
    owner = organisation()
    register(owner, HOST, "192.0.2.11", "db.example.cn")
    authorise(owner, "192.0.2.0/24", "db.example.cn")
    return owner


def test_a_confirmed_critical_finding_is_open_before_the_round_is_followed(owner: Organisation) -> None:
    this = a_round(owner)
    results = [look(this, HOST, open_redis, 0), look(this, "192.0.2.11", old_elasticsearch("7.10.0"), 0)]
    (opened,) = open_urgent(this.pk, [each.pk for each in results], day(0))
    assert (opened.check_id, opened.state, opened.first_seen) == (CHECK, "open", day(0))
    assert (opened.reported, opened.deadline) == (None, None)
    assert list(Finding.objects.all()) == [opened], "what is less urgent waits"
    follow_round(this.pk, day(0.1))
    assert Finding.objects.filter(host="192.0.2.11").exists()


def test_it_is_returned_again_but_opened_once(owner: Organisation) -> None:
    this = a_round(owner)
    result = look(this, HOST, open_redis, 0)
    assert open_urgent(this.pk, [result.pk], day(0)) == open_urgent(this.pk, [result.pk], day(1))
    assert list(FindingEvent.objects.values_list("kind", flat=True)) == ["opened"]


def test_the_round_that_opened_it_reports_it_as_new(owner: Organisation) -> None:
    this = a_round(owner)
    first = look(this, "db.example.cn", open_redis, 0, address=HOST)
    (opened,) = open_urgent(this.pk, [first.pk], day(0))
    look(this, "db.example.cn", open_redis, 0.1, address="192.0.2.11")
    follow_round(this.pk, day(0.2))
    opened.refresh_from_db()
    assert (opened.last_seen, opened.addresses) == (day(0.1), [HOST, "192.0.2.11"])
    assert opened.deadline == day(0.2) + dt.timedelta(days=3)
    told = FindingEvent.objects.filter(round=this, finding=opened)
    assert list(told.values_list("kind", flat=True)) == ["opened"]
    changes = report_model(owner, this, day(0.3)).changes
    assert opened.pk in [each.number for each in changes.new]
    assert opened.pk not in [each.number for each in changes.still_open]


def test_what_comes_back_is_reopened_as_a_recurrence(owner: Organisation) -> None:
    followed(owner, open_redis, 0)
    followed(owner, open_web, 1)
    this = a_round(owner, 2)
    result = look(this, HOST, open_redis, 2)
    (reopened,) = open_urgent(this.pk, [result.pk], day(2))
    assert (reopened.state, reopened.recurrences, reopened.first_seen) == ("open", 1, day(0))
    event = FindingEvent.objects.get(round=this, finding=reopened)
    assert (event.kind, event.detail["recurrences"]) == ("reopened", "1")


def test_what_is_open_already_is_nothing_new(owner: Organisation) -> None:
    followed(owner, open_redis, 0)
    this = a_round(owner, 1)
    result = look(this, HOST, open_redis, 1)
    assert open_urgent(this.pk, [result.pk], day(1)) == []


def test_a_campaign_alerts_of_nothing_but_its_checks(owner: Organisation) -> None:
    this = a_round(owner, checks=("SVC-MONGODB-UNAUTH",))
    result = look(this, HOST, open_redis, 0)
    assert open_urgent(this.pk, [result.pk], day(0)) == []


def test_each_result_is_judged_once(owner: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    this = a_round(owner)
    results = [look(this, HOST, open_redis, 0).pk, look(this, "192.0.2.11", open_web, 0).pk]
    judged: list[str] = []

    def counted(inspection: HostInspection, basis: Basis) -> Judgement:
        judged.append(inspection.target.address)
        return judge_whole(inspection, basis)

    monkeypatch.setattr(observe, "_LAST", observe._Last(10))
    monkeypatch.setattr(observe, "judge_whole", counted)
    open_urgent(this.pk, results, day(0))
    open_urgent(this.pk, results, day(0))
    assert sorted(judged) == [HOST, "192.0.2.11"]


def test_the_second_look_of_a_round_opens_nothing_twice(owner: Organisation) -> None:
    this = a_round(owner)
    first = look(this, HOST, open_redis, 0)
    open_urgent(this.pk, [first.pk], day(0))
    second = look(this, HOST, open_redis, 0.1, LookNumber.AGAIN)
    assert [each.pk for each in open_urgent(this.pk, [second.pk], day(0))] == [Finding.objects.get().pk]
    assert FindingEvent.objects.count() == 1
