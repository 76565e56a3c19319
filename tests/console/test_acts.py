"""What people do in pages is what the commands do: the same acts, and the same entries in the trail."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.console.views import people
from scanner.delivery.models import Message
from scanner.engine.errors import ToolError
from scanner.remediation import acts
from scanner.remediation.models import Exemption, ExemptionKind
from scanner.rounds.models import Round
from scanner.rounds.switch import current_stop
from tests.console.house import House, client


def said(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_claim_has_just_this_finding_inspected_again(house: House) -> None:
    browser = house.browser(Role.UNIT_MEMBER)
    answer = browser.post(f"/findings/{house.finding.pk}/claim/", {"note": "A password is set."}, follow=True)

    assert "re-inspection was asked for" in said(answer)
    house.finding.refresh_from_db()
    assert house.finding.state == "claimed"
    this = Round.objects.get(kind="re-inspection")
    assert (this.findings, this.requested_by) == ([house.finding.pk], "unit-member@office.example")
    assert Entry.objects.get(action="finding-claimed").actor == "unit-member@office.example"
    browser.post(f"/findings/{house.finding.pk}/claim/")
    assert Round.objects.filter(kind="re-inspection").count() == 1, "twice is once"


def test_a_request_waits_for_the_office_which_decides_it(house: House) -> None:
    manager, operator = house.browser(Role.UNIT_MANAGER), house.browser(Role.OPERATOR)
    address = f"/findings/{house.finding.pk}/"
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=60)).date()
    wanted = {"kind": "false-positive", "reason": "It is a honeypot.", "owner": "Li", "until": until.isoformat()}

    manager.post(f"{address}ask/", wanted)

    assert "has not decided yet" in said(manager.get(address))
    assert 'value="grant"' not in said(manager.get(address))
    assert f"{address}ask/" not in said(manager.get(address))
    assert 'value="grant"' in said(operator.get(address))
    held = Exemption.objects.get(finding=house.finding)
    operator.post(f"{address}decide/", {"decision": "grant", "note": "Seen.", "exemption": held.pk})
    house.finding.refresh_from_db()
    assert house.finding.state == "false-positive"
    held.refresh_from_db()
    assert held.until.isoformat() == f"{until + dt.timedelta(days=1)}T00:00:00+08:00" or held.until.hour == 16
    operator.post(f"{address}reopen/", {"note": "No honeypot.", "exemption": held.pk})
    house.finding.refresh_from_db()
    assert house.finding.state == "open"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"until": "2020-01-01"}, "This day is over"),
        ({"until": "soon"}, "valid date"),
        ({"reason": ""}, "required"),
        ({"kind": "accepted-for-ever"}, "Select a valid choice"),
        ({"until": "2199-01-01"}, ""),
    ],
)
def test_a_request_that_can_not_be_is_refused_beside_its_field(
    house: House, changed: dict[str, str], told: str
) -> None:
    wanted = {"kind": "accepted", "reason": "A new server is ordered.", "owner": "Li", "until": "2030-01-01"}
    answer = house.browser(Role.UNIT_MANAGER).post(f"/findings/{house.finding.pk}/ask/", {**wanted, **changed})
    if told:
        assert told in said(answer)
        assert not house.finding.exemptions.exists()


def test_refusing_keeps_a_finding_as_it_is(house: House) -> None:
    sent = {"decision": "refuse", "exemption": house.asked.exemptions.get().pk}
    house.browser(Role.OPERATOR).post(f"/findings/{house.asked.pk}/decide/", sent)
    house.asked.refresh_from_db()
    assert house.asked.state == "open"
    assert house.asked.exemptions.get().state == "refused"


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Read that one before you decide"), ("zh-hans", "请阅读新申请后再审批")]
)
def test_a_page_that_was_left_open_decides_no_newer_request(house: House, language: str, told: str) -> None:
    """Nor does one end another exemption than the one that it shows."""
    operator, now = house.browser(Role.OPERATOR), dt.datetime.now(dt.UTC)
    operator.post("/language/", {"language": language})
    address, first = f"/findings/{house.asked.pk}/", house.asked.exemptions.get()
    assert f'name="exemption" value="{first.pk}"' in said(operator.get(address))
    acts.decide(first, granted=False, by="ops", now=now)
    until = now + dt.timedelta(days=300)
    newer = acts.request_exemption(house.asked, ExemptionKind.ACCEPTED, "Li", "No money.", "", until, "li", now)

    stale = operator.post(f"{address}decide/", {"decision": "grant", "exemption": first.pk}, follow=True)
    assert told in said(stale)
    newer.refresh_from_db()
    assert newer.state == "requested"
    for sent in ({"decision": "grant"}, {"decision": "maybe", "exemption": newer.pk}, {"exemption": "x"}):
        operator.post(f"{address}decide/", sent)
        newer.refresh_from_db()
        assert newer.state == "requested"

    held = house.exempt.exemptions.get()
    operator.post(f"/findings/{house.exempt.pk}/reopen/", {"exemption": newer.pk})
    held.refresh_from_db()
    assert held.state == "granted"


def test_the_kill_switch_asks_first_is_on_every_page_and_is_put_on_record(house: House) -> None:
    operator, auditor = house.browser(Role.OPERATOR), house.browser(Role.AUDITOR)
    for address in ("/", "/findings/", "/organisations/water/", f"/rounds/{house.round.pk}/"):
        assert 'href="/stop/"' in said(operator.get(address))
        assert 'href="/stop/"' not in said(auditor.get(address))
    assert current_stop() is None, "looking stops nothing"

    operator.post("/stop/", {"act": "stop", "reason": "A hospital called."})

    standing = current_stop()
    assert standing is not None
    assert (standing.by, standing.reason) == ("operator@office.example", "A hospital called.")
    assert "A hospital called." in said(auditor.get("/findings/"))
    operator.post("/stop/", {"act": "lift"})
    assert current_stop() is None
    assert (
        list(Entry.objects.filter(action__in=("stop", "resume")).values_list("actor", flat=True))
        == ["operator@office.example"] * 2
    )


def test_a_round_is_begun_paused_resumed_and_cancelled(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    wrong = browser.post("/rounds/new/", {"organisations": "water nobody", "profile": "standard", "ports": "80"})
    assert "not registered and active: nobody" in said(wrong)
    assert "could not be done" in said(
        browser.post("/rounds/new/", {"organisations": "water", "profile": "standard", "ports": "80,x"})
    )
    begun = browser.post("/rounds/new/", {"organisations": "water", "profile": "quick", "ports": "80"})
    this = Round.objects.get(kind="by-hand", state="planned")
    assert begun.headers["Location"] == f"/rounds/{this.pk}/?watch=on"

    for act, state in (("pause", "paused"), ("resume", "planned"), ("cancel", "cancelled")):
        browser.post(f"/rounds/{this.pk}/{act}/")
        this.refresh_from_db()
        assert this.state == state
    assert "could not be done" in said(browser.post(f"/rounds/{this.pk}/cancel/", follow=True))
    done = ["round-requested", "round-paused", "round-resumed", "round-cancelled"]
    assert list(Entry.objects.filter(action__startswith="round-").values_list("action", flat=True)) == done


def test_an_administrator_invites_gives_takes_and_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = house.browser(Role.ADMINISTRATOR)
    wanted = {"name": "Wang Fang", "email": "Wang@water.example", "role": "unit-member", "organisation": "water"}
    assert '<option value="" selected>choose' in browser.get("/people/invite/").content.decode()
    assert "needs an organisation" in said(browser.post("/people/invite/", {**wanted, "organisation": "nowhere"}))
    assert "whole installation" in said(browser.post("/people/invite/", {**wanted, "role": "operator"}))
    assert "in the outbox, but no mail server is chosen" in said(browser.post("/people/invite/", wanted, follow=True))
    assert "has an account already" in said(browser.post("/people/invite/", wanted))

    made = User.objects.get(email="wang@water.example")
    assert Message.objects.get(kind="invitation").recipient == made.email
    monkeypatch.setattr(people, "server", lambda: "mail.office.example")
    assert "is in the outbox." in said(browser.post(f"/people/{made.pk}/invite/", follow=True))
    browser.post(f"/people/{made.pk}/", {"role": "unit-manager", "organisation": "water"})
    held = made.memberships.get()
    assert held.role == "unit-manager"
    theirs = client(made)
    assert theirs.get("/organisations/water/").status_code == 200
    assert "unit manager, Water Office" in said(browser.get(f"/people/{made.pk}/roles/{held.pk}/take/"))
    assert theirs.get("/organisations/water/").status_code == 200, "it was asked first"
    browser.post(f"/people/{made.pk}/roles/{held.pk}/take/")
    assert theirs.get("/organisations/water/").status_code == 403
    for act, asks in (("end", "End the account of"), ("forget-factor", "it is they who ask"), ("unlink", "Remove the")):
        assert asks in said(browser.get(f"/people/{made.pk}/{act}/"))
    assert theirs.get("/account/").status_code == 200
    assert browser.get(f"/people/{made.pk}/invite/").status_code == 404, "a link is sent by the button alone"
    browser.post(f"/people/{made.pk}/end/")
    assert theirs.get("/account/").status_code == 302
    assert "only administrator" in said(browser.post(f"/people/{house.users[Role.ADMINISTRATOR].pk}/end/", follow=True))


def test_a_form_can_set_nothing_that_it_does_not_show(house: House) -> None:
    """Mass assignment: fields beside those of a form are not looked at."""
    wanted = {"kind": "accepted", "reason": "x", "owner": "Li", "until": "2030-01-01"}
    more = {"state": "granted", "decided_by": "ops", "finding": str(house.other.pk), "requested_by": "ops"}
    house.browser(Role.UNIT_MANAGER).post(f"/findings/{house.finding.pk}/ask/", {**wanted, **more})
    asked = Exemption.objects.get(finding=house.finding)
    assert (asked.state, asked.requested_by, asked.decided_by) == ("requested", "unit-manager@office.example", "")


def test_nothing_is_claimed_where_nothing_can_be_inspected_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolError("nmap is missing; install it: apt-get install nmap")

    monkeypatch.setattr("scanner.remediation.reinspection.tool_versions", missing)
    browser = house.browser(Role.UNIT_MEMBER)
    browser.post("/language/", {"language": "zh-hans"})
    for address, sent in (
        (f"/findings/{house.finding.pk}/claim/", {}),
        ("/findings/claim/", {"finding": str(house.finding.pk)}),
    ):
        page = said(browser.post(address, sent, follow=True))
        assert "检测所需的程序缺失或运行出错" in page
        assert "nmap" not in page, "which program is the office's to know"
        house.finding.refresh_from_db()
        assert house.finding.state == "open"
