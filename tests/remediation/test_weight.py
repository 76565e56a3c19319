"""What a finding weighs when a name has several addresses and not all of them could be looked at."""

from __future__ import annotations

import pytest

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.known_keys import KnownKeys
from scanner.engine.model import Endpoint, HostInspection, Service, Target
from scanner.engine.plan import Plan
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding, FindingEvent
from scanner.remediation.replay import replay
from scanner.remediation.sightings import seen_by
from scanner.rounds.models import LookNumber, Round
from targets.models import Organisation
from tests.remediation.looks import a_round, day, look
from tests.rounds.world import REDIS, Answer, authorise, inspected, open_web, organisation, register, timed_out

pytestmark = pytest.mark.django_db

NAME, FIRST, SECOND = "db.example.cn", "192.0.2.21", "192.0.2.22"
CHECK = "SVC-REDIS-EXPOSED"


def reachable(*attributes: tuple[str, str]) -> Answer:
    def answer(target: Target, plan: Plan) -> HostInspection:
        facts = ServiceFacts("REDIS", Access.RESTRICTED, attributes=attributes)
        service = Service(Endpoint(target.address, REDIS), "redis", facts=facts)
        return inspected(target, plan, (REDIS,), (service,), (service,))

    return answer


GRAVE, LIGHT = reachable(), reachable(("refusal", "protected-mode"))


@pytest.fixture
def owner() -> Organisation:
    one = organisation()
    register(one, NAME)
    authorise(one, NAME, "192.0.2.0/24")
    return one


def followed(owner: Organisation, when: float, **answers: Answer) -> Round:
    """A round over the addresses of the name, with the second looks that it asks for."""
    this = a_round(owner, when)
    of = {"first": FIRST, "second": SECOND}
    results = {look(this, NAME, answer, when, address=of[at]).pk: (at, answer) for at, answer in answers.items()}
    for each in would_be_fixed(this.pk):
        at, answer = results[each.result_id]
        look(this, NAME, answer, when + 0.01, LookNumber.AGAIN, address=of[at])
    follow_round(this.pk, day(when + 0.1))
    return this


def finding() -> Finding:
    return Finding.objects.get(check_id=CHECK)


def test_it_weighs_no_less_and_is_due_no_later_while_the_worse_address_is_dark(owner: Organisation) -> None:
    followed(owner, 0, first=GRAVE, second=LIGHT)
    before = finding()
    assert (before.severity, before.addresses) == ("high", [FIRST, SECOND])
    this = followed(owner, 1, first=timed_out, second=LIGHT)
    after = finding()
    assert (after.severity, after.deadline, after.params) == ("high", before.deadline, before.params)
    assert after.last_seen == day(1)
    kinds = FindingEvent.objects.filter(round=this, finding=after).values_list("kind", flat=True)
    assert list(kinds) == ["seen"]
    assert [each.check for each in replay(this, owner, KnownKeys()) if each.check == CHECK] == []


@pytest.mark.parametrize("mended", [LIGHT, open_web])
def test_it_weighs_less_once_the_worse_address_was_looked_at(owner: Organisation, mended: Answer) -> None:
    followed(owner, 0, first=GRAVE, second=LIGHT)
    followed(owner, 1, first=mended, second=LIGHT)
    assert finding().severity == "low"


def test_it_weighs_more_at_once_whatever_is_dark(owner: Organisation) -> None:
    followed(owner, 0, first=LIGHT, second=LIGHT)
    followed(owner, 1, first=timed_out, second=GRAVE)
    assert finding().severity == "high"


def test_where_it_is_seen_for_the_first_time_must_be_shown_free_of_it_too(owner: Organisation) -> None:
    followed(owner, 0, first=GRAVE)
    followed(owner, 1, first=timed_out, second=LIGHT)
    assert (finding().severity, finding().addresses) == ("high", [FIRST, SECOND])
    followed(owner, 2, first=open_web, second=timed_out)
    assert finding().state == "open"
    followed(owner, 3, first=open_web, second=open_web)
    assert finding().state == "fixed"


def test_what_was_fixed_comes_back_as_it_is_seen(owner: Organisation) -> None:
    followed(owner, 0, first=GRAVE, second=LIGHT)
    followed(owner, 1, first=open_web, second=open_web)
    followed(owner, 2, first=timed_out, second=LIGHT)
    assert (finding().state, finding().severity) == ("open", "low")


def test_the_page_of_a_finding_tells_what_a_round_saw_then(owner: Organisation) -> None:
    then = followed(owner, 0, first=timed_out, second=LIGHT)
    followed(owner, 1, first=GRAVE, second=LIGHT)
    judged = seen_by(then.pk, finding()).judged
    assert judged is not None
    assert judged.severity == "low"
