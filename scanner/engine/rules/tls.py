"""What a TLS server accepts, judged: versions, cipher suites, key exchange, features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, Rule, rule
from scanner.engine.rules.tls_primes import COMMON_PRIMES

_LISTED = 6
"""Suites named in one finding; the rest is counted."""

_OPENSSL_STARTTLS = {"postgresql": "postgres"}

# Curves below 256 bits, by field size (RFC 8422 section 5.1.1). x25519 and x448 are absent on purpose:
# their sizes can't be compared with those of the NIST curves.
_SMALL_CURVES = {
    **dict.fromkeys(("secp160k1", "secp160r1", "secp160r2"), 160),
    **dict.fromkeys(("sect163k1", "sect163r1", "sect163r2"), 163),
    **dict.fromkeys(("secp192k1", "secp192r1"), 192),
    **dict.fromkeys(("sect193r1", "sect193r2"), 193),
    **dict.fromkeys(("secp224k1", "secp224r1"), 224),
    **dict.fromkeys(("sect233k1", "sect233r1"), 233),
    "sect239k1": 239,
}

SuiteTest = Callable[[str], bool]


def _is_export(name: str) -> bool:
    return "EXPORT" in name


def _is_null(name: str) -> bool:
    """Tell whether nothing is encrypted. The integrity-only suites of TLS 1.3 (RFC 9150) are meant to be so."""
    return "_WITH_NULL" in name


def _is_anonymous(name: str) -> bool:
    return "_anon_" in name


def _is_rc4(name: str) -> bool:
    return "RC4_" in name and not _is_export(name)


def _is_des(name: str) -> bool:
    return ("WITH_DES_CBC" in name or "RC2_" in name) and not _is_export(name)


def _is_64_bit_block(name: str) -> bool:
    return any(part in name for part in ("3DES", "IDEA_")) and not _is_export(name)


def _is_aead(name: str) -> bool:
    return any(part in name for part in ("_GCM", "_CCM", "POLY1305", "_MGM"))


def _is_forward_secret(suite: AcceptedSuite) -> bool:
    return suite.version is TlsVersion.TLS13 or "DHE_" in suite.suite or _is_anonymous(suite.suite)


def _is_static_rsa(name: str) -> bool:
    return name.startswith(("TLS_RSA_", "SSL_RSA_"))


def _is_weak(name: str) -> bool:
    return any(test(name) for test in (_is_export, _is_null, _is_anonymous, _is_rc4, _is_des, _is_64_bit_block))


def _suites(facts: TlsFacts) -> tuple[AcceptedSuite, ...]:
    """Return what is judged suite by suite: SSL 2.0 is bad as a whole, TLCP is judged elsewhere."""
    return tuple(suite for suite in facts.suites if suite.version not in (TlsVersion.SSL2, TlsVersion.TLCP))


def _listing(suites: Iterable[AcceptedSuite]) -> str:
    """Return suites as data, by version: ``TLSv1.0: A, B; TLSv1.2: A (+3)``."""
    order = list(TlsVersion)
    parts = []
    for version, members in groupby(sorted(suites, key=lambda s: order.index(s.version)), key=lambda s: s.version):
        names = sorted(suite.suite for suite in members)
        more = f" (+{len(names) - _LISTED})" if len(names) > _LISTED else ""
        parts.append(f"{version}: {', '.join(names[:_LISTED])}{more}")
    return "; ".join(parts)


def s_client_options(facts: TlsFacts) -> str:
    """Return the options that make ``openssl s_client`` look as the inspection did."""
    parts = ["-servername", facts.sni] if facts.sni else ["-noservername"]
    if facts.starttls:
        parts += ["-starttls", _OPENSSL_STARTTLS.get(facts.starttls, facts.starttls)]
    return " ".join(parts)


def _is_opportunistic(facts: TlsFacts) -> bool:
    """Tell whether the alternative is plain text: mail between servers (RFC 7435), not submission by users."""
    return facts.starttls == "smtp"


def _finding(
    check: str,
    service: Service,
    context: Context,
    facts: TlsFacts,
    *,
    severity: Severity | None = None,
    confidence: Confidence = Confidence.CONFIRMED,
    **params: str,
) -> Finding:
    return context.finding(
        check,
        service,
        severity=severity,
        confidence=confidence,
        exchanges=(),
        options=s_client_options(facts),
        **params,
    )


def _certainty(facts: TlsFacts) -> Confidence:
    """Absences are certain only when the sweep ran to its end."""
    return Confidence.CONFIRMED if facts.complete else Confidence.PROBABLE


_VERSION_CHECKS = {
    TlsVersion.SSL2: "TLS-SSLV2",
    TlsVersion.SSL3: "TLS-SSLV3",
    TlsVersion.TLS10: "TLS-V10",
    TlsVersion.TLS11: "TLS-V11",
    TlsVersion.TLCP: "TLS-TLCP",
}


@rule(*_VERSION_CHECKS.values())
def accepted_versions(service: Service, context: Context) -> Iterator[Finding]:
    """Old versions (RFC 6176, 7568, 8996), and the national TLCP, which is only told."""
    facts = service.tls_facts
    if facts is None:
        return
    for version, check in _VERSION_CHECKS.items():
        if facts.accepts(version) is not Answer.YES:
            continue
        old_mail = _is_opportunistic(facts) and service.endpoint.port != 587
        lower = old_mail and version in (TlsVersion.TLS10, TlsVersion.TLS11)
        yield _finding(
            check,
            service,
            context,
            facts,
            severity=Severity.LOW if lower else None,
            suites=_listing(suite for suite in facts.suites if suite.version is version),
        )


@rule("TLS-NO-MODERN", "TLS-NO13")
def missing_versions(service: Service, context: Context) -> Iterator[Finding]:
    """Neither 1.2 nor 1.3; or no 1.3."""
    facts = service.tls_facts
    if facts is None:
        return
    spoken = [version for version, answer in facts.versions if answer is Answer.YES]
    no13 = facts.accepts(TlsVersion.TLS13) is Answer.NO
    if no13 and facts.accepts(TlsVersion.TLS12) is Answer.NO and spoken and TlsVersion.TLCP not in spoken:
        highest = max(spoken, key=list(TlsVersion).index)
        yield _finding("TLS-NO-MODERN", service, context, facts, highest=highest)
    if no13 and facts.accepts(TlsVersion.TLS12) is Answer.YES:
        yield _finding("TLS-NO13", service, context, facts)


@rule("TLS-NULL", "TLS-ANON", "TLS-EXPORT", "TLS-RC4", "TLS-DES", "TLS-3DES")
def weak_suites(service: Service, context: Context) -> Iterator[Finding]:
    """Suites that don't protect what they carry."""
    facts = service.tls_facts
    if facts is None:
        return
    suites = _suites(facts)
    tests: dict[str, SuiteTest] = {
        "TLS-NULL": _is_null,
        "TLS-ANON": _is_anonymous,
        "TLS-EXPORT": _is_export,
        "TLS-RC4": _is_rc4,
        "TLS-DES": _is_des,
        "TLS-3DES": _is_64_bit_block,
    }
    for check, test in tests.items():
        weak = [suite for suite in suites if test(suite.suite)]
        if weak:
            yield _finding(
                check,
                service,
                context,
                facts,
                severity=_weak_severity(check, weak, suites, facts),
                suites=_listing(weak),
            )


def _weak_severity(
    check: str, weak: list[AcceptedSuite], suites: tuple[AcceptedSuite, ...], facts: TlsFacts
) -> Severity | None:
    """Return the severity where it differs from the catalogue's."""
    if check == "TLS-ANON" and _is_opportunistic(facts):
        return Severity.INFO
    if check == "TLS-RC4" and all(_is_weak(suite.suite) for suite in suites):
        return Severity.HIGH
    if check == "TLS-3DES":
        only_old = all(suite.version in (TlsVersion.SSL3, TlsVersion.TLS10) for suite in weak)
        if only_old and any(_is_aead(suite.suite) for suite in suites):
            return Severity.LOW
    return None


@rule("TLS-CBC", "TLS-NO-FS", "TLS-RSA-KX", "TLS-PREF")
def dated_suites(service: Service, context: Context) -> Iterator[Finding]:
    """Suites that are sound in theory and have failed in practice (RFC 9325 section 4)."""
    facts = service.tls_facts
    if facts is None:
        return
    suites = _suites(facts)
    cbc = [suite for suite in suites if "_CBC" in suite.suite]
    if cbc:
        has_aead = any(_is_aead(suite.suite) for suite in suites)
        yield _finding(
            "TLS-CBC",
            service,
            context,
            facts,
            severity=Severity.INFO if has_aead else None,
            confidence=Confidence.CONFIRMED if has_aead else _certainty(facts),
            suites=_listing(cbc),
        )
    yield from _key_exchange(service, context, facts, suites)
    weak = [suite for suite in suites if _is_weak(suite.suite)]
    if weak and facts.server_preference is Answer.NO:
        yield _finding("TLS-PREF", service, context, facts, suites=_listing(weak))


def _key_exchange(
    service: Service, context: Context, facts: TlsFacts, suites: tuple[AcceptedSuite, ...]
) -> Iterator[Finding]:
    static = [suite for suite in suites if _is_static_rsa(suite.suite) and not _is_null(suite.suite)]
    if not static:
        return
    if any(_is_forward_secret(suite) and not _is_anonymous(suite.suite) for suite in suites):
        first = next(suite for suite in suites if suite.version is not TlsVersion.TLS13)
        enforced = facts.server_preference is Answer.YES and _is_forward_secret(first)
        severity = Severity.INFO if enforced else None
        yield _finding("TLS-RSA-KX", service, context, facts, severity=severity, suites=_listing(static))
    else:
        yield _finding("TLS-NO-FS", service, context, facts, confidence=_certainty(facts), suites=_listing(static))


@rule("TLS-DH-WEAK", "TLS-DH-COMMON", "TLS-CURVE")
def weak_groups(service: Service, context: Context) -> Iterator[Finding]:
    """Diffie-Hellman primes (Logjam, CVE-2015-4000) and curves that are too small."""
    facts = service.tls_facts
    if facts is None:
        return
    small = [suite for suite in facts.suites if suite.group == "dh" and 0 < suite.group_bits < 2048]
    if small:
        bits = min(suite.group_bits for suite in small)
        severity = Severity.HIGH if bits <= 512 else Severity.MEDIUM if bits <= 1024 else Severity.LOW
        yield _finding(
            "TLS-DH-WEAK",
            service,
            context,
            facts,
            severity=severity,
            bits=str(bits),
            suites=_listing(suite for suite in small if suite.group_bits == bits),
        )
    common = sorted({COMMON_PRIMES[suite.prime_sha256] for suite in small if suite.prime_sha256 in COMMON_PRIMES})
    if common:
        yield _finding("TLS-DH-COMMON", service, context, facts, primes=", ".join(common))
    curves = [group for group in facts.groups if group in _SMALL_CURVES]
    if curves:
        weakest = min(_SMALL_CURVES[curve] for curve in curves)
        yield _finding(
            "TLS-CURVE",
            service,
            context,
            facts,
            severity=Severity.LOW if weakest >= 224 else None,
            curves=", ".join(curves),
        )


@rule("TLS-COMP", "TLS-SCSV", "TLS-EMS", "TLS-0RTT", "TLS-SIGHASH", "TLS-RENEG-DOS", "TLS-RENEG-INSEC")
def features(service: Service, context: Context) -> Iterator[Finding]:
    """Features that are on and should be off, or the other way round."""
    facts = service.tls_facts
    if facts is None:
        return
    questionable = {
        "TLS-COMP": facts.compression is Answer.YES,
        "TLS-SCSV": facts.fallback_scsv is Answer.NO,
        "TLS-EMS": facts.extended_master_secret is Answer.NO,
        "TLS-0RTT": facts.early_data is Answer.YES,
        "TLS-SIGHASH": facts.sha1_signature is Answer.YES,
        "TLS-RENEG-DOS": facts.client_renegotiation is Answer.YES,
    }
    for check, is_so in questionable.items():
        if is_so:
            yield _finding(check, service, context, facts)
    if facts.secure_renegotiation is Answer.NO:
        severity = Severity.HIGH if facts.client_renegotiation is Answer.YES else None
        yield _finding(
            "TLS-RENEG-INSEC",
            service,
            context,
            facts,
            severity=severity,
        )


@rule("TLS-HEARTBLEED", "TLS-CCS", "TLS-ROBOT")
def implementation_flaws(service: Service, context: Context) -> Iterator[Finding]:
    """Flaws of a library that show in its behaviour."""
    facts = service.tls_facts
    if facts is None:
        return
    if facts.heartbleed is Answer.YES:
        yield _finding("TLS-HEARTBLEED", service, context, facts)
    if facts.ccs_injection is Answer.YES:
        yield _finding("TLS-CCS", service, context, facts)
    if facts.robot in ("weak", "strong"):
        severity = Severity.HIGH if facts.robot == "strong" else Severity.MEDIUM
        yield _finding("TLS-ROBOT", service, context, facts, severity=severity, oracle=facts.robot)


@rule("TLS-SNI-REQ", "TLS-MTLS")
def conditions(service: Service, context: Context) -> Iterator[Finding]:
    """What the server wants before it talks: told, because it limits what could be inspected."""
    facts = service.tls_facts
    if facts is None:
        return
    if facts.needs_name:
        yield _finding("TLS-SNI-REQ", service, context, facts)
    if facts.client_certificate is Answer.YES:
        yield _finding("TLS-MTLS", service, context, facts)


RULES: tuple[Rule, ...] = (
    accepted_versions,
    missing_versions,
    weak_suites,
    dated_suites,
    weak_groups,
    features,
    implementation_flaws,
    conditions,
)
