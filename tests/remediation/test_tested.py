"""A TLS test that did not run proves nothing, though the server was looked at."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from dataclasses import replace

import pytest

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.domain import DnsAnswer, DomainFacts, Question, Reply
from scanner.engine.facts.http import HttpFacts, HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.facts.ssh import SshFacts, SshHostKey
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.intel.known import Affected, Intel
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
from scanner.engine.plan import Profile
from scanner.engine.serialize import dump_host
from scanner.remediation.lifecycle import Observation
from scanner.remediation.models import Finding
from scanner.remediation.observe import RoundView
from scanner.remediation.tested import TESTS, Shown, left_out, shown, silence_tells, untested_checks
from scanner.rounds.models import HostResult, LookNumber
from targets.models import Organisation
from tests.lab.lab_ca import NOW as AT
from tests.lab.lab_ca import Issued, issue

ADDRESS = "192.0.2.10"
NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
KNOWN = Intel(affected={"nginx": (Affected("CVE-2021-23017", 7.7, end="1.20.1", end_included=False),)})


def facts(*accepted: TlsVersion, heartbleed: Answer = Answer.UNTESTED) -> TlsFacts:
    versions = tuple((version, Answer.YES if version in accepted else Answer.NO) for version in TlsVersion)
    return TlsFacts(sni=None, versions=versions, heartbleed=heartbleed)


def https(seen: TlsFacts) -> Service:
    return Service(Endpoint(ADDRESS, 443), "http", tls=True, tls_facts=seen)


@pytest.mark.parametrize(
    ("seen", "untested"),
    [
        (SshFacts("SSH-2.0-x", kex=("curve25519-sha256",)), {"SSH-HOSTKEY-WEAK", "SSH-SAMEKEY", "SSH-PASSWORD"}),
        (SshFacts("SSH-2.0-x", kex=("x",), host_keys=(SshHostKey("ssh-rsa", 3072, "x"),)), {"SSH-PASSWORD"}),
        (SshFacts("x", kex=("x",), host_keys=(SshHostKey("ssh-rsa", 3072, "x"),), auth_methods=("publickey",)), set()),
    ],
)
def test_an_ssh_server_whose_key_was_not_reached_is_not_cleared(seen: SshFacts, untested: set[str]) -> None:
    assert untested_checks(Service(Endpoint(ADDRESS, 22), "ssh", ssh=seen), KNOWN) == untested


def test_exports_that_the_mount_daemon_did_not_tell_are_not_cleared() -> None:
    told = ServiceFacts("RPCBIND", Access.OPEN, attributes=(("programs", "mountd"),))
    failed = replace(told, attributes=(*told.attributes, ("exports_asked", "failed")))
    for seen, untested in ((told, set()), (failed, {"NFS-EXPORT"})):
        assert untested_checks(Service(Endpoint(ADDRESS, 111), "rpcbind", facts=seen), KNOWN) == untested


def test_every_check_named_here_is_in_the_catalogue() -> None:
    assert set(TESTS) <= set(catalogue())


def test_an_answer_that_is_missing_leaves_its_check_untested() -> None:
    assert "TLS-HEARTBLEED" in untested_checks(https(facts(TlsVersion.TLS12)), KNOWN)
    assert "TLS-HEARTBLEED" not in untested_checks(https(facts(TlsVersion.TLS12, heartbleed=Answer.NO)), KNOWN)
    assert "TLS-ROBOT" in untested_checks(https(facts(TlsVersion.TLS12)), KNOWN)
    assert "TLS-ROBOT" not in untested_checks(https(replace(facts(TlsVersion.TLS12), robot="none")), KNOWN)


def test_without_imported_vulnerabilities_no_version_can_be_matched() -> None:
    assert untested_checks(Service(Endpoint(ADDRESS, 22), "ssh"), Intel()) == {"SW-KEV", "SW-CVE"}


def test_what_the_accepted_versions_do_not_have_needs_no_test() -> None:
    assert untested_checks(https(facts(TlsVersion.TLS13)), KNOWN) == {"TLS-0RTT", "CERT-OCSP-STAPLE"}
    assert "TLS-0RTT" not in untested_checks(https(facts(TlsVersion.TLS12)), KNOWN)
    assert untested_checks(Service(Endpoint(ADDRESS, 22), "ssh"), KNOWN) == frozenset()


@pytest.mark.parametrize(
    ("answer", "observation"),
    [(Answer.NO, Observation.NOT_SEEN), (Answer.UNTESTED, Observation.NOT_INSPECTED), (Answer.YES, Observation.SEEN)],
)
def test_heartbleed_is_gone_only_when_it_was_tested_for_and_not_there(answer: Answer, observation: Observation) -> None:
    coverage = Coverage((PortScan(Transport.TCP, "443", (443,), 0, "connect"),), (Look(443, Transport.TCP, Facet.TLS),))
    look = HostInspection(
        Target(ADDRESS, ADDRESS),
        Outcome.INSPECTED,
        NOW,
        NOW,
        Vantage.INTERNET,
        Level.READ,
        services=(https(facts(TlsVersion.TLS12, heartbleed=answer)),),
        coverage=coverage,
    )
    rows = [
        HostResult(pk=number, look=number, address=ADDRESS, outcome=look.outcome, facts=dump_host(look))
        for number in LookNumber
    ]
    finding = Finding(
        host=ADDRESS,
        port=443,
        transport="tcp",
        check_id="TLS-HEARTBLEED",
        addresses=[ADDRESS],
        profile=Profile.DEEP,
        level=Level.READ,
        vantage=Vantage.INTERNET,
    )
    assert RoundView(rows, Profile.DEEP, Organisation()).observe(finding, NOW).look.observation is observation


@pytest.mark.parametrize(
    ("check", "params", "answers", "told"),
    [
        ("DOM-DNSSEC-BOGUS", {"question": "a.example MX"}, {"a.example SOA", "a.example DS"}, False),
        ("DOM-DNSSEC-BOGUS", {"question": "a.example MX"}, {"a.example SOA", "a.example MX"}, True),
        ("DOM-DANGLING", {"places": "x.a.example CNAME → b.example, a.example NS → c.example"}, {"a.example A"}, False),
        ("DOM-DANGLING", {"places": "x.a.example CNAME → b.example"}, {"x.a.example TXT"}, True),
        ("DOM-DANGLING", {"places": "a.example NS → c.example"}, set(), True),
        ("DOM-PRIVATE-A", {"places": "x.a.example → 10.0.0.1"}, {"x.a.example A"}, False),
        ("DOM-PRIVATE-A", {"places": "x.a.example → 10.0.0.1"}, {"x.a.example A", "x.a.example AAAA"}, True),
        ("DOM-PRIVATE-A", {"places": "a.example MX → x.a.example 10.0.0.1"}, {"a.example A"}, False),
        ("DOM-PRIVATE-A", {"places": "a.example MX → x.a.example 10.0.0.1"}, {"a.example MX"}, True),
        ("DOM-CAA", {}, set(), True),
    ],
)
def test_a_name_that_was_not_asked_about_again_is_not_cleared(
    check: str, params: dict[str, str], answers: set[str], told: bool
) -> None:
    assert silence_tells(check, params, Shown(answers=frozenset(answers))) is told


def test_a_name_that_we_made_up_stands_for_the_wildcard_that_answers_it() -> None:
    answer = DnsAnswer(Question("0a1b.a.example", "A"), Reply.NO_NAME)
    facts = DomainFacts("a.example", stranger="0a1b.a.example", answers=(answer,))
    seen = shown(Service(domain_endpoint("a.example"), "domain", domain=facts), (), NOW)
    assert silence_tells("DOM-DANGLING", {"places": "*.a.example CNAME → gone.example"}, seen)
    assert not silence_tells("DOM-DANGLING", {"places": "www.a.example CNAME → gone.example"}, seen)


def test_a_file_at_a_rare_path_is_not_gone_while_nobody_asks_for_it() -> None:
    def tells(path: str, *sites: HttpFacts) -> bool:
        seen = shown(Service(Endpoint(ADDRESS, 80), "http", http=sites), (), NOW)
        return not left_out("WEB-BACKUP", {"path": "/backup.zip", "paths": f"/backup.zip, {path}"}, seen)

    silent, asked = HttpFacts("http", ADDRESS), HttpFacts("http", ADDRESS, asked=("/db.sql",))
    assert not tells("/db.sql", silent)
    assert tells("/db.sql", silent, asked)
    assert tells("/backup.zip", silent)
    assert tells("/db.sql"), "where no site is, nothing lies at any path"


@pytest.mark.parametrize("path", ["/old/files/", "/"])
def test_a_listing_is_not_gone_because_the_first_page_no_longer_leads_there(path: str) -> None:
    def tells(*asked: str) -> bool:
        site = HttpFacts("http", ADDRESS, root=HttpReply("GET", "/", 200), asked=asked)
        seen = shown(Service(Endpoint(ADDRESS, 80), "http", http=(site,)), (), NOW)
        return not left_out("WEB-DIRLIST", {"path": "/files/", "paths": f"/files/, {path}"}, seen)

    assert not tells()
    assert not tells(path)
    assert tells("/files/") is (path == "/"), "the first page is asked for always"
    assert tells("/files/", path)


def test_an_rsa_key_is_not_gone_because_another_was_read_in_its_place() -> None:
    def read(algorithm: str, *offered: str) -> Shown:
        facts = SshFacts("x", kex=("x",), host_key_algorithms=offered, host_keys=(SshHostKey(algorithm, 256, "y"),))
        return shown(Service(Endpoint(ADDRESS, 22), "ssh", ssh=facts), (), NOW)

    fell_back = read("ssh-ed25519", "rsa-sha2-512", "ssh-ed25519")
    assert not silence_tells("SSH-SAMEKEY", {"algorithm": "ssh-rsa"}, fell_back)
    assert not silence_tells("SSH-HOSTKEY-WEAK", {"key": "ssh-rsa 1024"}, fell_back)
    assert silence_tells("SSH-SAMEKEY", {"algorithm": "ssh-ed25519"}, fell_back)
    for told in (read("ssh-ed25519", "ssh-ed25519"), read("ssh-rsa", "rsa-sha2-512", "ssh-ed25519")):
        assert silence_tells("SSH-SAMEKEY", {"algorithm": "ssh-rsa"}, told)
        assert silence_tells("SSH-HOSTKEY-WEAK", {"key": "ssh-rsa 1024"}, told)


def test_a_key_is_no_safer_from_drown_once_its_own_server_speaks_ssl_2_too() -> None:
    assert "TLS-DROWN-X" in untested_checks(https(facts(TlsVersion.SSL2, TlsVersion.TLS12)), KNOWN)
    assert "TLS-DROWN-X" not in untested_checks(https(facts(TlsVersion.TLS12)), KNOWN)


def test_leaving_out_the_intermediate_does_not_mend_a_distrusted_root() -> None:
    root = issue("Given up root", is_ca=True)
    middle = issue("Given up intermediate", root, is_ca=True)
    leaf = issue("www.lab", middle)
    params = {"serial": f"{leaf.certificate.serial_number:x}"}

    def sent(*chain: Issued) -> Shown:
        encoded = tuple(b64encode(each.der).decode() for each in chain)
        return shown(https(replace(facts(TlsVersion.TLS12), chains=(encoded,))), (root.der,), AT)

    assert not silence_tells("CERT-DISTRUST", params, sent(leaf))
    assert silence_tells("CERT-DISTRUST", params, sent(leaf, middle))
    assert silence_tells("CERT-DISTRUST", params, sent(issue("www.lab", root), middle))
