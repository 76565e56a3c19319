"""Programs give findings to people and comment on them, as pages do."""

from __future__ import annotations

import datetime as dt

from scanner.accounts.roles import Role
from scanner.api.finding_rows import FindingRow
from scanner.remediation import acts
from scanner.remediation.models import ExemptionKind
from tests.api.programs import AT, Programs
from tests.console.house import House

JSON = "application/json"


def test_a_finding_is_assigned_commented_and_found_again(house: House, programs: Programs) -> None:
    where, member = f"{AT}/findings/{house.finding.pk}", "unit-member@office.example"
    manager, supervisor = programs.of(Role.UNIT_MANAGER), programs.of(Role.SUPERVISOR)

    assigned = manager.put(f"{where}/assignee", {"assignee": member.upper()}, content_type=JSON)
    said = manager.post(f"{where}/comments", {"text": "Behind the VPN."}, content_type=JSON)

    assert assigned.json()["assignee"] == member
    assert (said.status_code, said.json()["actor"]) == (200, "unit-manager@office.example (token program-1)")
    whole = manager.get(where).json()
    assert [each["text"] for each in whole["comments"]] == ["Behind the VPN."]
    listed = manager.get(f"{AT}/findings", {"assignee": member}).json()["items"]
    assert [(each["number"], each["assignee"]) for each in listed] == [(house.finding.pk, member)]
    others = {each["number"] for each in manager.get(f"{AT}/findings", {"assignee": "nobody"}).json()["items"]}
    assert others
    assert house.finding.pk not in others
    assert (supervisor.get(where).json()["assignee"], supervisor.get(where).json()["comments"]) == (None, [])
    assert supervisor.get(f"{AT}/findings", {"assignee": member}).json()["items"] == []
    assert "assignee" not in FindingRow.model_fields, "which is what webhooks tell"
    assert manager.put(f"{where}/assignee", {"assignee": None}, content_type=JSON).json()["assignee"] is None


def test_who_can_not_be_assigned_is_not_told_apart_from_who_is_not_there(house: House, programs: Programs) -> None:
    where = f"{AT}/findings/{house.finding.pk}/assignee"
    program = programs.of(Role.UNIT_MANAGER)
    names = ("other@library.example", "operator@office.example", "nobody@nowhere.example", "")
    answers = [program.put(where, {"assignee": name}, content_type=JSON) for name in names]
    assert {(each.status_code, each.json()["detail"]) for each in answers} == {
        (409, "There is no such account to which this finding can be given.")
    }


def test_a_program_can_say_which_request_it_decides(house: House, programs: Programs) -> None:
    where, now = f"{AT}/findings/{house.asked.pk}", dt.datetime.now(dt.UTC)
    operator = programs.of(Role.OPERATOR)
    first = operator.get(where).json()["exemption"]["number"]
    acts.decide(house.asked.exemptions.get(), granted=False, by="ops", now=now)
    until = now + dt.timedelta(days=30)
    newer = acts.request_exemption(house.asked, ExemptionKind.ACCEPTED, "Li", "No money.", "", until, "li", now)

    stale = operator.post(f"{where}/decide", {"grant": True, "exemption": first}, content_type=JSON)
    assert (stale.status_code, stale.json()["code"]) == (409, "refused")
    assert "another one was made since" in stale.json()["detail"]
    meant = operator.post(f"{where}/decide", {"grant": False, "exemption": newer.pk}, content_type=JSON)
    assert meant.status_code == 200
