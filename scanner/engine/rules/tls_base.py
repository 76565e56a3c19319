"""What the rules about TLS have in common: how a finding is made, and how suites are listed as data."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from scanner.engine.facts.tls import AcceptedSuite, TlsFacts, TlsVersion
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.policy.load import Verdict
from scanner.engine.rules.base import Context

_LISTED = 6
"""Suites named in one finding; the rest is counted."""

_OPENSSL_STARTTLS = {"postgresql": "postgres"}


def tls_finding(
    check: str,
    service: Service,
    context: Context,
    facts: TlsFacts,
    *,
    severity: Severity | None = None,
    confidence: Confidence = Confidence.CONFIRMED,
    verdict: Verdict | None = None,
    **params: str,
) -> Finding:
    """Return a finding about what the server accepts; ``verdict`` is the policy's, where it has one on the matter."""
    return context.finding(
        check,
        service,
        severity=severity,
        confidence=confidence,
        exchanges=(),
        options=s_client_options(facts),
        **params,
        **policy_params(context, verdict),
    )


def policy_params(context: Context, verdict: Verdict | None) -> dict[str, str]:
    """Return by which policy a finding was judged, and its verdict, which reports show beside the evidence."""
    judged_by = {"policy": context.basis.policy.name}
    return judged_by if verdict is None else {**judged_by, "grade": str(verdict.grade), "clause": verdict.clause}


def s_client_options(facts: TlsFacts) -> str:
    """Return the options that make ``openssl s_client`` look as the inspection did."""
    parts = ["-servername", facts.sni] if facts.sni else ["-noservername"]
    if facts.starttls:
        parts += ["-starttls", _OPENSSL_STARTTLS.get(facts.starttls, facts.starttls)]
    if facts.starttls.startswith("xmpp") and facts.sni:
        parts += ["-name", facts.sni]  # which the stream is opened to
    return " ".join(parts)


def listing(suites: Iterable[AcceptedSuite]) -> str:
    """Return suites as data, by version: ``TLSv1.0: A, B; TLSv1.2: A (+3)``."""
    order = list(TlsVersion)
    parts = []
    for version, members in groupby(sorted(suites, key=lambda s: order.index(s.version)), key=lambda s: s.version):
        names = sorted(suite.suite for suite in members)
        more = f" (+{len(names) - _LISTED})" if len(names) > _LISTED else ""
        parts.append(f"{version}: {', '.join(names[:_LISTED])}{more}")
    return "; ".join(parts)


_SUBMISSION = 587
"""Where users hand in mail and their passwords (RFC 6409 section 3.1)."""


def is_opportunistic(service: Service, facts: TlsFacts) -> bool:
    """Tell whether the alternative is plain text: mail between servers (RFC 7435), not submission by users."""
    return facts.starttls == "smtp" and service.endpoint.port != _SUBMISSION
