"""The register on pages: targets added, changed, retired, looked at now, and files imported after a look at them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.engine.model import Coverage, Facet, Gap, GapReason, HostInspection, Level, Outcome, Vantage
from scanner.engine.model import Target as EngineTarget
from scanner.engine.serialize import dump_host
from scanner.remediation.models import Finding, RoundScore
from scanner.remediation.score import score_organisation
from scanner.remediation.scores import as_kept
from scanner.rounds.models import HostResult, Round
from scanner.rounds.switch import stop_all
from targets.models import Authorisation, RegisterDraft, Target, TargetKind
from tests.console.house import House
from tests.rounds.world import register

WHO = "operator@office.example"


@pytest.fixture(autouse=True)
def no_nmap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.rounds.making.tool_versions", lambda: {"nmap": "7.95"})


@pytest.fixture
def house(house: House) -> House:
    """The two units have no address in common."""
    house.library.targets.update(retired_at=house.draft.created)
    return house


def agreed(html: str) -> dict[str, str]:
    """The agreement that a page asks for, with what was entered before."""
    told = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
    told.pop("csrfmiddlewaretoken", None)
    return {**told, "agreed": re.findall(r'name="agreed" value="(\w+)"', html)[0]}


def errors(html: str) -> list[str]:
    return re.findall(r'class="error"[^>]*>([^<]*)<', html)


def entry_of(action: str) -> Entry:
    return Entry.objects.filter(action=action).latest("pk")


def test_targets_are_found_by_address_tag_zone_and_organisation(house: House) -> None:
    register(house.library, "www.library.example", tags=["web"])
    browser = house.browser(Role.OPERATOR)

    def shown(query: str) -> bool:
        return "www.library.example" in browser.get(f"/targets/?{query}").content.decode()

    assert all(map(shown, ("", "q=library", "tag=web", "zone=internet", "organisation=library")))
    assert not any(map(shown, ("q=water", "tag=we", "zone=other", "organisation=water", "state=retired", "state=key")))
    assert "192.0.2.10" in browser.get("/targets/?tag=核心").content.decode()


def test_targets_are_added_one_a_line_and_put_on_record(house: House) -> None:
    sent = {
        "organisation": "water",
        "addresses": "WWW.Water.example\n192.0.2.64/30\n\n",
        "zone": "internet",
        "criticality": "key",
        "tags": "web, 门户",
        "ports": "443,80",
    }
    answer = house.browser(Role.OPERATOR).post("/targets/add/", sent)

    assert answer.status_code == 302
    row = Target.objects.get(value="www.water.example")
    assert (row.organisation, row.criticality, row.tags, row.ports) == (house.water, "key", ["web", "门户"], "80,443")
    assert Target.objects.filter(value="192.0.2.64/30", kind="cidr").exists()
    entry = entry_of("register-applied")
    assert entry.actor == WHO
    assert {each["key"] for each in entry.detail["changes"]} == {"www.water.example", "192.0.2.64/30"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"addresses": "not a name!"}, "holds a space"),
        ({"addresses": "10.0.0.0/8"}, "a target is at most a /16"),
        ({"addresses": "192.0.2.200"}, "overlaps 192.0.2.200 of library"),
        ({"organisation": "nobody"}, "not registered and active"),
        ({"ports": "0"}, "out of range"),
        ({"blackouts": "always"}, "is no blackout"),
    ],
)
def test_what_can_not_be_registered_is_told_beside_its_field(house: House, change: dict[str, str], said: str) -> None:
    register(house.library, "192.0.2.200")
    before = Target.objects.count()
    sent = {"organisation": "water", "addresses": "192.0.2.99", "zone": "internet", "criticality": "ordinary", **change}
    answer = house.browser(Role.OPERATOR).post("/targets/add/", sent)

    assert answer.status_code == 200
    assert said in " ".join(errors(answer.content.decode()))
    assert Target.objects.count() == before


def test_a_target_is_changed_and_what_the_form_does_not_name_stays(house: House) -> None:
    browser, where = house.browser(Role.OPERATOR), f"/targets/{house.target.pk}/change/"
    assert "dmz, 核心" in browser.get(where).content.decode()
    sent = {"zone": "internet", "criticality": "key", "tags": "dmz", "ports": "", "value": "198.51.100.1"}
    answer = browser.post(where, sent)
    assert errors(answer.content.decode()) == []
    assert answer.headers["Location"] == f"/targets/{house.target.pk}/"

    house.target.refresh_from_db()
    assert (house.target.criticality, house.target.tags, house.target.value) == ("key", ["dmz"], "192.0.2.10")


def look(house: House, outcome: Outcome, *gaps: Gap) -> HostInspection:
    return HostInspection(
        EngineTarget("192.0.2.10", "192.0.2.10"),
        outcome,
        house.round.created,
        house.round.created,
        Vantage.INTERNET,
        Level.READ,
        coverage=Coverage(gaps=gaps),
    )


def test_the_pages_of_a_target_and_of_a_round_tell_what_was_left_out_and_why(house: House) -> None:
    gaps = (
        Gap(GapReason.TIMED_OUT, Facet.TLS, 443),
        Gap(GapReason.REFUSED_BY_SCOPE, detail="excluded address=192.0.2.10 'why=heart <b>monitor</b>'"),
    )
    seen = look(house, Outcome.PARTIAL, *gaps)
    rows = HostResult.objects.filter(organisation=house.water)
    rows.update(target=house.target, facts=dump_host(seen), outcome=Outcome.PARTIAL)
    shown = house.browser(Role.OPERATOR).get(f"/rounds/{house.round.pk}/").content.decode()
    assert f'<a href="/targets/{house.target.pk}/"><span class="address">192.0.2.10</span></a>' in shown
    assert "443/tcp, TLS" in shown
    assert "Reason given: heart &lt;b&gt;monitor&lt;/b&gt;" in shown
    where = f"/targets/{house.target.pk}/"
    html = house.browser(Role.UNIT_MEMBER).get(where).content.decode()

    assert f"In round {house.round.pk}, the newest." in html
    assert "443/tcp, TLS" in html
    assert "It did not finish in the time allowed." in html
    assert "Reason given: heart &lt;b&gt;monitor&lt;/b&gt;" in html
    rows.update(
        facts=dump_host(replace(seen, outcome=Outcome.INSPECTED, coverage=Coverage())), outcome=Outcome.INSPECTED
    )
    assert "left nothing out" in house.browser(Role.UNIT_MEMBER).get(where).content.decode()
    assert "Nothing is known" not in house.browser(Role.OPERATOR).get(f"/rounds/{house.round.pk}/").content.decode()


def test_a_target_that_no_round_could_look_at_has_nothing_known_of_it(house: House) -> None:
    def shown(outcome: Outcome) -> str:
        facts = dump_host(look(house, outcome, *([Gap(GapReason.TIMED_OUT)] if outcome != Outcome.INSPECTED else [])))
        HostResult.objects.filter(organisation=house.water).update(target=house.target, facts=facts, outcome=outcome)
        return str(house.browser(Role.UNIT_MEMBER).get(f"/targets/{house.target.pk}/").content.decode())

    Finding.objects.update(registered=False)
    in_vain, seen = shown(Outcome.UNREACHABLE), shown(Outcome.INSPECTED)
    assert "Nothing is known yet." in in_vain
    assert '<td class="number">–</td>' in in_vain, "nobody knows how many ports are open"
    assert "Nothing is open, as far as it was inspected." in seen
    assert '<td class="number">–</td>' not in seen


def test_an_organisation_of_which_no_host_could_be_inspected_has_nothing_known_of_it(house: House) -> None:
    RoundScore.objects.filter(organisation=house.water).update(**as_kept(score_organisation([], 0)))
    Finding.objects.filter(organisation=house.water).update(registered=False)
    browser = house.browser(Role.UNIT_MEMBER)
    html = browser.get("/organisations/water/").content.decode()
    assert "could not inspect any of its hosts" in html
    assert "Nothing is known yet." in html
    assert "Nothing can be advised" in html
    assert html.count("<b>–</b>") == 3, "nobody knows how many findings there are"
    rows = house.browser(Role.OPERATOR).get("/organisations/").content.decode().split("Water Office", 1)[1]
    assert rows.split("</tr>")[0].count('<td class="number">–</td>') == 3


def test_the_page_of_a_network_counts_no_address_that_nobody_uses(house: House) -> None:
    rows = HostResult.objects.filter(organisation=house.water)
    facts = dump_host(look(house, Outcome.UNREACHABLE, Gap(GapReason.HOST_SILENT)))
    rows.update(target=house.target, outcome=Outcome.UNREACHABLE, silent=True, facts=facts)
    where = f"/targets/{house.target.pk}/"
    assert "did not answer at all" in house.browser(Role.UNIT_MEMBER).get(where).content.decode()
    Target.objects.filter(pk=house.target.pk).update(kind=TargetKind.CIDR)
    html = house.browser(Role.UNIT_MEMBER).get(where).content.decode()
    assert "did not answer at all" not in html
    assert "1 further address has never answered and is taken as unused" in html


def test_the_page_of_a_target_says_when_the_newest_round_was_about_a_part(house: House) -> None:
    facts = dump_host(look(house, Outcome.INSPECTED))
    HostResult.objects.filter(organisation=house.water).update(target=house.target, facts=facts)
    where = f"/targets/{house.target.pk}/"
    assert "looked at a part only" not in house.browser(Role.UNIT_MEMBER).get(where).content.decode()
    Round.objects.filter(pk=house.round.pk).update(checks=["SVC-REDIS-UNAUTH"])
    assert "looked at a part only" in house.browser(Role.UNIT_MEMBER).get(where).content.decode()


def test_the_page_of_a_round_names_no_address_that_nobody_uses(house: House) -> None:
    rows = HostResult.objects.filter(organisation=house.water)
    facts = dump_host(look(house, Outcome.UNREACHABLE, Gap(GapReason.HOST_SILENT)))
    rows.update(target=house.target, outcome=Outcome.UNREACHABLE, silent=True, facts=facts)
    where = f"/rounds/{house.round.pk}/"
    assert "Nothing is known" in house.browser(Role.OPERATOR).get(where).content.decode()
    Target.objects.filter(pk=house.target.pk).update(kind=TargetKind.CIDR)
    assert "Nothing is known" not in house.browser(Role.OPERATOR).get(where).content.decode()


def test_ticked_targets_are_changed_after_a_look_at_what_changes(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    rows = list(house.water.targets.all())
    where = "/targets/change/?" + "&".join(f"target={row.pk}" for row in rows)
    html = browser.post(where, {"criticality": "key", "remove_tags": "dmz", "add_tags": "edge"}).content.decode()
    assert errors(html) == []
    assert html.count('class="act change"') == len(rows)
    assert Target.objects.filter(criticality="key").count() == 0, "only shown"

    assert browser.post(where, agreed(html)).status_code == 302
    assert {(row.criticality, tuple(row.tags)) for row in house.water.targets.all()} == {("key", ("edge", "核心"))}


def test_what_was_shown_is_made_and_nothing_else(house: House) -> None:
    browser, where = house.browser(Role.OPERATOR), f"/targets/retire/?target={house.target.pk}"
    html = browser.get(where).content.decode()
    Target.objects.filter(pk=house.target.pk).update(ports="22")
    moved = browser.post(where, agreed(html)).content.decode()
    assert "The register was changed meanwhile" in moved
    assert Target.objects.get(pk=house.target.pk).retired_at is None

    assert browser.post(where, agreed(moved)).status_code == 302
    assert Target.objects.get(pk=house.target.pk).retired_at is not None
    assert browser.get(f"/targets/{house.target.pk}/").status_code == 200
    assert browser.get(f"/targets/{house.target.pk}/change/").status_code == 404


def test_a_check_makes_a_round_of_just_these_targets(house: House) -> None:
    where = f"/targets/check/?target={house.target.pk}"
    browser = house.browser(Role.OPERATOR)
    answer = browser.post(where, {"profile": "quick", "ports": "22,443"})

    made = Round.objects.latest("pk")
    assert answer.headers["Location"] == f"/rounds/{made.pk}/?watch=on"
    assert (made.targets, made.ports, made.profile, made.requested_by) == ([house.target.pk], "22,443", "quick", WHO)
    assert list(made.organisations.all()) == [house.water]
    assert entry_of("round-requested").actor == WHO


def test_what_would_not_be_inspected_is_refused_with_the_reason(house: House) -> None:
    browser, sent = house.browser(Role.OPERATOR), {"profile": "quick", "ports": "22"}
    rounds = Round.objects.count()

    def refused(target: Target, why: str) -> None:
        where = f"/targets/check/?target={target.pk}"
        assert why in browser.get(where).content.decode()
        browser.post(where, sent)
        assert Round.objects.count() == rounds

    register(house.water, "198.51.100.7")
    refused(house.water.targets.get(value="198.51.100.7"), "No authorisation covers it")
    stop_all("li", "", house.draft.created)
    assert "Everything is stopped" in browser.post(f"/targets/check/?target={house.target.pk}", sent).content.decode()
    Target.objects.filter(pk=house.target.pk).update(blackouts=["2026-01-01/2999-01-01"])
    refused(house.target, "A blackout holds until")
    Target.objects.update(blackouts=[])
    register(house.water, "www.water.example")
    Authorisation.objects.update(valid_until=house.draft.created)
    refused(house.water.targets.get(value="www.water.example"), "ended at")


def test_a_list_of_targets_is_imported_after_a_look(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    content = "地址,区域,标签\nwww.water.example,internet,门户\n192.0.2.10,internet,dmz\n".encode("gb18030")
    sent = {"organisation": "water", "file": SimpleUploadedFile("list.csv", content)}
    where = browser.post("/import/", sent).headers["Location"]
    html = browser.get(where).content.decode()
    assert html.count('class="act add"') == 1
    assert html.count('class="act change"') == 1
    assert not Target.objects.filter(value="www.water.example").exists()

    assert browser.post(where, agreed(html)).headers["Location"] == "/targets/"
    assert Target.objects.get(value="www.water.example").tags == ["门户"]
    assert not RegisterDraft.objects.filter(name="list.csv").exists()


def test_a_file_that_is_wrong_is_told_line_by_line_and_changes_nothing(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    text = "organisations:\n- slug: water\n  name_en: W\n  targets:\n  - address: 300.1.1.1\n    zone: nowhere\n"
    html = browser.get(browser.post("/import/", {"text": text}).headers["Location"]).content.decode()
    assert "things are wrong" in html
    assert '<td class="number" data-label="Line">5</td>' in html
    assert 'name="agreed"' not in html


def test_a_table_says_whose_it_is_and_is_no_workbook(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    table = SimpleUploadedFile("list.csv", b"address,zone\nwww.water.example,internet\n")
    assert "Say whose targets these are" in browser.post("/import/", {"file": table}).content.decode()
    workbook = SimpleUploadedFile("list.xlsx", b"PK\x03\x04\x14\x00")
    html = browser.post("/import/", {"organisation": "water", "file": workbook}).content.decode()
    assert "This is a workbook (XLSX, XLS or ODS)" in html
    assert "CSV UTF-8" in html
    assert not RegisterDraft.objects.filter(name__startswith="list.").exists()


def test_a_file_can_not_name_another_of_the_server(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    text = "organisations:\n- slug: water\n  name_en: W\n  trusted_roots:\n  - /etc/hostname\n  - pyproject.toml\n"
    html = browser.get(browser.post("/import/", {"text": text}).headers["Location"]).content.decode()
    assert html.count("A file can&#39;t be named here") == 2


def test_an_import_is_a_file_or_a_text_and_has_an_end(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    assert "one of both" in browser.post("/import/", {}).content.decode()
    large = SimpleUploadedFile("large.yaml", b"#" * (5 * 1024 * 1024 + 1))
    assert "more than 5 MB" in browser.post("/import/", {"file": large}).content.decode()
