"""The system on pages: who works at what, what was imported, the doctor, and the audit trail with its proof."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.audit.trail import Action, head, record
from scanner.console.texts import texts
from scanner.console.views import system
from scanner.engine.catalogue.load import Language
from scanner.engine.intel.feeds import recognise
from scanner.engine.intel.store import import_feeds
from scanner.rounds.models import HostResult, Job
from scanner.upkeep import doctor
from scanner.upkeep.health import Check, Health
from tests.audit.tampering import tamper
from tests.console.house import House


def said(answer: Any) -> str:
    return str(answer.content.decode())


def a_job(house: House, **fields: Any) -> Job:
    now = dt.datetime.now(dt.UTC)
    values = {"kind": "look", "organisation": house.water, "hosts": [{}, {}], "created": now, **fields}
    return Job.objects.create(round=house.round, **values)


def test_work_is_shown_with_who_does_it_whether_it_lives_and_what_waits(house: House) -> None:
    now = dt.datetime.now(dt.UTC)
    minute = dt.timedelta(minutes=1)
    a_job(house, state="running", started=now, worker="host:7/look-1", lease_until=now + minute)
    a_job(house, state="running", started=now, worker="host:8/look-1", lease_until=now - minute, failures=2)
    for _ in range(3):
        a_job(house, state="waiting", why="outside of a blackout")
    HostResult.objects.filter(organisation=house.library).update(outcome="error", finished=now)

    page = said(house.browser(Role.AUDITOR).get("/system/"))

    assert "No service runs here" in page
    assert page.count("Hosts are being inspected (hosts: 2)") == 2
    assert page.count("<td>alive<") == 1
    assert "does not answer" in page
    assert "its process died 2 times" in page
    assert "Waiting jobs (3)" in page
    assert "3 × inspect hosts" in page
    assert "outside of a blackout" in page
    failed = page.partition("Hosts whose inspection failed")[2]
    assert "City Library" in failed
    assert "Water Office" not in failed


def test_imports_are_shown_with_their_age(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "intel.sqlite3"
    monkeypatch.setattr(system, "INTEL_FILE", file)
    browser = house.browser(Role.AUDITOR)
    assert said(browser.get("/system/")).count("not imported") == 3
    feed = tmp_path / "kev.csv"
    feed.write_text("cveID,dateAdded,dueDate,knownRansomwareCampaignUse\nCVE-2024-3094,2024-04-01,,Unknown\n")
    import_feeds(file, [recognise(feed)], lambda *_: None)
    page = said(browser.get("/system/"))
    assert page.count("not imported") == 2
    assert "days old" in page
    assert "import a newer file" in page
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    assert "newer Roundsman" in said(browser.get("/system/"))


def test_the_doctor_looks_when_asked_by_the_form_alone_and_says_what_to_do(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dt.datetime] = []

    def examine(now: dt.datetime) -> list[Check]:
        asked.append(now)
        return [
            Check("disk", Health.OK, "much room"),
            Check("mail server", Health.FAIL, "<b>550 \x1b[1mno", "See ROUNDSMAN_SMTP_…"),
            Check("something new", Health.WARN, "odd", "Look."),
        ]

    monkeypatch.setattr(system, "examine", examine)
    browser = house.browser(Role.AUDITOR)
    browser.get("/system/doctor/")
    assert asked == []
    page = said(browser.post("/system/doctor/"))
    assert len(asked) == 1
    assert page.index("Mail server") < page.index("something new") < page.index("Disk")
    assert "→ See ROUNDSMAN_SMTP_…" in page
    assert "Reports, alerts and notices leave by it." in page
    assert "&lt;b&gt;550 \\x1b[1mno" in page
    with system.alone() as mine:
        assert mine
        assert "Try again in a minute" in said(browser.post("/system/doctor/"))
        assert "Try again in a minute" in said(browser.post("/system/audit/verify/"))
    assert len(asked) == 1


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("language", Language)
def test_all_that_the_doctor_looks_at_has_a_name(
    language: Language, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "is_shared", lambda: shared)
    looks = [*doctor._machine(), *doctor._database(), *doctor._records(dt.datetime.now(dt.UTC))]
    known = texts(language)
    for name in (each.replace(" ", "_") for each in looks):
        assert known.has(f"console.looked_at.{name}"), name
        assert known.has(f"console.why.{name}"), name


def test_the_trail_is_listed_by_who_what_whereto_and_when(house: House) -> None:
    now = dt.datetime.now(dt.UTC)
    long = "=".join(["x"] * 500)
    record(Action.STOP, "everything", actor="li@office.example", at=now, note="<script>", padding=long)
    number = Entry.objects.order_by("-pk")[0].pk
    browser = house.browser(Role.AUDITOR)
    day = now.date().isoformat()

    for asked in ({"actor": "li@"}, {"action": "stop"}, {"subject": "everything", "since": "2020-01-01"}):
        page = said(browser.get("/system/audit/", asked))
        assert "1 entry" in page, asked
        assert "stopped everything" in page
        assert "&lt;script&gt;" in page
        assert long not in page, "long details are cut"
    tomorrow = (now + dt.timedelta(days=2)).date().isoformat()
    assert "0 entries" in said(browser.get("/system/audit/", {"since": tomorrow}))
    assert "0 entries" in said(browser.get("/system/audit/", {"until": "2020-01-01"}))
    for odd in ("0001-01-01", "9999-12-31", "x"):
        assert (
            browser.get("/system/audit/", {"since": odd, "until": odd, "action": "'", "page": "x"}).status_code == 200
        )
    page = said(browser.get("/system/audit/", {"since": (now - dt.timedelta(days=2)).date().isoformat(), "until": day}))
    assert "account" in page
    entry = said(browser.get(f"/system/audit/{number}/"))
    assert long in entry
    assert Entry.objects.get(pk=number).digest in entry
    assert browser.get("/system/audit/999999/").status_code == 404


def test_the_trail_is_proven_whole_or_said_to_be_broken(house: House) -> None:
    browser = house.browser(Role.AUDITOR)
    assert "whole" not in said(browser.get("/system/audit/verify/")).partition("<form")[0], "not by a look"
    page = said(browser.post("/system/audit/verify/"))
    assert f"{Entry.objects.count()} entries, whole." in page
    assert head() in page
    assert "whole." in said(browser.post("/system/audit/verify/", {"expect": head().upper()}))
    assert "the end was cut off" in said(browser.post("/system/audit/verify/", {"expect": "0" * 64}))
    assert "64 hexadecimal digits" in said(browser.post("/system/audit/verify/", {"expect": "zz"}))
    third = Entry.objects.order_by("pk")[2].pk
    tamper("UPDATE audit_entry SET actor = 'nobody' WHERE id = %s", third)
    page = said(browser.post("/system/audit/verify/"))
    assert f"Entry {third} was changed." in page
    assert "2 entries before it are right." in page
