"""The read API of the register."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from targets.models import Authorisation, Exclusion, Organisation, Target
from targets.query import active_organisations, registered_targets, scope_of
from targets.registry.plan import compare, merge
from targets.registry.reading import Limits, read_register, yaml_files
from targets.registry.store import apply_changes, current_register
from targets.scope import RefusalReason

pytestmark = pytest.mark.django_db

EXAMPLES = Path(__file__).parents[2] / "targets" / "examples"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def examples(db: None) -> None:
    wanted, problems = read_register(yaml_files(EXAMPLES), Limits())
    assert problems == []
    current = current_register()
    apply_changes(wanted, compare(current, merge(current, wanted)), NOW, actor="tester")


def decide(slug: str, address: str, port: int = 443) -> RefusalReason | None:
    return scope_of(slug).decide(address, port, "tcp", NOW).reason


def test_the_lab_of_the_examples_may_be_touched() -> None:
    water = scope_of(Organisation.objects.get(slug="water"))
    assert [water.decide(f"127.20.1.{host}", 443, "tcp", NOW).level for host in range(1, 7)] == [1] * 6
    assert scope_of("transport").decide("127.20.2.1", 443, "tcp", NOW).level == 2


def test_no_organisation_may_touch_what_is_the_other_ones_or_nobodys() -> None:
    assert decide("water", "127.20.2.1") is RefusalReason.ADDRESS_NOT_REGISTERED
    assert decide("water", "127.20.1.7") is RefusalReason.ADDRESS_NOT_REGISTERED
    assert decide("water", "127.20.1.6", 502) is RefusalReason.EXCLUDED


def test_an_unknown_or_retired_organisation_may_touch_nothing() -> None:
    assert decide("nobody", "127.20.1.1") is RefusalReason.UNKNOWN_ORGANISATION
    Organisation.objects.filter(slug="water").update(retired_at=NOW)
    assert decide("water", "127.20.1.1") is RefusalReason.RETIRED_ORGANISATION
    assert registered_targets(Organisation.objects.get(slug="water")) == ()


def test_a_retired_target_or_authorisation_no_longer_counts() -> None:
    Target.objects.filter(value="127.20.1.1").update(retired_at=NOW)
    assert decide("water", "127.20.1.1") is RefusalReason.ADDRESS_NOT_REGISTERED
    assert decide("water", "127.20.1.2") is None
    Authorisation.objects.update(retired_at=NOW)
    assert decide("water", "127.20.1.2") is RefusalReason.SPECIAL_ADDRESS


def test_a_global_exclusion_holds_for_every_organisation() -> None:
    Exclusion.objects.create(value="127.20.0.0/16", reason="maintenance")
    assert decide("water", "127.20.1.1") is RefusalReason.EXCLUDED
    assert decide("transport", "127.20.2.1") is RefusalReason.EXCLUDED
    Exclusion.objects.update(until=NOW - timedelta(seconds=1))
    assert decide("water", "127.20.1.1") is None


def test_a_register_with_an_unreadable_value_refuses_everything(caplog: pytest.LogCaptureFixture) -> None:
    Exclusion.objects.create(value="not an address", reason="broken by hand")
    assert decide("water", "127.20.1.1") is RefusalReason.UNDECIDABLE
    assert "can't be read" in caplog.text


def test_targets_are_read_with_what_a_round_needs() -> None:
    first = registered_targets(Organisation.objects.get(slug="water"))[0]
    assert (first.value, first.is_key, first.vantage, first.tags) == ("127.20.1.1", True, "internet", ("门户网站",))
    assert (first.network, first.hostname, first.url_port) == (ip_network("127.20.1.1"), None, None)


def test_organisations_are_chosen_by_slug_and_unknown_ones_are_named() -> None:
    assert [organisation.slug for organisation in active_organisations()] == ["transport", "water"]
    assert [organisation.slug for organisation in active_organisations(["water"])] == ["water"]
    with pytest.raises(LookupError, match=r"nobody.*transport, water"):
        active_organisations(["water", "nobody"])
