"""A change of the TLS policy mends no server: what the former policy found is not fixed as long as it is there."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Facet,
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
from scanner.engine.policy.load import DEFAULT
from scanner.engine.serialize import dump_host
from scanner.remediation.lifecycle import Observation
from scanner.remediation.models import Finding
from scanner.remediation.observe import RoundView
from scanner.rounds.models import HostResult, LookNumber
from targets.models import Organisation

ADDRESS = "192.0.2.10"
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
GOOD = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
CBC = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"
CAMELLIA = "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"


def observed(check: str, judged_by: str | None, policy: str, *suites: str, sha1: Answer = Answer.NO) -> Observation:
    """What a round says of a finding that ``judged_by`` found, once ``policy`` counts and these suites are accepted."""
    versions = tuple((each, Answer.YES if each is TlsVersion.TLS12 else Answer.NO) for each in TlsVersion)
    accepted = tuple(AcceptedSuite(TlsVersion.TLS12, suite, "x25519", 255) for suite in suites)
    facts = TlsFacts(sni=None, versions=versions, suites=accepted, sha1_signature=sha1)
    look = HostInspection(
        Target(ADDRESS, ADDRESS),
        Outcome.INSPECTED,
        NOW,
        NOW,
        Vantage.INTERNET,
        Level.READ,
        services=(Service(Endpoint(ADDRESS, 443), "http", tls=True, tls_facts=facts),),
        coverage=Coverage(
            (PortScan(Transport.TCP, "443", (443,), 0, "connect"),), (Look(443, Transport.TCP, Facet.TLS),)
        ),
    )
    rows = [
        HostResult(pk=number, look=number, address=ADDRESS, outcome=look.outcome, facts=dump_host(look))
        for number in LookNumber
    ]
    finding = Finding(
        host=ADDRESS,
        port=443,
        transport="tcp",
        check_id=check,
        addresses=[ADDRESS],
        params=[["policy", judged_by]] if judged_by else [],
        profile=Profile.STANDARD,
        level=Level.READ,
        vantage=Vantage.INTERNET,
    )
    view = RoundView(rows, Profile.STANDARD, Organisation(tls_policy=policy), former=[judged_by or DEFAULT])
    return view.observe(finding, NOW).look.observation


@pytest.mark.parametrize(("check", "suite"), [("TLS-POLICY", CAMELLIA), ("TLS-CBC", CBC)])
def test_what_the_new_policy_tolerates_is_not_fixed(check: str, suite: str) -> None:
    assert observed(check, "mozilla-intermediate", "mozilla-intermediate", GOOD, suite) is Observation.SEEN
    assert observed(check, "mozilla-intermediate", "roundsman", GOOD, suite) is not Observation.NOT_SEEN
    assert observed(check, "mozilla-intermediate", "roundsman", GOOD) is Observation.NOT_SEEN


def test_what_neither_policy_finds_any_more_is_fixed() -> None:
    assert observed("TLS-POLICY", "ncsc-nl-2025", "roundsman", GOOD) is Observation.NOT_SEEN
    assert observed("TLS-POLICY", "roundsman", "ncsc-nl-2025", GOOD) is Observation.NOT_SEEN


def test_a_finding_that_names_no_policy_was_judged_by_the_default_one() -> None:
    assert observed("TLS-RC4", None, "ncsc-nl-2025", GOOD) is Observation.NOT_SEEN
    assert observed("TLS-SIGHASH", None, "mozilla-intermediate", GOOD) is Observation.NOT_SEEN


def test_what_a_policy_found_that_nobody_knows_any_more_can_not_be_proven_gone() -> None:
    assert observed("TLS-POLICY", "former-guideline", "roundsman", GOOD) is Observation.NOT_INSPECTED
    assert observed("SVC-REDIS-UNAUTH", "former-guideline", "roundsman", GOOD) is Observation.NOT_INSPECTED
