"""What the policies call good enough, and what a finding becomes under each."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode

import pytest

from scanner.engine.errors import CatalogueError, InputError
from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.judge import doubtful, judge
from scanner.engine.model import Endpoint, Finding, HostInspection, Level, Outcome, Service, Severity, Target, Vantage
from scanner.engine.policy import load
from scanner.engine.policy.load import Aspect, Grade, Verdict, default_policy, policies, policy, worst
from scanner.engine.probes.tls_suites import GROUPS, NAMES
from scanner.engine.rules.base import Basis
from scanner.engine.rules.tls_primes import NAMED_GROUPS
from tests.lab.lab_ca import ROOT, issue, rsa_key

AT = dt.datetime.now(dt.UTC)
V12, V13 = TlsVersion.TLS12, TlsVersion.TLS13
OWN, MOZILLA, NCSC = (policy(name) for name in ("roundsman", "mozilla-intermediate", "ncsc-nl-2025"))
GOOD = AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", 255)
FFDHE = {name: prime for prime, name in NAMED_GROUPS.items()}


def host(*suites: AcceptedSuite, **options: object) -> HostInspection:
    spoken = {suite.version for suite in suites}
    versions = tuple((version, Answer.YES if version in spoken else Answer.NO) for version in TlsVersion)
    facts = TlsFacts(sni=None, versions=versions, suites=suites, **options)  # type: ignore[arg-type]  # fields by name
    service = Service(Endpoint("192.0.2.1", 443), "http", tls=True, tls_facts=facts)
    target, vantage = Target("example", "192.0.2.1"), Vantage.INTERNET
    return HostInspection(target, Outcome.INSPECTED, AT, AT, vantage, Level.READ, services=(service,))


def findings(inspection: HostInspection, held_to: load.TlsPolicy) -> dict[str, Finding]:
    found = judge(inspection, Basis((ROOT.der,), policy=held_to))
    return {finding.check: finding for finding in found if finding.check != "TLS-NO13"}


def presenting(*ders: bytes) -> HostInspection:
    return host(GOOD, chains=(tuple(b64encode(der).decode() for der in ders),))


def test_the_shipped_policies_are_those_that_can_be_chosen() -> None:
    assert set(policies()) == {"roundsman", "mozilla-intermediate", "ncsc-nl-2025"}
    with pytest.raises(InputError, match="ncsc-nl-2025"):
        policy("ncsc-nl-2021")


@pytest.mark.parametrize("held_to", policies().values(), ids=lambda each: each.name)
def test_every_policy_grades_everything_and_cites_a_clause(held_to: load.TlsPolicy) -> None:
    asked = [(Aspect.VERSION, str(version)) for version in TlsVersion]
    asked += [(Aspect.SUITE, name) for name in NAMES.values()] + [(Aspect.GROUP, name) for name, _ in GROUPS.values()]
    assert all(held_to.grade(aspect, name).clause for aspect, name in asked)
    assert held_to.source.startswith("https://")


@pytest.mark.parametrize("held_to", policies().values(), ids=lambda each: each.name)
@pytest.mark.parametrize("broken", ["NULL", "EXPORT", "_anon_", "RC4_", "WITH_DES_", "3DES", "IDEA"])
def test_no_policy_accepts_a_broken_suite_or_an_old_version(held_to: load.TlsPolicy, broken: str) -> None:
    for name in (name for name in NAMES.values() if broken in name and not name.startswith("SSL_CK")):
        assert held_to.grade(Aspect.SUITE, name).grade is Grade.INSUFFICIENT, name
    for version in (TlsVersion.SSL2, TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11):
        assert held_to.grade(Aspect.VERSION, version).grade is Grade.INSUFFICIENT


@pytest.mark.parametrize("held_to", policies().values(), ids=lambda each: each.name)
def test_a_server_set_up_by_mozillas_guideline_satisfies_every_policy(held_to: load.TlsPolicy) -> None:
    sound = host(
        GOOD,
        AcceptedSuite(V12, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "x25519", 255),
        AcceptedSuite(V13, "TLS_AES_128_GCM_SHA256", "x25519", 255),
        AcceptedSuite(V13, "TLS_AES_256_GCM_SHA384", "x25519", 255),
        groups=("X25519MLKEM768", "x25519", "secp256r1", "secp384r1"),
    )
    assert findings(sound, held_to) == {}


def test_one_weakness_is_one_finding_whatever_the_policy_and_cites_its_clause() -> None:
    old = host(GOOD, AcceptedSuite(TlsVersion.TLS10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "x25519", 255))
    clauses = {each.name: dict(findings(old, each)["TLS-V10"].params)["clause"] for each in policies().values()}
    assert clauses == {
        "roundsman": "RFC 8996",
        "mozilla-intermediate": "6.0 intermediate, tls_versions",
        "ncsc-nl-2025": "NCSC-NL 2025-05, 3.3.1",
    }
    assert {findings(old, each)["TLS-V10"].severity for each in policies().values()} == {Severity.MEDIUM}


def test_cbc_beside_aead_weighs_more_where_the_policy_calls_it_insufficient() -> None:
    cbc = host(GOOD, AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "x25519", 255))
    severities = [findings(cbc, each)["TLS-CBC"].severity for each in (OWN, NCSC, MOZILLA)]
    assert severities == [Severity.INFO, Severity.INFO, Severity.LOW]


@pytest.mark.parametrize(
    ("name", "bits", "expected"),
    [
        ("ffdhe2048", 2048, {"roundsman": None, "mozilla-intermediate": None, "ncsc-nl-2025": Severity.LOW}),
        ("ffdhe3072", 3072, {"roundsman": None, "mozilla-intermediate": None, "ncsc-nl-2025": Severity.INFO}),
        ("own prime", 4096, {"roundsman": None, "mozilla-intermediate": None, "ncsc-nl-2025": Severity.LOW}),
        ("own prime", 1024, dict.fromkeys(("roundsman", "mozilla-intermediate", "ncsc-nl-2025"), Severity.MEDIUM)),
    ],
)
def test_primes_are_held_to_the_policy(name: str, bits: int, expected: dict[str, Severity | None]) -> None:
    suite = AcceptedSuite(V12, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "dh", bits, FFDHE.get(name, "00" * 32))
    for held_to, severity in expected.items():
        found = findings(host(suite), policy(held_to)).get("TLS-DH-WEAK")
        assert (found.severity if found else None) is severity, held_to


def test_what_only_the_policy_objects_to_is_one_finding_for_all_of_it() -> None:
    odd = host(
        GOOD,
        AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256", "x25519", 255),
        AcceptedSuite(V13, "TLS_AES_128_CCM_8_SHA256", "x25519", 255),
        groups=("x25519", "sect571r1"),
    )
    assert findings(odd, OWN) == {}
    found = findings(odd, NCSC)
    assert set(found) == {"TLS-POLICY"}
    assert found["TLS-POLICY"].severity is Severity.LOW
    params = dict(found["TLS-POLICY"].params)
    assert params["items"] == "TLS_AES_128_CCM_8_SHA256, TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256, sect571r1"
    assert params["grade"] == "insufficient"
    assert params["clause"] == "NCSC-NL 2025-05, appendix B, NCSC-NL 2025-05, 3.3.2.1 table 3"


def test_what_should_only_be_phased_out_is_a_hint() -> None:
    aria = host(GOOD, AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256", "x25519", 255))
    assert findings(aria, NCSC)["TLS-POLICY"].severity is Severity.INFO
    assert findings(aria, MOZILLA)["TLS-POLICY"].severity is Severity.LOW


def test_an_rsa_key_of_2048_bits_is_a_hint_under_ncsc_and_nothing_elsewhere() -> None:
    leaf = issue("s.lab", ROOT, names=["s.lab"], key=rsa_key(2048))
    assert findings(presenting(leaf.der, ROOT.der), NCSC)["CERT-KEY-WEAK"].severity is Severity.INFO
    assert "CERT-KEY-WEAK" not in findings(presenting(leaf.der, ROOT.der), OWN)
    assert "CERT-KEY-WEAK" not in findings(presenting(leaf.der, ROOT.der), MOZILLA)


def test_the_second_look_follows_the_policy() -> None:
    ccm = host(GOOD, AcceptedSuite(V13, "TLS_AES_128_CCM_8_SHA256", "x25519", 255))
    assert doubtful(ccm, OWN) == frozenset()
    assert doubtful(ccm, NCSC) == {Endpoint("192.0.2.1", 443)}


def test_static_diffie_hellman_keeps_no_secrets_either() -> None:
    static = host(AcceptedSuite(V12, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"))
    assert findings(static, OWN)["TLS-NO-FS"].severity is Severity.MEDIUM
    beside = findings(
        host(AcceptedSuite(V13, "TLS_AES_128_GCM_SHA256"), AcceptedSuite(V12, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256")),
        OWN,
    )
    assert set(beside) == {"TLS-POLICY"}


def test_the_worst_verdict_names_every_clause_that_is_as_bad() -> None:
    bad, worse = Verdict(Grade.PHASE_OUT, "1"), Verdict(Grade.INSUFFICIENT, "2")
    assert worst([bad, worse, Verdict(Grade.INSUFFICIENT, "3")]) == Verdict(Grade.INSUFFICIENT, "2, 3")
    assert worst([bad, Verdict(Grade.GOOD, "0")]) == bad


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": [{"names": ["TLSv1.3"], "grade": "good", "clause": "1"}]}, "the last row of version"),
        ({"suite": [{"names": ["*"], "grade": "fine", "clause": "1"}]}, "fine"),
        ({"key": [{"names": ["*"], "grade": "good"}]}, "clause"),
    ],
)
def test_a_policy_that_is_not_whole_is_refused(change: dict[str, object], complaint: str) -> None:
    rest = [{"names": ["*"], "grade": "insufficient", "clause": "1"}]
    document: dict[str, object] = {"source": "https://example.org", **dict.fromkeys(Aspect, rest)}
    assert load._policy("whole", document).grade(Aspect.HASH, "md5").grade is Grade.INSUFFICIENT
    with pytest.raises(CatalogueError, match=complaint):
        load._policy("broken", {**document, **change})


def test_roundsmans_own_policy_holds_where_none_was_chosen() -> None:
    assert default_policy() is OWN
