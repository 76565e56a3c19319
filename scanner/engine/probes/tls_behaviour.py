"""How a server behaves besides what it accepts: whose order counts, downgrade protection, SHA-1 signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.tls_ask import Asker, accepted
from scanner.engine.probes.tls_flight import INAPPROPRIATE_FALLBACK
from scanner.engine.probes.tls_seen import Seen
from scanner.engine.probes.tls_suites import name_of
from scanner.engine.probes.tls_wire import FALLBACK_SCSV, OLD, SHA1_SIGNATURES


async def ask_preference(asker: Asker, seen: Seen, order: Mapping[TlsVersion, Sequence[int]]) -> None:
    """Offer the first and the last pick in turned order: a server with a mind of its own picks as before."""
    for version in (*reversed(OLD), TlsVersion.TLS13):
        suites = order[version]
        if len(suites) > 1:
            flight = await asker.settle(asker.hello(version, (suites[-1], suites[0])))
            if accepted(flight, version):
                seen.add("server_preference", flight.suite == suites[0])
            return


async def ask_compression(asker: Asker, seen: Seen) -> None:
    """Offer compression where no suite was accepted together with that offer."""
    version = next((version for version in OLD if seen.accepted_suites(version)), None)
    if version is not None and "compression" not in seen.answers:
        flight = await asker.settle(asker.hello(version, seen.accepted_suites(version), deflate=True))
        if accepted(flight, version):
            seen.add("compression", flight.compression == 1)


async def ask_fallback(asker: Asker, seen: Seen) -> None:
    """Claim to fall back from a higher version (RFC 7507); only the proper alert shows that it is noticed."""
    spoken = [version for version in OLD if seen.accepts(version)]
    if len(spoken) < 2:
        return
    version = spoken[-2]
    flight = await asker.settle(asker.hello(version, (*seen.accepted_suites(version), FALLBACK_SCSV)))
    if flight.alert == INAPPROPRIATE_FALLBACK:
        seen.add("fallback_scsv", True)
    elif accepted(flight, version):
        seen.add("fallback_scsv", False)


async def ask_sha1(asker: Asker, seen: Seen) -> None:
    """Offer SHA-1 signatures only (RFC 9155) where the key exchange is signed and the algorithm is told."""
    version = TlsVersion.TLS12
    signed = [
        suite
        for suite in seen.accepted_suites(version)
        if "DHE_" in name_of(suite) and "PSK" not in name_of(suite) and "anon" not in name_of(suite)
    ]
    if not signed:
        return
    flight = await asker.settle(asker.hello(version, signed, signatures=SHA1_SIGNATURES))
    if flight.signature is not None or flight.alert is not None:
        seen.add("sha1_signature", flight.signature in SHA1_SIGNATURES)
