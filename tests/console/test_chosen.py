"""Acts on several findings, and views of the list that somebody keeps."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from scanner.accounts.models import Assignment, SavedView
from scanner.accounts.roles import Role
from scanner.accounts.saved import MOST
from scanner.console.views import chosen
from scanner.remediation import acts
from scanner.remediation.models import ExemptionKind, Finding
from scanner.rounds.models import HostResult, Round
from tests.console.house import House, client
from tests.delivery.office import finding


def said(answer: Any) -> str:
    return str(answer.content.decode())


def agree(browser: Client, address: str, **more: str) -> str:
    """Send what the page at ``address`` shows; return the page that follows."""
    named = re.findall(r'name="finding" value="([\d:]+)"', said(browser.get(address)))
    return said(browser.post(address, {"finding": named, **more}, follow=True))


@pytest.fixture
def no_facts(house: House) -> None:
    HostResult.objects.all().delete()  # those of the house are of another organisation


def test_claims_together_have_one_re_inspection_for_each_organisation(house: House, no_facts: None) -> None:
    second = finding(house.water, host="192.0.2.13")
    rows = (house.finding, second, house.exempt, house.other)
    address = f"/findings/claim/?{'&'.join(f'finding={each.pk}' for each in rows)}&q=192"
    operator = house.browser(Role.OPERATOR)
    operator.post("/language/", {"language": "zh-hans"})
    shown = said(operator.get(address))
    assert "反馈 3 项隐患已整改" in shown
    assert "涉及 2 个单位" in shown
    assert "该隐患已准予风险接受或认定误报，期限至" in shown, "what is left as it is, and why, is said before"
    assert Round.objects.filter(kind="re-inspection").count() == 0, "looking does nothing"

    assert "已处理 3 项" in agree(operator, address, note="Behind the VPN.")

    rounds = Round.objects.filter(kind="re-inspection")
    assert sorted(each.findings for each in rounds) == [[house.finding.pk, second.pk], [house.other.pk]]
    assert set(Finding.objects.filter(state="claimed")) == {house.finding, second, house.other}
    assert "正在等待复测" in said(operator.get(address))


def test_all_that_match_are_bounded_and_none_of_another_unit(
    house: House, no_facts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = house.browser(Role.UNIT_MEMBER)
    assert "Say that 2 findings are fixed" in said(member.get("/findings/claim/?every=on&q=192"))
    monkeypatch.setattr(chosen, "MOST", 1)
    assert "At most 1 can be done at once" in said(member.get("/findings/claim/?every=on"))
    monkeypatch.undo()
    for nothing in ("finding=x", "", f"finding={house.other.pk}"):
        answer = member.get(f"/findings/claim/?q=192&{nothing}", follow=True)
        assert answer.redirect_chain[0][0] == "/findings/?q=192"
        assert "Tick findings first" in said(answer)
    answer = member.post("/findings/claim/", {"finding": [house.other.pk, house.finding.pk, "1:2:3"]}, follow=True)
    assert "1 finding: done." in said(answer)
    assert "1 other finding was left" in said(answer)
    house.other.refresh_from_db()
    assert house.other.state == "open"


def test_who_only_reads_some_of_them_is_told_so(house: House) -> None:
    from scanner.accounts import people

    supervisor = house.users[Role.SUPERVISOR]
    people.give(supervisor, Role.UNIT_MEMBER, house.library, "ops", dt.datetime.now(dt.UTC))
    page = said(client(supervisor).get(f"/findings/claim/?finding={house.finding.pk}&finding={house.other.pk}"))
    assert "Say that 1 finding is fixed" in page
    assert "Your account may read it, and nothing else" in page


def test_findings_are_assigned_together(house: House) -> None:
    manager, worker = house.browser(Role.UNIT_MANAGER), house.users[Role.UNIT_MEMBER]
    address = f"/findings/assign/?finding={house.finding.pk}&finding={house.asked.pk}"
    assert "2 findings: done." in agree(manager, address, assignee=str(worker.pk))
    assert set(worker.assignments.values_list("finding", flat=True)) == {house.finding.pk, house.asked.pk}
    operator = house.browser(Role.OPERATOR)
    mixed = f"{address}&finding={house.other.pk}"
    assert "of several organisations" in said(operator.get(mixed))
    answer = agree(operator, mixed, assignee=str(worker.pk))
    assert f"Finding {house.other.pk} was left as it is: It can only be assigned" in answer
    assert Assignment.objects.count() == 2


def test_requests_are_decided_together_but_none_that_was_not_read(house: House) -> None:
    now = dt.datetime.now(dt.UTC)
    until = now + dt.timedelta(days=30)
    asked = acts.request_exemption(house.other, ExemptionKind.ACCEPTED, "Li", "No money.", "", until, "li", now)
    first = house.asked.exemptions.get()
    operator, address = house.browser(Role.OPERATOR), "/findings/decide/?every=on&asked=on"
    shown = said(operator.get(address))
    assert "Decide 2 requests" in shown
    assert "No money." in shown
    acts.decide(first, granted=False, by="ops", now=now)
    newer = acts.request_exemption(house.asked, ExemptionKind.ACCEPTED, "Li", "Again.", "", until, "li", now)

    named = re.findall(r'name="finding" value="([\d:]+)"', shown)
    assert "nothing was done" in said(operator.post(address, {"finding": named}, follow=True)), "neither yes nor no"
    answer = said(operator.post(address, {"finding": named, "decision": "grant"}, follow=True))

    assert "1 finding: done." in answer
    assert f"Finding {house.asked.pk} was left as it is: This request was decided already, and another" in answer
    asked.refresh_from_db()
    newer.refresh_from_db()
    assert (asked.state, newer.state) == ("granted", "requested")


def test_exemptions_are_ended_together(house: House) -> None:
    operator = house.browser(Role.OPERATOR)
    address = f"/findings/reopen/?finding={house.exempt.pk}&finding={house.finding.pk}"
    assert "It is not exempt" in said(operator.get(address))
    assert "1 finding: done." in agree(operator, address)
    house.exempt.refresh_from_db()
    assert house.exempt.state == "open"


def test_a_view_is_kept_found_again_and_removed_by_its_owner_alone(house: House) -> None:
    mine, theirs = house.browser(Role.UNIT_MEMBER), house.browser(Role.UNIT_MANAGER)
    asked = {"severity": "critical", "overdue": "on"}
    assert "Save this view" in said(mine.get("/findings/", asked))
    assert "Save this view" not in said(mine.get("/findings/"))

    kept = mine.post("/findings/views/", {**asked, "name": "<b>Late</b>", "state": "zzz", "page": "7"}, follow=True)

    assert kept.redirect_chain[0][0] == "/findings/?severity=critical&overdue=on"
    assert "&lt;b&gt;Late&lt;/b&gt;</a>" in said(kept)
    assert 'aria-current="true"' in said(mine.get("/findings/", asked))
    assert "Late" not in said(theirs.get("/findings/"))
    view = SavedView.objects.get()
    SavedView.objects.update(asked={**asked, "assignee": "99999"})
    assert "Remove the view" in said(mine.get(f"/findings/?view={view.pk}")), "whoever it names is gone"
    SavedView.objects.update(asked=asked)
    theirs.post(f"/findings/views/{view.pk}/remove/")
    assert SavedView.objects.exists()
    assert "There is a view called" in said(
        mine.post("/findings/views/", {**asked, "name": "<b>Late</b>"}, follow=True)
    )
    assert "left empty" in said(mine.post("/findings/views/", {**asked, "name": " "}, follow=True))
    removed = mine.post(f"/findings/views/{view.pk}/remove/", follow=True)
    assert parse_qs(urlsplit(removed.redirect_chain[0][0]).query) == {"severity": ["critical"], "overdue": ["on"]}
    assert not SavedView.objects.exists()


def test_one_person_keeps_so_many_views_and_no_more(house: House) -> None:
    user, now = house.users[Role.UNIT_MEMBER], dt.datetime.now(dt.UTC)
    SavedView.objects.bulk_create(
        SavedView(user=user, name=f"view {number}", asked={"q": str(number)}, created=now) for number in range(MOST)
    )
    answer = client(user).post("/findings/views/", {"q": "x", "name": "One more"}, follow=True)
    assert f"You have {MOST} views already" in said(answer)
