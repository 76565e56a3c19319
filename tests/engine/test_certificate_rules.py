"""What the rules make of certificates that no server would load, and of names and dates at the edge."""

from __future__ import annotations

import datetime as dt
import math
import re
import string
import time
from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.intel.distrust import Distrust, distrusted_roots
from scanner.engine.intel.roots import trusted_roots
from scanner.engine.judge import judge
from scanner.engine.model import Endpoint, Finding, HostInspection, Level, Outcome, Service, Severity, Target, Vantage
from scanner.engine.rules import ocsp_view, x509_view
from scanner.engine.rules.base import Basis
from scanner.engine.rules.x509_view import covers, view
from tests.lab.lab_ca import AIA, DAY, INTERMEDIATE, NOW, ROOT, Issued, issue, rsa_key, time_stamp

GOOD = issue("www.lab", INTERMEDIATE, names=["www.lab"])
CHAIN = (GOOD.der, INTERMEDIATE.der)


def findings(
    *ders: bytes,
    stapled: tuple[bytes, ...] = (),
    name: str | None = "www.lab",
    at: dt.datetime = NOW,
    anchors: tuple[bytes, ...] = (ROOT.der,),
    vantage: Vantage = Vantage.INTERNET,
) -> dict[str, Finding]:
    facts = TlsFacts(
        sni=name,
        versions=((TlsVersion.TLS12, Answer.YES),),
        chains=(tuple(b64encode(der).decode() for der in ders),),
        ocsp_stapled=Answer.YES if stapled else Answer.NO,
        ocsp_responses=tuple(b64encode(each).decode() for each in stapled),
    )
    host = HostInspection(
        target=Target("example", "192.0.2.1", name),
        outcome=Outcome.INSPECTED,
        started=at,
        finished=at,
        vantage=vantage,
        level=Level.READ,
        services=(Service(Endpoint("192.0.2.1", 443), "http", tls=True, tls_facts=facts),),
    )
    return {finding.check: finding for finding in judge(host, Basis(anchors))}


def test_a_sound_certificate_gives_no_finding() -> None:
    assert findings(*CHAIN) == {}


def test_the_same_facts_judge_by_the_time_of_the_inspection() -> None:
    assert "CERT-EXPIRED" in findings(*CHAIN, at=NOW + 61 * DAY)
    assert "CERT-NOTYET" in findings(*CHAIN, at=NOW - 31 * DAY)


def test_a_clock_that_is_minutes_behind_the_issuers_makes_no_certificate_early() -> None:
    issued = NOW - 30 * DAY
    assert "CERT-NOTYET" not in findings(*CHAIN, at=issued - dt.timedelta(minutes=4))
    assert "CERT-NOTYET" in findings(*CHAIN, at=issued - dt.timedelta(minutes=6))


def test_an_authority_of_ones_own_may_issue_for_years() -> None:
    years = issue("www.lab", INTERMEDIATE, names=["www.lab"], since=NOW - DAY, until=NOW + 800 * DAY)
    assert "CERT-LONG" in findings(years.der, INTERMEDIATE.der, anchors=())
    assert "CERT-LONG" not in findings(years.der, INTERMEDIATE.der)


YEAR = issue("www.lab", INTERMEDIATE, names=["www.lab"], since=NOW - DAY, until=NOW + 364 * DAY)


@pytest.mark.parametrize(
    ("left", "severity", "step"),
    [
        (30 * DAY, None, ""),
        (29.5 * DAY, Severity.INFO, "30"),
        (14 * DAY, Severity.INFO, "30"),
        (13.5 * DAY, Severity.LOW, "14"),
        (7 * DAY, Severity.LOW, "14"),
        (6.5 * DAY, Severity.MEDIUM, "7"),
    ],
)
def test_a_certificate_that_ends_weighs_more_at_30_14_and_7_days(
    left: dt.timedelta, severity: Severity | None, step: str
) -> None:
    found = findings(YEAR.der, INTERMEDIATE.der, at=YEAR.certificate.not_valid_after_utc - left).get("CERT-EXPIRING")
    assert (found.severity if found else None, dict(found.params)["step"] if found else "") == (severity, step)


@pytest.mark.parametrize(
    ("life", "silent_at", "weights"),
    [
        (90, 29.5, ((28.9, Severity.INFO, "30"), (13.9, Severity.LOW, "14"), (6.9, Severity.MEDIUM, "7"))),
        (47, 15.6, ((14.6, Severity.INFO, "16"), (7.2, Severity.LOW, "8"), (3.6, Severity.MEDIUM, "4"))),
        (6, 1.5, ((0.9, Severity.LOW, "1"), (0.4, Severity.MEDIUM, "1"))),
    ],
)
def test_a_short_lived_certificate_that_is_renewed_on_time_is_not_reported(
    life: int, silent_at: float, weights: tuple[tuple[float, Severity, str], ...]
) -> None:
    short = issue("www.lab", INTERMEDIATE, names=["www.lab"], since=NOW, until=NOW + life * DAY)
    end = short.certificate.not_valid_after_utc
    assert findings(short.der, INTERMEDIATE.der, at=end - silent_at * DAY) == {}
    for left, severity, step in weights:
        found = findings(short.der, INTERMEDIATE.der, at=end - left * DAY)["CERT-EXPIRING"]
        assert (found.severity, dict(found.params)["step"]) == (severity, step)


def test_a_wrong_intermediate_is_told_from_a_missing_one() -> None:
    alone = issue("www.lab", INTERMEDIATE, names=["www.lab"], aia=AIA)
    other = issue("Another intermediate", ROOT, is_ca=True)
    wrong = findings(alone.der, other.der)
    assert dict(wrong["CERT-CHAIN-MISSING"].params)["sent"] == "CN=Another intermediate"
    assert dict(wrong["CERT-CHAIN-ORDER"].params)["problems"] == "unrelated"
    assert dict(findings(alone.der)["CERT-CHAIN-MISSING"].params)["sent"] == ""


def test_certificates_in_the_wrong_order_are_related_all_the_same() -> None:
    middle = issue("Lower intermediate", INTERMEDIATE, is_ca=True)
    leaf = issue("www.lab", middle, names=["www.lab"])
    found = findings(leaf.der, INTERMEDIATE.der, middle.der)
    assert dict(found["CERT-CHAIN-ORDER"].params)["problems"] == "order"


def _roca_prime(bits: int, seed: int) -> int:
    """Return a prime as Infineon's library made them: k * M + 65537**a mod M, M the product of small primes."""
    product = math.prod(x509_view._ROCA_PRIMES)
    for k in range((1 << (bits - 1)) // product + seed, (1 << bits) // product):
        candidate = k * product + pow(65537, seed + k % 1000, product)
        if all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7)):
            return candidate
    raise AssertionError("There are primes enough.")


def test_a_key_of_infineons_flawed_library_is_told_by_its_modulus() -> None:
    p, q = _roca_prime(1024, 17), _roca_prime(1024, 4711)
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        *(p, q, d, d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q)), rsa.RSAPublicNumbers(65537, p * q)
    )
    weak = issue("www.lab", INTERMEDIATE, names=["www.lab"], key=numbers.private_key())
    assert dict(findings(weak.der, INTERMEDIATE.der)["CERT-EXP-1"].params)["flaw"].startswith("ROCA")
    sound = issue("www.lab", INTERMEDIATE, names=["www.lab"], key=rsa_key(2048))
    assert "CERT-EXP-1" not in findings(sound.der, INTERMEDIATE.der)


def test_an_intermediate_that_two_roots_signed_may_be_sent_twice() -> None:
    other_root = issue("Other root", is_ca=True)
    crossed = issue("Roundsman lab intermediate", other_root, key=INTERMEDIATE.key, is_ca=True)
    assert "CERT-CHAIN-ORDER" not in findings(*CHAIN, crossed.der)


def test_days_since_the_end_are_whole_days() -> None:
    ended = issue("www.lab", INTERMEDIATE, names=["www.lab"], until=NOW - 1.5 * DAY)
    assert dict(findings(ended.der, INTERMEDIATE.der)["CERT-EXPIRED"].params)["days"] == "1"


def test_an_exponent_of_one_is_found_though_libraries_refuse_the_key() -> None:
    weak = issue("www.lab", INTERMEDIATE, names=["www.lab"], key=rsa_key(2048))
    # The exponent 65537 becomes 1, and the key's own lengths stay as they are.
    patched = weak.der.replace(b"\x02\x03\x01\x00\x01", b"\x02\x03\x00\x00\x01", 1)
    found = findings(patched, INTERMEDIATE.der)
    assert found["CERT-EXP-1"].severity is Severity.HIGH
    assert "CERT-EXP-1" not in findings(weak.der, INTERMEDIATE.der)


def test_self_signed_weighs_less_inside_and_nothing_once_registered() -> None:
    own = issue("www.lab", names=["www.lab"])
    assert findings(own.der)["CERT-SELFSIGNED"].severity is Severity.MEDIUM
    assert findings(own.der, vantage=Vantage.INTERNAL)["CERT-SELFSIGNED"].severity is Severity.LOW
    assert findings(own.der, anchors=(own.der,)) == {}


@pytest.mark.parametrize(
    "name",
    [
        "SplunkServerDefaultCert",
        "ASA Temporary Self Signed Certificate",
        "Default Issuer (Do not trust)",
        "Kubernetes Ingress Controller Fake Certificate",
        "Murmur Autogenerated Certificate v2",
    ],
)
def test_a_certificate_that_came_with_the_product_is_called_that(name: str) -> None:
    assert "CERT-DEFAULT" in findings(issue(name, names=["www.lab"]).der)
    assert "CERT-DEFAULT" not in findings(issue(f"not{name[1:7]}", names=["www.lab"]).der)


def test_a_missing_intermediate_is_not_called_untrusted() -> None:
    alone = issue("www.lab", INTERMEDIATE, names=["www.lab"], aia=AIA)
    assert set(findings(alone.der)) == {"CERT-CHAIN-MISSING"}
    assert set(findings(GOOD.der)) == {"CERT-CHAIN-MISSING"}
    assert set(findings(GOOD.der, anchors=())) == {"CERT-UNTRUSTED"}


def test_an_address_of_the_issuers_certificate_does_not_make_an_unknown_authority_a_public_one() -> None:
    alone = issue("www.lab", INTERMEDIATE, names=["www.lab"], aia=AIA)
    assert set(findings(alone.der, anchors=())) == {"CERT-UNTRUSTED"}
    stamped = issue("www.lab", INTERMEDIATE, names=["www.lab"], extensions=[time_stamp()])
    assert set(findings(stamped.der, anchors=())) == {"CERT-CHAIN-MISSING"}


def test_a_leaf_of_a_public_authority_is_known_by_its_name_and_not_believed_to_be_a_roots() -> None:
    root = next(
        each for name in trusted_roots().values() for each in name if "DigiCert" in each.subject.rfc4514_string()
    )
    office = issue("Issuing CA 1", subject=x509.Name([*root.subject][:2]), is_ca=True)
    assert set(findings(issue("www.lab", office, names=["www.lab"], aia=AIA).der)) == {"CERT-CHAIN-MISSING"}
    assert set(findings(issue("www.lab", office, names=["www.lab"]).der)) == {"CERT-UNTRUSTED"}
    impostor = issue("x", subject=root.subject, is_ca=True)
    forged = issue("www.lab", impostor, names=["www.lab"], aia=AIA, extensions=[time_stamp()])
    assert set(findings(forged.der)) == {"CERT-UNTRUSTED"}


def test_an_own_root_that_has_ended_is_told_unless_another_one_serves() -> None:
    ended = issue("Unit root", is_ca=True, since=NOW - 4000 * DAY, until=NOW - DAY)
    renewed = issue("Unit root", key=ended.key, is_ca=True, until=NOW + 3000 * DAY)
    leaf = issue("www.lab", ended, names=["www.lab"])
    found = findings(leaf.der, anchors=(ended.der,))
    assert set(found) == {"CERT-EXPIRED"}
    assert dict(found["CERT-EXPIRED"].params)["subject"] == "CN=Unit root"
    assert findings(leaf.der, anchors=(ended.der, renewed.der)) == {}


def test_only_an_authority_of_a_registered_name_is_thought_to_lack_an_intermediate() -> None:
    stranger = issue("Stranger issuing CA 2", issue("Stranger root", is_ca=True), is_ca=True)
    assert set(findings(issue("www.lab", stranger, names=["www.lab"]).der)) == {"CERT-UNTRUSTED"}
    next_root = issue("Roundsman lab root G2", is_ca=True)
    assert set(findings(issue("www.lab", next_root, names=["www.lab"]).der)) == {"CERT-UNTRUSTED"}


@pytest.mark.parametrize(
    ("root", "above", "is_intermediate"),
    [
        ("UnitRootCA", "UnitIntermediateCA", True),
        ("unit_root_ca", "unit_inter_ca", True),
        ("rootCA", "intermediateCA", True),
        ("rootca", "subca", True),
        ("Root CA", "Issuing CA 1", True),
        ("UnitRootCA", "UnitRootCA2", False),
        ("UnitRootCA", "OtherIntermediateCA", False),
        ("Root CA", "CA 2", False),
        ("rootCA", "serverCA", False),
    ],
)
def test_the_names_of_an_authority_are_read_however_they_are_put_together(
    root: str, above: str, is_intermediate: bool
) -> None:
    own = issue(root, is_ca=True)
    leaf = issue("www.lab", issue(above, is_ca=True), names=["www.lab"])
    verdict = "CERT-CHAIN-MISSING" if is_intermediate else "CERT-UNTRUSTED"
    assert set(findings(leaf.der, anchors=(own.der,))) == {verdict}


def test_an_intermediate_that_is_missing_further_up_is_missed_too() -> None:
    lower = issue("Roundsman lab issuing CA", INTERMEDIATE, is_ca=True)
    leaf = issue("www.lab", lower, names=["www.lab"])
    assert set(findings(leaf.der, lower.der)) == {"CERT-CHAIN-MISSING"}
    assert set(findings(leaf.der, lower.der, INTERMEDIATE.der)) == set()


def test_an_issuer_of_the_same_name_with_another_key_is_not_trusted() -> None:
    impostor = issue("Roundsman lab root", is_ca=True)
    forged = issue("www.lab", impostor, names=["www.lab"])
    assert set(findings(forged.der)) == {"CERT-UNTRUSTED"}


def response(
    about: Issued = GOOD,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.REVOKED,
    reason: x509.ReasonFlags | None = None,
    issuer: Issued = INTERMEDIATE,
    signer: Issued = INTERMEDIATE,
    until: dt.datetime = NOW + DAY,
) -> bytes:
    """An OCSP response; a ``signer`` that is not the issuer sends its certificate along."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=status,
        this_update=NOW - 9 * DAY,
        next_update=until,
        revocation_time=NOW - 9 * DAY if status is ocsp.OCSPCertStatus.REVOKED else None,
        revocation_reason=reason,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if signer is not issuer:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


_RESPONDER = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]),)
REVOKED = response()
TRY_LATER = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
HOLD = x509.ReasonFlags.certificate_hold


@pytest.mark.parametrize(
    ("stapled", "revoked"),
    [
        (REVOKED, True),
        (response(reason=x509.ReasonFlags.key_compromise), True),
        (response(signer=issue("responder", INTERMEDIATE, extensions=_RESPONDER)), True),
        (response(until=NOW - DAY), True),
        (response(reason=HOLD), True),
        (response(reason=HOLD, until=NOW - DAY), False),
        (response(status=ocsp.OCSPCertStatus.GOOD), False),
        (response(status=ocsp.OCSPCertStatus.UNKNOWN), False),
        (response(issue("other.lab", INTERMEDIATE)), False),
        (response(signer=issue("no responder", INTERMEDIATE)), False),
        (response(signer=issue("responder of another", ROOT, extensions=_RESPONDER)), False),
        (response(signer=issue("Roundsman lab intermediate", is_ca=True)), False),
        (TRY_LATER.public_bytes(Encoding.DER), False),
        (b"", False),
        (b"\x30\x03\x0a\x01\x00", False),
    ],
    ids=[
        *("revoked", "with-a-reason", "by-a-responder", "outdated", "on-hold", "hold-outdated", "good", "unknown"),
        *("another-certificate", "signer-may-not", "responder-of-another", "forged", "try-later", "empty", "junk"),
    ],
)
def test_only_what_the_issuer_signed_about_this_certificate_proves_that_it_is_revoked(
    stapled: bytes, revoked: bool
) -> None:
    found = findings(*CHAIN, stapled=(stapled,))
    assert ("CERT-REVOKED" in found) is revoked
    assert set(found) <= {"CERT-REVOKED"}


def test_a_response_full_of_responders_costs_no_more_than_an_honest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[x509.Certificate] = []
    responders = [issue(f"responder {number}", INTERMEDIATE, extensions=_RESPONDER).certificate for number in range(9)]
    answer = ocsp.OCSPResponseBuilder().add_response(
        cert=GOOD.certificate,
        issuer=INTERMEDIATE.certificate,
        algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.REVOKED,
        this_update=NOW,
        next_update=None,
        revocation_time=NOW,
        revocation_reason=None,
    )
    stranger = issue("stranger")
    answer = answer.responder_id(ocsp.OCSPResponderEncoding.HASH, stranger.certificate).certificates(responders)
    forged = answer.sign(stranger.key, hashes.SHA256()).public_bytes(Encoding.DER)
    leaf, parent = view(GOOD.der), view(INTERMEDIATE.der)
    assert leaf is not None
    assert parent is not None
    monkeypatch.setattr(ocsp_view, "_may_respond", lambda each, _: tried.append(each))
    assert ocsp_view.find_revocation(forged, leaf, [parent] * 16, NOW) is None
    assert len(tried) == ocsp_view.RESPONDERS


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(REVOKED) - 1), st.integers(0, 255))
def test_a_damaged_response_never_crashes_the_rules(position: int, value: int) -> None:
    damaged = bytearray(REVOKED)
    damaged[position] = value
    findings(*CHAIN, stapled=(bytes(damaged),))


def test_the_policy_on_distrusted_roots_names_real_keys_and_days() -> None:
    policy = distrusted_roots()
    assert all(re.fullmatch(r"[0-9a-f]{64}", key) for key in policy)
    entrust = policy["76ee8590374c715437bbca6bba6028eadde2dc6dbbb8c3f610e851f11d1ab7f5"]
    assert (entrust.root, entrust.after) == ("Entrust Root Certification Authority - G2", dt.date(2024, 11, 30))
    held = [view(root.public_bytes(Encoding.DER)) for roots in trusted_roots().values() for root in roots]
    named = {seen.fingerprint: seen.common_name for seen in held if seen is not None and seen.fingerprint in policy}
    assert all(policy[key].root == name for key, name in named.items() if name)


def test_a_second_root_that_is_still_trusted_keeps_the_certificate_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    cross_root = issue("Another root", is_ca=True)
    crossed = issue("Roundsman lab intermediate", cross_root, key=INTERMEDIATE.key, is_ca=True)
    roots = {each.certificate.subject.public_bytes(): (each.certificate,) for each in (ROOT, cross_root)}
    given_up = view(ROOT.der)
    assert given_up is not None
    policy = {given_up.fingerprint: Distrust("lab root", NOW - 60 * DAY)}
    monkeypatch.setattr("scanner.engine.rules.certificate_path.trusted_roots", lambda: roots)
    monkeypatch.setattr("scanner.engine.rules.certificates.distrusted_roots", lambda: policy)
    assert "CERT-DISTRUST" in findings(*CHAIN, anchors=())
    assert "CERT-DISTRUST" not in findings(*CHAIN, crossed.der, anchors=())
    assert "CERT-DISTRUST" not in findings(*CHAIN, anchors=(ROOT.der,)), "the organisation trusts that root itself"


def test_certificates_that_all_sign_each_other_are_climbed_in_no_time() -> None:
    first = issue("Loop", is_ca=True)
    loops = [issue("Loop", first, key=first.key, is_ca=True) for _ in range(15)]
    leaf = issue("www.lab", loops[0], names=["www.lab"])
    began = time.perf_counter()
    assert "CERT-UNTRUSTED" in findings(leaf.der, *(each.der for each in loops))
    assert time.perf_counter() - began < 5


def test_a_leaf_can_not_issue() -> None:
    not_a_ca = issue("Roundsman lab leaf", ROOT)
    below = issue("www.lab", not_a_ca, names=["www.lab"])
    assert "CERT-UNTRUSTED" in findings(below.der, not_a_ca.der)


def test_names_are_compared_only_where_one_is_registered() -> None:
    other = issue("mail.lab", INTERMEDIATE, names=["mail.lab"])
    assert "CERT-HOSTNAME" in findings(other.der, INTERMEDIATE.der)
    assert findings(other.der, INTERMEDIATE.der, name=None) == {}


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("www.lab", "www.lab", True),
        ("*.lab", "www.lab", True),
        ("*.lab", "a.b.lab", False),
        ("*.lab", "lab", False),
        ("w*.lab", "www.lab", False),
        ("*.b.lab", "a.b.lab", True),
        ("", "www.lab", False),
    ],
)
def test_a_wildcard_covers_exactly_one_label(pattern: str, name: str, covered: bool) -> None:
    assert covers(pattern, name) is covered


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD.der) - 1), st.integers(0, 255), st.integers(0, 40))
def test_a_damaged_certificate_never_crashes_the_rules(position: int, value: int, cut: int) -> None:
    damaged = bytearray(GOOD.der)
    damaged[position] = value
    findings(bytes(damaged[: len(damaged) - cut]), INTERMEDIATE.der)
    view(bytes(damaged))


def test_bytes_that_are_no_certificate_raise_no_finding() -> None:
    assert findings(b"\x30\x03\x02\x01\x01") == {}
    assert findings(b"") == {}


def test_every_text_can_be_filled_from_the_params_of_its_finding() -> None:
    wrong = issue("x", names=["mail.lab"], key=rsa_key(1024), since=NOW - 900 * DAY, until=NOW - DAY)
    found = findings(wrong.der, wrong.der) | findings(*CHAIN, at=NOW + 50 * DAY) | findings(*CHAIN, at=NOW - 31 * DAY)
    found |= findings(*CHAIN, stapled=(response(),))
    found |= findings(GOOD.der) | findings(issue("www.lab", INTERMEDIATE, aia=AIA, until=NOW + 900 * DAY).der)
    for finding in found.values():
        check = catalogue()[finding.check]
        given_names = set(dict(finding.params))
        for template in (*(text.evidence for text in check.texts.values()), check.verify):
            wanted = {re.split(r"[.\[]", name)[0] for _, name, _, _ in string.Formatter().parse(template) if name}
            assert wanted <= given_names | {"address", "port", "host", "hostport", "name"}, finding.check
    assert len(found) >= 9
