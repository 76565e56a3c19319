"""What is judged as it comes in is judged as it would be in the end, and read again only where that may matter."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from scanner.engine.judge import Judgement, judge_whole
from scanner.engine.known_keys import OrganisationKeys
from scanner.engine.model import HostInspection
from scanner.engine.rules.base import Basis
from scanner.flow import Sentinel
from scanner.remediation import acts, arrival, looked
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.remediation.keys import counted_keys
from scanner.remediation.last import Last
from scanner.remediation.models import ExemptionKind, Finding
from scanner.reports.page import environment, warm_up
from scanner.rounds.models import HostResult
from targets.models import Organisation
from tests.remediation.looks import a_round, day, followed, look
from tests.remediation.test_keys import SHARED, site
from tests.rounds.world import Answer, authorise, open_redis, open_web, organisation, register, timed_out

HOSTS = ("192.0.2.10", "192.0.2.11")
NAME = "db.example.cn"


def make_owner() -> Organisation:
    owner = organisation()
    register(owner, *HOSTS, NAME)
    authorise(owner, "192.0.2.0/24", NAME)
    return owner


@pytest.fixture
def owner() -> Organisation:
    return make_owner()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were judged as a whole, in order; nothing is remembered yet."""
    judged: list[str] = []

    def counted(inspection: HostInspection, basis: Basis) -> Judgement:
        judged.append(inspection.target.address)
        return judge_whole(inspection, basis)

    monkeypatch.setattr(looked, "_LAST", Last[object](10))
    monkeypatch.setattr(looked, "judge_whole", counted)
    return judged


@pytest.mark.django_db
def test_hosts_with_a_key_in_common_are_judged_once_and_as_in_the_end(owner: Organisation, judged: list[str]) -> None:
    this = a_round(owner)
    results = [look(this, host, site(SHARED), 0) for host in HOSTS]
    assert (judged, Finding.objects.count()) == ([*HOSTS], 0)
    follow_round(this.pk, day(0.1))
    assert judged == [*HOSTS]
    keys = OrganisationKeys(counted_keys([owner.pk]), owner.slug)
    for result in results:
        whole = {each.check: each for each in judge_whole(result.inspection(), Basis(keys=keys)).findings}
        stored = {each.check_id: each for each in Finding.objects.filter(host=result.host)}
        assert stored.keys() == whole.keys() >= {"CERT-WILDCARD"}
        for check, each in whole.items():
            assert (stored[check].severity, stored[check].confidence) == (each.severity, each.confidence)
            assert stored[check].params == [list(pair) for pair in each.params]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "now", "is_new"),
    [
        (open_redis, open_redis, False),
        (open_web, open_web, False),
        (open_web, open_redis, True),
        (open_redis, open_web, True),
        (open_redis, timed_out, True),
    ],
)
def test_a_host_that_shows_all_that_is_known_and_nothing_urgent_has_nothing_new(
    owner: Organisation, before: Answer, now: Answer, is_new: bool
) -> None:
    followed(owner, before, 0, HOSTS[0])
    result = look(a_round(owner, 1), HOSTS[0], now, 1)
    assert result.nothing_new is (None if is_new else True)


@pytest.mark.django_db
def test_what_came_back_or_became_urgent_while_its_risk_was_accepted_is_new(owner: Organisation) -> None:
    followed(owner, open_redis, 0, HOSTS[0])
    followed(owner, open_web, 1, HOSTS[0])
    assert Finding.objects.get(check_id="SVC-REDIS-UNAUTH").state == "fixed"
    assert look(a_round(owner, 2), HOSTS[0], open_redis, 2).nothing_new is None

    followed(owner, open_redis, 3, HOSTS[1])
    found = Finding.objects.get(host=HOSTS[1], check_id="SVC-REDIS-UNAUTH")
    acts.grant(found, ExemptionKind.ACCEPTED, "Li", "old", "", day(30), "operator", day(3.5))
    assert look(a_round(owner, 4), HOSTS[1], open_redis, 4).nothing_new is True
    Finding.objects.filter(pk=found.pk).update(severity="high")
    assert look(a_round(owner, 5), HOSTS[1], open_redis, 5).nothing_new is None


@pytest.mark.django_db
def test_the_sentinel_and_second_looks_read_only_what_may_be_new(owner: Organisation, judged: list[str]) -> None:
    for host in HOSTS:
        followed(owner, open_redis, 0, host)
    this = a_round(owner, 1)
    look(this, HOSTS[0], open_redis, 1)
    gone = look(this, HOSTS[1], open_web, 1)
    looked._LAST._known.clear()
    judged.clear()
    Sentinel().look(day(1.01))
    assert judged == [HOSTS[1]]
    looked._LAST._known.clear()
    judged.clear()
    assert [each.result_id for each in would_be_fixed(this.pk)] == [gone.pk]
    assert judged == [HOSTS[1]]


@pytest.mark.django_db
def test_what_goes_wrong_as_results_come_in_is_logged_and_they_are_read_later(
    owner: Organisation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError

    this = a_round(owner)
    with monkeypatch.context() as patch:
        patch.setattr(arrival, "read", broken)
        result = look(this, HOSTS[0], open_redis, 0)
    assert "could not be judged as they came in" in caplog.text
    assert result.nothing_new is None
    Sentinel().look(day(0.1))
    assert Finding.objects.get().check_id == "SVC-REDIS-UNAUTH"


_ANSWERS = st.sampled_from([open_redis, open_web, timed_out, site(SHARED)])
_SEEN = st.lists(st.tuples(st.sampled_from(HOSTS), _ANSWERS), min_size=1, max_size=2, unique_by=lambda each: each[0])


class Rounds(TestCase):
    """Rounds over a name and two addresses, that answer as they like."""

    @given(st.lists(st.tuples(_SEEN, _SEEN), min_size=1, max_size=4))
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_second_looks_are_the_same_whether_or_not_results_were_judged_as_they_came_in(
        self, history: list[tuple[list[tuple[str, Answer]], list[tuple[str, Answer]]]]
    ) -> None:
        owner = make_owner()
        for number, (alone, named) in enumerate(history):
            this = a_round(owner, number)
            for host, answer in alone:
                look(this, host, answer, number)
            for address, answer in named:
                look(this, NAME, answer, number, address=address)
            again = would_be_fixed(this.pk)
            HostResult.objects.filter(round=this).update(nothing_new=None)
            assert would_be_fixed(this.pk) == again
            follow_round(this.pk, day(number + 0.1))


def test_a_page_that_was_warmed_up_needs_no_template_to_be_compiled() -> None:
    environment.cache_clear()
    warm_up("report", "report.html")
    own = environment("report")
    assert own.cache is not None
    names = {name for _, name in own.cache}
    assert {"report.html", "base.html", "part_findings.html"} <= names
