"""Findings are given to those who work on them, and spoken of between an organisation and the office."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from scanner.accounts import people
from scanner.accounts.assigning import assign
from scanner.accounts.models import Assignment, User
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.engine.errors import Refused
from scanner.remediation.models import Remark
from scanner.remediation.remarks import MOST, comment
from tests.console.house import House, account, client
from tests.reports.sample import HOSTILE


def said(answer: Any) -> str:
    return str(answer.content.decode())


def listed(browser: Any, query: str) -> set[int]:
    return {int(each) for each in re.findall(r'href="/findings/(\d+)/"', said(browser.get(f"/findings/?{query}")))}


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def test_a_finding_is_given_to_a_colleague_and_found_again_by_who_works_on_it(house: House) -> None:
    manager, member = house.browser(Role.UNIT_MANAGER), house.browser(Role.UNIT_MEMBER)
    worker, page = house.users[Role.UNIT_MEMBER], f"/findings/{house.finding.pk}/"
    offered = said(manager.get(page))
    assert "unit-member@office.example" in offered
    assert "operator@office.example" not in offered, "who works in the office is the office's to know"
    assert "operator@office.example" in said(house.browser(Role.OPERATOR).get(page))

    answer = manager.post(f"{page}assign/", {"assignee": worker.pk}, follow=True)

    assert "Assigned to Unit-Member" in said(answer)
    assert listed(member, "assignee=me") == listed(manager, f"assignee={worker.pk}") == {house.finding.pk}
    assert house.finding.pk not in listed(manager, "assignee=nobody")
    assert listed(manager, "assignee=me") == set()
    assert listed(house.browser(Role.OPERATOR), f"organisation=water&assignee={worker.pk}") == {house.finding.pk}
    assert "Unit-Member" in said(manager.get("/findings/"))
    member.post(f"{page}assign/", {"assignee": "nobody"})
    assert listed(member, "assignee=me") == set()
    entries = Entry.objects.filter(action="finding-assigned").values_list("actor", "detail__to")
    assert list(entries) == [("unit-manager@office.example", worker.email), ("unit-member@office.example", None)]


def test_nobody_else_can_be_given_a_finding(house: House) -> None:
    assert house.stranger is not None
    manager, address = house.browser(Role.UNIT_MANAGER), f"/findings/{house.finding.pk}/assign/"
    others = (house.stranger, house.users[Role.SUPERVISOR], house.users[Role.AUDITOR], house.users[Role.OPERATOR])
    for number in (*(each.pk for each in others), 99999, "x", "1 OR 1"):
        assert "only be assigned to people" in said(manager.post(address, {"assignee": number}, follow=True))
    for each in others[:3]:
        with pytest.raises(Refused):
            assign(house.finding, each, "ops", now())
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("how", ["taken", "replaced", "ended"])
def test_who_loses_the_role_has_the_findings_no_more(house: House, how: str) -> None:
    worker = account("wang@water.example", Role.UNIT_MEMBER, house.water, factor=False)
    people.give(worker, Role.UNIT_MEMBER, house.library, "ops", now())
    assign(house.finding, worker, "ops", now())
    assign(house.other, worker, "ops", now())

    match how:
        case "taken":
            people.take(worker.memberships.get(organisation=house.water), "ops", now())
        case "replaced":
            people.give(worker, Role.SUPERVISOR, house.water, "ops", now())
        case _:
            people.end(worker, "ops", now())

    left = set(Assignment.objects.values_list("finding", flat=True))
    assert left == (set() if how == "ended" else {house.other.pk})
    assert house.finding.remarks.order_by("-pk").values_list("kind", flat=True)[0] == "unassigned"
    entry = Entry.objects.get(action="findings-unassigned")
    assert entry.detail["findings"] == sorted({house.finding.pk, house.other.pk} - left)


def test_comments_are_for_the_organisation_and_the_office_alone(house: House) -> None:
    page = f"/findings/{house.finding.pk}/"
    member = house.browser(Role.UNIT_MEMBER)
    member.post(f"{page}comment/", {"text": f"Behind the VPN since noon.\n{HOSTILE}<b onmouseover=alert(1)>"})

    for role in (Role.UNIT_MANAGER, Role.OPERATOR, Role.AUDITOR):
        html = said(house.browser(role).get(page))
        assert "Behind the VPN since noon.\n" in html
        assert not re.search(r"<script|<b onmouseover|\x1b|\u202e", html)
    supervisor = house.browser(Role.SUPERVISOR)
    assign(house.finding, house.users[Role.UNIT_MEMBER], "ops", now())
    for where in (page, "/findings/"):
        assert not re.search("Behind the VPN|Unit-Member|Assigned", said(supervisor.get(where)))
    assert len(listed(supervisor, "assignee=nobody")) == len(listed(supervisor, "")) > 1, "a filter tells nothing"
    entry = Entry.objects.get(action="finding-commented")
    assert entry.actor == "unit-member@office.example"
    assert "VPN" not in str(entry.detail)


def test_comments_are_bounded_and_only_added(house: House) -> None:
    address = f"/findings/{house.finding.pk}/comment/"
    manager = house.browser(Role.UNIT_MANAGER)
    manager.post("/language/", {"language": "zh-hans"})
    assert "有必填内容为空" in said(manager.post(address, {"text": " \n\0 "}, follow=True))
    assert "文字过长，最多 2000 个字符" in said(manager.post(address, {"text": "x" * 2001}, follow=True))
    made = comment(house.finding, "x" * 2000, "li", now())
    with pytest.raises(TypeError):
        made.save()
    with pytest.raises(TypeError):
        made.delete()
    told = {"finding": house.finding, "kind": "comment", "at": now(), "actor": "li", "text": "again"}
    Remark.objects.bulk_create(Remark(**told) for _ in range(MOST - 1))
    assert f"留言已达 {MOST} 条" in said(manager.post(address, {"text": "One more"}, follow=True))


def test_an_ended_colleague_is_not_offered(house: House) -> None:
    User.objects.filter(pk=house.users[Role.UNIT_MEMBER].pk).update(is_active=False)
    manager = client(house.users[Role.UNIT_MANAGER])
    assert "unit-member@office.example" not in said(manager.get(f"/findings/{house.finding.pk}/"))
