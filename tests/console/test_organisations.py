"""Organisations and zones on pages: added, changed, retired and brought back, by the rules of register files."""

from __future__ import annotations

from scanner.accounts.roles import Role
from targets.models import Organisation, Target, Zone
from tests.console.house import House
from tests.console.test_register import WHO, entry_of, errors
from tests.rounds.world import register

USUAL = {"language": "en", "time_zone": "Europe/London", "weight": "1", "rate": "0"}


def test_an_organisation_is_added_below_another_with_all_that_a_file_can_say(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    form = browser.get("/add-organisation/?below=city").content.decode()
    assert 'value="city"' in form
    assert 'value="Asia/Shanghai"' in form, "as the organisation above it"
    said = {
        "name_en": "Harbour Office",
        "slug": "harbour",
        "parent": "city",
        "contact_name": "Robin Hale",
        "contact_email": "robin@harbour.example",
        "key_organisation": "on",
        "weight": "2.5",
        "blackouts": "Mon-Fri 08:00-18:00\n\n2026-12-24/2026-12-27",
        "rate": "50",
        "domains": "harbour.example, 港口.example",
        "tls_policy": "ncsc-nl-2025",
    }
    answer = browser.post("/add-organisation/", {**USUAL, **said})

    assert errors(answer.content.decode()) == []
    assert answer.headers["Location"] == "/organisations/harbour/"
    made = Organisation.objects.get(slug="harbour")
    assert (made.parent, made.name_en, made.name_zh, made.language) == (house.city, "Harbour Office", "", "en")
    assert (made.is_key, made.weight, made.rate, made.tls_policy) == (True, 2.5, 50, "ncsc-nl-2025")
    assert [(each.name, each.role, each.language) for each in made.contacts.all()] == [("Robin Hale", "security", "en")]
    assert made.domains == ["harbour.example", "xn--6orv52d.example"]
    assert made.blackouts == ["Mon-Fri 08:00-18:00", "2026-12-24/2026-12-27"]
    assert entry_of("register-applied").actor == WHO
    assert "Harbour Office" in browser.get("/organisations/?q=harb").content.decode()


def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_written(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    whole = {**USUAL, "name_en": "Harbour Office", "slug": "harbour"}
    for change, said in (
        ({"name_en": ""}, "Write a name"),
        ({"slug": "Harbour Office"}, "Write it with a-z"),
        ({"slug": "bridges"}, "it may be retired"),
        ({"parent": "nobody"}, "not registered and active"),
        ({"time_zone": "Shanghai"}, "no IANA time zone"),
        ({"contact_name": "Robin Hale"}, "Write both"),
        ({"weight": "4"}, "less than or equal to 3"),
        ({"blackouts": "always"}, "is no blackout"),
        ({"domains": "-x"}, "-x"),
        ({"trusted_roots": "/etc/hostname"}, "A file can&#x27;t be named here"),
        ({"name_en": "Harbour\tOffice"}, "Write one line"),
    ):
        html = browser.post("/add-organisation/", {**whole, **change}).content.decode()
        assert said in " ".join(errors(html)).replace("&#39;", "&#x27;"), (change, errors(html))
        assert ('<details class="rare" open>' in html) == (
            {*change} <= {"weight", "blackouts", "domains", "trusted_roots"}
        )
    assert not Organisation.objects.filter(slug="harbour").exists()


def test_an_organisation_is_changed_and_keeps_what_hangs_on_it(house: House) -> None:
    browser, where = house.browser(Role.OPERATOR), "/organisations/water/change/"
    targets = Target.objects.filter(retired_at=None).count()
    form = browser.get(where).content.decode()
    assert 'value="Water Office"' in form
    assert 'name="slug"' not in form
    circle = browser.post("/organisations/city/change/", {**USUAL, "name_en": "City", "parent": "water"})
    assert "would supervise itself" in " ".join(errors(circle.content.decode()))

    sent = {**USUAL, "name_en": "Water and Waste", "slug": "other", "blackouts": "Sat-Sun 00:00-24:00"}
    assert browser.post(where, sent).headers["Location"] == "/organisations/water/"
    house.water.refresh_from_db()
    assert (house.water.name_en, house.water.parent, house.water.slug) == ("Water and Waste", None, "water")
    assert house.water.blackouts == ["Sat-Sun 00:00-24:00"]
    assert Target.objects.filter(retired_at=None).count() == targets
    assert house.water.contacts.filter(retired_at=None).exists()


def test_retiring_asks_first_and_can_be_undone_unless_others_have_its_addresses_now(house: House) -> None:
    browser, where = house.browser(Role.OPERATOR), "/organisations/water/retire/"
    html = browser.get(where).content.decode()
    assert "Its findings, reports and history stay" in html
    house.water.refresh_from_db()
    assert house.water.retired_at is None

    assert browser.post(where).headers["Location"] == "/organisations/water/"
    house.water.refresh_from_db()
    assert house.water.retired_at is not None
    assert browser.get(where).status_code == 404
    assert browser.get("/organisations/water/change/").status_code == 404
    assert "Water Office" not in browser.get("/organisations/").content.decode()
    assert "Water Office" in browser.get("/organisations/?state=retired").content.decode()
    assert house.water.targets.filter(retired_at=None).exists()

    back = "/organisations/water/bring-back/"
    refused = browser.post(back, follow=True).content.decode()
    assert "overlaps" in refused, "the library has the same addresses"
    house.library.targets.update(retired_at=house.draft.created)
    assert browser.post(back).status_code == 302
    house.water.refresh_from_db()
    assert house.water.retired_at is None


def test_zones_are_listed_added_and_changed(house: House) -> None:
    browser = house.browser(Role.OPERATOR)
    register(house.library, "198.51.100.9", vantage="internal")
    browser.post("/zones/add/", {"name": "office", "vantage": "isolated", "rate": "20"})
    assert Zone.objects.get(name="office").rate == 20
    assert (
        "called so already"
        in browser.post("/zones/add/", {"name": "office", "vantage": "internet", "rate": "0"}).content.decode()
    )

    internal = Zone.objects.get(name="internal")
    browser.post(f"/zones/{internal.pk}/change/", {"vantage": "government", "rate": "5", "name": "x"})
    internal.refresh_from_db()
    assert (internal.name, internal.vantage, internal.rate) == ("internal", "government", 5)
    html = browser.get("/zones/").content.decode()
    assert all(each in html for each in ("office", "from an isolated network", "from the government network"))


def test_the_first_targets_make_the_first_zone(house: House) -> None:
    Target.objects.all().delete()
    Zone.objects.all().delete()
    browser = house.browser(Role.OPERATOR)
    assert "from the internal network" in browser.get("/targets/add/?of=water").content.decode()
    sent = {"organisation": "water", "addresses": "192.0.2.9", "zone": "internal", "criticality": "ordinary"}
    assert browser.post("/targets/add/", sent).status_code == 302
    assert Target.objects.get().zone.name == "internal"
    assert Zone.objects.get().vantage == "internal"
    assert "from the internal network" not in browser.get("/targets/add/?of=water").content.decode()
