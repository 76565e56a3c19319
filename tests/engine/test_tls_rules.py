"""What the rules make of TLS facts, above all where they must stay silent."""

from __future__ import annotations

import datetime as dt
import re
import string

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.judge import judge
from scanner.engine.model import Endpoint, Finding, HostInspection, Level, Outcome, Service, Severity, Target, Vantage
from scanner.engine.rules.tls_primes import COMMON_PRIMES

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
V10, V11, V12, V13 = TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12, TlsVersion.TLS13
GOOD = AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", 255)


def findings(facts: TlsFacts, port: int = 443) -> dict[str, Finding]:
    service = Service(Endpoint("192.0.2.1", port), "http", tls=True, tls_facts=facts)
    host = HostInspection(
        target=Target("example", "192.0.2.1", facts.sni),
        outcome=Outcome.INSPECTED,
        started=AT,
        finished=AT,
        vantage=Vantage.INTERNET,
        level=Level.READ,
        services=(service,),
    )
    return {finding.check: finding for finding in judge(host)}


def facts(*suites: AcceptedSuite, refused: tuple[TlsVersion, ...] = (), **options: object) -> TlsFacts:
    spoken = {suite.version for suite in suites}
    versions = tuple(
        (version, Answer.YES if version in spoken else Answer.NO if version in refused else Answer.UNTESTED)
        for version in TlsVersion
    )
    return TlsFacts(sni=None, versions=versions, suites=suites, **options)  # type: ignore[arg-type]  # fields by name


def test_untested_answers_give_no_finding() -> None:
    assert findings(facts(GOOD)) == {}


def test_a_sound_server_gives_no_finding() -> None:
    sound = facts(
        GOOD,
        AcceptedSuite(V13, "TLS_AES_128_GCM_SHA256", "x25519", 255),
        refused=(TlsVersion.SSL2, TlsVersion.SSL3, V10, V11),
        groups=("x25519", "secp256r1", "x448"),
        compression=Answer.NO,
        secure_renegotiation=Answer.YES,
        extended_master_secret=Answer.YES,
        sha1_signature=Answer.NO,
        client_certificate=Answer.NO,
    )
    assert findings(sound) == {}


def test_x25519_with_its_253_bit_key_is_not_a_small_curve() -> None:
    odd = AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", 253)
    assert findings(facts(odd, groups=("x25519",))) == {}


def test_a_224_bit_curve_weighs_less_than_a_163_bit_curve() -> None:
    assert findings(facts(GOOD, groups=("secp224r1",)))["TLS-CURVE"].severity is Severity.LOW
    assert findings(facts(GOOD, groups=("secp224r1", "sect163k1")))["TLS-CURVE"].severity is Severity.MEDIUM


def test_old_versions_weigh_less_between_mail_servers_than_at_submission() -> None:
    old = AcceptedSuite(V10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "x25519", 255)
    assert findings(facts(GOOD, old, starttls="smtp"), 25)["TLS-V10"].severity is Severity.LOW
    assert findings(facts(GOOD, old, starttls="smtp"), 587)["TLS-V10"].severity is Severity.MEDIUM
    assert findings(facts(GOOD, old))["TLS-V10"].severity is Severity.MEDIUM


def test_anonymous_suites_are_only_told_of_mail_servers() -> None:
    anonymous = AcceptedSuite(V12, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", "x25519", 255)
    assert findings(facts(GOOD, anonymous, starttls="smtp"), 25)["TLS-ANON"].severity is Severity.INFO
    assert findings(facts(GOOD, anonymous, starttls="smtp"), 587)["TLS-ANON"].severity is Severity.HIGH
    assert findings(facts(GOOD, anonymous))["TLS-ANON"].severity is Severity.HIGH


def test_the_prime_of_anonymous_suites_alone_is_only_told_of_mail_servers() -> None:
    anonymous = AcceptedSuite(V12, "TLS_DH_anon_WITH_AES_128_CBC_SHA", "dh", 1024)
    named = AcceptedSuite(V12, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "dh", 1536)
    mail = findings(facts(GOOD, anonymous, starttls="smtp"), 25)
    assert mail["TLS-DH-WEAK"].severity is Severity.INFO
    assert findings(facts(GOOD, anonymous))["TLS-DH-WEAK"].severity is Severity.MEDIUM
    assert findings(facts(named, anonymous, starttls="smtp"), 25)["TLS-DH-WEAK"].severity is Severity.LOW


def test_dh_primes_are_judged_by_size() -> None:
    def with_bits(bits: int, prime: str = "") -> dict[str, Finding]:
        return findings(facts(AcceptedSuite(V12, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "dh", bits, prime)))

    assert with_bits(512)["TLS-DH-WEAK"].severity is Severity.HIGH
    assert with_bits(1024)["TLS-DH-WEAK"].severity is Severity.MEDIUM
    assert with_bits(1536)["TLS-DH-WEAK"].severity is Severity.LOW
    assert with_bits(2048) == {}
    assert with_bits(0) == {}
    assert "TLS-DH-COMMON" in with_bits(1024, next(iter(COMMON_PRIMES)))
    assert "TLS-DH-COMMON" not in with_bits(1024, "00" * 32)


def test_tls_1_3_means_forward_secrecy_exists() -> None:
    static = AcceptedSuite(V12, "TLS_RSA_WITH_AES_128_GCM_SHA256")
    modern = AcceptedSuite(V13, "TLS_AES_128_GCM_SHA256", "x25519", 255)
    assert "TLS-NO-FS" in findings(facts(static))
    assert "TLS-NO-FS" not in findings(facts(static, modern))
    assert "TLS-RSA-KX" in findings(facts(static, modern))


def test_what_a_server_prefers_is_told_by_the_newest_of_its_old_versions_whichever_was_swept_first() -> None:
    old = AcceptedSuite(TlsVersion.SSL3, "TLS_RSA_WITH_AES_128_CBC_SHA")
    static = AcceptedSuite(V12, "TLS_RSA_WITH_AES_128_GCM_SHA256")
    for suites in ((old, GOOD, static), (GOOD, static, old)):
        assert findings(facts(*suites, server_preference=Answer.YES))["TLS-RSA-KX"].severity is Severity.INFO
    assert findings(facts(static, GOOD, server_preference=Answer.YES))["TLS-RSA-KX"].severity is Severity.LOW


def test_cbc_beside_aead_is_only_told() -> None:
    cbc = AcceptedSuite(V12, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "x25519", 255)
    assert findings(facts(cbc))["TLS-CBC"].severity is Severity.LOW
    assert findings(facts(GOOD, cbc))["TLS-CBC"].severity is Severity.INFO


def test_a_server_that_speaks_only_tlcp_is_not_called_outdated() -> None:
    national = AcceptedSuite(TlsVersion.TLCP, "ECC_SM4_CBC_SM3")
    assert set(findings(facts(national, refused=(V10, V11, V12, V13)))) == {"TLS-TLCP"}


def test_integrity_only_suites_of_tls_1_3_are_not_null_suites() -> None:
    assert findings(facts(AcceptedSuite(V13, "TLS_SHA256_SHA256", "x25519", 255))) == {}


def test_an_unfinished_sweep_proves_no_absence() -> None:
    static = AcceptedSuite(V12, "TLS_RSA_WITH_AES_128_GCM_SHA256")
    found = findings(facts(static, complete=False, ended="cut off"))
    assert found["TLS-NO-FS"].confidence.value == "probable"
    assert "TLS-NO13" not in found


def test_idea_counts_as_a_64_bit_block_and_des_as_des() -> None:
    found = findings(
        facts(AcceptedSuite(V10, "TLS_RSA_WITH_IDEA_CBC_SHA"), AcceptedSuite(V10, "TLS_RSA_WITH_DES_CBC_SHA"))
    )
    assert {"TLS-3DES", "TLS-DES"} <= set(found)
    assert "TLS-DES" not in findings(facts(AcceptedSuite(V12, "TLS_RSA_WITH_3DES_EDE_CBC_SHA")))


def test_flaws_of_the_library_are_reported_with_their_weight() -> None:
    found = findings(facts(GOOD, heartbleed=Answer.YES, ccs_injection=Answer.YES, robot="weak"))
    assert found["TLS-HEARTBLEED"].severity is Severity.CRITICAL
    assert found["TLS-CCS"].severity is Severity.HIGH
    assert found["TLS-ROBOT"].severity is Severity.MEDIUM
    assert "TLS-ROBOT" not in findings(facts(GOOD, robot="none"))


def test_every_text_can_be_filled_from_the_params_of_its_finding() -> None:
    everything = facts(
        AcceptedSuite(TlsVersion.SSL2, "SSL_CK_RC4_128_WITH_MD5"),
        AcceptedSuite(TlsVersion.SSL3, "TLS_RSA_WITH_RC4_128_MD5"),
        AcceptedSuite(V10, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA"),
        AcceptedSuite(V11, "TLS_DH_anon_WITH_DES_CBC_SHA", "dh", 512, next(iter(COMMON_PRIMES))),
        AcceptedSuite(V11, "TLS_RSA_WITH_NULL_SHA"),
        AcceptedSuite(V11, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        AcceptedSuite(TlsVersion.TLCP, "ECC_SM4_CBC_SM3"),
        refused=(V13,),
        groups=("secp192r1",),
        server_preference=Answer.NO,
        compression=Answer.YES,
        secure_renegotiation=Answer.NO,
        extended_master_secret=Answer.NO,
        fallback_scsv=Answer.NO,
        sha1_signature=Answer.YES,
        client_certificate=Answer.YES,
        needs_name=True,
        heartbleed=Answer.YES,
        ccs_injection=Answer.YES,
        robot="strong",
        client_renegotiation=Answer.YES,
        early_data=Answer.YES,
    )
    found = findings(everything) | findings(facts(GOOD, refused=(V13,)))
    found |= findings(facts(AcceptedSuite(V10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"), refused=(V12, V13)))
    found |= findings(
        facts(AcceptedSuite(V12, "TLS_RSA_WITH_AES_128_GCM_SHA256"), AcceptedSuite(V13, "TLS_AES_128_GCM_SHA256"))
    )
    found |= findings(facts(AcceptedSuite(V12, "TLS_RSA_WITH_AES_128_GCM_SHA256")))
    found |= findings(facts(AcceptedSuite(V12, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256")))
    of_one_host = {check for check in catalogue() if check.startswith("TLS-")} - {"TLS-DROWN-X"}
    assert of_one_host == set(found)
    general = {"address", "port", "host", "hostport", "name"}
    for finding in found.values():
        check = catalogue()[finding.check]
        given = set(dict(finding.params))
        for text in check.texts.values():
            assert _placeholders(text.evidence) <= given, finding.check
        assert _placeholders(check.verify) <= given | general, finding.check


def _placeholders(template: str) -> set[str]:
    return {re.split(r"[.\[]", name)[0] for _, name, _, _ in string.Formatter().parse(template) if name}
