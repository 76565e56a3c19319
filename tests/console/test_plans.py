"""Plans on pages: added, changed, paused, run and removed, and the calendar of what will run."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.rounds.calendar import calendar
from scanner.rounds.models import Plan, Round
from tests.console.house import House, planned
from tests.console.test_register import WHO, errors

SENT = {
    "name": "weekly",
    "kind": "routine",
    "schedule": "30 2 * * sun",
    "time_zone": "Asia/Shanghai",
    "until": "2099-06-30",
    "organisations": "water, library",
    "profile": "deep",
    "ports": "",
    "blackouts": "Mon-Fri 08:00-18:00\ndaily 23:00-01:00",
    "jitter": "30",
    "critical": "1",
    "notice_from": "high",
    "rate": "500",
    "priority": "5",
}
SHANGHAI = ZoneInfo("Asia/Shanghai")


def actions() -> list[str]:
    return list(Entry.objects.filter(actor=WHO).order_by("pk").values_list("action", flat=True))


def test_a_plan_is_added_as_the_form_says(house: House) -> None:
    answer = house.browser(Role.OPERATOR).post("/plans/add/", SENT)
    assert errors(answer.content.decode()) == []
    plan = Plan.objects.get(name="weekly")
    assert answer.headers["Location"] == f"/plans/{plan.pk}/"
    assert (plan.profile, plan.ports, plan.jitter, plan.deadlines) == ("deep", "top1000", 1800, {"critical": 1})
    assert plan.until == dt.datetime(2099, 6, 30, 16, tzinfo=dt.UTC)
    assert {each.slug for each in plan.organisations.all()} == {"water", "library"}
    assert plan.next_due is not None
    assert plan.next_due.astimezone(SHANGHAI).strftime("%a %H:%M") == "Sun 02:30"
    assert (plan.created_by, actions()) == (WHO, ["plan-added"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schedule": ""}, "needs it"),
        ({"schedule": "0 3 31 2 *"}, "never comes"),
        ({"kind": "spot-check"}, "needs it"),
        ({"kind": "campaign"}, "needs it"),
        ({"kind": "cadence"}, "not one of the available choices"),
        ({"time_zone": "Nowhere"}, "no IANA time zone"),
        ({"organisations": "nobody"}, "No organisation in use is called nobody"),
        ({"blackouts": "always"}, "is no blackout"),
        ({"name": "nightly"}, "already"),
        ({"until": "2020-01-01"}, "never be due"),
        ({"ports": "x"}, "port"),
        ({"rate": "nan"}, "number"),
    ],
)
def test_what_is_no_plan_is_told(house: House, change: dict[str, str], said: str) -> None:
    answer = house.browser(Role.OPERATOR).post("/plans/add/", {**SENT, **change})
    assert said in " ".join(errors(answer.content.decode()))
    assert Plan.objects.count() == 1


def test_a_plan_is_changed_and_keeps_its_name_kind_and_maker(house: House) -> None:
    plan = house.plan
    Plan.objects.filter(pk=plan.pk).update(jitter=45, until=dt.datetime(2099, 1, 1, 1, 2, tzinfo=dt.UTC))
    browser, where = house.browser(Role.OPERATOR), f"/plans/{plan.pk}/change/"
    html = browser.get(where).content.decode()
    assert 'value="2099-01-01"' in html
    sent = {**SENT, "name": "other", "kind": "campaign", "until": "2099-01-01", "jitter": "0", "organisations": ""}
    answer = browser.post(where, sent)
    assert errors(answer.content.decode()) == []

    plan.refresh_from_db()
    assert (plan.name, plan.kind, plan.created_by, plan.schedule) == ("nightly", "routine", "li", "30 2 * * sun")
    assert plan.jitter == 45, "nobody touched it"
    assert plan.until == dt.datetime(2099, 1, 1, 1, 2, tzinfo=dt.UTC)
    assert not plan.organisations.exists()
    detail = Entry.objects.get(action="plan-changed", actor=WHO).detail
    assert detail["schedule"] == ["0 3 * * *", "30 2 * * sun"]
    assert detail["organisations"] == [["water"], []]
    assert "until" not in detail


def test_a_plan_is_paused_resumed_run_and_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.rounds.clock.tool_versions", lambda: {"nmap": "7.95"})
    browser, where = house.browser(Role.OPERATOR), f"/plans/{house.plan.pk}/"
    browser.post(f"{where}pause/")
    assert "paused" in browser.get("/plans/").content.decode()
    assert "is paused already" in browser.post(f"{where}pause/", follow=True).content.decode()
    browser.post(f"{where}resume/")
    made = browser.post(f"{where}run/").headers["Location"]
    assert made == f"/rounds/{Round.objects.get(plan=house.plan).pk}/?watch=on"
    assert "is not finished" in browser.post(f"{where}run/", follow=True).content.decode()
    assert browser.get(f"{where}remove/").status_code == 200
    assert Plan.objects.get().retired_at is None
    assert browser.post(f"{where}remove/").headers["Location"] == "/plans/"
    assert browser.get(where).status_code == 200
    assert browser.post(f"{where}run/").status_code == 404
    assert actions() == ["plan-paused", "plan-resumed", "round-requested", "plan-removed"]


@pytest.mark.django_db
def test_the_calendar_tells_by_day_what_begins_and_when_nothing_does() -> None:
    from tests.delivery.office import unit

    unit()
    now = dt.datetime(2026, 11, 26, 3, tzinfo=dt.UTC)  # Thursday, 11:00 in Shanghai
    plan = planned(now)
    Plan.objects.filter(pk=plan.pk).update(schedule="0 9 * * *")
    plan.refresh_from_db()
    plan.next_due = dt.datetime(2026, 11, 27, 1, tzinfo=dt.UTC)
    days = calendar([plan], now, 5, SHANGHAI)

    assert [each.day.isoformat() for each in days] == [f"2026-11-{day}" for day in (26, 27, 28, 29, 30)]
    begun = [[f"{one.begins.astimezone(SHANGHAI):%H:%M}" for one in each.coming] for each in days]
    assert begun == [[], ["18:00"], ["09:00"], ["09:00"], ["18:00"]], "put off on workdays, by the blackout"
    closed = [[f"{one.begins:%H:%M}-{one.ends:%H:%M}" for one in each.blackouts] for each in days]
    assert closed == [["08:00-18:00"], ["08:00-18:00"], [], [], ["08:00-18:00"]]


@pytest.mark.django_db
def test_a_blackout_over_midnight_is_on_both_days_and_a_plan_of_every_minute_has_an_end() -> None:
    from tests.delivery.office import unit

    unit()
    now = dt.datetime(2026, 11, 26, 3, tzinfo=dt.UTC)
    plan = planned(now)
    plan.blackouts, plan.schedule = ["Sat 22:00-Sun 06:00"], "every 1m"
    days = calendar([plan], now, 4, SHANGHAI)
    told = {each.day.day: [(one.begins.hour, one.ends.hour) for one in each.blackouts] for each in days}
    assert told == {26: [], 27: [], 28: [(22, 0)], 29: [(0, 6)]}
    assert sum(len(each.coming) for each in days) <= 500
