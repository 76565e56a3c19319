"""Which curves and groups a server negotiates: found by elimination, as its suites are."""

from __future__ import annotations

from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.tls_ask import Asker, accepted
from scanner.engine.probes.tls_seen import Seen
from scanner.engine.probes.tls_suites import CURVES_BELOW_256, GROUPS_TLS12, GROUPS_TLS13, name_of
from scanner.engine.probes.tls_wire import OLD


async def find_modern_groups(asker: Asker, seen: Seen) -> None:
    """Find the groups of TLS 1.3."""
    if seen.accepts(TlsVersion.TLS13):
        await _eliminate(asker, seen, TlsVersion.TLS13, seen.accepted_suites(TlsVersion.TLS13), list(GROUPS_TLS13))


async def find_curves(asker: Asker, seen: Seen) -> None:
    """Find the curves of the older versions: all of them, or only weak ones where TLS 1.3 named the others."""
    await find_curves_among(asker, seen, list(CURVES_BELOW_256 if seen.accepts(TlsVersion.TLS13) else GROUPS_TLS12))


async def find_curves_among(asker: Asker, seen: Seen, curves: list[int]) -> None:
    """Find which of ``curves`` the highest version up to 1.2 that negotiates curves accepts."""
    for version in reversed(OLD[1:]):
        suites = [suite for suite in seen.accepted_suites(version) if _negotiates_curve(suite)]
        if suites:
            await _eliminate(asker, seen, version, suites, curves)
            return


def _negotiates_curve(suite: int) -> bool:
    return any(exchange in name_of(suite) for exchange in ("ECDHE", "ECDH_anon"))


async def _eliminate(asker: Asker, seen: Seen, version: TlsVersion, suites: list[int], remaining: list[int]) -> None:
    while remaining:
        flight = await asker.settle(asker.hello(version, suites, groups=tuple(remaining)))
        if not accepted(flight, version) or not flight.group:
            return
        seen.groups.setdefault(flight.group)
        if flight.group not in remaining:
            return
        remaining.remove(flight.group)
