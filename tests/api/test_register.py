"""Programs change the register as register files do: checked as a whole, all or nothing, on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.test import Client

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from targets.models import Authorisation, Exclusion, Organisation, Target
from tests.api.programs import AT, Programs
from tests.console.house import House

JSON = "application/json"


def send(program: Client, method: str, path: str, body: Mapping[str, object] | None = None, status: int = 200) -> Any:
    answer = getattr(program, method)(f"{AT}{path}", body or {}, content_type=JSON)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_an_organisation_is_made_shown_first_and_then_changed(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    park = {"name_en": "Park Office", "parent": "city", "targets": [{"address": "192.0.2.70", "zone": "internet"}]}

    would = send(program, "put", "/organisations/park?dry_run=true", park)
    assert [(each["action"], each["noun"]) for each in would["changes"]] == [("add", "organisation"), ("add", "target")]
    assert not Organisation.objects.filter(slug="park").exists()

    assert send(program, "put", "/organisations/park", park)["applied"]
    assert send(program, "put", "/organisations/park", park) == {"applied": False, "changes": []}
    changed = send(program, "put", "/organisations/park", {"name_en": "Parks", "parent": "city"})
    assert changed["changes"][0]["fields"] == [{"field": "name_en", "old": "Park Office", "new": "Parks"}]
    assert Target.objects.filter(organisation__slug="park", retired_at=None).count() == 1, "left out is left alone"
    actors = set(Entry.objects.filter(action="register-applied").values_list("actor", flat=True))
    assert actors == {"operator@office.example (token program-1)"}


def test_rows_are_added_changed_and_retired_one_by_one(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    target = {"organisation": "water", "address": "Pump.Water.example", "zone": "internet"}
    before = Target.objects.filter(organisation=house.water, retired_at=None).count()

    send(program, "post", "/targets", target)
    made = Target.objects.get(value="pump.water.example")
    changes = send(program, "post", "/targets", {**target, "criticality": "key"})["changes"]
    assert [(each["action"], each["key"]) for each in changes] == [("change", "pump.water.example")]
    send(program, "delete", f"/targets/{made.pk}")
    assert Target.objects.filter(organisation=house.water, retired_at=None).count() == before
    send(program, "delete", f"/targets/{made.pk}", status=404)

    order = {
        "organisation": "water",
        "document": "Order 9",
        "allowed_by": "Director",
        "valid_from": "2026-01-01",
        "valid_until": "2026-12-31",
        "scope": ["192.0.2.0/28"],
        "level": 1,
    }
    send(program, "post", "/authorisations", order)
    until = Authorisation.objects.get(document="Order 9").valid_until
    assert until.isoformat() == "2026-12-31T16:00:00+00:00", "its last day ends in Shanghai"
    assert house.water.authorisations.filter(retired_at=None).count() == 2


def test_an_exclusion_is_for_one_organisation_or_for_all(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    for owner in ("water", None):
        send(program, "post", "/exclusions", {"organisation": owner, "address": "192.0.2.66", "reason": "It is old."})
    everyone = Exclusion.objects.get(organisation=None)
    assert Exclusion.objects.filter(value="192.0.2.66").count() == 2
    send(program, "delete", f"/exclusions/{everyone.pk}")
    everyone.refresh_from_db()
    assert everyone.retired_at is not None
    assert Exclusion.objects.filter(value="192.0.2.66", retired_at=None).count() == 1


def test_what_the_register_can_not_say_is_refused_as_a_whole(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    rows = [{"address": "192.0.2.71", "zone": "internet"}, {"address": "10.0.0.0/8", "zone": "nowhere"}]
    refused = send(program, "put", "/organisations/water", {"name_en": "Water Office", "targets": rows}, 409)

    places = [each["place"] for each in refused["errors"]]
    assert "organisations[1].targets[2].address" in places
    assert "targets.zone" in places
    assert not Target.objects.filter(value="192.0.2.71").exists()
    send(program, "put", "/organisations/water", {"name_en": "Water", "parent": "water"}, 409)
    send(program, "post", "/targets", {"organisation": "nobody", "address": "192.0.2.1", "zone": "internet"}, 409)


def test_nothing_is_set_that_is_not_named_and_no_file_is_read(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    for more in ({"trusted_roots": ["/etc/passwd"]}, {"retired_at": None}, {"id": 1}, {"slug": "library"}):
        send(program, "put", "/organisations/water", {"name_en": "Water Office", **more}, 422)
