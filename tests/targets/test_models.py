"""What the database itself refuses, whoever writes to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError

from scanner.engine.model import Vantage as EngineVantage
from targets.addresses import Kind
from targets.models import Authorisation, Contact, Exclusion, Organisation, Target, TargetKind, Vantage, Zone

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def water() -> Organisation:
    return Organisation.objects.create(slug="water", name_zh="水务局", name_en="Water")


def target(organisation: Organisation, **changes: Any) -> Target:
    zone, _ = Zone.objects.get_or_create(name="internet", defaults={"vantage": "internet"})
    values = {"kind": "ipv4", "value": "192.0.2.1", "display": "192.0.2.1", "zone": zone}
    return Target.objects.create(organisation=organisation, **(values | changes))


def test_the_migrations_are_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_vantages_and_kinds_are_the_ones_that_others_use() -> None:
    assert set(Vantage.values) == {vantage.value for vantage in EngineVantage}
    assert set(TargetKind.values) == {kind.value for kind in Kind}


def test_an_organisation_has_its_name_in_its_language(water: Organisation) -> None:
    assert water.name == "水务局"
    assert Organisation(slug="x", name_zh="水务局", name_en="Water", language="en").name == "Water"
    assert Organisation(slug="x", name_zh="水务局", language="en").name == "水务局"


def test_a_circle_of_supervisors_is_refused(water: Organisation) -> None:
    city = Organisation.objects.create(slug="city", name_en="City", parent=water)
    water.parent = city
    with pytest.raises(ValidationError, match="would supervise itself"):
        water.save()


@pytest.mark.parametrize(
    "changes",
    [
        {"slug": "Water"},
        {"slug": "water"},
        {"slug": ""},
        {"name_en": "", "name_zh": ""},
        {"language": "fr"},
        {"weight": 9},
        {"weight": 0.5},
    ],
)
def test_a_wrong_organisation_is_refused(water: Organisation, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        Organisation.objects.create(**({"slug": "other", "name_en": "Other"} | changes))


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="time_zone"):
        Organisation(slug="x", name_en="X", name_zh="X", time_zone="Asia/Peking").full_clean()


@pytest.mark.parametrize(
    "changes", [{"kind": "name"}, {"criticality": "huge"}, {"value": ""}, {"value": "-oN"}, {"display": "again"}]
)
def test_a_wrong_or_second_target_is_refused(water: Organisation, changes: dict[str, Any]) -> None:
    target(water)
    with pytest.raises(IntegrityError):
        target(water, **changes)


@pytest.mark.parametrize("changes", [{"level": 3}, {"valid_until": DAY}, {"document": ""}, {"allowed_by": ""}])
def test_a_wrong_authorisation_is_refused(water: Organisation, changes: dict[str, Any]) -> None:
    values = {
        "document": "No. 1",
        "allowed_by": "owner",
        "valid_from": DAY,
        "valid_until": DAY.replace(day=2),
        "scope": ["192.0.2.1"],
    }
    with pytest.raises(IntegrityError):
        Authorisation.objects.create(organisation=water, **(values | changes))


def test_a_wrong_zone_or_contact_is_refused(water: Organisation) -> None:
    with pytest.raises(IntegrityError):
        Contact.objects.create(organisation=water, name="A", email="a@example.org", role="king", language="en")


def test_a_zone_has_a_known_vantage() -> None:
    with pytest.raises(IntegrityError):
        Zone.objects.create(name="moon", vantage="moon")


def test_a_global_exclusion_is_registered_once() -> None:
    Exclusion.objects.create(value="192.0.2.1", reason="fragile")
    with pytest.raises(IntegrityError):
        Exclusion.objects.create(value="192.0.2.1", reason="again")
