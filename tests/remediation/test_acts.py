"""What people do to findings: claims, requests, exemptions, and what becomes of them."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.audit.models import Entry
from scanner.engine.errors import InputError
from scanner.remediation import acts
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Exemption, ExemptionKind, Finding, FindingEvent
from scanner.remediation.reinspection import Verdict, request_reinspection, verdicts
from scanner.rounds.models import Job, JobKind, PlanKind, Round
from targets.models import Organisation
from tests.days import last_second
from tests.remediation.looks import day, followed, look, looks
from tests.rounds.world import Answer, authorise, open_redis, open_web, organisation, register, timed_out

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"
CHECK = "SVC-REDIS-UNAUTH"
ACCEPTED = ExemptionKind.ACCEPTED


@pytest.fixture
def owner() -> Organisation:
    owner = organisation()
    register(owner, HOST, "192.0.2.11")
    authorise(owner, "192.0.2.0/24")
    followed(owner, open_redis, 0)
    return owner


def finding(host: str = HOST) -> Finding:
    return Finding.objects.get(check_id=CHECK, host=host)


def history() -> list[str]:
    return list(FindingEvent.objects.filter(finding=finding()).values_list("kind", flat=True))


def exempt(until: float, kind: ExemptionKind = ACCEPTED, when: float = 1) -> Exemption:
    return acts.grant(finding(), kind, "Li", "no other way", "minutes 3", day(until), "operator", day(when))


def reinspected(this: Round, answer: Answer, when: float) -> Verdict:
    looks(this, HOST, answer, when)
    follow_round(this.pk, day(when + 0.1))
    return next(verdict for each, verdict in verdicts(this) if each == finding())


@pytest.mark.parametrize(
    ("answer", "verdict", "state"),
    [
        (open_web, Verdict.FIXED, "fixed"),
        (open_redis, Verdict.STILL_THERE, "open"),
        (timed_out, Verdict.NOT_VERIFIED, "claimed"),
    ],
)
def test_a_claim_is_looked_at_and_only_then_believed(
    owner: Organisation, answer: Answer, verdict: Verdict, state: str
) -> None:
    assert acts.claim(finding(), "Wang", "port closed", day(1))
    this = request_reinspection([finding()], by="Wang", now=day(1))
    assert reinspected(this, answer, 2) is verdict
    assert finding().state == state


@pytest.mark.parametrize("answer", [open_redis, timed_out])
def test_what_another_round_saw_first_after_the_claim_is_still_there(owner: Organisation, answer: Answer) -> None:
    acts.claim(finding(), "Wang", "port closed", day(1))
    this = request_reinspection([finding()], by="Wang", now=day(1))
    looks(this, HOST, answer, 2)
    followed(owner, open_redis, 2.2)
    assert finding().state == "open"
    follow_round(this.pk, day(2.5))
    assert [verdict for _, verdict in verdicts(this)] == [Verdict.STILL_THERE]


def test_what_was_seen_before_the_claim_alone_is_not_verified(owner: Organisation) -> None:
    request_reinspection([finding()], by="Wang", now=day(1))
    followed(owner, open_redis, 1.5)
    acts.claim(finding(), "Wang", "port closed", day(1.6))
    this = request_reinspection([finding()], by="Wang", now=day(1.6))
    assert reinspected(this, timed_out, 2) is Verdict.NOT_VERIFIED


def test_a_claim_is_recorded_once_with_who_made_it(owner: Organisation) -> None:
    assert acts.claim(finding(), "Wang", "port closed", day(1))
    assert not acts.claim(finding(), "Wang", "port closed", day(2))
    event = FindingEvent.objects.get(kind="claimed")
    assert (event.actor, event.at, event.detail, event.round) == ("Wang", day(1), {"note": "port closed"}, None)
    assert Entry.objects.get(action="finding-claimed").actor == "Wang"


def test_a_look_that_began_before_the_claim_does_not_refute_it(owner: Organisation) -> None:
    acts.claim(finding(), "Wang", "", day(1) - dt.timedelta(seconds=30))
    followed(owner, open_redis, 1)
    assert (finding().state, finding().last_seen) == ("claimed", day(1))
    followed(owner, open_redis, 2)
    assert finding().state == "open"


def test_the_deadline_runs_on_while_a_fix_is_claimed(owner: Organisation) -> None:
    before = finding().deadline
    acts.claim(finding(), "Wang", "", day(1))
    followed(owner, timed_out, 2)
    assert finding().deadline == before


def test_a_reinspection_asks_the_port_and_two_that_show_life_as_deep_as_before(owner: Organisation) -> None:
    Finding.objects.update(profile="deep")
    this = request_reinspection([finding()], by="Wang", now=day(1))
    assert (this.kind, this.hosts, this.findings) == (PlanKind.REINSPECTION, [HOST], [finding().pk])
    assert (this.ports, this.profile) == ("T:6379", "deep")
    look(Round.objects.get(pk=this.pk), HOST, open_web, 1)
    assert request_reinspection([finding()], by="Wang", now=day(1)).ports == "T:80,T:6379"


def test_a_domain_is_reinspected_without_ports(owner: Organisation) -> None:
    row = finding()
    row.pk, row.host, row.port, row.transport, row.check_id = None, "example.cn", 0, "dns", "DOM-SPF-NONE"
    row.save(force_insert=True)
    this = request_reinspection([row], by="Wang", now=day(1))
    assert (this.hosts, this.ports) == (["example.cn"], "T:443")


def test_claims_share_a_round_until_it_begins(owner: Organisation) -> None:
    followed(owner, open_redis, 0.5, "192.0.2.11")
    first = request_reinspection([finding()], by="Wang", now=day(1))
    second = request_reinspection([finding("192.0.2.11")], by="Wang", now=day(1.1))
    assert second.pk == first.pk
    assert (second.hosts, len(second.findings)) == ([HOST, "192.0.2.11"], 2)
    Job.objects.create(round=first, kind=JobKind.PREPARE, attempt=1, created=day(1.2))
    assert request_reinspection([finding()], by="Wang", now=day(1.3)).pk != first.pk


def test_a_reinspection_is_about_one_organisation(owner: Organisation) -> None:
    with pytest.raises(InputError, match="one organisation"):
        request_reinspection([], by="Wang", now=day(1))


def test_a_request_changes_nothing_until_it_is_granted(owner: Organisation) -> None:
    asked = acts.request_exemption(
        finding(), ExemptionKind.FALSE_POSITIVE, "Wang", "a honeypot", "", None, "Wang", day(1)
    )
    assert (finding().state, asked.state, asked.until) == ("open", "requested", day(366))
    acts.decide(asked, True, "operator", day(2), note="seen it")
    assert (finding().state, finding().exempt_until) == ("false-positive", day(366))
    assert history()[-2:] == ["disputed", "exempted"]
    with pytest.raises(InputError, match="decided already"):
        acts.decide(asked, False, "operator", day(3))


def test_a_refused_request_leaves_the_finding_and_its_deadline(owner: Organisation) -> None:
    before = finding()
    asked = acts.request_exemption(finding(), ACCEPTED, "Wang", "old", "", day(90), "Wang", day(1))
    assert acts.decide(asked, False, "operator", day(2), note="patch it").state == "refused"
    assert (finding().state, finding().deadline) == ("open", before.deadline)
    assert history()[-1] == "request-refused"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"owner": " "}, "owner is missing"),
        ({"reason": ""}, "reason is missing"),
        ({"reason": "x" * 2001}, "too long"),
        ({"until": day(1)}, "in the past"),
        ({"until": day(368)}, "at most a year"),
    ],
)
def test_an_exemption_needs_an_owner_a_reason_and_an_end(
    owner: Organisation, values: dict[str, object], complaint: str
) -> None:
    given: dict[str, object] = {"owner": "Li", "reason": "old", "proof": "", "until": day(100), **values}
    with pytest.raises(InputError, match=complaint):
        acts.grant(finding(), ACCEPTED, by="operator", now=day(1), **given)  # type: ignore[arg-type]  # by name
    assert (finding().state, Exemption.objects.count()) == ("open", 0)
    assert not Entry.objects.filter(action__startswith="finding-").exists()


def test_an_exemption_may_be_longer_on_purpose(owner: Organisation) -> None:
    acts.grant(finding(), ACCEPTED, "Li", "old", "", day(800), "operator", day(1), long=True)
    assert finding().state == "accepted"


def test_what_is_exempt_or_fixed_is_neither_claimed_nor_exempt_anew(owner: Organisation) -> None:
    exempt(100)
    with pytest.raises(InputError, match="exempt until 2026-06-09"):
        acts.claim(finding(), "Wang", "", day(2))
    with pytest.raises(InputError, match="end that first"):
        exempt(200)
    acts.end_exemption(finding(), "operator", "", day(3))
    followed(owner, open_web, 4)
    with pytest.raises(InputError, match="it is fixed"):
        acts.claim(finding(), "Wang", "", day(5))


def test_while_exempt_it_is_followed_but_stays_exempt(owner: Organisation) -> None:
    exempt(100)
    followed(owner, open_redis, 2)
    assert (finding().state, finding().last_seen) == ("accepted", day(2))
    followed(owner, open_web, 3)
    assert (finding().state, finding().fixed) == ("accepted", None)


def test_when_an_exemption_ends_it_is_open_and_due_from_its_next_report(owner: Organisation) -> None:
    exempt(100)
    (ended,) = acts.end_exemptions(day(100))
    assert (ended.finding, ended.state, finding().state, finding().deadline) == (finding(), "ended", "open", None)
    followed(owner, timed_out, 101)
    assert finding().deadline == last_second(day(104) + dt.timedelta(hours=1), owner.time_zone)


def test_when_an_exemption_ends_what_was_proven_gone_is_fixed(owner: Organisation) -> None:
    exempt(100)
    followed(owner, open_web, 3)
    acts.end_exemptions(day(100))
    assert (finding().state, finding().fixed) == ("fixed", day(3.01))
    assert history()[-2:] == ["exemption-ended", "fixed"]


def test_what_came_back_while_exempt_is_open_afterwards(owner: Organisation) -> None:
    exempt(100)
    followed(owner, open_web, 3)
    followed(owner, open_redis, 4)
    acts.end_exemptions(day(100))
    assert finding().state == "open"


def test_ended_exemptions_are_news_for_a_week_and_end_once(owner: Organisation) -> None:
    exempt(100)
    assert acts.end_exemptions(day(99)) == []
    assert len(acts.end_exemptions(day(100))) == 1
    assert len(acts.end_exemptions(day(101))) == 1, "a crash after the first call loses no mail"
    assert acts.end_exemptions(day(108)) == []
    assert history().count("exemption-ended") == 1


def test_following_a_round_ends_what_is_over(owner: Organisation) -> None:
    exempt(100)
    followed(owner, open_redis, 100)
    assert finding().state == "open"


def test_an_end_is_announced_once(owner: Organisation) -> None:
    held = exempt(100)
    assert acts.exemptions_ending(day(69)) == []
    assert acts.exemptions_ending(day(71)) == [held]
    acts.mark_warned([held], day(71))
    assert acts.exemptions_ending(day(72)) == []


def test_a_person_may_end_it_before_its_time(owner: Organisation) -> None:
    exempt(100)
    acts.end_exemption(finding(), "operator", "the vendor mended it", day(5))
    assert (finding().state, history()[-1]) == ("open", "exemption-ended")
    assert acts.end_exemptions(day(6)) == [], "nobody needs to be told of what they did"
    with pytest.raises(InputError, match="is not exempt"):
        acts.end_exemption(finding(), "operator", "", day(7))
