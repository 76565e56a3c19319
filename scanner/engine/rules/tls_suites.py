"""Cipher suites, curves and primes, judged: which weakness each is, and how bad the organisation's policy calls it.

A weakness is one finding, whatever the policy. The policy decides whether something counts at all, and how much where
nothing but the policy speaks against it: what should be phased out is a hint, what is insufficient is low.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.hostile import remembering
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.policy.load import Aspect, Grade, TlsPolicy, Verdict, worst
from scanner.engine.rules.base import Context, Rule, rule
from scanner.engine.rules.tls_base import is_opportunistic, listing, tls_finding
from scanner.engine.rules.tls_primes import COMMON_PRIMES, NAMED_GROUPS

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


def _is_cbc(name: str) -> bool:
    return "_CBC" in name


def _is_aead(name: str) -> bool:
    return any(part in name for part in ("_GCM", "_CCM", "POLY1305", "_MGM"))


def _is_forward_secret(suite: AcceptedSuite) -> bool:
    return suite.version is TlsVersion.TLS13 or "DHE_" in suite.suite or _is_anonymous(suite.suite)


def _is_static_rsa(name: str) -> bool:
    return name.startswith(("TLS_RSA_", "SSL_RSA_"))


def _is_static(name: str) -> bool:
    """Tell whether the key in the certificate, or its Diffie-Hellman share, makes every session's keys."""
    return _is_static_rsa(name) or name.startswith(("TLS_DH_RSA_", "TLS_DH_DSS_", "TLS_ECDH_RSA_", "TLS_ECDH_ECDSA_"))


_BROKEN: dict[str, SuiteTest] = {
    "TLS-NULL": _is_null,
    "TLS-ANON": _is_anonymous,
    "TLS-EXPORT": _is_export,
    "TLS-RC4": _is_rc4,
    "TLS-DES": _is_des,
    "TLS-3DES": _is_64_bit_block,
}


@remembering(most=1024, longest=256)
def _is_broken(name: str) -> bool:
    return any(test(name) for test in _BROKEN.values())


def _suites(facts: TlsFacts) -> tuple[AcceptedSuite, ...]:
    """Return what is judged suite by suite: SSL 2.0 is bad as a whole, TLCP is judged elsewhere."""
    return tuple(suite for suite in facts.suites if suite.version not in (TlsVersion.SSL2, TlsVersion.TLCP))


def _objectionable(suites: Iterable[AcceptedSuite], test: SuiteTest, policy: TlsPolicy) -> list[AcceptedSuite]:
    return [suite for suite in suites if test(suite.suite) and policy.objects_to(Aspect.SUITE, suite.suite)]


def _verdict(suites: Iterable[AcceptedSuite], policy: TlsPolicy) -> Verdict:
    return worst(policy.grade(Aspect.SUITE, suite.suite) for suite in suites)


def _own_verdict(suites: Iterable[AcceptedSuite], policy: TlsPolicy) -> Verdict | None:
    """Return the verdict on suites that are not broken besides: RC4's is no verdict on its key exchange."""
    sound = [suite for suite in suites if not _is_broken(suite.suite)]
    return _verdict(sound, policy) if sound else None


def _is_insufficient(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.grade is Grade.INSUFFICIENT


def _by_policy_alone(verdict: Verdict) -> Severity:
    """Return the weight of what no attack, but the policy, speaks against."""
    return Severity.LOW if _is_insufficient(verdict) else Severity.INFO


@rule(*_BROKEN)
def weak_suites(service: Service, context: Context) -> Iterator[Finding]:
    """Suites that don't protect what they carry."""
    facts = service.tls_facts
    if facts is None:
        return
    suites = _suites(facts)
    broken = [suite for suite in suites if _is_broken(suite.suite)]
    for check, test in _BROKEN.items():
        weak = _objectionable(broken, test, context.basis.policy)
        if weak:
            yield tls_finding(
                check,
                service,
                context,
                facts,
                severity=_weak_severity(check, weak, suites, opportunistic=is_opportunistic(service, facts)),
                verdict=_verdict(weak, context.basis.policy),
                suites=listing(weak),
            )


def _weak_severity(
    check: str, weak: list[AcceptedSuite], suites: tuple[AcceptedSuite, ...], *, opportunistic: bool
) -> Severity | None:
    """Return the severity where it differs from the catalogue's."""
    if check == "TLS-ANON" and opportunistic:
        return Severity.INFO
    if check == "TLS-RC4" and all(_is_broken(suite.suite) for suite in suites):
        return Severity.HIGH
    if check == "TLS-3DES":
        only_old = all(suite.version in (TlsVersion.SSL3, TlsVersion.TLS10) for suite in weak)
        if only_old and any(_is_aead(suite.suite) for suite in suites):
            return Severity.LOW
    return None


@rule("TLS-CBC", "TLS-PREF")
def dated_suites(service: Service, context: Context) -> Iterator[Finding]:
    """Suites that are sound in theory and have failed in practice (RFC 9325 section 4)."""
    facts = service.tls_facts
    if facts is None:
        return
    suites = _suites(facts)
    cbc = _objectionable(suites, _is_cbc, context.basis.policy)
    if cbc:
        verdict = _own_verdict(cbc, context.basis.policy)
        has_aead = any(_is_aead(suite.suite) for suite in suites)
        yield tls_finding(
            "TLS-CBC",
            service,
            context,
            facts,
            severity=Severity.INFO if has_aead and not _is_insufficient(verdict) else None,
            confidence=Confidence.CONFIRMED if has_aead else _certainty(facts),
            verdict=verdict,
            suites=listing(cbc),
        )
    weak = [suite for suite in suites if _is_broken(suite.suite)]
    if weak and facts.server_preference is Answer.NO:
        yield tls_finding("TLS-PREF", service, context, facts, suites=listing(weak))


def _certainty(facts: TlsFacts) -> Confidence:
    """Absences are certain only when the sweep ran to its end."""
    return Confidence.CONFIRMED if facts.complete else Confidence.PROBABLE


@rule("TLS-NO-FS", "TLS-RSA-KX")
def key_exchange(service: Service, context: Context) -> Iterator[Finding]:
    """Suites whose sessions fall with the private key (RFC 9325 section 4.1)."""
    facts = service.tls_facts
    if facts is None:
        return
    suites = _suites(facts)
    static = [suite for suite in suites if _is_static(suite.suite) and not _is_null(suite.suite)]
    if static and not any(_is_forward_secret(suite) and not _is_anonymous(suite.suite) for suite in suites):
        yield tls_finding(
            "TLS-NO-FS",
            service,
            context,
            facts,
            confidence=_certainty(facts),
            verdict=_verdict(static, context.basis.policy),
            suites=listing(static),
        )
        return
    rsa = _objectionable(static, _is_static_rsa, context.basis.policy)
    if rsa:
        verdict = _own_verdict(rsa, context.basis.policy)
        enforced = facts.server_preference is Answer.YES and _is_forward_secret(_first_pick(suites))
        yield tls_finding(
            "TLS-RSA-KX",
            service,
            context,
            facts,
            severity=Severity.INFO if enforced and not _is_insufficient(verdict) else None,
            verdict=verdict,
            suites=listing(rsa),
        )


def _first_pick(suites: Iterable[AcceptedSuite]) -> AcceptedSuite:
    """Return what the server prefers in the newest version below 1.3, in which its preference was asked for.

    Versions are swept side by side, so that only the order within one says what is preferred; and in SSL 3.0, which has
    no curves, it says nothing of the clients of today.
    """
    older = [suite for suite in suites if suite.version is not TlsVersion.TLS13]
    newest = max(older, key=lambda suite: list(TlsVersion).index(suite.version)).version
    return next(suite for suite in older if suite.version is newest)


@rule("TLS-DH-WEAK", "TLS-DH-COMMON")
def primes(service: Service, context: Context) -> Iterator[Finding]:
    """Diffie-Hellman primes that are too small (Logjam, CVE-2015-4000), or that the policy doesn't accept.

    That of anonymous suites alone weighs as little as those do where mail servers talk to each other: Postfix has one
    of 1024 bits for them.
    """
    facts = service.tls_facts
    if facts is None:
        return
    graded = {suite: _graded_prime(suite, context.basis.policy) for suite in facts.suites if suite.group == "dh"}
    weak = [suite for suite, verdict in graded.items() if suite.group_bits > 0 and verdict.grade.is_objection]
    authenticated = [suite for suite in weak if not _is_anonymous(suite.suite)]
    hint = is_opportunistic(service, facts) and not authenticated
    weak = authenticated if authenticated and is_opportunistic(service, facts) else weak
    if weak:
        bits = min(suite.group_bits for suite in weak)
        smallest = [suite for suite in weak if suite.group_bits == bits]
        verdict = worst(graded[suite] for suite in smallest)
        yield tls_finding(
            "TLS-DH-WEAK",
            service,
            context,
            facts,
            severity=Severity.INFO if hint else _prime_severity(bits, verdict),
            verdict=verdict,
            bits=str(bits),
            suites=listing(smallest),
        )
    common = sorted({COMMON_PRIMES[suite.prime_sha256] for suite in graded if suite.prime_sha256 in COMMON_PRIMES})
    if common:
        yield tls_finding("TLS-DH-COMMON", service, context, facts, primes=", ".join(common))


def _graded_prime(suite: AcceptedSuite, policy: TlsPolicy) -> Verdict:
    return policy.grade(Aspect.PRIME, NAMED_GROUPS.get(suite.prime_sha256, "dh"), suite.group_bits)


def _prime_severity(bits: int, verdict: Verdict) -> Severity:
    """Return how weak a prime is: 512 bits are broken at will, 1024 by a state (Adrian et al. 2015)."""
    if bits <= 512:
        return Severity.HIGH
    if bits <= 1024:
        return Severity.MEDIUM
    return Severity.LOW if bits < 2048 else _by_policy_alone(verdict)


@rule("TLS-CURVE")
def curves(service: Service, context: Context) -> Iterator[Finding]:
    """Curves that are too small."""
    facts = service.tls_facts
    if facts is None:
        return
    policy = context.basis.policy
    small = [name for name in facts.groups if name in _SMALL_CURVES and policy.objects_to(Aspect.GROUP, name)]
    if small:
        weakest = min(_SMALL_CURVES[curve] for curve in small)
        yield tls_finding(
            "TLS-CURVE",
            service,
            context,
            facts,
            severity=Severity.LOW if weakest >= 224 else None,
            verdict=worst(policy.grade(Aspect.GROUP, curve) for curve in small),
            curves=", ".join(small),
        )


@rule("TLS-POLICY")
def outside_policy(service: Service, context: Context) -> Iterator[Finding]:
    """What no other rule calls weak, and the policy objects to all the same: one finding for all of it."""
    facts = service.tls_facts
    if facts is None:
        return
    suites = [suite for suite in _suites(facts) if not _has_its_own_check(suite.suite)]
    objections = {suite.suite: context.basis.policy.grade(Aspect.SUITE, suite.suite) for suite in suites}
    groups = [name for name in facts.groups if name not in _SMALL_CURVES]
    objections |= {name: context.basis.policy.grade(Aspect.GROUP, name) for name in groups}
    objections = {name: verdict for name, verdict in objections.items() if verdict.grade.is_objection}
    if objections:
        verdict = worst(objections.values())
        yield tls_finding(
            "TLS-POLICY",
            service,
            context,
            facts,
            severity=_by_policy_alone(verdict),
            verdict=verdict,
            items=", ".join(sorted(objections)),
        )


@remembering(most=1024, longest=256)
def _has_its_own_check(name: str) -> bool:
    return _is_broken(name) or _is_cbc(name) or _is_static_rsa(name)


RULES: tuple[Rule, ...] = (weak_suites, dated_suites, key_exchange, primes, curves, outside_policy)
