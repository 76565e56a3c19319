"""What gets worse is not mended: a finding goes on while a graver one is told in its place, and ends with that."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.http import HttpFacts, HttpReply, Page
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.facts.tls import AcceptedSuite, TlsFacts, TlsVersion
from scanner.engine.facts.tls import Answer as TlsAnswer
from scanner.engine.intel.known import Affected, Exploited, Intel
from scanner.engine.known_keys import KnownKeys
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
    domain_endpoint,
)
from scanner.engine.plan import Plan, Profile
from scanner.engine.serialize import dump_host
from scanner.remediation import acts, looked
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.remediation.graver import _GRAVER, graver_than, is_about_the_same, params_since
from scanner.remediation.lifecycle import Observation
from scanner.remediation.models import ExemptionKind, Finding, FindingEvent
from scanner.remediation.observe import RoundView
from scanner.remediation.replay import replay
from scanner.remediation.sightings import seen_by
from scanner.reports.query import report_model
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation
from tests.engine.test_domain_rules import NAME, domain
from tests.lab.lab_ca import DAY, Issued, issue
from tests.remediation.looks import START, a_round, day, followed, look
from tests.rounds.world import REDIS, Answer, authorise, inspected, open_redis, open_web, organisation, register

ADDRESS = "192.0.2.10"
AT = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
EXPOSED, UNAUTH = "SVC-REDIS-EXPOSED", "SVC-REDIS-UNAUTH"
V12, STATIC = TlsVersion.TLS12, "TLS_RSA_WITH_AES_128_GCM_SHA256"
RECORD, TXT, DMARC = "v=spf1 mx ~all", f"{NAME} TXT", f"_dmarc.{NAME} TXT"


def dialogue(code: str, *attributes: tuple[str, str], access: Access = Access.UNKNOWN, udp: bool = False) -> Service:
    endpoint = Endpoint(ADDRESS, 53, Transport.UDP if udp else Transport.TCP)
    return Service(endpoint, code.lower(), facts=ServiceFacts(code, access, attributes=attributes))


def https(*suites: AcceptedSuite, chain: tuple[Issued, ...] = ()) -> Service:
    spoken = {suite.version for suite in suites}
    versions = tuple((each, TlsAnswer.YES if each in spoken else TlsAnswer.NO) for each in TlsVersion)
    chains = (tuple(b64encode(each.der).decode() for each in chain),) if chain else ()
    facts = TlsFacts(sni=None, versions=versions, suites=suites, chains=chains, complete=True)
    return Service(Endpoint(ADDRESS, 443), "http", tls=True, tls_facts=facts)


def site(port: int) -> Service:
    root = HttpReply("GET", "/", 200)
    scheme = "https" if port == 443 else "http"
    facts = HttpFacts(scheme, ADDRESS, root=root, page=Page(title="Portal"))
    return Service(Endpoint(ADDRESS, port), "http", tls=port == 443, http=(facts,))


def elasticsearch(version: str) -> Service:
    facts = ServiceFacts("ELASTIC", Access.RESTRICTED, "Elasticsearch", version)
    return Service(Endpoint(ADDRESS, 9200), "http", facts=facts)


def zone(**changed: tuple[str, ...]) -> Service:
    names = {"spf": TXT, "dmarc": DMARC, "ns": f"{NAME} NS", "other": "ns2.nic.example A"}
    records = {names[name]: found for name, found in changed.items()}
    return Service(domain_endpoint(NAME), "domain", domain=domain(records))


def seen(*services: Service, at: dt.datetime) -> HostInspection:
    endpoints = [each.endpoint for each in services]
    ports = tuple(sorted(each.port for each in endpoints if each.transport is Transport.TCP))
    looks = tuple(Look(each.port, each.transport, facet) for each in endpoints for facet in Facet)
    scans = (PortScan(Transport.TCP, "1-65535", ports, 0, "connect"),)
    is_domain = any(each.domain for each in services)
    return HostInspection(
        Target(NAME, NAME) if is_domain else Target(ADDRESS, ADDRESS),
        Outcome.INSPECTED,
        at,
        at,
        Vantage.INTERNET,
        Level.READ,
        services=services,
        second_looks=services,
        coverage=Coverage(scans, looks),
    )


def view(*services: Service, at: dt.datetime = AT) -> RoundView:
    inspection = seen(*services, at=at)
    rows = [
        HostResult(pk=each, look=each, address=inspection.target.address, facts=dump_host(inspection))
        for each in LookNumber
    ]
    return RoundView(rows, Profile.STANDARD, Organisation())


def known(before: RoundView, check: str, **fields: object) -> Finding:
    """The finding of that check which these looks open."""
    (identity,) = [each for each in before.seen() if each[3] == check]
    observed = before.observe_seen(identity)
    assert observed.judged is not None
    host, port, transport, _ = identity
    values = {"state": "open", "profile": Profile.STANDARD, "level": Level.READ, "vantage": Vantage.INTERNET, **fields}
    return Finding(
        host=host,
        port=port,
        transport=transport,
        check_id=check,
        addresses=list(observed.addresses),
        params=[list(each) for each in observed.judged.params],
        severity=observed.look.severity,
        confidence=observed.look.confidence,
        **values,
    )


CA = issue("Water Office Root", is_ca=True, since=START - 900 * DAY, until=START + 900 * DAY)
LEAF = issue("www.water.test", CA, since=START - 80 * DAY, until=START + 10 * DAY)
RSA12, ECDHE12 = AcceptedSuite(V12, STATIC), AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", 255)
ECDHE10 = AcceptedSuite(TlsVersion.TLS10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "x25519", 255)
ROOT = ("root_in", "28"), ("root_out", "500")

Pair = tuple[str, str, tuple[Service, ...], tuple[Service, ...]]
PAIRS: tuple[Pair, ...] = (
    (EXPOSED, UNAUTH, (dialogue("REDIS", access=Access.RESTRICTED),), (dialogue("REDIS", access=Access.OPEN),)),
    (
        "SNMP-EXPOSED",
        "CLR-SNMP12-PUBLIC",
        (dialogue("SNMP", ("engine", "8000"), udp=True),),
        (dialogue("SNMP", ("community", "public"), udp=True),),
    ),
    (
        "DNS-AMP-ANY",
        "DNS-RECURSION",
        (dialogue("DNS", *ROOT, udp=True),),
        (dialogue("DNS", *ROOT, ("recursion", "open"), udp=True),),
    ),
    (
        "FTP-TLS-OPTIONAL",
        "CLR-FTP",
        (dialogue("FTP", ("tls", "offered"), ("clear_login", "accepted")),),
        (dialogue("FTP", ("tls", "refused")),),
    ),
    ("TLS-NO13", "TLS-NO-MODERN", (https(ECDHE12),), (https(ECDHE10),)),
    ("TLS-RSA-KX", "TLS-NO-FS", (https(ECDHE12, RSA12),), (https(RSA12),)),
    ("WEB-NO-REDIRECT", "WEB-HTTP-ONLY", (site(80), site(443)), (site(80),)),
    ("DOM-SPF-WEAK", "DOM-SPF-OPEN", (zone(spf=(RECORD,), dmarc=()),), (zone(spf=("v=spf1 +all",), dmarc=()),)),
    ("DOM-SPF-WEAK", "DOM-SPF-BROKEN", (zone(spf=(RECORD,), dmarc=()),), (zone(spf=("v=spf1 mxx",), dmarc=()),)),
    ("DOM-SPF-WEAK", "DOM-SPF-NONE", (zone(spf=(RECORD,), dmarc=()),), (zone(spf=(), dmarc=()),)),
    ("DOM-DMARC-WEAK", "DOM-DMARC-NONE", (zone(dmarc=("v=DMARC1; p=none",)),), (zone(dmarc=()),)),
    ("DOM-DMARC-WEAK", "DOM-DMARC-BROKEN", (zone(dmarc=("v=DMARC1; p=none",)),), (zone(dmarc=("v=DMARC1; p=no",)),)),
    ("DOM-DMARC-REPORTS", "DOM-DMARC-NONE", (zone(dmarc=("v=DMARC1; p=reject",)),), (zone(dmarc=()),)),
    (
        "DOM-NS-SAME-NET",
        "DOM-NS-SINGLE",
        (zone(other=("192.0.2.54",)),),
        (zone(ns=("ns1.nic.example",)),),
    ),
)


@pytest.mark.parametrize(("lesser", "graver", "before", "after"), PAIRS, ids=[f"{a}->{b}" for a, b, *_ in PAIRS])
def test_rules_tell_the_graver_check_in_place_of_the_lesser_which_is_seen_all_the_same(
    lesser: str, graver: str, before: tuple[Service, ...], after: tuple[Service, ...]
) -> None:
    finding, now = known(view(*before), lesser), view(*after)
    checks = {check for _, _, _, check in now.seen()}
    assert graver in checks
    assert lesser not in checks
    observed = now.observe(finding, AT)
    assert observed.look.observation is Observation.SEEN
    assert (observed.look.severity, observed.look.confidence) == (finding.severity, finding.confidence)
    may_be_taken_back = graver == "WEB-HTTP-ONLY"  # by a second look that meets HTTPS
    assert bool(now.doubtful(finding)) is may_be_taken_back


def test_a_certificate_that_ran_out_still_has_too_little_time_left() -> None:
    finding = known(view(https(ECDHE12, chain=(LEAF, CA)), at=START), "CERT-EXPIRING")
    observed = view(https(ECDHE12, chain=(LEAF, CA)), at=START + 12 * DAY).observe(finding, AT)
    assert observed.judged is not None
    params = dict(observed.judged.params)
    assert (observed.look.observation, params["days"]) == (Observation.SEEN, "0")
    assert params["not_after"] == (START + 10 * DAY).strftime("%Y-%m-%d")

    other = issue("www.water.test", CA, since=START, until=START + 11 * DAY)
    renewed = view(https(ECDHE12, chain=(other, CA)), at=START + 12 * DAY).observe(finding, AT)
    assert renewed.look.observation is Observation.NOT_SEEN, "it was renewed, and that one ran out later"


def test_of_two_certificates_that_both_ran_out_each_goes_on() -> None:
    first = {"subject": "CN=www.water.test", "not_after": "2026-03-10"}
    last = {"subject": "CN=www.water.test", "not_after": "2026-03-11"}
    assert is_about_the_same("CERT-EXPIRING", last, first), "the finding names the first alone"
    assert not is_about_the_same("CERT-EXPIRING", first, last)
    assert not is_about_the_same("CERT-EXPIRING", last, {**first, "subject": "CN=mail.water.test"})
    assert not is_about_the_same("CERT-CHAIN-MISSING", last, first)
    assert is_about_the_same("CERT-CHAIN-MISSING", last, dict(last))


def test_a_release_that_is_not_mended_any_more_is_still_outdated() -> None:
    old, later = AT + 91 * DAY, AT + 365 * DAY
    for check, seen_at in (("SW-OUTDATED", old), ("SW-EOL-SOON", AT + 300 * DAY)):
        finding = known(view(elasticsearch("8.19.0"), at=seen_at), check)
        ended = view(elasticsearch("8.19.0"), at=later)
        checks = {each for _, _, _, each in ended.seen()}
        assert "SW-EOL-APP" in checks
        assert check not in checks
        assert ended.observe(finding, later).look.observation is Observation.SEEN
        newer = view(elasticsearch("9.5.2"), at=later)
        assert newer.observe(finding, later).look.observation is Observation.NOT_SEEN
    assert not is_about_the_same("SW-OUTDATED", {"products": "nginx"}, {"products": "elasticsearch php"})


def test_a_flaw_that_attackers_begin_to_use_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    affected = {"elasticsearch": (Affected("CVE-2015-1427", 9.8, end="1.4.3", end_included=False),)}
    exploited = {"CVE-2015-1427": Exploited("CVE-2015-1427", AT.date(), None, ransomware=False)}
    monkeypatch.setattr(looked, "load_intel", lambda _: Intel({}, affected, AT.date()))
    finding = known(view(elasticsearch("1.4.2")), "SW-CVE")
    monkeypatch.setattr(looked, "load_intel", lambda _: Intel(exploited, affected, AT.date()))
    used = view(elasticsearch("1.4.2"))
    assert "SW-CVE" not in {check for _, _, _, check in used.seen()}
    assert used.observe(finding, AT).look.observation is Observation.SEEN
    assert view(elasticsearch("1.4.3")).observe(finding, AT).look.observation is Observation.NOT_SEEN
    other = {"cves": "CVE-2015-14271 (CVSS 9.8)"}
    assert not is_about_the_same("SW-CVE", {"cves": "CVE-2015-1427 (CVSS 9.8)"}, other)


def test_what_is_gone_has_not_come_back_where_only_its_graver_form_is_seen() -> None:
    before, after = view(dialogue("REDIS", access=Access.RESTRICTED)), view(dialogue("REDIS", access=Access.OPEN))
    for gone in ({"state": "fixed", "fixed": AT}, {"state": "accepted", "exempt_until": AT, "gone": AT}):
        finding = known(before, EXPOSED, **gone)
        assert after.observe(finding, AT).look.observation is Observation.NOT_INSPECTED
        assert before.observe(finding, AT).look.observation is Observation.SEEN


def test_evidence_of_what_goes_on_says_what_is_there_now() -> None:
    before = {"protocol": "redis", "access": "restricted"}
    assert params_since(EXPOSED, before, {"access": "open", "more": "x"}) == {"protocol": "redis", "access": "open"}
    assert params_since("DOM-SPF-WEAK", {"record": RECORD}, {}) == {"record": "-"}
    assert params_since("DOM-SPF-WEAK", {"record": RECORD}, {"record": "v=spf1 +all"}) == {"record": "v=spf1 +all"}
    assert params_since("SW-OUTDATED", {"software": "a 1 (2)"}, {"software": "a 1 (2026)"}) == {"software": "a 1 (2)"}


def test_every_check_named_is_in_the_catalogue_and_looked_for_in_the_same_way() -> None:
    checks = catalogue()
    pairs = [(check, each) for check in checks for each in graver_than(check) if each in checks]
    assert {check for check, _ in pairs} >= set(_GRAVER)
    assert [each for check in _GRAVER for each in graver_than(check) if each not in checks] == []
    assert {(check, each) for check, each in pairs if checks[check].facet is not checks[each].facet} == set()
    assert not any(graver_than(graver) for _, graver in pairs)
    assert graver_than("SVC-REDIS-UNAUTH") == graver_than("TLS-NO-FS") == ()


@pytest.fixture
def owner(db: None) -> Organisation:
    one = organisation()
    register(one, ADDRESS)
    authorise(one, ADDRESS)
    return one


def guarded_redis(target: Target, plan: Plan) -> HostInspection:
    """A Redis that asks for a password."""
    facts = ServiceFacts("REDIS", Access.RESTRICTED, "Redis", "99.0.1")
    service = Service(Endpoint(target.address, REDIS), "redis", facts=facts)
    return inspected(target, plan, (REDIS,), (service,), (service,))


def states() -> dict[str, str]:
    return dict(Finding.objects.filter(check_id__in=[EXPOSED, UNAUTH]).values_list("check_id", "state"))


def happened(this: Round, check: str) -> list[str]:
    return sorted(FindingEvent.objects.filter(round=this, finding__check_id=check).values_list("kind", flat=True))


def test_what_got_worse_is_told_as_open_and_both_are_fixed_once_both_are_gone(owner: Organisation) -> None:
    followed(owner, guarded_redis, 0)
    this = followed(owner, open_redis, 1)
    assert HostResult.objects.filter(round=this).count() == 1, "nothing is in doubt"
    assert states() == {EXPOSED: "open", UNAUTH: "open"}
    assert (happened(this, EXPOSED), happened(this, UNAUTH)) == (["seen"], ["opened"])
    report = report_model(owner, this, day(1.1)).changes
    assert report.fixed == ()
    assert dict(Finding.objects.get(check_id=EXPOSED).params)["access"] == "open"
    followed(owner, guarded_redis, 2)
    assert states() == {EXPOSED: "open", UNAUTH: "fixed"}
    followed(owner, open_redis, 3)
    gone = followed(owner, open_web, 4)
    assert states() == {EXPOSED: "fixed", UNAUTH: "fixed"}
    assert happened(gone, EXPOSED) == ["fixed"]
    back = followed(owner, open_redis, 5)
    assert states() == {EXPOSED: "fixed", UNAUTH: "open"}
    assert (happened(back, EXPOSED), happened(back, UNAUTH)) == ([], ["reopened"])


def test_an_exemption_stays_with_the_lesser_and_does_not_spread_to_the_graver(owner: Organisation) -> None:
    followed(owner, guarded_redis, 0)
    accepted = Finding.objects.get(check_id=EXPOSED)
    acts.grant(accepted, ExemptionKind.ACCEPTED, "Li", "internal", "", day(30), "ops", day(0.5))
    followed(owner, open_redis, 1)
    assert states() == {EXPOSED: "accepted", UNAUTH: "open"}
    assert Finding.objects.get(check_id=EXPOSED).gone is None


def test_a_claim_is_refuted_by_what_got_worse(owner: Organisation) -> None:
    followed(owner, guarded_redis, 0)
    acts.claim(Finding.objects.get(check_id=EXPOSED), "Wang", "", day(0.5))
    this = followed(owner, open_redis, 1)
    assert happened(this, EXPOSED) == ["claim-refuted"]
    assert states()[EXPOSED] == "open"


def test_a_replay_and_the_page_of_a_finding_see_it_too(owner: Organisation) -> None:
    followed(owner, guarded_redis, 0)
    this = followed(owner, open_redis, 1)
    assert replay(this, owner, KnownKeys()) == ()
    sighting = seen_by(this.pk, Finding.objects.get(check_id=EXPOSED))
    assert sighting.judged is not None
    assert dict(sighting.judged.params)["access"] == "open"


def test_where_only_the_second_look_saw_it_worse_nothing_is_fixed(owner: Organisation) -> None:
    followed(owner, guarded_redis, 0)
    this = a_round(owner, 1)
    look(this, ADDRESS, open_web, 1)
    assert would_be_fixed(this.pk)
    look(this, ADDRESS, open_redis, 1.01, LookNumber.AGAIN)
    follow_round(this.pk, day(1.1))
    assert (happened(this, EXPOSED), states()) == (["seen"], {EXPOSED: "open", UNAUTH: "open"})


def many(count: int, access: Access) -> Answer:
    """So many Redis on one host."""

    def answer(target: Target, plan: Plan) -> HostInspection:
        ports = tuple(range(REDIS, REDIS + count))
        facts = ServiceFacts("REDIS", access)
        found = tuple(Service(Endpoint(target.address, each), "redis", facts=facts) for each in ports)
        return inspected(target, plan, ports, found, found)

    return answer


def statements(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as caught:
        act()
    return len(caught)


def test_it_takes_no_more_statements_however_many_findings_got_worse(db: None) -> None:
    taken: list[tuple[int, int]] = []
    for count in (1, 8):
        owner, host = organisation(f"office-{count}"), f"192.0.2.{count}"
        register(owner, host)
        authorise(owner, host)
        followed(owner, many(count, Access.RESTRICTED), 0, host)
        this = a_round(owner, 1)
        look(this, host, many(count, Access.OPEN), 1)
        doubting = statements(partial(would_be_fixed, this.pk))
        taken.append((doubting, statements(partial(follow_round, this.pk, day(1.1)))))
        assert Finding.objects.filter(organisation=owner, state="open", check_id=EXPOSED).count() == count
    assert taken[0] == taken[1]
