"""The certificates a server presents, judged from their bytes: time, name, trust, strength."""

from __future__ import annotations

import datetime as dt
import math
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from scanner.engine.facts.tls import Answer, TlsFacts
from scanner.engine.intel.distrust import distrusted_roots
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.policy.load import Aspect, Grade, Verdict
from scanner.engine.rules.base import Context, Rule, TrustAnchor, rule
from scanner.engine.rules.certificate_defaults import is_default
from scanner.engine.rules.certificate_path import Path, Trust, find_path, has_key_of_root
from scanner.engine.rules.ocsp_view import find_revocation, holds_time_stamps
from scanner.engine.rules.tls_base import policy_params, s_client_options
from scanner.engine.rules.x509_view import View, has_roca, is_signed_by, may_be_signed_by, names_host, view

# Longest lifetime of a public certificate by date of issue: CA/Browser Forum Baseline Requirements 6.3.2, SC-081v3.
_LIFETIMES = (
    (dt.datetime(2029, 3, 15, tzinfo=dt.UTC), 47),
    (dt.datetime(2027, 3, 15, tzinfo=dt.UTC), 100),
    (dt.datetime(2026, 3, 15, tzinfo=dt.UTC), 200),
    (dt.datetime(2020, 9, 1, tzinfo=dt.UTC), 398),
    (dt.datetime(2018, 3, 1, tzinfo=dt.UTC), 825),
)

_STEPS = ((7, Severity.MEDIUM), (14, Severity.LOW), (30, Severity.INFO))
"""Days before the end at which a certificate that was not renewed weighs more, the nearest first.

They are meant for certificates of 90 days and more; shorter ones have them in proportion, so that the first comes
when a third of the life is left, as ACME clients renew (the integration guide of Let's Encrypt, "When to renew").
"""
_FULL_LIFE = dt.timedelta(days=90)
_SHORT_LIFE = dt.timedelta(days=100)
"""Certificates of at most this life are renewed by programs, on a day that such a program chose."""
_DAY = dt.timedelta(days=1)
_SKEW = dt.timedelta(minutes=5)
"""By how much this machine's clock may be behind the issuer's: a certificate may be put to use at once."""
_RENEWAL = _DAY
"""Time that such a program has for it: it runs once a day or oftener."""

_SM2_SIGNATURE = "1.2.156.10197.1.501"
"""SM2 with SM3 (GM/T 0006): paths signed so can't be verified here."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Certificates as a server sent them, its own first, with the path that it has."""

    leaf: View
    sent: tuple[View, ...]
    path: Path


@lru_cache(maxsize=4)
def chains_of(
    presented: tuple[tuple[str, ...], ...], anchors: tuple[TrustAnchor, ...], now: dt.datetime
) -> tuple[Chain, ...]:
    """Return the chains, base64, with the path that each has at that time: most rules ask, one after the other."""
    chains: list[Chain] = []
    for encoded in presented:
        views = [view(b64decode(der)) for der in encoded]
        if views and views[0] is not None:
            sent = tuple(seen for seen in views if seen is not None)
            chains.append(Chain(sent[0], sent, find_path(sent, anchors, now)))
    return tuple(chains)


def _finding(
    check: str,
    service: Service,
    context: Context,
    facts: TlsFacts,
    leaf: View,
    *,
    severity: Severity | None = None,
    verdict: Verdict | None = None,
    **params: str,
) -> Finding:
    return context.finding(
        check,
        service,
        severity=severity,
        confidence=Confidence.CONFIRMED,
        exchanges=(),
        subject=leaf.subject or ", ".join(leaf.names[:3]),
        issuer=leaf.issuer,
        options=s_client_options(facts),
        **params,
        **policy_params(context, verdict),
    )


@rule("CERT-EXPIRED", "CERT-NOTYET", "CERT-EXPIRING")
def validity(service: Service, context: Context) -> Iterator[Finding]:
    """Judge the dates of every leaf, and of the intermediates that the path can't do without."""
    facts = service.tls_facts
    if facts is None:
        return
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        for certificate in (chain.leaf, *chain.path.outdated):
            left, life = certificate.not_after - context.now, certificate.not_after - certificate.not_before
            step, severity = _step(left, life)
            if left < dt.timedelta(0):
                check, severity = "CERT-EXPIRED", None
            elif certificate.not_before - context.now > _SKEW:
                check, severity = "CERT-NOTYET", None
            elif severity is not None:
                check = "CERT-EXPIRING"
            else:
                continue
            yield _finding(
                check,
                service,
                context,
                facts,
                certificate,
                severity=severity,
                days=str(abs(left).days),
                step=str(step),
                not_before=_day(certificate.not_before),
                not_after=_day(certificate.not_after),
            )


def _step(left: dt.timedelta, life: dt.timedelta) -> tuple[int, Severity | None]:
    """Return the last step passed, in days before the end, and what it weighs; None before the first."""
    if life <= _SHORT_LIFE and left >= life / 3 - _RENEWAL:
        return 0, None
    share = min(1.0, life / _FULL_LIFE)
    passed = ((math.ceil(days * share), severity) for days, severity in _STEPS if left < days * share * _DAY)
    return next(passed, (0, None))


def _day(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d")


@rule("CERT-HOSTNAME", "CERT-NO-SAN")
def identity(service: Service, context: Context) -> Iterator[Finding]:
    """Compare the registered name with the certificate's (RFC 9525); without a registered name nothing is compared."""
    facts = service.tls_facts
    if facts is None:
        return
    name = context.target.hostname
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        leaf = chain.leaf
        if not leaf.has_san:
            yield _finding("CERT-NO-SAN", service, context, facts, leaf)
        if name and facts.sni == name and not names_host(leaf, name.lower().rstrip(".")):
            shown = ", ".join((*leaf.names, *leaf.addresses)[:8]) or leaf.common_name
            yield _finding("CERT-HOSTNAME", service, context, facts, leaf, asked=name, names=shown)


@rule("CERT-REVOKED")
def revocation(service: Service, context: Context) -> Iterator[Finding]:
    """Report a certificate whose own issuer says, in the response that the server staples, that it is revoked."""
    facts = service.tls_facts
    if facts is None or not facts.ocsp_responses:
        return
    anchors = tuple(root for root in map(view, context.basis.anchors) if root is not None)
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        above = (*chain.sent, *chain.path.roots, *anchors)
        for response in facts.ocsp_responses:
            found = find_revocation(b64decode(response), chain.leaf, above, context.now)
            if found is not None:
                yield _finding(
                    "CERT-REVOKED",
                    service,
                    context,
                    facts,
                    chain.leaf,
                    serial=f"{chain.leaf.certificate.serial_number:x}",
                    since=_day(found.since),
                    reason=found.reason,
                )


@rule("CERT-DISTRUST")
def distrust(service: Service, context: Context) -> Iterator[Finding]:
    """Report a certificate that was issued after browsers gave up every public root it leads to."""
    facts = service.tls_facts
    if facts is None:
        return
    given_up = distrusted_roots()
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        policies = [given_up.get(root.fingerprint) for root in chain.path.roots]
        late = [policy for policy in policies if policy is not None and chain.leaf.not_before >= policy.since]
        if late and len(late) == len(policies):
            last = max(late, key=lambda policy: policy.since)
            after, issued = last.after.isoformat(), _day(chain.leaf.not_before)
            yield _finding(
                "CERT-DISTRUST",
                service,
                context,
                facts,
                chain.leaf,
                serial=f"{chain.leaf.certificate.serial_number:x}",
                root=last.root,
                after=after,
                issued=issued,
            )


@rule("CERT-SELFSIGNED", "CERT-UNTRUSTED", "CERT-CHAIN-MISSING", "CERT-CHAIN-ORDER")
def trust(service: Service, context: Context) -> Iterator[Finding]:
    """Judge the path to a trusted root, time and name left aside."""
    facts = service.tls_facts
    if facts is None:
        return
    checks = {
        Trust.SELF_SIGNED: "CERT-SELFSIGNED",
        Trust.UNTRUSTED: "CERT-UNTRUSTED",
        Trust.INCOMPLETE: "CERT-CHAIN-MISSING",
    }
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        leaf = chain.leaf
        if chain.path.verdict in checks and leaf.certificate.signature_algorithm_oid.dotted_string != _SM2_SIGNATURE:
            others = ", ".join(seen.subject for seen in chain.sent[1:4])
            yield _finding(
                checks[chain.path.verdict],
                service,
                context,
                facts,
                leaf,
                not_after=_day(leaf.not_after),
                sent=others,
            )
        problems = _disorder(chain.sent)
        if problems:
            yield _finding("CERT-CHAIN-ORDER", service, context, facts, leaf, problems=", ".join(problems))


def _disorder(sent: tuple[View, ...]) -> list[str]:
    """Name what is untidy about a chain as sent: ``duplicate``, ``root``, ``unrelated``, ``order``.

    Each certificate must stand above one before it, not above the last one: an issuer that two roots signed is sent
    twice, for old clients and new ones (RFC 8446 section 4.4.2).
    """
    if len(sent) < 2:
        return []
    problems: list[str] = []
    unique = list({seen.certificate: seen for seen in sent}.values())
    if len(unique) < len(sent):
        problems.append("duplicate")
    if len(unique) > 1 and any(seen.is_self_issued and is_signed_by(seen, seen) for seen in sent[1:]):
        problems.append("root")
    strangers = _strangers(unique)
    if strangers:
        problems.append("unrelated")
    kin = [seen for seen in unique if seen not in strangers]
    if any(all(child.issued_by != parent.owner for child in kin[:at]) for at, parent in enumerate(kin) if at):
        problems.append("order")
    return problems


def _strangers(unique: list[View]) -> list[View]:
    """Return the authorities' certificates that stand above nothing else here: the wrong intermediates.

    Signatures that can't be verified here (SM2, Ed25519) are believed by the issuer's name.
    """
    kin, above = unique[:1], unique[1:]
    for child in kin:  # grows while it is walked
        found = [parent for parent in above if may_be_signed_by(child, parent)]
        kin += found
        above = [parent for parent in above if parent not in found]
    return [seen for seen in above if seen.is_ca]


@rule("CERT-SIG-WEAK", "CERT-KEY-WEAK", "CERT-EXP-1")
def strength(service: Service, context: Context) -> Iterator[Finding]:
    """Judge signatures and keys of leaf and intermediates; a root's own signature protects nothing, nor does one that
    another root has given it."""
    facts = service.tls_facts
    if facts is None:
        return
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        for certificate in chain.sent:
            above = certificate is not chain.leaf
            if above and (certificate.is_self_issued or has_key_of_root(certificate, context.basis.anchors)):
                continue
            if chain.path.verdict is not Trust.PRIVATE or not certificate.is_self_issued:  # a root that is registered
                yield from _weak_signature(service, context, facts, certificate)
            yield from _weak_key(service, context, facts, certificate)
            flaw = "e = 1" if certificate.exponent == 1 else "ROCA, CVE-2017-15361" if has_roca(certificate) else ""
            if flaw:
                yield _finding("CERT-EXP-1", service, context, facts, certificate, flaw=flaw)


def _weak_signature(service: Service, context: Context, facts: TlsFacts, certificate: View) -> Iterator[Finding]:
    verdict = context.basis.policy.grade(Aspect.SIGNATURE, certificate.digest)
    if not certificate.digest or not verdict.grade.is_objection:
        return
    severity = {"sha1": Severity.MEDIUM, "sha224": Severity.LOW}.get(certificate.digest, Severity.HIGH)
    if certificate.is_self_issued:  # whoever forges it needs no collision: nobody else vouches for it
        severity = Severity.INFO
    algorithm = certificate.digest.upper()
    yield _finding(
        "CERT-SIG-WEAK", service, context, facts, certificate, severity=severity, verdict=verdict, algorithm=algorithm
    )


def _weak_key(service: Service, context: Context, facts: TlsFacts, certificate: View) -> Iterator[Finding]:
    verdict = context.basis.policy.grade(Aspect.KEY, certificate.key, certificate.bits)
    if not certificate.key or not verdict.grade.is_objection:
        return
    severity, key = _key_weakness(certificate, verdict), f"{certificate.key} {certificate.bits}"
    yield _finding("CERT-KEY-WEAK", service, context, facts, certificate, severity=severity, verdict=verdict, key=key)


def _key_weakness(certificate: View, verdict: Verdict) -> Severity:
    """Return how weak the key is; one that only the policy speaks against is a hint while it may be phased out."""
    if certificate.key == "RSA" and certificate.bits < 2048:
        return Severity.HIGH if certificate.bits < 1024 else Severity.MEDIUM
    if verdict.grade is Grade.PHASE_OUT:
        return Severity.INFO
    weak = certificate.key == "DSA" or (certificate.key == "EC" and certificate.bits < 256)
    return Severity.MEDIUM if weak else Severity.LOW


@rule("CERT-LONG", "CERT-SCT", "CERT-OCSP-STAPLE", "CERT-DEFAULT")
def practice(service: Service, context: Context) -> Iterator[Finding]:
    """Judge what public certificate authorities promise, and certificates that came with the product."""
    facts = service.tls_facts
    if facts is None:
        return
    for chain in chains_of(facts.chains, context.basis.anchors, context.now):
        leaf = chain.leaf
        public = chain.path.verdict is Trust.PUBLIC
        days, limit = (leaf.not_after - leaf.not_before).days, _longest_life(leaf.not_before)
        if limit and days > limit and chain.path.verdict not in (Trust.SELF_SIGNED, Trust.PRIVATE):
            severity = Severity.LOW if public else Severity.INFO
            yield _finding(
                "CERT-LONG", service, context, facts, leaf, severity=severity, days=str(days), limit=str(limit)
            )
        if public and leaf.scts == 0 and not _has_time_stamps_elsewhere(facts):
            yield _finding("CERT-SCT", service, context, facts, leaf)
        if facts.ocsp_stapled is Answer.NO and (leaf.ocsp or leaf.must_staple):
            severity = Severity.MEDIUM if leaf.must_staple else Severity.INFO
            responder = leaf.ocsp[0] if leaf.ocsp else "-"
            yield _finding("CERT-OCSP-STAPLE", service, context, facts, leaf, severity=severity, responder=responder)
        if not public and is_default(leaf):  # vendors have sites of their own
            yield _finding("CERT-DEFAULT", service, context, facts, leaf)


def _has_time_stamps_elsewhere(facts: TlsFacts) -> bool:
    """Tell whether time stamps come beside the certificate, where they count as much (RFC 6962 section 3.3)."""
    stapled = (b64decode(response) for response in facts.ocsp_responses)
    return facts.timestamps_sent is Answer.YES or any(map(holds_time_stamps, stapled))


def _longest_life(issued: dt.datetime) -> int:
    return next((days for since, days in _LIFETIMES if issued >= since), 0)


RULES: tuple[Rule, ...] = (validity, identity, revocation, distrust, trust, strength, practice)
