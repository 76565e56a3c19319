"""What two rounds saw of a finding, beside each other."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from scanner.accounts.roles import Role
from scanner.console import beside
from scanner.engine.model import HostInspection, Service
from scanner.engine.serialize import dump_host, load_host
from scanner.installation import ROOT
from scanner.remediation.lifecycle import Happened
from scanner.remediation.sightings import Sighting
from scanner.rounds.models import HostResult, Round
from tests.console.house import House
from tests.delivery.office import followed_round, happened
from tests.reports.sample import HOSTILE

SAMPLE = load_host((ROOT / "tests" / "engine" / "samples" / "host-1.json.z").read_bytes())


def with_redis(change: Callable[[Service], Service]) -> HostInspection:
    services = tuple(change(each) if each.protocol == "redis" else each for each in SAMPLE.services)
    return replace(SAMPLE, services=services)


def later(house: House, facts: HostInspection, kind: Happened = Happened.SEEN) -> Round:
    """Another round of the water office, which saw this."""
    this = followed_round(house.water, at=dt.datetime.now(dt.UTC))
    HostResult.objects.filter(round=this).update(facts=dump_host(facts))
    happened(house.finding, kind, this.finished or this.created, this)
    return this


def page(house: House, query: str = "") -> str:
    answer = house.browser(Role.UNIT_MEMBER).get(f"/findings/{house.finding.pk}/compare/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def rows(html: str) -> dict[str, tuple[str, ...]]:
    """The rows of the tables: the cells by what they are about, with what is marked in brackets."""
    found = {}
    for row in re.findall(r"<tr[^>]*><th scope=\"row\">.*?</tr>", html, re.DOTALL):
        cells = [re.sub(r"<mark[^>]*>(.*?)</mark>", r"[\1]", each) for each in row.split("<td")]
        name, *told = (re.sub(r"^[^>]*>|<[^>]+>", "", each).strip() for each in cells)
        found[name] = tuple(told)
    return found


def test_versions_and_exchanges_that_differ_are_marked_and_said_to_differ(house: House) -> None:
    def newer(service: Service) -> Service:
        assert service.facts is not None
        (first, *others) = service.facts.exchanges
        facts = replace(service.facts, version="7.4.1", exchanges=(replace(first, received=HOSTILE), *others))
        return replace(service, version="7.4.1", facts=facts)

    that = later(house, with_redis(newer))
    html = page(house)
    found = rows(html)

    assert found["version"] == ("[7.0.15]", "[7.4.1]", "differs")
    assert found["facts.access"] == ("open", "open", "the same")
    assert found["Result"][2] == "the same"
    assert not re.search(r"<script|\x1b|\u202e", html)
    assert f'<option value="{that.pk}" selected>' in html
    third = later(house, SAMPLE, Happened.NOT_INSPECTED)
    assert f'value="{third.pk}" selected' not in page(house), "first come rounds that could tell"
    chosen = page(house, f"?first={third.pk}&second={that.pk}")
    assert "[not inspected]" in rows(chosen)["Result"][1]
    assert rows(page(house, f"?first={that.pk}&second={that.pk}"))["version"], "one and the same is not compared"


def test_a_place_where_nothing_answers_any_more_is_told_beside_what_was(house: House) -> None:
    gone = replace(SAMPLE, services=tuple(each for each in SAMPLE.services if each.protocol != "redis"))
    later(house, gone, Happened.FIXED)
    found = rows(page(house))
    assert "[seen]" in found["Result"][0]
    assert "[not there any more]" in found["Result"][1]
    assert found["protocol"] == ("[redis]", "nothing", "differs")


def test_what_a_round_could_not_look_at_is_not_called_absent(house: House) -> None:
    that = later(house, replace(SAMPLE, services=()), Happened.NOT_INSPECTED)
    HostResult.objects.filter(round=that).update(outcome="unreachable")
    found = rows(page(house))
    assert found["protocol"] == ("[redis]", "not known", "–")
    HostResult.objects.filter(round=that).update(facts=b"damaged")
    assert rows(page(house))["protocol"] == ("[redis]", "not known", "–")


def test_what_is_not_kept_is_said(house: House) -> None:
    assert "Only one round" in page(house)
    that = later(house, SAMPLE)
    HostResult.objects.filter(round=that).update(facts=b"damaged")
    assert f"What round {that.pk} saw in detail is kept no more" in page(house)
    HostResult.objects.filter(round=that).delete()
    Round.objects.filter(pk=that.pk).update(pruned=dt.datetime.now(dt.UTC))
    assert f"What round {that.pk} saw in detail is kept no more" in page(house)


@pytest.mark.parametrize("query", ["?first=x&second=-1", "?first=99999&second=%00", "?first=1&first=2"])
def test_odd_choices_show_the_last_two(house: House, query: str) -> None:
    later(house, SAMPLE)
    assert "Nothing at this place differs" in page(house, query)


def test_facts_are_bounded_and_told_apart_where_they_are_cut() -> None:
    def seen(banner: str) -> Sighting:
        return Sighting(services=tuple(with_redis(lambda each: replace(each, banner=banner)).services[1:]))

    long = "x" * 5000
    (row,) = [each for each in beside.facts(seen(f"{long}a"), seen(f"{long}b")) if each.differs]
    assert row.name == "banner"
    assert row.left != row.right
    assert all(len(value) <= beside.LONGEST for value in (*row.left, *row.right))
