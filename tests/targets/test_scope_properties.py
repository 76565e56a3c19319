"""What the gate promises for every register, address, port and moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from targets.addresses import Address, Network
from targets.ports import PortRanges
from targets.scope import AuthorisationTerms, ExclusionTerms, Reach, Scope
from targets.special import SPECIAL_RANGES

START = datetime(2026, 1, 1, tzinfo=UTC)

moments = st.integers(0, 100).map(lambda hours: START + timedelta(hours=hours))
# A small world, so that addresses, targets, authorisations and exclusions often meet.
bases = st.sampled_from(["192.0.2.0", "127.0.0.0", "169.254.169.240", "2001:db8::", "::1", "fe80::"]).map(ip_address)
addresses = st.builds(lambda base, offset: base + offset, bases, st.integers(0, 14))
ports = st.integers(1, 12)
port_ranges = st.tuples(ports, ports).map(lambda pair: ((min(pair), max(pair)),))
hostnames = st.sampled_from(["a.example.org", "b.example.org"])


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(addresses)
    prefix = draw(st.sampled_from([0, 8, 16, 24, 28, 31, 32] if address.version == 4 else [0, 10, 64, 124, 127, 128]))
    return (
        ip_network((int(address), prefix), strict=False)
        if address.version == 4
        else IPv6Network((int(address), prefix), strict=False)
    )


reaches = st.builds(Reach, st.frozensets(networks(), max_size=3), st.frozensets(hostnames, max_size=2))


@st.composite
def authorisations(draw: st.DrawFn) -> AuthorisationTerms:
    begins = draw(moments)
    ends = begins + timedelta(hours=draw(st.integers(1, 100)))
    level = draw(st.integers(0, 2))
    return AuthorisationTerms(
        draw(st.integers(1, 9)), "No. 1", "owner", begins, ends, draw(reaches), draw(port_ranges), level
    )


exclusions = st.builds(ExclusionTerms, reaches, st.just("fragile"), port_ranges, st.none() | moments)
scopes = st.builds(
    Scope,
    st.just("water"),
    reaches,
    st.lists(authorisations(), max_size=3).map(tuple),
    st.lists(exclusions, max_size=2).map(tuple),
)


Asked = tuple[Scope, Address, int, datetime, str | None]


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    """A scope and a question to it; in half of them the scope has been given what would allow it."""
    scope, address, port, when = draw(scopes), draw(addresses), draw(ports), draw(moments)
    hostname = draw(st.none() | hostnames)
    if draw(st.booleans()):
        here = frozenset({ip_network(address)})
        terms = AuthorisationTerms(
            10,
            "No. 10",
            "owner",
            when,
            when + timedelta(hours=1),
            Reach(here),
            ((port, port),),
            draw(st.integers(0, 2)),
        )
        targets = Reach(scope.targets.networks | here, scope.targets.hostnames | ({hostname} if hostname else set()))
        scope = Scope(scope.organisation, targets, (*scope.authorisations, terms), scope.exclusions)
    return scope, address, port, when, hostname


def inside(networks_: frozenset[Network], address: Address) -> bool:
    """Written apart from ``Reach.covers``, to check it."""
    return any(address.version == net.version and address in net for net in networks_)


def holds(ranges: PortRanges, port: int) -> bool:
    return any(port in range(first, last + 1) for first, last in ranges)


@given(asked())
def test_what_is_allowed_is_registered_authorised_now_and_not_excluded(question: Asked) -> None:
    scope, address, port, when, hostname = question
    terms = scope.decide(str(address), port, "tcp", when, hostname).authorisation
    if terms is None:
        return
    assert terms in scope.authorisations
    assert terms.valid_from <= when < terms.valid_until
    assert holds(terms.ports, port)
    assert inside(terms.reach.networks, address) or hostname in terms.reach.hostnames
    if hostname is None:
        assert inside(scope.targets.networks, address)
    else:
        assert hostname in scope.targets.hostnames
    for exclusion in scope.exclusions:
        if exclusion.until is None or when < exclusion.until:
            assert not (inside(exclusion.reach.networks, address) and holds(exclusion.ports, port))
            assert not (hostname in exclusion.reach.hostnames and holds(exclusion.ports, port))


@given(asked())
def test_an_exclusion_refuses_whatever_else_is_registered(question: Asked) -> None:
    scope, address, port, when, hostname = question
    exclusion = ExclusionTerms(Reach(frozenset({ip_network(address)})), "fragile")
    excluded = Scope(scope.organisation, scope.targets, scope.authorisations, (*scope.exclusions, exclusion))
    assert not excluded.decide(str(address), port, "tcp", when, hostname).allowed


@given(scopes, addresses, ports, st.none() | hostnames)
def test_nothing_is_allowed_when_every_authorisation_has_ended(
    scope: Scope, address: Address, port: int, hostname: str | None
) -> None:
    after = START + timedelta(hours=201)
    assert not scope.decide(str(address), port, "tcp", after, hostname).allowed


@given(asked())
def test_a_special_address_is_allowed_only_by_an_entry_inside_its_range(question: Asked) -> None:
    scope, address, port, when, hostname = question
    decision = scope.decide(str(address), port, "tcp", when, hostname)
    if decision.authorisation:
        for special in [network for _, network in SPECIAL_RANGES if inside(frozenset({network}), address)]:
            assert any(_within(entry, special) and address in entry for entry in decision.authorisation.reach.networks)


@given(asked())
def test_a_question_that_is_registered_authorised_and_not_excluded_is_allowed(question: Asked) -> None:
    scope, address, port, when, hostname = question
    unrestricted = Scope(scope.organisation, scope.targets, scope.authorisations)
    planted = any(terms.id == 10 for terms in scope.authorisations)
    if planted:
        assert unrestricted.decide(str(address), port, "tcp", when, hostname).allowed


def _within(entry: Network, special: Network) -> bool:
    if isinstance(entry, IPv4Network) and isinstance(special, IPv4Network):
        return entry.subnet_of(special)
    return isinstance(entry, IPv6Network) and isinstance(special, IPv6Network) and entry.subnet_of(special)


@given(scopes, st.ip_addresses(v=4), ports, moments, st.none() | hostnames)
def test_a_mapped_address_is_decided_as_the_ipv4_address_it_is(
    scope: Scope, address: IPv4Address, port: int, when: datetime, hostname: str | None
) -> None:
    mapped = IPv6Address((0xFFFF << 32) | int(address))
    assert scope.decide(str(mapped), port, "tcp", when, hostname) == scope.decide(
        str(address), port, "tcp", when, hostname
    )


@given(
    scopes, st.text(max_size=20), st.integers(), st.text(max_size=4), st.datetimes(), st.none() | st.text(max_size=9)
)
def test_no_input_makes_the_gate_raise_or_open(
    scope: Scope, address: str, port: int, transport: str, when: datetime, hostname: str | None
) -> None:
    assert not scope.decide(address, port, transport, when, hostname).allowed


@given(st.frozensets(networks(), max_size=4), networks())
def test_a_reach_includes_a_network_exactly_when_one_of_its_networks_holds_all_of_it(
    members: frozenset[Network], network: Network
) -> None:
    assert Reach(members).includes(network) == any(_within(network, member) for member in members)


@given(scopes, st.frozensets(hostnames), hostnames, moments)
def test_a_domain_is_allowed_exactly_when_registered_named_in_force_and_not_excluded(
    scope: Scope, domains: frozenset[str], name: str, when: datetime
) -> None:
    decision = replace(scope, domains=domains).decide_domain(name, when)
    named = [
        terms
        for terms in scope.authorisations
        if name in terms.reach.hostnames and terms.valid_from <= when < terms.valid_until
    ]
    excluded = [
        terms
        for terms in scope.exclusions
        if name in terms.reach.hostnames and (terms.until is None or when < terms.until)
    ]
    assert decision.allowed is (name in domains and bool(named) and not excluded)


@given(scopes, hostnames, addresses, st.integers(1, 65535), moments)
def test_what_is_foreseen_of_a_name_is_refused_wherever_it_resolves_to(
    scope: Scope, name: str, address: Address, port: int, when: datetime
) -> None:
    if scope.foreseen(name, when) is not None:
        assert not scope.decide(str(address), port, "tcp", when, name).allowed
