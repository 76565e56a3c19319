"""What got worse is scored as what it is now: a history of the lesser makes no host worse than one first seen so."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.catalogue.load import catalogue
from scanner.engine.model import Confidence, HostInspection, Service, Severity, Target
from scanner.engine.plan import Plan
from scanner.remediation import acts
from scanner.remediation.graver import graver_than
from scanner.remediation.models import ExemptionKind, Finding, RoundScore
from scanner.remediation.score import Age, HostScore, Scored, outweighs, score_host, score_organisation
from scanner.remediation.scores import load_score
from scanner.reports.query import report_model
from scanner.rounds.models import Round
from targets.models import Organisation
from tests.remediation.looks import day, followed
from tests.remediation.test_graver import ADDRESS, AT, EXPOSED, PAIRS, UNAUTH, guarded_redis, seen
from tests.rounds.world import Answer, authorise, open_redis, open_web, organisation, register

ON_HOSTS = [each for each in PAIRS if not each[0].startswith("DOM-")]


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """All of them follow rounds."""


def unit(slug: str) -> Organisation:
    made = organisation(slug)
    register(made, ADDRESS)
    authorise(made, ADDRESS)
    return made


def saying(*services: Service) -> Answer:
    def answer(target: Target, plan: Plan) -> HostInspection:
        del target, plan
        return seen(*services, at=AT)

    return answer


def scored(owner: Organisation, *worlds: Answer) -> HostScore:
    """How the host of an organisation scores after it was seen like that, one after the other."""
    rounds = [followed(owner, each, number / 10) for number, each in enumerate(worlds)]
    return host_after(owner, rounds[-1])


def host_after(owner: Organisation, this: Round) -> HostScore:
    (host,) = load_score(RoundScore.objects.get(organisation=owner, round=this)).hosts
    return host


@pytest.mark.parametrize(("lesser", "graver", "before", "after"), ON_HOSTS, ids=[f"{a}->{b}" for a, b, *_ in ON_HOSTS])
def test_a_host_that_got_worse_scores_like_one_that_is_first_seen_like_that(
    lesser: str, graver: str, before: tuple[Service, ...], after: tuple[Service, ...]
) -> None:
    known = unit("known")
    with_history = scored(known, saying(*before), saying(*after))
    both = dict(Finding.objects.filter(check_id__in=[lesser, graver]).values_list("check_id", "state"))
    assert both == {lesser: "open", graver: "open"}, "the lesser stays open, and is shown"
    assert with_history == scored(unit("new"), saying(*after))


def test_whatever_came_before_a_host_scores_like_one_that_is_first_seen_as_it_is() -> None:
    worlds = (guarded_redis, open_redis, open_web)
    afresh = {each: scored(unit(f"new-{number}"), each) for number, each in enumerate(worlds)}
    for number, past in enumerate(product(worlds, repeat=3)):
        assert scored(unit(f"known-{number}"), *past) == afresh[past[-1]], [each.__name__ for each in past]


def test_the_terms_of_a_host_with_history_add_up_to_its_score_in_the_report() -> None:
    owner = unit("water")
    followed(owner, guarded_redis, 0)
    this = followed(owner, open_redis, 1)
    said = report_model(owner, this, day(1.1))
    (host,) = said.score.hosts
    assert {each.check for each in said.findings} >= {EXPOSED, UNAUTH}
    assert EXPOSED not in {each.check for each in host.terms}
    assert host.product == pytest.approx(100 * math.prod(1 - each.points / 100 for each in host.terms))
    assert host.value == pytest.approx(min(host.product, host.cap.limit if host.cap else 100))
    (shown,) = said.inventory
    assert shown.score == host.value


def test_a_lesser_finding_counts_while_the_graver_one_does_not() -> None:
    owner = unit("water")
    followed(owner, guarded_redis, 0)
    followed(owner, open_redis, 1)
    acts.grant(
        Finding.objects.get(check_id=UNAUTH),
        ExemptionKind.FALSE_POSITIVE,
        "Li",
        "a decoy",
        "",
        day(90),
        "ops",
        day(1.5),
    )
    this = followed(owner, open_redis, 2)
    assert EXPOSED in {each.check for each in host_after(owner, this).terms}


def test_no_check_weighs_less_than_what_it_is_told_in_place_of() -> None:
    checks = catalogue()
    pairs = [(check, each) for check in checks for each in graver_than(check) if each in checks]
    assert [(a, b) for a, b in pairs if checks[b].severity.rank < checks[a].severity.rank] == []


findings = st.builds(
    Scored,
    check=st.just("X"),
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    known_exploited=st.booleans(),
    age=st.sampled_from(Age),
)


@given(findings, findings, st.lists(findings, max_size=4))
def test_getting_worse_never_raises_a_score(lesser: Scored, graver: Scored, others: list[Scored]) -> None:
    """Whatever else the host has, once both are as late as each other."""
    lesser = replace(lesser, age=graver.age)
    beside = [replace(each, check=f"Y{number}") for number, each in enumerate(others)]
    before = score_host("h", [*beside, lesser])
    counted = [graver] if outweighs(graver, lesser) else [replace(lesser, check="Z"), graver]
    after = score_host("h", [*beside, *counted])
    assert after.value <= before.value + 1e-9
    whole = [score_organisation([each], 1).value or 0 for each in (before, after)]
    assert whole[1] <= whole[0] + 1e-9
