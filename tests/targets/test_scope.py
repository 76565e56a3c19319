"""The gate, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from targets.ports import parse_ports
from targets.scope import AuthorisationTerms, ExclusionTerms, Reach, RefusalReason, Scope
from targets.special import SPECIAL_RANGES

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def authorisation(*scope: str, **changes: Any) -> AuthorisationTerms:
    values: dict[str, Any] = {
        "id": 1,
        "document": "No. 1",
        "allowed_by": "the owner",
        "valid_from": NOW - timedelta(days=1),
        "valid_until": NOW + timedelta(days=1),
        "reach": Reach.of(scope),
        "level": 1,
    }
    return AuthorisationTerms(**values | changes)


def scope(
    targets: list[str], *authorisations: AuthorisationTerms, exclusions: tuple[ExclusionTerms, ...] = ()
) -> Scope:
    return Scope("water", Reach.of(targets), authorisations, exclusions)


def reason(
    gate: Scope,
    address: str,
    port: int = 443,
    when: datetime = NOW,
    hostname: str | None = None,
    transport: str = "tcp",
) -> RefusalReason | None:
    decision = gate.decide(address, port, transport, when, hostname)
    assert decision.allowed is (decision.reason is None)
    assert (decision.level is None) is not decision.allowed
    return decision.reason


def test_a_registered_and_authorised_address_is_allowed_with_the_level() -> None:
    decision = scope(["192.0.2.0/24"], authorisation("192.0.2.0/25")).decide("192.0.2.1", 443, "tcp", NOW)
    assert decision.allowed
    assert decision.level == 1
    assert decision.authorisation is not None
    assert decision.authorisation.document == "No. 1"


def test_an_authorised_address_that_is_not_registered_is_refused() -> None:
    gate = scope(["192.0.2.1"], authorisation("192.0.2.0/24"))
    assert reason(gate, "192.0.2.2") is RefusalReason.ADDRESS_NOT_REGISTERED


def test_a_registered_address_without_authorisation_is_refused() -> None:
    assert reason(scope(["192.0.2.1"]), "192.0.2.1") is RefusalReason.NOT_AUTHORISED
    gate = scope(["192.0.2.0/24"], authorisation("192.0.2.0/25"))
    assert reason(gate, "192.0.2.200") is RefusalReason.NOT_AUTHORISED


def test_an_authorisation_holds_from_its_first_moment_to_before_its_last() -> None:
    gate = scope(["192.0.2.1"], authorisation("192.0.2.1"))
    assert reason(gate, "192.0.2.1", when=NOW - timedelta(days=1, seconds=1)) is RefusalReason.AUTHORISATION_NOT_BEGUN
    assert reason(gate, "192.0.2.1", when=NOW - timedelta(days=1)) is None
    assert reason(gate, "192.0.2.1", when=NOW + timedelta(days=1)) is RefusalReason.AUTHORISATION_ENDED


def test_a_port_outside_the_authorisation_is_refused() -> None:
    gate = scope(["192.0.2.1"], authorisation("192.0.2.1", ports=parse_ports("80,443")))
    assert reason(gate, "192.0.2.1", 22) is RefusalReason.PORT_NOT_AUTHORISED


def test_the_authorisation_with_the_highest_level_counts() -> None:
    gate = scope(["192.0.2.1"], authorisation("192.0.2.1", level=0), authorisation("192.0.2.0/24", id=2, level=2))
    assert gate.decide("192.0.2.1", 443, "tcp", NOW).level == 2


def test_an_ended_authorisation_does_not_hide_a_valid_one() -> None:
    ended = authorisation("192.0.2.1", id=2, level=2, valid_until=NOW)
    assert scope(["192.0.2.1"], ended, authorisation("192.0.2.1")).decide("192.0.2.1", 1, "udp", NOW).level == 1


def test_an_exclusion_wins_for_its_ports_until_it_ends() -> None:
    exclusion = ExclusionTerms(Reach.of(["192.0.2.1"]), "fragile", parse_ports("502"), NOW + timedelta(days=1))
    gate = scope(
        ["192.0.2.1"], authorisation("192.0.2.1", valid_until=NOW + timedelta(days=9)), exclusions=(exclusion,)
    )
    assert reason(gate, "192.0.2.1", 502) is RefusalReason.EXCLUDED
    assert reason(gate, "::ffff:192.0.2.1", 502) is RefusalReason.EXCLUDED
    assert reason(gate, "192.0.2.1", 503) is None
    assert reason(gate, "192.0.2.1", 502, NOW + timedelta(days=1)) is None


def test_an_excluded_ipv4_host_is_excluded_behind_a_translating_gateway_too() -> None:
    exclusion = ExclusionTerms(Reach.of(["192.0.2.1"]), "fragile")
    for translated in ("64:ff9b::192.0.2.1", "2002:c000:201::1", "::192.0.2.1"):
        gate = scope([translated], authorisation(translated), exclusions=(exclusion,))
        assert reason(gate, translated) is RefusalReason.EXCLUDED
        assert reason(scope([translated], authorisation(translated)), translated) is None


class TestNames:
    def test_an_authorised_name_allows_the_address_it_resolved_to(self) -> None:
        gate = scope(["www.example.org"], authorisation("www.example.org"))
        assert reason(gate, "192.0.2.1", hostname="WWW.example.org.") is None

    def test_a_name_is_allowed_when_its_address_is_authorised(self) -> None:
        gate = scope(["https://www.example.org/"], authorisation("192.0.2.0/24"))
        assert reason(gate, "192.0.2.1", hostname="www.example.org") is None

    def test_a_name_that_resolves_outside_the_authorised_addresses_is_refused(self) -> None:
        gate = scope(["www.example.org"], authorisation("192.0.2.0/24"))
        assert reason(gate, "198.51.100.1", hostname="www.example.org") is RefusalReason.NOT_AUTHORISED

    def test_a_name_that_is_not_registered_is_refused_even_at_a_registered_address(self) -> None:
        gate = scope(["192.0.2.1"], authorisation("192.0.2.1", "www.example.org"))
        assert reason(gate, "192.0.2.1", hostname="www.example.org") is RefusalReason.NAME_NOT_REGISTERED

    def test_the_address_of_a_registered_name_is_not_registered_by_itself(self) -> None:
        gate = scope(["www.example.org"], authorisation("www.example.org"))
        assert reason(gate, "192.0.2.1") is RefusalReason.ADDRESS_NOT_REGISTERED

    def test_an_excluded_name_is_refused(self) -> None:
        exclusion = ExclusionTerms(Reach.of(["www.example.org"]), "moving")
        gate = scope(["www.example.org"], authorisation("www.example.org"), exclusions=(exclusion,))
        assert reason(gate, "192.0.2.1", hostname="www.example.org") is RefusalReason.EXCLUDED

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0"]
    )
    def test_an_authorised_name_that_resolves_to_a_special_address_is_refused(self, address: str) -> None:
        gate = scope(["www.example.org"], authorisation("www.example.org", "0.0.0.0/0", "::/0"))
        assert reason(gate, address, hostname="www.example.org") is RefusalReason.SPECIAL_ADDRESS


class TestSpecialAddresses:
    @pytest.mark.parametrize("network", [str(network) for _, network in SPECIAL_RANGES])
    def test_no_wide_authorisation_reaches_a_special_range(self, network: str) -> None:
        address = network.partition("/")[0]
        gate = scope([network], authorisation("0.0.0.0/0", "::/0"))
        assert reason(gate, address) is RefusalReason.SPECIAL_ADDRESS

    def test_an_entry_inside_the_range_names_it(self) -> None:
        for entry in ("127.0.0.0/8", "127.20.1.0/24", "127.20.1.5"):
            assert reason(scope(["127.20.1.5"], authorisation(entry)), "127.20.1.5") is None

    def test_metadata_needs_an_entry_of_its_own(self) -> None:
        gate = scope(["169.254.0.0/16"], authorisation("169.254.0.0/16"))
        assert reason(gate, "169.254.1.1") is None
        assert reason(gate, "169.254.169.254") is RefusalReason.SPECIAL_ADDRESS
        named = scope(["169.254.0.0/16"], authorisation("169.254.169.254"))
        assert reason(named, "169.254.169.254") is None

    def test_an_explicit_but_ended_authorisation_does_not_help_a_wide_one(self) -> None:
        ended = authorisation("127.0.0.1", valid_until=NOW)
        gate = scope(["127.0.0.1"], ended, authorisation("0.0.0.0/0", id=2))
        assert reason(gate, "127.0.0.1") is RefusalReason.AUTHORISATION_ENDED


class TestFailingClosed:
    GATE = scope(["192.0.2.1", "fe80::1", "www.example.org"], authorisation("192.0.2.1", "fe80::1", "www.example.org"))

    @pytest.mark.parametrize(
        "address", ["", "192.0.2.01", "192.0.2", "fe80::1%eth0", "www.example.org", "192.0.2.1\n8"]
    )
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        assert reason(self.GATE, address) is RefusalReason.BAD_ADDRESS

    @pytest.mark.parametrize("port", [0, -1, 65536, "443", 443.0, None])
    def test_what_is_no_port_is_refused(self, port: Any) -> None:
        assert reason(self.GATE, "192.0.2.1", port) is RefusalReason.BAD_PORT

    def test_a_time_without_zone_is_refused(self) -> None:
        assert reason(self.GATE, "192.0.2.1", when=NOW.replace(tzinfo=None)) is RefusalReason.TIME_WITHOUT_ZONE

    def test_an_unknown_transport_is_refused(self) -> None:
        assert reason(self.GATE, "192.0.2.1", transport="sctp") is RefusalReason.BAD_TRANSPORT

    def test_a_name_that_is_an_address_is_refused(self) -> None:
        assert reason(self.GATE, "192.0.2.1", hostname="192.0.2.1") is RefusalReason.BAD_HOSTNAME

    def test_a_broken_scope_refuses_instead_of_raising(self) -> None:
        broken = Scope("water", Reach.of(["192.0.2.1"]), (None,))  # type: ignore[arg-type]  # broken on purpose
        assert reason(broken, "192.0.2.1") is RefusalReason.UNDECIDABLE
        assert reason(self.GATE, None) is RefusalReason.UNDECIDABLE  # type: ignore[arg-type]  # broken on purpose

    def test_a_scope_that_refuses_all_refuses_what_it_would_allow(self) -> None:
        gate = Scope("water", self.GATE.targets, self.GATE.authorisations, (), RefusalReason.RETIRED_ORGANISATION)
        assert reason(gate, "192.0.2.1") is RefusalReason.RETIRED_ORGANISATION
