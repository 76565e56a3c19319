"""Over any two looks, only complete and covering ones may say that a finding is gone."""

from __future__ import annotations

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Level,
    Look,
    Outcome,
    PortScan,
    Service,
    Target,
    Transport,
    Vantage,
)
from scanner.engine.plan import Profile
from scanner.engine.serialize import dump_host
from scanner.remediation.lifecycle import Observation
from scanner.remediation.models import Finding
from scanner.remediation.observe import RoundView
from scanner.rounds.models import HostResult, LookNumber
from targets.models import Organisation

ADDRESS, PORT = "192.0.2.10", 6379
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
ENDPOINT = Endpoint(ADDRESS, PORT)

services = st.sampled_from(
    [
        (),
        (Service(ENDPOINT, "redis", facts=ServiceFacts("REDIS", Access.OPEN)),),
        (Service(ENDPOINT, "redis", facts=ServiceFacts("REDIS", Access.RESTRICTED)),),
        (Service(ENDPOINT, "unknown"),),
    ]
)
gaps = st.builds(
    Gap,
    st.sampled_from(GapReason),
    st.sampled_from([None, Facet.PORT, Facet.SERVICE, Facet.TLS]),
    st.sampled_from([None, PORT, 80]),
)
coverages = st.builds(
    Coverage,
    scans=st.lists(
        st.builds(
            PortScan,
            st.just(Transport.TCP),
            st.sampled_from(["80", "6379", "1-65535"]),
            st.sampled_from([(), (80,), (PORT,)]),
            st.just(0),
            st.just("connect"),
        ),
        max_size=1,
    ).map(tuple),
    looks=st.lists(
        st.builds(Look, st.sampled_from([80, PORT]), st.just(Transport.TCP), st.sampled_from(Facet)), max_size=4
    ).map(tuple),
    gaps=st.lists(gaps, max_size=2).map(tuple),
)
inspections = st.builds(
    HostInspection,
    target=st.just(Target(ADDRESS, ADDRESS)),
    outcome=st.sampled_from(Outcome),
    started=st.just(NOW),
    finished=st.just(NOW),
    vantage=st.sampled_from([Vantage.INTERNET, Vantage.INTERNAL]),
    level=st.sampled_from(Level),
    services=services,
    coverage=coverages,
)


def known_finding() -> Finding:
    return Finding(
        host=ADDRESS,
        port=PORT,
        transport="tcp",
        check_id="SVC-REDIS-UNAUTH",
        addresses=[ADDRESS],
        profile=Profile.STANDARD,
        level=Level.READ,
        vantage=Vantage.INTERNET,
    )


def view(*looks: HostInspection, profile: Profile) -> RoundView:
    rows = [
        HostResult(pk=number, look=number, address=ADDRESS, outcome=look.outcome, facts=dump_host(look))
        for number, look in zip(LookNumber, looks, strict=False)
    ]
    return RoundView(rows, profile, Organisation())


@settings(max_examples=200, deadline=None)
@given(inspections, inspections, st.sampled_from(Profile))
def test_gone_means_that_two_looks_covered_it_and_neither_saw_it(
    first: HostInspection, second: HostInspection, profile: Profile
) -> None:
    observed = view(first, second, profile=profile).observe(known_finding(), NOW)
    shown = any(service.facts and service.facts.access is Access.OPEN for service in first.services + second.services)
    assert (observed.look.observation is Observation.SEEN) == shown
    if observed.look.observation is Observation.NOT_SEEN:
        for look in (first, second):
            assert look.coverage.covers(Facet.SERVICE, PORT, Transport.TCP)
            assert look.vantage is Vantage.INTERNET
        assert first.outcome in (Outcome.INSPECTED, Outcome.PARTIAL)
        assert second.outcome is Outcome.INSPECTED


@settings(max_examples=100, deadline=None)
@given(inspections, st.sampled_from(Profile))
def test_one_look_alone_never_says_gone(only: HostInspection, profile: Profile) -> None:
    observed = view(only, profile=profile).observe(known_finding(), NOW)
    assert observed.look.observation is not Observation.NOT_SEEN


def test_a_check_that_left_the_catalogue_can_not_be_proven_gone() -> None:
    covering = HostInspection(
        Target(ADDRESS, ADDRESS),
        Outcome.INSPECTED,
        NOW,
        NOW,
        Vantage.INTERNET,
        Level.READ,
        coverage=Coverage((PortScan(Transport.TCP, "1-65535", (), 0, "connect"),)),
    )
    finding = known_finding()
    rounds = view(covering, covering, profile=Profile.STANDARD)
    assert rounds.observe(finding, NOW).look.observation is Observation.NOT_SEEN
    finding.check_id = "NO-SUCH-CHECK"
    assert rounds.observe(finding, NOW).look.observation is Observation.NOT_INSPECTED
