"""Programs answer notices, finding by finding, as pages and reply forms do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.test import Client

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.delivery.models import Reply
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Finding
from tests.api.programs import AT, Programs
from tests.console.house import House

WHEN = (dt.datetime.now(dt.UTC) + dt.timedelta(days=30)).date().isoformat()


def answer(program: Client, house: House, *answers: Mapping[str, object], key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    told = [{"finding": house.finding.pk, **each} for each in answers]
    where = f"{AT}/notices/{house.notice.pk}/answers"
    return program.post(where, {"answers": told}, content_type="application/json", headers=headers)


def test_a_program_answers_that_a_finding_is_fixed_and_it_is_looked_at_again(house: House, programs: Programs) -> None:
    member, fixed = programs.of(Role.UNIT_MEMBER), {"answer": "fixed", "told": "A password is set."}
    first = answer(member, house, fixed, key="once")
    again = answer(member, house, fixed, key="once")

    assert first.status_code == 200
    (item,) = first.json()["items"]
    assert item["state"] == "claimed"
    assert [(each["answer"], each["by"]) for each in item["replies"]] == [
        ("fixed", "unit-member@office.example (token program-1)")
    ]
    assert item["replies"][0]["detail"] == {"measures": "A password is set."}
    assert first.json()["answered"]
    assert (again.headers["Idempotency-Replayed"], again.content) == ("true", first.content)
    assert Finding.objects.get(pk=house.finding.pk).state == State.CLAIMED
    assert Reply.objects.count() == 1
    assert answer(member, house, fixed).status_code == 200, "the same answer, given again, changes nothing"
    assert Reply.objects.count() == 1
    assert Entry.objects.filter(action="replies-imported", actor__contains="(token program-1)").exists()


def test_to_accept_takes_the_right_to_ask_and_all_that_belongs_to_it(house: House, programs: Programs) -> None:
    accept: dict[str, object] = {"answer": "accept", "told": "No money.", "until": WHEN, "responsible": "Director Li"}
    manager = programs.of(Role.UNIT_MANAGER)
    assert answer(programs.of(Role.UNIT_MEMBER), house, accept).status_code == 403
    for name in ("until", "responsible"):
        left_out = answer(manager, house, {key: value for key, value in accept.items() if key != name})
        assert left_out.status_code == 422
        assert left_out.json()["errors"][0]["place"].endswith(f"/{name}")
    assert answer(manager, house, {**accept, "told": " "}).status_code == 422
    far = answer(manager, house, {**accept, "until": "9999-12-31"})
    assert far.json()["errors"][0]["place"] == "/answers/0/until"
    assert answer(manager, house, accept, accept).json()["errors"][0]["place"] == "/answers/1/finding"
    assert not Reply.objects.exists()
    assert answer(manager, house, accept).status_code == 200
    waits = answer(manager, house, {"answer": "dispute", "told": "It is not ours."})
    assert (waits.status_code, waits.json()["errors"][0]["place"]) == (409, "/answers/0")


def test_a_finding_of_another_notice_and_a_withdrawn_one_take_no_answer(house: House, programs: Programs) -> None:
    manager, told = programs.of(Role.UNIT_MANAGER), {"answer": "in-progress", "told": "In May."}
    other = answer(manager, house, told, {**told, "finding": house.asked.pk})
    assert (other.status_code, other.headers["Content-Type"]) == (409, "application/problem+json")
    assert other.json()["errors"][0]["place"] == "/answers/1"
    assert not Reply.objects.exists(), "all or none"
    house.notice.withdrawn = house.notice.issued
    house.notice.save()
    assert answer(manager, house, told).status_code == 409
    assert answer(programs.stranger, house, told).status_code == 404
