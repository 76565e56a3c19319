"""Each finding knows whether its place is registered, from the moment at which the register is changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from scanner.remediation.counted import TO_BE_FIXED, is_overdue, overdue
from scanner.remediation.models import Finding
from scanner.remediation.part import in_register
from targets.models import Organisation, Target
from targets.registry.plan import compare, merge
from targets.registry.specs import OrganisationSpec, Register
from targets.registry.store import apply_changes, current_register
from tests.delivery.office import NOW, finding, unit
from tests.remediation.looks import followed
from tests.rounds.world import authorise, open_redis, organisation, register

DAY = dt.timedelta(days=1)


@pytest.fixture
def owner(db: None) -> Organisation:
    made = unit(domains=["water.example"])
    register(made, "192.0.2.0/28", "www.water.example")
    finding(made, host="192.0.2.10")
    finding(made, host="www.water.example")
    finding(made, host="water.example", transport="dns", port=0, check_id="DOM-SPF-NONE")
    made.targets.filter(value__in=("192.0.2.10", "water.example")).delete()  # which the network and the domain hold
    return made


def applied(slug: str, change: Callable[[OrganisationSpec], OrganisationSpec]) -> None:
    """Change the register of an organisation as files, pages and programs do."""
    current = current_register()
    specs = tuple(change(each) if each.slug == slug else each for each in current.organisations)
    wanted = Register(current.zones, specs, current.exclusions)
    apply_changes(wanted, compare(current, merge(current, wanted)), NOW, actor="tester")


def without(*addresses: str) -> Callable[[OrganisationSpec], OrganisationSpec]:
    def change(spec: OrganisationSpec) -> OrganisationSpec:
        return replace(spec, targets=tuple(each for each in spec.targets or () if each.address not in addresses))

    return change


def marked() -> set[str]:
    found = set(Finding.objects.filter(registered=True).values_list("host", flat=True))
    rows = list(Finding.objects.select_related("organisation"))
    assert found == {each.host for each in in_register(rows)}, "the mark is what the register says"
    return found


def test_what_leaves_the_register_is_marked_and_what_comes_back_too(owner: Organisation) -> None:
    everything = {"192.0.2.10", "www.water.example", "water.example"}
    assert marked() == everything
    before = current_register()
    applied("water", without("192.0.2.0/28"))
    assert marked() == everything - {"192.0.2.10"}
    applied("water", without("www.water.example"))
    assert marked() == {"water.example"}
    applied("water", lambda spec: replace(spec, domains=()))
    assert marked() == set()
    apply_changes(before, compare(current_register(), merge(current_register(), before)), NOW, actor="tester")
    assert marked() == everything


def test_nothing_of_a_retired_organisation_is_registered_until_it_is_back(owner: Organisation) -> None:
    applied("water", lambda spec: replace(spec, retired=True))
    assert marked() == set()
    applied("water", lambda spec: replace(spec, retired=False))
    assert marked() == {"192.0.2.10", "www.water.example", "water.example"}


def test_who_has_the_address_now_is_not_given_what_was_found_before(owner: Organisation) -> None:
    other = organisation("roads")
    applied("water", without("192.0.2.0/28"))
    register(other, "192.0.2.10")
    assert not Finding.objects.get(host="192.0.2.10").registered


def test_a_mark_that_is_wrong_is_mended_when_findings_are_followed(db: None) -> None:
    one = organisation()
    register(one, "192.0.2.10", "192.0.2.11")
    authorise(one, "192.0.2.0/24")
    followed(one, open_redis, 0)
    followed(one, open_redis, 1, "192.0.2.11")
    Finding.objects.update(registered=False)
    Target.objects.filter(value="192.0.2.11").update(retired_at=NOW)
    followed(one, open_redis, 2)
    assert marked() == {"192.0.2.10"}


def test_a_condition_for_the_database_says_what_the_one_for_a_finding_says(owner: Organisation) -> None:
    late, ahead = NOW - DAY, NOW + DAY
    Finding.objects.all().delete()
    for number, (state, due, there) in enumerate(
        (state, due, there)
        for state in ("open", "claimed", "accepted", "fixed")
        for due in (late, ahead, None)
        for there in (True, False)
    ):
        at = {"claimed": {"claimed": NOW}, "accepted": {"exempt_until": ahead}, "fixed": {"fixed": NOW}}.get(state, {})
        fields: dict[str, Any] = {"state": state, "deadline": due, "registered": there, **at}
        finding(owner, port=number, **fields)
    rows = list(Finding.objects.all())
    assert {each.pk for each in rows if is_overdue(each, NOW)} == set(
        Finding.objects.filter(overdue(NOW)).values_list("pk", flat=True)
    )
    assert Finding.objects.filter(overdue(NOW)).count() == 2
    assert Finding.objects.filter(TO_BE_FIXED).count() == 6


def test_findings_of_an_older_roundsman_are_marked_when_it_is_upgraded(owner: Organisation) -> None:
    away = unit("away")
    finding(away, host="198.51.100.1")
    Organisation.objects.filter(pk=away.pk).update(retired_at=NOW)
    Target.objects.filter(value="www.water.example").update(retired_at=NOW)
    migration = import_module("scanner.remediation.migrations.0014_mark_what_is_registered")
    migration.mark(apps, SimpleNamespace(connection=connection))
    assert marked() == {"192.0.2.10", "water.example"}
