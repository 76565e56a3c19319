"""Registered domains in a round: looked up, followed and reported like hosts, at a resolver on loopback."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from scanner.engine.model import GapReason, Outcome, Transport
from scanner.engine.plan import Profile, ResolverAddress
from scanner.flow import carry_out
from scanner.remediation.models import Finding, FindingEvent
from scanner.remediation.observe import RoundView
from scanner.reports.query import report_model
from scanner.reports.render import render_html, render_json
from scanner.rounds.models import HostResult, Round
from scanner.rounds.ways import Ways
from targets.models import Exclusion, Organisation, Target
from tests.lab.udp import scripted_udp
from tests.rounds.world import Engine, authorise, open_web, organisation, planned, register

pytestmark = pytest.mark.django_db

NAME = "water.example"
RESOLVER = "127.11.62.1"


class Zone(dict[str, str]):
    """What the resolver knows, by "name type"; ``silent`` are the questions that it answers with SERVFAIL."""

    silent: frozenset[str] = frozenset()

    def __call__(self, datagram: bytes) -> bytes:
        query = dns.message.from_wire(datagram)
        name, kind = query.question[0].name, query.question[0].rdtype
        asked = f"{name.to_text(omit_final_dot=True)} {kind.name}"
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if asked in self.silent:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif asked in self:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, self[asked]))
        return response.to_wire()


@contextmanager
def resolver(zone: Zone) -> Iterator[Ways]:
    with scripted_udp(53, zone)(RESOLVER, Path()):
        yield Ways(resolver=ResolverAddress(RESOLVER))


@pytest.fixture
def zone() -> Zone:
    """A domain in which nothing is published but its zone and its mail exchange."""
    return Zone({f"{NAME} SOA": "ns.nic.example. root.nic.example. 1 2 3 4 5", f"{NAME} MX": f"10 mx.{NAME}."})


@pytest.fixture
def water() -> None:
    owner = organisation(domains=[NAME])
    authorise(owner, NAME)


def a_round(ways: Ways, profile: Profile = Profile.STANDARD) -> Round:
    number = planned("water", profile=profile)
    carry_out(number, ways)
    return Round.objects.get(pk=number)


def state(check: str) -> str:
    return Finding.objects.get(check_id=check).state


def reasons(this: Round) -> list[tuple[GapReason, str]]:
    (result,) = HostResult.objects.filter(round=this)
    return [(gap.reason, gap.detail) for gap in result.inspection().coverage.gaps]


def test_a_domain_is_found_wanting_and_fixed_only_when_two_looks_say_so(water: None, zone: Zone) -> None:
    with resolver(zone) as ways:
        a_round(ways, Profile.DEEP)
        found = Finding.objects.get(check_id="DOM-SPF-NONE")
        assert (found.host, found.port, found.transport, found.state) == (NAME, 0, "dns", "open")
        assert str(found) == "DOM-SPF-NONE on water.example"

        zone.silent = frozenset({f"{NAME} TXT"})
        this = a_round(ways)
        assert state("DOM-SPF-NONE") == "open"
        assert HostResult.objects.get(round=this).outcome == Outcome.PARTIAL

        zone[f"{NAME} TXT"] = '"v=spf1 mx -all"'
        zone.silent = frozenset({f"_dmarc.{NAME} TXT"})
        this = a_round(ways)
        assert state("DOM-SPF-NONE") == "fixed"
        assert state("DOM-DMARC-NONE") == "open"
        assert [result.look for result in HostResult.objects.filter(round=this)] == [1, 2]
        assert FindingEvent.objects.filter(round=this, kind="fixed").count() == 1

        carry_out(this.pk, ways)
        assert HostResult.objects.filter(round=this).count() == 2


def test_the_report_names_the_domain_without_a_port(water: None, zone: Zone) -> None:
    with resolver(zone) as ways:
        this = a_round(ways)
    owner = this.organisations.get()
    model = report_model(owner, this, dt.datetime.now(dt.UTC))
    assert [(host.host, host.domain, host.services) for host in model.inventory] == [(NAME, True, ())]
    assert (model.coverage.targets, model.coverage.hosts, model.coverage.inspected) == (1, 1, 1)
    page = render_html(model)
    assert f'<span class="address">{NAME}</span>' in page
    assert f"{NAME}:0" not in page
    assert "/dns" not in page
    assert f'"host": "{NAME}"' in render_json(model).decode()


def test_without_a_resolver_the_domain_is_not_inspected_and_nothing_is_closed(water: None, zone: Zone) -> None:
    with resolver(zone) as ways:
        a_round(ways)
    this = a_round(Ways(resolver=None))
    assert reasons(this) == [(GapReason.NO_RESOLVER, "")]
    assert state("DOM-SPF-NONE") == "open"
    model = report_model(this.organisations.get(), this, dt.datetime.now(dt.UTC))
    assert model.coverage.not_inspected == 1


def test_a_domain_that_no_authorisation_names_is_not_asked_about(zone: Zone) -> None:
    owner = organisation(domains=[NAME])
    authorise(owner, f"www.{NAME}", "192.0.2.0/24")
    asked: list[bytes] = []

    def listen(datagram: bytes) -> bytes:
        asked.append(datagram)
        return zone(datagram)

    with scripted_udp(53, listen)(RESOLVER, Path()):
        this = a_round(Ways(resolver=ResolverAddress(RESOLVER)))
        Exclusion.objects.create(organisation=owner, value=NAME, reason="sold")
        authorise(owner, NAME, document="Order 2")
        again = a_round(Ways(resolver=ResolverAddress(RESOLVER)))
    assert asked == []
    assert reasons(this) == [(GapReason.REFUSED_BY_SCOPE, f"domain-not-authorised domain={NAME}")]
    assert reasons(again) == [(GapReason.REFUSED_BY_SCOPE, f"excluded address={NAME} why=sold")]


def test_a_host_of_the_same_name_is_another_thing(water: None, zone: Zone) -> None:
    water_office = Organisation.objects.get()
    register(water_office, NAME, f"www.{NAME}")
    engine = Engine({"192.0.2.1": open_web})
    ways = Ways(engine=engine, resolve=lambda _: ["192.0.2.1"], resolver=ResolverAddress(RESOLVER))
    authorise(water_office, f"www.{NAME}", document="Order 2")
    this = planned("water")
    carry_out(this, ways)
    (plan,) = [plan for plan in engine.plans if plan.domains]
    assert plan.domains[0].names == (NAME, f"www.{NAME}")
    rows = HostResult.objects.filter(round=this)
    assert {(row.address, row.hostname) for row in rows} == {
        ("192.0.2.1", NAME),
        ("192.0.2.1", f"www.{NAME}"),
        (NAME, ""),
    }


def test_what_other_questions_lacked_does_not_keep_a_finding_open(water: None, zone: Zone) -> None:
    zone.silent = frozenset({f"www.{NAME} A", f"www.{NAME} AAAA"})
    with resolver(zone) as ways:
        a_round(ways)
        zone[f"{NAME} CAA"] = '0 issue "ca.example"'
        zone[f"{NAME} TXT"] = '"v=spf1 mx -all"'
        this = a_round(ways)
    assert state("DOM-SPF-NONE") == "fixed"
    view = RoundView(HostResult.objects.filter(round=this), Profile.STANDARD, this.organisations.get())
    assert (NAME, 0, Transport.DNS, "DOM-SPF-NONE") not in view.seen()


def test_a_name_that_left_the_register_is_not_asked_about_and_so_not_fixed(water: None, zone: Zone) -> None:
    zone[f"intranet.{NAME} A"] = "10.0.0.1"
    register(Organisation.objects.get(), f"intranet.{NAME}")
    with resolver(zone) as found:
        ways = replace(found, resolve=lambda _: ["192.0.2.1"])
        a_round(ways)
        Target.objects.update(retired_at=dt.datetime.now(dt.UTC))
        a_round(ways)
        assert state("DOM-PRIVATE-A") == "open"
        Target.objects.update(retired_at=None)
        zone[f"intranet.{NAME} A"] = "192.0.2.1"
        a_round(ways)
    assert state("DOM-PRIVATE-A") == "fixed"
