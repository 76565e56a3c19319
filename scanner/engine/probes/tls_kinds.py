"""Sorts what a first look accepted, so that a second look needs one question for each kind."""

from __future__ import annotations

from scanner.engine.facts.tls import AcceptedSuite, TlsFacts, TlsVersion
from scanner.engine.probes.tls_suites import name_of, offer


def picks(facts: TlsFacts) -> dict[TlsVersion, list[int]]:
    """Return the numbers of the accepted suites by version, in the order found."""
    found: dict[TlsVersion, list[int]] = {version: [] for version in TlsVersion}
    numbers = {version: {name_of(number): number for number in offer(version)} for version in TlsVersion}
    for suite in facts.suites:
        if suite.suite in numbers[suite.version]:
            found[suite.version].append(numbers[suite.version][suite.suite])
    return found


def kinds(facts: TlsFacts) -> dict[AcceptedSuite, list[int]]:
    """Sort the accepted suites into kinds that raise the same findings: same version, key exchange, prime and family
    of cipher. The key is a sample of the kind."""
    families = ("NULL", "RC4", "RC2", "IDEA", "3DES", "DES", "GCM", "CCM", "POLY1305", "CBC")
    samples: dict[tuple[str, ...], AcceptedSuite] = {}
    sorted_out: dict[AcceptedSuite, list[int]] = {}
    for version, numbers in picks(facts).items():
        by_name = {suite.suite: suite for suite in facts.suites if suite.version is version}
        for number in numbers:
            suite = by_name[name_of(number)]
            exchange, _, cipher = suite.suite.partition("_WITH_")
            family = next((family for family in families if family in cipher), "")
            modern = version is TlsVersion.TLS13
            key = (version, "" if modern else exchange, family, suite.prime_sha256)
            sorted_out.setdefault(samples.setdefault(key, suite), []).append(number)
    return sorted_out
