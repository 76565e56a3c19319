"""The gate answers as the scope does, port by port, and forgets when it is renewed."""

from __future__ import annotations

import datetime as dt
from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.model import Endpoint, Level, Transport, domain_endpoint
from scanner.engine.plan import ports_of
from scanner.rounds.gate import Permits, ScopeGate, one_of_each, port_borders
from targets.scope import AuthorisationTerms, ExclusionTerms, Reach, Scope

ADDRESS = "192.0.2.10"
REACH = Reach(frozenset({ip_network(ADDRESS)}))
NOW = dt.datetime.now(dt.UTC)


def scope(
    allowed: tuple[tuple[int, int], ...], excluded: tuple[tuple[int, int], ...] = (), *, level: int = 1, days: int = 1
) -> Scope:
    terms = AuthorisationTerms(
        1, "Order 1", "Director", NOW - dt.timedelta(days=9), NOW + dt.timedelta(days=days), REACH, allowed, level
    )
    exclusions = (ExclusionTerms(REACH, "printer", excluded),) if excluded else ()
    return Scope("water", REACH, (terms,), exclusions)


ranges = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=4
).map(tuple)


@given(ranges, ranges)
def test_the_gate_says_of_every_port_what_the_scope_says(
    allowed: tuple[tuple[int, int], ...], excluded: tuple[tuple[int, int], ...]
) -> None:
    rules = scope(allowed, excluded)
    gate = ScopeGate(rules, {ADDRESS: [None]}, Level.READ, NOW)
    for port in range(1, 80):
        expected = rules.decide(ADDRESS, port, "tcp", NOW).allowed
        assert (gate(Endpoint(ADDRESS, port)) is None) == expected


@settings(deadline=None)  # the first example of a run parses what the others find parsed
@given(ranges, ranges)
def test_one_port_of_each_run_is_enough_to_know_them_all(
    allowed: tuple[tuple[int, int], ...], excluded: tuple[tuple[int, int], ...]
) -> None:
    rules = scope(allowed, excluded)

    def answers(ports: list[int]) -> set[bool]:
        return {rules.decide(ADDRESS, port, "tcp", NOW).allowed for port in ports}

    assert answers(one_of_each(ports_of("1-80"), port_borders(rules))) == answers(list(range(1, 81)))


def test_an_address_that_no_scope_registers_is_refused() -> None:
    gate = ScopeGate(scope(((1, 65535),)), {}, Level.READ, NOW)
    assert (gate(Endpoint("192.0.2.11", 80)) or "").startswith("address-not-registered")


def test_a_level_that_was_lowered_refuses() -> None:
    gate = ScopeGate(scope(((1, 65535),), level=1), {ADDRESS: [None]}, Level.CREDENTIAL, NOW)
    assert (gate(Endpoint(ADDRESS, 80)) or "").startswith("level-lowered")


def test_every_name_of_an_address_must_be_permitted() -> None:
    gate = ScopeGate(scope(((1, 65535),)), {ADDRESS: [None, "other.example.cn"]}, Level.READ, NOW)
    assert (gate(Endpoint(ADDRESS, 80)) or "").startswith("name-not-registered")


def test_renewing_forgets_what_was_allowed() -> None:
    gate = ScopeGate(scope(((1, 65535),)), {ADDRESS: [None]}, Level.READ, NOW)
    assert gate(Endpoint(ADDRESS, 80)) is None
    gate.renew(scope(((1, 65535),), days=-1), NOW)
    assert (gate(Endpoint(ADDRESS, 80)) or "").startswith("authorisation-ended")


def test_transports_are_asked_apart() -> None:
    gate = ScopeGate(scope(((161, 161),)), {ADDRESS: [None]}, Level.READ, NOW)
    assert gate(Endpoint(ADDRESS, 161, Transport.UDP)) is None
    assert gate(Endpoint(ADDRESS, 162, Transport.UDP)) is not None


def test_a_domain_is_refused_as_soon_as_the_register_no_longer_allows_it() -> None:
    named = AuthorisationTerms(
        1, "Order 1", "Director", NOW - dt.timedelta(days=9), NOW + dt.timedelta(days=1), Reach.of(["water.example"])
    )
    allowed = Scope("water", authorisations=(named,), domains=frozenset({"water.example"}))
    gate = ScopeGate(allowed, {}, Level.GREETING, NOW)
    assert gate(domain_endpoint("water.example")) is None
    assert gate(domain_endpoint("www.water.example")) == "domain-not-registered domain=www.water.example"
    gate.renew(Scope("water", domains=frozenset({"water.example"})), NOW)
    assert gate(domain_endpoint("water.example")) == "domain-not-authorised domain=water.example"


@given(ranges, ranges, ranges, ranges)
def test_less_is_permitted_exactly_when_a_scanned_port_was_and_is_no_more(
    allowed: tuple[tuple[int, int], ...],
    excluded: tuple[tuple[int, int], ...],
    allowed_later: tuple[tuple[int, int], ...],
    excluded_later: tuple[tuple[int, int], ...],
) -> None:
    before, after = scope(allowed, excluded), scope(allowed_later, excluded_later)
    permits = Permits(before, {ADDRESS: [None]}, Level.READ, range(1, 60), NOW)

    def permitted(rules: Scope) -> set[int]:
        return {port for port in range(1, 60) if rules.decide(ADDRESS, port, "tcp", NOW).allowed}

    assert permits.lessened([ADDRESS], after, NOW) == bool(permitted(before) - permitted(after))
    assert not permits.lessened([ADDRESS], after, NOW)


def test_less_is_permitted_when_an_authorisation_ends_by_itself() -> None:
    rules = scope(((1, 65535),), days=1)
    permits = Permits(rules, {ADDRESS: [None]}, Level.READ, [80], NOW)
    assert not permits.lessened([ADDRESS], rules, NOW + dt.timedelta(hours=23))
    assert not permits.lessened(["192.0.2.11"], rules, NOW), "it was not permitted before"
    assert permits.lessened([ADDRESS], rules, NOW + dt.timedelta(days=1))
