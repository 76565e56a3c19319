"""What a TLS server accepts, judged: versions and features. Suites, curves and primes are in ``tls_suites.py``."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.facts.tls import Answer, TlsVersion
from scanner.engine.model import Finding, Service, Severity
from scanner.engine.policy.load import Aspect
from scanner.engine.rules import tls_suites
from scanner.engine.rules.base import Context, Rule, rule
from scanner.engine.rules.tls_base import is_opportunistic, listing, tls_finding

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
        verdict = context.basis.policy.grade(Aspect.VERSION, version)
        is_only_told = version is TlsVersion.TLCP
        if facts.accepts(version) is not Answer.YES or not (is_only_told or verdict.grade.is_objection):
            continue
        old_mail = is_opportunistic(service, facts)
        lower = old_mail and version in (TlsVersion.TLS10, TlsVersion.TLS11)
        yield tls_finding(
            check,
            service,
            context,
            facts,
            severity=Severity.LOW if lower else None,
            verdict=None if is_only_told else verdict,
            suites=listing(suite for suite in facts.suites if suite.version is version),
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
        yield tls_finding("TLS-NO-MODERN", service, context, facts, highest=highest)
    if no13 and facts.accepts(TlsVersion.TLS12) is Answer.YES:
        yield tls_finding("TLS-NO13", service, context, facts)


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
        "TLS-SIGHASH": facts.sha1_signature is Answer.YES and context.basis.policy.objects_to(Aspect.HASH, "sha1"),
        "TLS-RENEG-DOS": facts.client_renegotiation is Answer.YES,
    }
    for check, is_so in questionable.items():
        if is_so:
            yield tls_finding(check, service, context, facts)
    if facts.secure_renegotiation is Answer.NO:
        severity = Severity.HIGH if facts.client_renegotiation is Answer.YES else None
        yield tls_finding(
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
        yield tls_finding("TLS-HEARTBLEED", service, context, facts)
    if facts.ccs_injection is Answer.YES:
        yield tls_finding("TLS-CCS", service, context, facts)
    if facts.robot in ("weak", "strong"):
        severity = Severity.HIGH if facts.robot == "strong" else Severity.MEDIUM
        yield tls_finding("TLS-ROBOT", service, context, facts, severity=severity, oracle=facts.robot)


@rule("TLS-SNI-REQ", "TLS-MTLS")
def conditions(service: Service, context: Context) -> Iterator[Finding]:
    """What the server wants before it talks: told, because it limits what could be inspected."""
    facts = service.tls_facts
    if facts is None:
        return
    if facts.needs_name:
        yield tls_finding("TLS-SNI-REQ", service, context, facts)
    if facts.client_certificate is Answer.YES:
        yield tls_finding("TLS-MTLS", service, context, facts)


RULES: tuple[Rule, ...] = (
    accepted_versions,
    missing_versions,
    *tls_suites.RULES,
    features,
    implementation_flaws,
    conditions,
)
