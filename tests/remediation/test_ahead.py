"""What is judged while a round still looks at hosts is judged as it would be in the end, and stored nowhere."""

from __future__ import annotations

import time

import pytest

from scanner.engine.judge import Judgement, judge_whole
from scanner.engine.known_keys import OrganisationKeys
from scanner.engine.model import HostInspection
from scanner.engine.rules.base import Basis
from scanner.remediation import ahead, observe
from scanner.remediation.ahead import Ahead, judge_ahead
from scanner.remediation.follow import follow_round
from scanner.remediation.keys import counted_keys
from scanner.remediation.last import Last
from scanner.remediation.models import Finding
from scanner.reports.page import environment, warm_up
from targets.models import Organisation
from tests.remediation.looks import a_round, day, look
from tests.remediation.test_keys import SHARED, site
from tests.rounds.world import authorise, open_redis, organisation, register

HOSTS = ("192.0.2.10", "192.0.2.11")


@pytest.fixture
def owner() -> Organisation:
    owner = organisation()
    register(owner, *HOSTS)
    authorise(owner, "192.0.2.0/24")
    return owner


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were judged as a whole, in order; nothing is remembered yet."""
    judged: list[str] = []

    def counted(inspection: HostInspection, basis: Basis) -> Judgement:
        judged.append(inspection.target.address)
        return judge_whole(inspection, basis)

    monkeypatch.setattr(observe, "_LAST", Last[object](10))
    monkeypatch.setattr(observe, "judge_whole", counted)
    return judged


@pytest.mark.django_db
def test_hosts_with_a_key_in_common_are_judged_once_and_as_in_the_end(owner: Organisation, judged: list[str]) -> None:
    this = a_round(owner)
    results = [look(this, host, site(SHARED), 0) for host in HOSTS]
    judge_ahead(this.pk, [each.pk for each in results])
    assert not Finding.objects.exists()
    follow_round(this.pk, day(0.1))
    assert sorted(judged) == [*HOSTS]
    keys = OrganisationKeys(counted_keys([owner.pk]), owner.slug)
    for result in results:
        whole = {each.check: each for each in judge_whole(result.inspection(), Basis(keys=keys)).findings}
        stored = {each.check_id: each for each in Finding.objects.filter(host=result.host)}
        assert stored.keys() == whole.keys() >= {"CERT-WILDCARD"}
        for check, each in whole.items():
            assert (stored[check].severity, stored[check].confidence) == (each.severity, each.confidence)
            assert stored[check].params == [list(pair) for pair in each.params]


@pytest.mark.django_db(transaction=True)
def test_results_are_judged_as_they_come_in(
    owner: Organisation, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "EVERY", 0.01)
    this, begun = a_round(owner), list[str]()
    with Ahead(this.pk, lambda: begun.append("begun")):
        for number, host in enumerate(HOSTS, 1):
            look(this, host, open_redis, 0)
            ends = time.monotonic() + 10
            while len(judged) < number and time.monotonic() < ends:
                time.sleep(0.01)
    assert (begun, judged) == (["begun"], [*HOSTS])
    follow_round(this.pk, day(0.1))
    assert judged == [*HOSTS]


@pytest.mark.django_db(transaction=True)
def test_what_goes_wrong_ahead_is_logged_and_holds_up_nothing(
    owner: Organisation, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise LookupError

    with Ahead(a_round(owner).pk, broken):
        pass
    assert "is judged when its looks are over" in caplog.text


def test_a_page_that_was_warmed_up_needs_no_template_to_be_compiled() -> None:
    environment.cache_clear()
    warm_up("report", "report.html")
    own = environment("report")
    assert own.cache is not None
    names = {name for _, name in own.cache}
    assert {"report.html", "base.html", "part_findings.html"} <= names
