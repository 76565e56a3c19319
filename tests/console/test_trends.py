"""How score and coverage went over the last rounds: of all organisations, and of one."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict

import pytest

from scanner.accounts.roles import Role
from scanner.accounts.sight import Sight
from scanner.console.trends import SHOWN, trend
from scanner.remediation.models import RoundScore
from scanner.remediation.score import score_organisation
from scanner.rounds.models import Round
from targets.models import Organisation
from tests.console.house import House
from tests.delivery.office import followed_round


def scored(house: House, scores: dict[Organisation, tuple[float, float]], hours: int) -> Round:
    this = followed_round(*scores, at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours))
    for owner, (value, share) in scores.items():
        figures = {"value": value, "coverage": share, "provisional": share < 0.8}
        terms = asdict(score_organisation([], share)) | figures
        RoundScore.objects.create(round=this, organisation=owner, score=terms, **figures)
    return this


@pytest.fixture
def rounds(house: House) -> list[Round]:
    RoundScore.objects.all().delete()
    water, library, city = house.water, house.library, house.city
    return [
        scored(house, {water: (40, 1), library: (60, 0.9), city: (80, 1)}, 0),
        scored(house, {water: (10, 1)}, 1),
        scored(house, {water: (50, 0.5), library: (70, 1), city: (90, 0.9)}, 2),
    ]


def test_the_overview_shows_the_mean_of_rounds_that_are_about_most_of_them(house: House, rounds: list[Round]) -> None:
    drawn = trend(Sight.of(house.users[Role.OPERATOR]), 3)
    assert drawn is not None
    assert [(each.round, each.score, round(each.coverage), each.organisations) for each in drawn.points] == [
        (rounds[0].pk, 60, 97, 3),
        (rounds[2].pk, 80, 80, 3),
    ]
    html = house.browser(Role.OPERATOR).get("/").content.decode()
    labels = re.findall(r'<svg class="chart"[^>]* role="img" aria-label="([^"]+)"', html)
    assert labels == [
        "Score of each round, from 0 to 100: at first 60.0, now 80.0",
        "Coverage of each round: at first 96.7 %, now 80.0 %",
    ]
    assert "The same as a table" in html


def test_an_organisation_sees_its_own_way_and_a_score_of_too_little_coverage_is_a_gap(
    house: House, rounds: list[Round]
) -> None:
    member = Sight.of(house.users[Role.UNIT_MEMBER])
    drawn = trend(member, 1, house.water)
    assert drawn is not None
    assert [each.score for each in drawn.points] == [40, 10, None]
    assert trend(member, 1, house.library) is None
    html = house.browser(Role.UNIT_MEMBER).get("/organisations/water/").content.decode()
    assert html.count('<svg class="chart"') == 2


def test_what_can_not_be_compared_is_no_trend(house: House, rounds: list[Round]) -> None:
    operator = Sight.of(house.users[Role.OPERATOR])
    assert trend(operator, 7) is None, "all rounds are about less than half"
    Round.objects.filter(pk=rounds[0].pk).update(hosts=["192.0.2.10"])
    assert trend(operator, 3) is None, "one of them was about a part"
    for hours in range(3, 3 + SHOWN):
        scored(house, {house.water: (50, 1), house.library: (50, 1)}, hours)
    drawn = trend(operator, 3)
    assert drawn is not None
    assert len(drawn.points) == SHOWN
