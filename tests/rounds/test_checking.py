"""What is known beforehand not to be inspected, without a packet and without a name resolved."""

from __future__ import annotations

import datetime as dt
import socket

import pytest

from scanner.rounds.checking import ANY_PORT, hindrances
from targets.models import Authorisation, Exclusion, Organisation, Target
from tests.rounds.world import authorise, organisation, register

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def water(monkeypatch: pytest.MonkeyPatch) -> Organisation:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    owner = organisation()
    register(owner, "192.0.2.1", "192.0.2.0/30", "192.0.2.128/25", "www.water.example", "https://a.water.example:8443")
    authorise(owner, "192.0.2.0/25")
    return owner


def reasons(owner: Organisation, now: dt.datetime = NOW) -> dict[str, str]:
    rows = owner.targets.select_related("zone", "organisation")
    return {each.target.value: each.reason for each in hindrances(rows, ANY_PORT, now)}


def test_what_no_authorisation_covers_is_told_and_a_name_waits_for_its_address(water: Organisation) -> None:
    assert reasons(water) == {"192.0.2.128/25": "not-authorised"}


def test_a_network_of_which_a_part_may_be_inspected_is_not_hindered(water: Organisation) -> None:
    Authorisation.objects.update(scope=["192.0.2.2/32"])
    assert set(reasons(water)) == {"192.0.2.1", "192.0.2.128/25"}


def test_without_an_authorisation_in_force_a_name_is_refused_too(water: Organisation) -> None:
    assert set(reasons(water, NOW + dt.timedelta(days=400)).values()) == {"authorisation-ended", "not-authorised"}
    assert len(reasons(water, NOW + dt.timedelta(days=400))) == 5
    Authorisation.objects.all().delete()
    assert set(reasons(water).values()) == {"not-authorised"}


def test_an_exclusion_wins(water: Organisation) -> None:
    for value in ("192.0.2.1", "www.water.example"):
        Exclusion.objects.create(organisation=water, value=value, reason="A controller")
    found = reasons(water)
    assert found["192.0.2.1"] == found["www.water.example"] == "excluded"
    assert "192.0.2.0/30" not in found


def test_ports_that_no_authorisation_covers_are_told(water: Organisation) -> None:
    Authorisation.objects.update(ports="443")
    Target.objects.filter(value="192.0.2.1").update(ports="22")
    Target.objects.exclude(value="192.0.2.1").update(retired_at=NOW)
    assert reasons(water)["192.0.2.1"] == "port-not-authorised"


def test_a_blackout_of_the_target_or_its_organisation_holds(water: Organisation) -> None:
    Target.objects.filter(value="192.0.2.1").update(blackouts=["2026-01-01/2999-01-01"])
    assert reasons(water)["192.0.2.1"] == "blackout"
    Organisation.objects.update(blackouts=["2026-01-01/2999-01-01"])
    assert set(reasons(water).values()) == {"blackout"}


def test_a_retired_target_is_told(water: Organisation) -> None:
    water.targets.update(retired_at=NOW)
    assert set(reasons(water).values()) == {"retired"}
