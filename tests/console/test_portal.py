"""What a unit does for itself: its contacts, the targets that it proposes, and its report card."""

from __future__ import annotations

from typing import Any

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.remediation.scores import store_score
from targets.models import Target, TargetProposal
from tests.console.house import House, client
from tests.delivery.office import finding, followed_round


def said(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_manager_keeps_the_contacts_of_the_own_unit_and_their_languages(house: House) -> None:
    browser = house.browser(Role.UNIT_MANAGER)
    page = said(browser.get("/organisations/water/"))
    assert f"/contacts/{house.contact.pk}/change/" in page
    assert "/contacts/" not in said(house.browser(Role.UNIT_MEMBER).get("/organisations/water/"))
    wanted = {"name": "Zhang Wei", "email": "zhang@water.example", "role": "technical", "language": "zh-Hans"}

    refused = browser.post(f"/contacts/{house.contact.pk}/remove/", follow=True)
    assert "This is the last contact" in said(refused)
    browser.post("/organisations/water/contacts/add/", wanted)
    added = house.water.contacts.get(email="zhang@water.example")
    browser.post(f"/contacts/{added.pk}/change/", {**wanted, "language": "en"})
    added.refresh_from_db()
    assert (added.role, added.language) == ("technical", "en")
    agreed = said(browser.get(f"/contacts/{house.contact.pk}/remove/"))
    digest = agreed.partition('name="agreed" value="')[2].partition('"')[0]
    browser.post(f"/contacts/{house.contact.pk}/remove/", {"agreed": digest})
    assert list(house.water.contacts.filter(retired_at=None)) == [added]
    assert set(Entry.objects.filter(action="register-applied").values_list("actor", flat=True)) == {
        "unit-manager@office.example"
    }


def test_a_unit_proposes_targets_which_the_office_approves(house: House) -> None:
    unit, office = house.browser(Role.UNIT_MANAGER), house.browser(Role.OPERATOR)
    wanted = {"organisation": "water", "addresses": "www.Water.example\n192.0.2.10\n", "note": "The new site."}
    assert "library" not in said(unit.get("/proposals/add/"))
    shown = unit.post("/proposals/add/", wanted, follow=True)
    made = TargetProposal.objects.get(addresses=["www.water.example"])
    assert "the office decides" in said(shown)
    assert "waits for the office" in said(shown)
    assert not Target.objects.filter(value="www.water.example").exists(), "nothing is registered by that"

    address = f"/proposals/{made.pk}/approve/"
    assert "www.water.example" in said(office.get(address))
    zone = house.target.zone.name
    how = {"zone": zone, "criticality": "key", "tags": "web", "answer": "Thank you."}
    assert "valid choice" in said(office.post(address, {**how, "zone": "nowhere"}))
    assert made.state == "waiting"
    office.post(address, how)
    target = Target.objects.get(value="www.water.example", organisation=house.water)
    assert (target.criticality, target.tags) == ("key", ["web"])
    seen = said(unit.get(f"/proposals/{made.pk}/"))
    assert "approved" in seen
    assert "Thank you." in seen
    assert office.post(address, how).status_code == 404, "it is decided once"
    acts = Entry.objects.filter(action__startswith="proposal-").values_list("action", "actor")
    assert list(acts) == [("proposal-approved", "operator@office.example")]


def test_what_can_not_be_registered_is_not_approved_either(house: House) -> None:
    """An address of somebody else has to be marked as shared; until then nothing is decided."""
    unit, office = house.browser(Role.UNIT_MANAGER), house.browser(Role.OPERATOR)
    theirs = house.library.targets.get()
    Target.objects.filter(pk=theirs.pk).update(value="192.0.2.99", display="192.0.2.99", shared=False)
    unit.post("/proposals/add/", {"organisation": "water", "addresses": "192.0.2.99"})
    made = TargetProposal.objects.get(addresses=["192.0.2.99"])
    how = {"zone": house.target.zone.name, "criticality": "ordinary"}
    office.post(f"/proposals/{made.pk}/approve/", how)
    made.refresh_from_db()
    assert made.state == "waiting"
    assert not house.water.targets.filter(value="192.0.2.99").exists()


def test_the_office_declines_with_a_reason_and_a_unit_takes_back(house: House) -> None:
    unit, office = house.browser(Role.UNIT_MANAGER), house.browser(Role.OPERATOR)
    declined, withdrawn = house.proposals["decide"], house.proposals["withdraw"]
    office.post(f"/proposals/{declined.pk}/decline/", {"answer": " "})
    declined.refresh_from_db()
    assert declined.state == "waiting"
    office.post(f"/proposals/{declined.pk}/decline/", {"answer": "It is not yours."})
    unit.post(f"/proposals/{withdrawn.pk}/withdraw/")

    page = said(unit.get(f"/proposals/{declined.pk}/"))
    assert "It is not yours." in page
    withdrawn.refresh_from_db()
    assert (withdrawn.state, withdrawn.decided_by) == ("withdrawn", "unit-manager@office.example")
    assert not Target.objects.filter(value__endswith="water.example").exists()


def test_what_is_no_proposal_is_refused_beside_its_field(house: House) -> None:
    unit = house.browser(Role.UNIT_MANAGER)
    for addresses, told in (
        ("not an address!", "not an address!"),
        ("192.0.2.10", "registered already"),
        ("\n".join(f"host-{number}.example" for number in range(201)), "more than 200"),
    ):
        assert told in said(unit.post("/proposals/add/", {"organisation": "water", "addresses": addresses}))
    assert "not registered and active" in said(
        unit.post("/proposals/add/", {"organisation": "library", "addresses": "www.example"})
    )
    assert TargetProposal.objects.count() == 2


def test_the_page_of_a_unit_begins_with_its_report_card(house: House) -> None:
    soon = house.notice.answer_by
    later = finding(house.water, host="192.0.2.33", check_id="CERT-EXPIRED", severity="high", deadline=soon)
    again = followed_round(house.water, at=soon)
    store_score(again, house.water)
    page = said(house.browser(Role.UNIT_MEMBER).get("/", follow=True))
    for told in (
        "the round before, on the same hosts",
        f"/notices/{house.notice.pk}/",
        "1 finding is overdue",
        "Next round",
        "(nightly)",
        f"/reports/{house.report.pk}/view/",
        "What to fix first",
        "How the score is made",
        "mean of the worst tenth",
        "/findings/?organisation=water&amp;q=CERT-EXPIRED",
    ):
        assert told in page, told
    assert page.index("Redis serves anyone") < page.index("The certificate has expired")
    assert f"/findings/{later.pk}/" in page
    other = said(client(house.stranger).get("/organisations/library/"))
    assert house.notice.number not in other
