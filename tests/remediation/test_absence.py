"""A finding that something is missing needs every look of the round to agree that it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.facts.http import HttpFacts, HttpReply, Page
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
from scanner.engine.plan import Plan, Profile, ports_of
from scanner.engine.serialize import dump_host
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.lifecycle import Observation
from scanner.remediation.models import Finding
from scanner.remediation.observe import RoundView
from scanner.remediation.reinspection import request_reinspection
from scanner.rounds.models import HostResult, LookNumber
from targets.models import Organisation
from tests.remediation.looks import a_round, day, followed, look
from tests.rounds.world import authorise, organisation, register

ADDRESS = "192.0.2.10"
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
ONLY, NO_REDIRECT = "WEB-HTTP-ONLY", "WEB-NO-REDIRECT"


@dataclass(frozen=True, slots=True)
class State:
    """What one look is shown: whether the site at port 80 keeps visitors there, where HTTPS is, and what it asks.

    ``troubled``: port 443 let us in on the second try alone.
    """

    clear: bool = True
    https: tuple[int, ...] = ()
    ports: str = "80,443,8443"
    troubled: bool = False

    def __call__(self, target: Target, plan: Plan | None = None) -> HostInspection:
        asked = set(ports_of(self.ports))
        services = [_site(target.address, port, tls=True) for port in self.https if port in asked]
        if 80 in asked:
            services.append(_site(target.address, 80, tls=False, clear=self.clear))
        gaps = (Gap(GapReason.CONNECTION_LIMITED, Facet.PORT, 443),) if self.troubled else ()
        opened = tuple(sorted(each.endpoint.port for each in services))
        return HostInspection(
            target,
            Outcome.PARTIAL if gaps else Outcome.INSPECTED,
            NOW,
            NOW,
            Vantage.INTERNET,
            Level.READ,
            services=tuple(services),
            second_looks=tuple(services),
            coverage=Coverage(
                (PortScan(Transport.TCP, self.ports, opened, 0, "connect"),),
                tuple(Look(port, Transport.TCP, facet) for port in opened for facet in Facet),
                gaps,
            ),
        )


def _site(address: str, port: int, *, tls: bool, clear: bool = True) -> Service:
    scheme = "https" if tls else "http"
    location = (("location", f"https://{address}/"),)
    root = HttpReply("GET", "/", 200) if tls or clear else HttpReply("GET", "/", 301, location)
    facts = HttpFacts(scheme, address, root=root, page=Page(title="Portal") if root.status == 200 else None)
    return Service(Endpoint(address, port), "http", tls=tls, http=(facts,))


def view(first: State, second: State | None = None) -> RoundView:
    target = Target(ADDRESS, ADDRESS)
    return _view(*(state(target) for state in (first, second) if state is not None))


def _view(*looks: HostInspection) -> RoundView:
    rows = [
        HostResult(pk=number, look=number, address=ADDRESS, outcome=each.outcome, facts=dump_host(each))
        for number, each in zip(LookNumber, looks, strict=False)
    ]
    return RoundView(rows, Profile.STANDARD, Organisation())


def seen(first: State, second: State | None = None) -> set[str]:
    return {check for _, port, _, check in view(first, second).seen() if port == 80} & {ONLY, NO_REDIRECT}


def known(check: str, https: str = "") -> Finding:
    return Finding(
        host=ADDRESS,
        port=80,
        transport="tcp",
        check_id=check,
        severity="low",
        confidence="confirmed",
        addresses=[ADDRESS],
        params=[["https", https]] if https else [],
        profile=Profile.STANDARD,
        level=Level.READ,
        vantage=Vantage.INTERNET,
    )


def says(check: str, first: State, second: State, https: str = "") -> Observation:
    return view(first, second).observe(known(check, https), NOW).look.observation


MISSED, THERE = State(), State(https=(443,))
states = st.builds(
    State,
    st.booleans(),
    st.sampled_from([(), (443,), (8443,), (443, 8443)]),
    st.sampled_from(["80", "443", "80,443", "80,443,8443"]),
    st.booleans(),
)


def test_https_that_the_first_look_missed_and_the_second_saw_is_not_missing() -> None:
    assert seen(MISSED) == {ONLY}
    assert seen(MISSED, State(https=(443,), ports="443")) == set()
    assert seen(MISSED, THERE) == {NO_REDIRECT}
    assert seen(THERE, MISSED) == {NO_REDIRECT}
    assert seen(MISSED, State(troubled=True)) == set(), "it let us in, and that is all that is known"


def test_what_was_retracted_neither_keeps_nor_ends_the_finding() -> None:
    assert says(ONLY, MISSED, State(https=(443,), ports="443")) is Observation.NOT_INSPECTED


@given(states, states)
def test_missing_is_only_what_no_look_of_the_round_saw(first: State, second: State) -> None:
    looks = [each for each in (first, second) if "443" in each.ports]
    https = any(set(each.https) & set(ports_of(each.ports)) for each in (first, second))
    met = any(each.troubled for each in (first, second))
    could_tell = any(each.clear and not each.troubled and "80," in each.ports for each in looks)
    assert (ONLY in seen(first, second)) == (could_tell and not https and not met)


@given(states, states, st.sampled_from([ONLY, NO_REDIRECT]))
def test_gone_means_that_both_looks_saw_no_clear_text_or_https_where_that_was_missing(
    first: State, second: State, check: str
) -> None:
    if says(check, first, second, "8443" if check == NO_REDIRECT else "") is not Observation.NOT_SEEN:
        return
    for each in (first, second):
        asked = set(ports_of(each.ports))
        https = asked.intersection(each.https)
        assert 80 in asked
        assert not each.clear or (check == ONLY and https)


def test_a_site_that_lost_its_https_still_leads_nobody_there() -> None:
    assert says(NO_REDIRECT, MISSED, MISSED, "443") is Observation.SEEN
    leads = State(https=(443,), clear=False)
    assert says(NO_REDIRECT, leads, leads, "443") is Observation.NOT_SEEN
    assert says(NO_REDIRECT, MISSED, leads, "443") is Observation.NOT_INSPECTED, "one look says that nothing is mended"


@pytest.mark.parametrize("check", [ONLY, NO_REDIRECT])
def test_a_look_that_could_not_ask_443_ends_nothing_while_the_site_stays_in_clear_text(check: str) -> None:
    assert says(check, State(ports="80"), State(ports="80")) is Observation.NOT_INSPECTED
    assert says(check, State(troubled=True), State(troubled=True)) is Observation.NOT_INSPECTED
    redirects = State(clear=False, ports="80")
    assert says(check, redirects, redirects) is Observation.NOT_SEEN


def test_trouble_at_the_https_port_itself_keeps_no_finding_open_that_it_ends() -> None:
    there = State(https=(443,))(Target(ADDRESS, ADDRESS))
    gap = Gap(GapReason.CONNECTION_LIMITED, Facet.TLS, 443)
    partial = replace(there, outcome=Outcome.PARTIAL, coverage=replace(there.coverage, gaps=(gap,)))
    observed = _view(there, partial).observe(known(ONLY), NOW)
    assert observed.look.observation is Observation.NOT_SEEN


@pytest.fixture
def owner(db: None) -> Organisation:
    one = organisation()
    register(one, ADDRESS)
    authorise(one, ADDRESS)
    return one


def test_the_second_look_asks_where_https_was_seen_too(owner: Organisation) -> None:
    followed(owner, MISSED, 0)
    assert Finding.objects.get(check_id=ONLY).state == "open"
    this = a_round(owner, 1)
    look(this, ADDRESS, State(https=(8443,)), 1)
    (again,) = would_be_fixed(this.pk)
    assert {port for port, _ in again.ports} == {80, 443, 8443}


def test_a_reinspection_asks_443_and_where_https_was_seen(owner: Organisation) -> None:
    followed(owner, State(https=(8443,)), 0)
    finding = Finding.objects.get(check_id=NO_REDIRECT)
    this = request_reinspection([finding], by="tester", now=day(1))
    assert this.ports == "T:80,T:443,T:8443"
