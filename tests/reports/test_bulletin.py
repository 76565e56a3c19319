"""A bulletin says of a subtree what its rounds found, compares what can be compared, and nothing of anyone else."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Confidence, Endpoint, HostInspection, Service, Severity, Target
from scanner.engine.plan import Plan
from scanner.remediation import acts
from scanner.remediation.models import ExemptionKind, Finding
from scanner.reports.bulletin_anonymous import anonymous, letter
from scanner.reports.bulletin_model import BulletinModel, Campaign, SeverityLine, Unranked
from scanner.reports.bulletin_query import period_of
from scanner.reports.bulletin_render import render_bulletin, render_bulletin_json
from scanner.reports.query import report_model
from scanner.reports.words import percents
from scanner.rounds.models import Plan as PlanRow
from scanner.rounds.models import PlanKind
from scanner.rounds.planning import PlanRequest, make_plan
from targets.models import Organisation
from tests.reports.district import OFFICE, District, bulletin, day
from tests.rounds.world import inspected, open_redis, open_web, timed_out

pytestmark = pytest.mark.django_db


def odd_telnet(target: Target, plan: Plan) -> HostInspection:
    """Something that speaks Telnet and asks for no log-in: it may be anything."""
    facts = ServiceFacts("TELNET", Access.UNKNOWN)
    service = Service(Endpoint(target.address, 80), "telnet", facts=facts)
    return inspected(target, plan, (80,), (service,), (service,))


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def city(district: District) -> Organisation:
    return district.unit("city", None, 0, 0)


def names(said: BulletinModel) -> list[tuple[int | None, str]]:
    return [(row.rank, row.unit.slug) for row in said.ranked]


def test_units_are_ranked_by_their_score_and_equal_ones_share_a_rank(district: District, city: Organisation) -> None:
    units = [district.unit(slug, city, 3, net) for net, slug in enumerate(("water", "roads", "parks"), 1)]
    district.answers["192.0.2.1"] = open_redis
    district.round(1, *units)

    said = bulletin(city, 0, 29)

    assert names(said) == [(1, "parks"), (1, "water"), (3, "roads")]
    assert [row.score for row in said.ranked[:2]] == [100, 100]
    assert said.situation.score == pytest.approx((200 + (said.ranked[2].score or 0)) / 3)
    assert (said.situation.units, said.situation.organisations) == (3, 4)
    assert (said.situation.hosts, said.situation.hosts_inspected) == (9, 9)


def test_the_score_is_the_one_of_the_units_own_report(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 3, 1)
    district.answers["192.0.1.1"] = open_redis
    this = district.round(1, water)

    (row,) = bulletin(city, 0, 29).ranked

    report = report_model(water, this, day(2))
    assert (row.score, row.grade, row.coverage) == (report.score.value, report.score.grade, report.score.coverage)


def test_who_was_not_inspected_enough_is_listed_apart_with_the_reason(district: District, city: Organisation) -> None:
    few = district.unit("few", city, 2, 1)
    dark = district.unit("dark", city, 4, 2)
    mute = district.unit("mute", city, 3, 3)
    late = district.unit("late", city, 3, 4)
    lapsed = district.unit("lapsed", city, 3, 5)
    lapsed.authorisations.update(valid_until=day(3))
    district.answers.update({"192.0.2.1": timed_out, **{f"192.0.3.{host}": timed_out for host in (1, 2, 3)}})
    district.round(1, few, dark, mute, lapsed)

    said = bulletin(city, 0, 29)

    assert said.ranked == ()
    assert late
    assert {row.unit.slug: row.unranked for row in said.others} == {
        "few": Unranked.FEW_HOSTS,
        "dark": Unranked.LOW_COVERAGE,
        "mute": Unranked.NOTHING_SEEN,
        "late": Unranked.NOT_INSPECTED,
        "lapsed": Unranked.UNAUTHORISED,
    }
    assert (said.situation.hosts, said.situation.hosts_inspected) == (12, 8)


def test_what_no_round_could_look_at_is_not_called_clean(district: District, city: Organisation) -> None:
    mute, late, water = (district.unit(slug, city, 3, net) for net, slug in enumerate(("mute", "late", "water"), 1))
    district.answers = {f"192.0.1.{host}": timed_out for host in (1, 2, 3)}
    district.round(1, mute)
    nothing = bulletin(city, 0, 29)
    page = render_bulletin(nothing, Language.EN, "Office")
    assert late
    assert (nothing.situation.inspected, nothing.situation.hosts) == (0, 3)
    assert "nothing can be said about it" in page
    assert "nothing can be said about weaknesses" in page
    assert page.count("0 (0)") == 0, "nobody knows what is open there"

    district.round(2, water)
    partly = bulletin(city, 0, 29)
    assert (partly.situation.inspected, partly.saw_all) == (1, False)
    assert "no finding is left to be fixed. The rest is unknown." in render_bulletin(partly, Language.EN, "Office")

    district.answers = {}
    district.round(3, mute, late, water)
    whole = render_bulletin(bulletin(city, 0, 29), Language.EN, "Office")
    assert "Within the scope, vantage point and time of the inspections" in whole
    assert "The rest is unknown" not in whole


def test_progress_is_what_was_fixed_of_what_was_to_be_fixed(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 4, 1)
    district.answers.update({f"192.0.1.{host}": open_redis for host in (1, 2, 3, 4)})
    district.round(1, water)
    district.answers["192.0.1.1"] = open_web
    district.round(3, water)
    district.answers["192.0.1.2"] = open_web
    district.round(10, water)
    spared = Finding.objects.get(host="192.0.1.4", check_id="SVC-REDIS-UNAUTH")
    acts.grant(spared, ExemptionKind.ACCEPTED, "Head", "goes next year", "", day(200), "ops", day(11))

    said = bulletin(city, 0, 29)

    critical = said.severities[0]
    assert critical == SeverityLine(Severity.CRITICAL, open=1, open_before=0, found=4, fixed=2, exempted=1, overdue=1)
    rates = said.progress
    assert (rates.rectified.part, rates.rectified.whole) == (2, 3)
    assert (rates.on_time.part, rates.on_time.whole) == (1, 3)
    assert (rates.recurred.part, rates.recurred.whole) == (0, 2)
    (unit,) = said.late
    assert (unit.unit.slug, unit.total, [late.place.host for late in unit.findings]) == ("water", 1, ["192.0.1.3"])


def test_a_claim_in_time_that_an_inspection_proves_later_counts_as_in_time(
    district: District, city: Organisation
) -> None:
    water = district.unit("water", city, 3, 1)
    district.answers["192.0.1.1"] = open_redis
    district.round(1, water)
    acts.claim(Finding.objects.get(check_id="SVC-REDIS-UNAUTH"), "the unit", "", day(2))
    waiting = bulletin(city, 0, 8)
    district.answers["192.0.1.1"] = open_web
    district.round(9, water)

    proven = bulletin(city, 0, 29)

    assert (waiting.overdue, waiting.late) == (0, ())
    assert (proven.progress.on_time.part, proven.progress.on_time.whole) == (1, 1)


def test_what_comes_back_counts_as_a_recurrence(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 3, 1)
    for number, answer in ((1, open_redis), (5, open_web), (40, open_redis)):
        district.answers["192.0.1.1"] = answer
        district.round(number, water)

    first, second = bulletin(city, 0, 29, now=50), bulletin(city, 30, 59)

    assert (first.progress.recurred.part, first.progress.recurred.whole) == (0, 1)
    assert (second.progress.recurred.part, second.progress.recurred.whole) == (1, 1)
    assert (first.open, second.open) == (0, 1)


def test_a_bulletin_on_a_period_that_is_over_tells_how_things_stood_then(
    district: District, city: Organisation
) -> None:
    water = district.unit("water", city, 3, 1)
    district.answers["192.0.1.1"] = open_redis
    district.round(1, water)
    then = bulletin(city, 0, 29)
    district.answers["192.0.1.1"] = open_web
    district.round(35, water)

    again = bulletin(city, 0, 29, now=50)

    assert replace(again, generated=then.generated) == then
    assert (then.open, bulletin(city, 30, 59).open) == (1, 0)
    change = bulletin(city, 30, 59).ranked[0].change
    assert change is not None
    assert change > 10


def test_what_is_merely_possible_is_told_apart_and_ranks_nobody_down(district: District, city: Organisation) -> None:
    water, roads = district.unit("water", city, 3, 1), district.unit("roads", city, 3, 2)
    district.answers["192.0.1.1"] = odd_telnet
    this = district.round(1, water, roads)
    hints = Finding.objects.filter(organisation=water).exclude(severity="info")
    assert [each.confidence for each in hints] == [Confidence.POSSIBLE]

    said = bulletin(city, 0, 29)

    assert (said.possible, said.open, said.weaknesses, said.late) == (1, 0, (), ())
    assert [(row.rank, row.ranked_by) for row in said.ranked] == [(1, 100), (1, 100)]
    assert said.ranked[1].score == report_model(water, this, day(2)).score.value
    assert (said.ranked[1].score or 100) < 100
    assert "100.0" in render_bulletin(said, Language.EN, "Office")


def test_nothing_of_another_subtree_is_in_it(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 3, 1)
    other = district.unit("othercity", None, 0, 0)
    foreign = district.unit("foreign", other, 3, 9)
    below = district.unit("below", water, 3, 3)
    district.answers.update({"192.0.9.1": open_redis, "192.0.1.1": open_redis, "192.0.3.1": open_redis})
    district.round(1, water, foreign, below)

    said = bulletin(city, 0, 29)
    everyone = bulletin(None, 0, 29)

    for language in Language:
        for text in (render_bulletin(said, language, "Office"), render_bulletin_json(said, language)):
            assert "foreign" not in text
            assert "othercity" not in text
            assert "192.0.9." not in text
    assert {row.unit.slug for row in said.ranked} == {"water", "below"}
    assert {row.unit.slug for row in everyone.ranked} == {"water", "below", "foreign"}
    assert [row.unit.slug for row in bulletin(water, 0, 29).ranked] == ["below", "water"]


def test_what_a_retired_organisation_supervised_stays_below_those_above(district: District, city: Organisation) -> None:
    bureau = district.unit("bureau", city, 3, 1)
    school = district.unit("school", bureau, 3, 2)
    district.round(1, bureau, school)
    bureau.retired_at = day(2)
    bureau.save()

    assert [row.unit.slug for row in bulletin(city, 0, 29).ranked] == ["school"]


def test_hosts_that_are_not_registered_any_more_are_left_out(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 4, 1)
    district.answers["192.0.1.1"] = open_redis
    district.round(1, water)
    water.targets.filter(value="192.0.1.1").update(retired_at=day(2))

    assert bulletin(city, 0, 29).open == 0


def many(district: District, city: Organisation, count: int) -> list[Organisation]:
    units = [district.unit(f"unit{net}x", city, 3 + net % 3, net) for net in range(1, count + 1)]
    district.answers.update({f"192.0.{net}.1": open_redis for net in range(1, count + 1, 2)})
    district.round(1, *units)
    return units


def test_the_version_without_names_holds_no_unit_no_host_and_no_finding(district: District, city: Organisation) -> None:
    units = many(district, city, 6)
    named = bulletin(city, 0, 29)

    said = anonymous(named, "secret")

    assert [row.unit.letter for row in said.ranked] == list("ABCDEF")
    places = [f"192.0.{net}." for net in range(1, 7)]
    hidden = [name for unit in units for name in (unit.slug, unit.name_zh, unit.name_en)] + places
    for language in Language:
        for text in (render_bulletin(said, language, "Office"), render_bulletin_json(said, language)):
            assert [name for name in hidden if name in text] == []
            assert city.name_en in text or city.name_zh in text
    assert all((row.hosts, row.open, row.overdue, row.inspected) == (None, None, None, None) for row in said.ranked)
    assert all(row.progress.rectified.whole is None for row in said.ranked)
    assert (said.late, said.others) == ((), ())


def test_letters_follow_from_a_secret_and_not_from_score_or_name(district: District, city: Organisation) -> None:
    many(district, city, 6)
    named = bulletin(city, 0, 29)

    scores = {secret: [row.score for row in anonymous(named, secret).ranked] for secret in ("a", "b", "c", "d")}

    assert anonymous(named, "a") == anonymous(named, "a")
    assert len({tuple(each) for each in scores.values()}) > 1
    assert all(sorted(each) == sorted(scores["a"]) for each in scores.values())  # type: ignore[type-var]  # scores are there


def test_too_few_units_are_not_compared_without_their_names(district: District, city: Organisation) -> None:
    many(district, city, 4)

    said = anonymous(bulletin(city, 0, 29), "secret")

    assert said.withheld
    assert said.ranked == ()


def test_a_weakness_of_fewer_than_three_units_is_not_named_for_wider_circulation(
    district: District, city: Organisation
) -> None:
    many(district, city, 4)
    assert [each.units for each in bulletin(city, 0, 29).weaknesses] == [2]
    assert anonymous(bulletin(city, 0, 29), "secret").weaknesses == ()


def test_units_beyond_z_get_two_letters() -> None:
    assert [letter(number) for number in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        *("A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA")
    ]


def test_the_trend_follows_the_rounds(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 3, 1)
    for number, answer in ((1, open_redis), (8, open_redis), (15, open_web)):
        district.answers["192.0.1.1"] = answer
        district.round(number, water)

    said = bulletin(city, 0, 29)

    assert [dict(point.open)[Severity.CRITICAL] for point in said.trend] == [1, 1, 0]
    assert [point.units for point in said.trend] == [1, 1, 1]
    assert (said.trend[0].score or 0) < 70
    assert said.trend[2].score == 100


def test_the_trend_of_many_rounds_is_thinned_and_ends_with_the_last(district: District, city: Organisation) -> None:
    water = district.unit("water", city, 3, 1)
    last = None
    for number in range(14):
        last = district.round(number, water)
    assert last is not None

    said = bulletin(city, 0, 29, now=40)

    assert len(said.trend) == 12
    assert said.trend[-1].at == last.finished


def test_the_number_of_queries_does_not_grow_with_the_number_of_units(district: District, city: Organisation) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            bulletin(city, 0, 29)
        return len(caught)

    many(district, city, 2)
    few = queries()
    more = [district.unit(f"more{net}", city, 3, net) for net in range(20, 28)]
    district.answers.update({f"192.0.{net}.1": open_redis for net in range(20, 28)})
    district.round(2, *more)

    assert queries() == few
    assert few <= 20


@pytest.mark.parametrize("language", Language)
def test_the_same_model_gives_the_same_bytes(district: District, city: Organisation, language: Language) -> None:
    many(district, city, 6)

    one, other = bulletin(city, 0, 29), bulletin(city, 0, 29)

    assert render_bulletin(one, language, "Office") == render_bulletin(other, language, "Office")
    assert render_bulletin_json(one, language) == render_bulletin_json(other, language)
    document = json.loads(render_bulletin_json(one, language))
    assert (document["schema"], document["language"]) == ("roundsman.bulletin/1", str(language))


@pytest.mark.parametrize("language", Language)
def test_a_hostile_name_is_text(district: District, city: Organisation, language: Language) -> None:
    city.name_zh = city.name_en = "<script>alert(1)</script>\x1b[31m"
    city.save()
    district.round(1, district.unit("water", city, 3, 1, name_zh="<b>水</b>", name_en="<b>water</b>"))

    page = render_bulletin(bulletin(city, 0, 29), language, "<i>Office</i>")

    assert "<script" not in page
    assert "<b>水" not in page
    assert "<b>water" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize("language", Language)
def test_a_bulletin_on_nothing_says_so(city: Organisation, language: Language) -> None:
    said = bulletin(city, 0, 29)

    assert render_bulletin(said, language, "Office")
    assert render_bulletin(anonymous(said, "secret"), language, "Office")
    assert (said.situation.score, said.progress.rectified.share, said.trend) == (None, None, ())


def test_a_period_is_whole_days_by_the_clocks_of_its_readers() -> None:
    period = period_of(dt.date(2026, 9, 1), dt.date(2026, 9, 30), "Asia/Shanghai", day(100))

    assert period.since == dt.datetime(2026, 8, 31, 16, 0, tzinfo=dt.UTC)
    assert period.until == period.end == dt.datetime(2026, 9, 30, 16, 0, tzinfo=dt.UTC)
    assert period.before == dt.datetime(2026, 8, 1, 16, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(("since", "last"), [(dt.date(2026, 9, 3), dt.date(2026, 9, 2)), (dt.date(2030, 1, 1),) * 2])
def test_a_period_that_has_no_past_is_refused(since: dt.date, last: dt.date) -> None:
    with pytest.raises(InputError, match="The period"):
        period_of(since, last, OFFICE.time_zone, day(100))


def test_not_quite_all_is_never_a_hundred_percent() -> None:
    assert [percents(each) for each in (0.0, 0.001, 0.5, 0.999, 1.0)] == [0, 1, 50, 99, 100]


def campaign_round(district: District, number: float, *owners: Organisation) -> None:
    checks = ("SVC-REDIS-UNAUTH",)
    plan = PlanRow.objects.filter(name="water-first").first() or make_plan(
        PlanRequest("water-first", PlanKind.CAMPAIGN, "tester", checks=checks, ports="6379"), day(0)
    )
    district.round(number, *owners, request={"kind": PlanKind.CAMPAIGN, "plan": plan, "checks": checks})


def test_a_campaign_is_told_as_far_as_it_concerned_these_units(district: District, city: Organisation) -> None:
    water, foreign = district.unit("water", city, 3, 1), district.unit("foreign", None, 3, 9)
    district.answers.update({"192.0.1.1": open_redis, "192.0.1.2": timed_out, "192.0.9.1": open_redis})
    campaign_round(district, 2, water, foreign)
    district.answers["192.0.1.1"] = open_web
    campaign_round(district, 4, water, foreign)

    said = bulletin(city, 0, 29)

    checks = ("SVC-REDIS-UNAUTH",)
    assert said.campaigns == (Campaign("water-first", checks, True, rounds=2, hosts=2, missed=1, found=1, fixed=1),)
    assert bulletin(city, 30, 59).campaigns == ()
    assert said.situation.inspected == 0, "a campaign is no whole round"
    assert "water-first" in render_bulletin(said, Language.EN, "Office")
    assert "water-first" not in render_bulletin(anonymous(said, "secret"), Language.EN, "Office")
    assert "water-first" not in render_bulletin_json(anonymous(said, "secret"), Language.EN)


def test_a_campaign_that_could_look_at_nothing_found_nobody_knows_how_much(
    district: District, city: Organisation
) -> None:
    water = district.unit("water", city, 1, 1)
    district.answers["192.0.1.1"] = timed_out
    campaign_round(district, 2, water)
    said = bulletin(city, 0, 29)
    assert [(each.hosts, each.missed, each.found) for each in said.campaigns] == [(0, 1, 0)]
    row = render_bulletin(said, Language.EN, "Office").split('class="campaigns"')[1]
    assert 'data-label="Found">—</td>' in row
    assert 'data-label="Of these fixed">—</td>' in row


def test_means_weigh_units_as_they_are_registered(district: District, city: Organisation) -> None:
    heavy, light = district.unit("heavy", city, 3, 1, weight=3), district.unit("light", city, 3, 2)
    district.answers["192.0.1.1"] = open_redis
    district.round(1, heavy, light)

    said = bulletin(city, 0, 29)

    scores = {row.unit.slug: row.score or 0 for row in said.ranked}
    assert said.situation.score == pytest.approx((3 * scores["heavy"] + scores["light"]) / 4)
    assert said.trend[0].score == pytest.approx(said.situation.score)


def test_what_waits_for_the_offices_decision_is_not_called_overdue(district: District, city: Organisation) -> None:
    district.answers["192.0.1.1"] = open_redis
    district.round(1, district.unit("water", city, 3, 1))
    late = Finding.objects.get(check_id="SVC-REDIS-UNAUTH")
    asked = acts.request_exemption(
        late, ExemptionKind.FALSE_POSITIVE, "Head", "a decoy", "", day(200), "the unit", day(2)
    )

    before = bulletin(city, 0, 8)
    acts.decide(asked, granted=False, by="ops", now=day(10))

    assert (before.overdue, before.open) == (0, 1)
    assert bulletin(city, 0, 29).overdue == 1
    assert bulletin(city, 0, 8, now=20).overdue == 0, "that it was still waiting then"
