"""What can't wait is opened before its round ends, once, and stays new in the round's report."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from scanner.engine.judge import Judgement, judge_whole
from scanner.engine.model import HostInspection, Severity
from scanner.engine.rules.base import Basis
from scanner.remediation import looked
from scanner.remediation.acts import grant
from scanner.remediation.follow import follow_round
from scanner.remediation.last import Last
from scanner.remediation.models import ExemptionKind, Finding, FindingEvent
from scanner.remediation.urgent import open_urgent, urgent_of
from scanner.reports.query import report_model
from scanner.rounds.models import LookNumber
from targets.models import Organisation
from tests.days import last_second
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
    assert opened.deadline == last_second(day(3.2), owner.time_zone)
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

    monkeypatch.setattr(looked, "_LAST", Last[object](10))
    monkeypatch.setattr(looked, "judge_whole", counted)
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


@pytest.fixture
def known(owner: Organisation, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """A finding that weighed little when it was found."""
    with monkeypatch.context() as patched:
        judged_as(patched, severity=Severity.LOW)
        followed(owner, open_redis, 0)
    return Finding.objects.get()


def judged_as(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Let every finding be judged with these values."""

    def judged(inspection: HostInspection, basis: Basis) -> Judgement:
        judgement = judge_whole(inspection, basis)
        findings = tuple(replace(each, **values) for each in judgement.findings)  # type: ignore[arg-type]  # by name
        return replace(judgement, findings=findings)

    monkeypatch.setattr(looked, "judge_whole", judged)


def test_what_has_become_critical_is_told_before_its_round_ends_and_is_still_open_in_its_report(
    owner: Organisation, known: Finding
) -> None:
    this = a_round(owner, 1)
    result = look(this, HOST, open_redis, 1)
    assert open_urgent(this.pk, [result.pk], day(1)) == [known]
    assert open_urgent(this.pk, [result.pk], day(1)) == [known]
    follow_round(this.pk, day(1.1))
    known.refresh_from_db()
    assert (known.severity, known.last_seen, known.reported) == ("critical", day(1), day(0) + dt.timedelta(hours=1))
    assert sorted(FindingEvent.objects.filter(round=this).values_list("kind", flat=True)) == ["changed", "seen"]
    assert [each.number for each in report_model(owner, this, day(1.2)).changes.still_open] == [known.pk]
    later = a_round(owner, 2)
    assert open_urgent(later.pk, [look(later, HOST, open_redis, 2).pk], day(2)) == []


@pytest.mark.parametrize("before_the_end", [True, False])
def test_a_risk_that_was_accepted_when_it_weighed_less_is_told_and_stays_accepted(
    owner: Organisation, known: Finding, before_the_end: bool
) -> None:
    grant(known, ExemptionKind.ACCEPTED, "Wang", "a test stand", "", day(100), "ops", day(0.5))
    this = a_round(owner, 1)
    result = look(this, HOST, open_redis, 1)
    if before_the_end:
        assert open_urgent(this.pk, [result.pk], day(1)) == [known]
    follow_round(this.pk, day(1.1))
    assert urgent_of(this.pk) == [known]
    assert Finding.objects.get().state == "accepted"


@pytest.mark.parametrize("before_the_end", [True, False])
def test_what_attackers_begin_to_use_is_told_though_its_severity_stays(
    owner: Organisation, known: Finding, before_the_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_as(monkeypatch, severity=Severity.LOW, known_exploited=True)
    this = a_round(owner, 1)
    result = look(this, HOST, open_redis, 1)
    if before_the_end:
        assert open_urgent(this.pk, [result.pk], day(1)) == [known]
    follow_round(this.pk, day(1.1))
    assert urgent_of(this.pk) == [known]
    later = followed(owner, open_redis, 2)
    assert urgent_of(later.pk) == []
