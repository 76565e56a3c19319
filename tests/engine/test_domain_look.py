"""The look at a domain: bounded, only at the configured resolver, and no failure is taken for an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from scanner.engine.domain import inspect_domain
from scanner.engine.errors import InputError
from scanner.engine.inspect import inspect
from scanner.engine.judge import judge
from scanner.engine.model import (
    NO_PORT,
    Endpoint,
    Facet,
    GapReason,
    HostInspection,
    Outcome,
    Transport,
    Vantage,
)
from scanner.engine.plan import Domain, Plan, ResolverAddress, parse_resolver
from scanner.engine.probes.dial import Limits, Pace
from scanner.engine.probes.domain import QUESTIONS
from scanner.engine.rules.domain import untested_domain_checks
from tests.lab.udp import scripted_udp

NAME = "example.org"
Zone = Callable[[str, str], tuple[str, ...]]
"""The records of a name and type; names of a zone that always answers."""


def resolver(
    zone: Zone, *, code: Callable[[str, str, bool], int | None] = lambda *_: 0, flags: int = dns.flags.RA
) -> Callable[[bytes], bytes | None]:
    """A resolver that knows ``zone``; ``code`` of name, type and CD says how it answers, None for not at all."""

    def answer(datagram: bytes) -> bytes | None:
        query = dns.message.from_wire(datagram)
        name, kind = query.question[0].name, query.question[0].rdtype
        text = name.to_text(omit_final_dot=True), kind.name
        outcome = code(*text, bool(query.flags & dns.flags.CD))
        if outcome is None:
            return None
        response = dns.message.make_response(query)
        response.flags |= flags
        response.set_rcode(dns.rcode.Rcode(outcome))
        records = zone(*text) if outcome == 0 else ()
        if records:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *records))
        return response.to_wire(max_size=65535)

    return answer


def plain(name: str, kind: str) -> tuple[str, ...]:
    """A domain with an SOA, and nothing else."""
    return ("ns.nic.example. root.nic.example. 1 2 3 4 5",) if (name, kind) == (NAME, "SOA") else ()


def look(
    address: str, answer: Callable[[bytes], bytes | None], names: tuple[str, ...] = (), seconds: float = 3
) -> HostInspection:
    plan = Plan(
        domains=(Domain(NAME, names),),
        resolver=ResolverAddress(address),
        limits=Limits(read_timeout=0.2),
        host_deadline=seconds,
    )

    async def run() -> HostInspection:
        async with contextlib.aclosing(inspect(plan, lambda _: None)) as inspections:
            return await anext(inspections)

    with scripted_udp(53, answer)(address, Path()):
        return asyncio.run(run())


def test_a_domain_that_is_there_is_looked_at_to_the_end() -> None:
    inspection = look("127.11.60.1", resolver(plain))
    assert inspection.outcome is Outcome.INSPECTED
    assert inspection.target.address == NAME
    assert inspection.vantage is Vantage.INTERNET
    assert inspection.coverage.covers(Facet.DOMAIN, NO_PORT, Transport.DNS)
    assert inspection.ports == ()
    assert {"DOM-SPF-NONE", "DOM-DMARC-NONE", "DOM-CAA"} <= {finding.check for finding in judge(inspection)}
    assert inspection.coverage.datagrams < 60


@pytest.mark.parametrize("wrong", [None, dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR])
def test_a_domain_that_the_resolver_gives_no_answer_for_is_not_inspected(wrong: int | None) -> None:
    inspection = look("127.11.60.2", resolver(plain, code=lambda *_: wrong))
    assert inspection.outcome is Outcome.UNREACHABLE
    assert judge(inspection) == ()
    assert not inspection.coverage.covers(Facet.DOMAIN, NO_PORT, Transport.DNS)
    reason = inspection.coverage.gaps[0].reason
    assert reason is (GapReason.TIMED_OUT if wrong is None else GapReason.NAME_NOT_RESOLVED)


def test_a_domain_that_does_not_exist_is_not_inspected_either() -> None:
    inspection = look("127.11.60.3", resolver(plain, code=lambda *_: dns.rcode.NXDOMAIN))
    assert inspection.outcome is Outcome.UNREACHABLE
    assert inspection.coverage.gaps[0].detail == f"no-such-domain domain={NAME}"


def test_a_domain_that_is_an_alias_of_a_name_nobody_has_can_be_taken_over() -> None:
    def answer(datagram: bytes) -> bytes:
        query = dns.message.from_wire(datagram)
        name = query.question[0].name
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        response.set_rcode(dns.rcode.NXDOMAIN)
        if name.to_text(omit_final_dot=True) == NAME:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "city-portal.cloud.example."))
        return response.to_wire()

    inspection = look("127.11.60.20", answer)
    assert inspection.outcome is Outcome.INSPECTED
    dangling = {finding.check: finding for finding in judge(inspection)}["DOM-DANGLING"]
    assert dict(dangling.params)["places"] == f"{NAME} CNAME → city-portal.cloud.example"


def test_one_question_without_an_answer_leaves_its_checks_open_and_the_others_decided() -> None:
    def code(name: str, kind: str, unchecked: bool) -> int:
        return dns.rcode.SERVFAIL if (name, kind) == (NAME, "TXT") else dns.rcode.NOERROR

    inspection = look("127.11.60.4", resolver(plain, code=code))
    assert inspection.outcome is Outcome.PARTIAL
    assert inspection.coverage.covers(Facet.DOMAIN, NO_PORT, Transport.DNS)
    [gap] = inspection.coverage.gaps
    assert gap.detail == f"question-unanswered answer=servfail 'questions={NAME} TXT'"
    facts = inspection.services[0].domain
    assert facts is not None
    assert {"DOM-SPF-NONE", "DOM-SPF-OPEN"} <= untested_domain_checks(facts)
    checks = {finding.check for finding in judge(inspection)}
    assert "DOM-SPF-NONE" not in checks
    assert "DOM-DMARC-NONE" in checks


def test_signatures_that_do_not_verify_are_told_from_a_server_that_fails() -> None:
    def code(name: str, kind: str, unchecked: bool) -> int:
        return dns.rcode.NOERROR if unchecked else dns.rcode.SERVFAIL

    inspection = look("127.11.60.5", resolver(plain, code=code))
    assert [(finding.check, finding.confidence.value) for finding in judge(inspection)] == [
        ("DOM-DNSSEC-BOGUS", "confirmed")
    ]


@pytest.mark.parametrize("answer", [b"", b"\x00" * 12, b"nonsense"])
def test_nonsense_from_the_resolver_is_no_answer(answer: bytes) -> None:
    inspection = look("127.11.60.6", lambda datagram: datagram[:2] + answer)
    assert inspection.outcome is Outcome.UNREACHABLE


def test_a_server_that_does_not_resolve_for_us_is_no_resolver() -> None:
    inspection = look("127.11.60.7", resolver(plain, flags=0))
    assert "answer=no-recursion" in inspection.coverage.gaps[0].detail


def test_what_a_domain_publishes_is_bounded_and_cleaned() -> None:
    def hostile(name: str, kind: str) -> tuple[str, ...]:
        match kind:
            case "TXT" if name == NAME:
                return ('"v=spf1 \\027[2J+all"', '"other"')
            case "TXT" if name.startswith("_dmarc"):
                return tuple(f'"v=DMARC1; p=none; n={number}"' for number in range(150))
            case "MX":
                return tuple(f"{number} mx{number}.many.example." for number in range(90))
            case "CAA":
                return (f'0 issue "{"x" * 5000}"',)
            case _:
                return plain(name, kind)

    inspection = look("127.11.60.8", resolver(hostile))
    facts = inspection.services[0].domain
    assert facts is not None
    answers = {str(answer.question): answer for answer in facts.answers}
    assert "v=spf1 \\x1b[2J+all" in answers[f"{NAME} TXT"].records
    assert {answers[f"_dmarc.{NAME} TXT"].why, answers[f"{NAME} CAA"].why} == {"too-large"}
    assert len(facts.answers) < QUESTIONS
    checks = {finding.check for finding in judge(inspection)}
    assert "DOM-SPF-BROKEN" in checks
    assert not {"DOM-DMARC-NONE", "DOM-DMARC-BROKEN", "DOM-CAA"} & checks


def test_a_domain_in_the_zone_of_another_has_no_servers_and_signatures_of_its_own() -> None:
    def answer(datagram: bytes) -> bytes:
        query = dns.message.from_wire(datagram)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        zone = dns.rrset.from_text("org.", 60, "IN", "SOA", "ns.nic.example. root.nic.example. 1 2 3 4 5")
        response.authority.append(zone)
        return response.to_wire()

    inspection = look("127.11.60.12", answer)
    assert inspection.outcome is Outcome.INSPECTED
    assert [gap.detail for gap in inspection.coverage.gaps] == ["not-a-zone zone=org"]
    checks = {finding.check for finding in judge(inspection)}
    assert "DOM-SPF-NONE" in checks
    assert not {check for check in checks if check.startswith(("DOM-NS", "DOM-DNSSEC"))}


def test_a_domain_that_never_ends_is_left_in_time() -> None:
    def endless(name: str, kind: str) -> tuple[str, ...]:
        if kind == "TXT":
            return ('"v=spf1 ' + " ".join(f"include:{letter}.{name}" for letter in "abcdef")[:240] + '"',)
        return plain(name, kind)

    inspection = look("127.11.60.9", resolver(endless))
    assert inspection.coverage.datagrams < 2 * QUESTIONS
    assert "DOM-SPF-BROKEN" in {finding.check for finding in judge(inspection)}


def test_more_names_than_are_asked_about_leave_open_what_rests_on_them() -> None:
    names = tuple(f"host{number}.{NAME}" for number in range(QUESTIONS))
    inspection = look("127.11.60.13", resolver(plain), names, seconds=20)
    assert inspection.outcome is Outcome.PARTIAL
    assert [gap.detail for gap in inspection.coverage.gaps] == ["too-many-questions"]
    facts = inspection.services[0].domain
    assert facts is not None
    assert len(facts.answers) == QUESTIONS
    assert {"DOM-DANGLING", "DOM-PRIVATE-A"} <= untested_domain_checks(facts)
    assert "DOM-SPF-NONE" in {finding.check for finding in judge(inspection)}


def test_time_runs_out_and_what_was_seen_counts() -> None:
    def code(name: str, kind: str, unchecked: bool) -> int | None:
        return None if kind == "CAA" else 0

    inspection = look("127.11.60.10", resolver(plain, code=code), seconds=0.3)
    assert inspection.outcome is Outcome.PARTIAL
    assert GapReason.TIMED_OUT in {gap.reason for gap in inspection.coverage.gaps}
    facts = inspection.services[0].domain
    assert facts is not None
    assert "DOM-CAA" in untested_domain_checks(facts)


def test_nothing_is_sent_without_a_resolver_or_against_the_gate() -> None:
    domain = Domain(NAME)
    without = asyncio.run(inspect_domain(domain, Plan(), lambda _: None, Pace()))
    assert (without.outcome, without.coverage.gaps[0].reason) == (Outcome.ERROR, GapReason.NO_RESOLVER)

    def no(endpoint: Endpoint) -> str:
        assert endpoint == Endpoint(NAME, NO_PORT, Transport.DNS)
        return "not-authorised"

    refused = asyncio.run(inspect_domain(domain, Plan(resolver=ResolverAddress("127.11.60.11")), no, Pace()))
    assert (refused.outcome, refused.coverage.datagrams) == (Outcome.REFUSED, 0)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        ("127.0.0.1:5353", "127.0.0.1", 5353),
        ("2001:DB8::53", "2001:db8::53", 53),
        ("[2001:db8::53]:5353", "2001:db8::53", 5353),
        ("[2001:db8::53]", "2001:db8::53", 53),
    ],
)
def test_a_resolver_is_an_address_and_perhaps_a_port(text: str, address: str, port: int) -> None:
    assert parse_resolver(text) == ResolverAddress(address, port)


@pytest.mark.parametrize("text", ["", "dns.example.org", "192.0.2.53:0", "192.0.2.53:x", "192.0.2.53:65536", "[::1]:"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.53"):
        parse_resolver(text)
