"""Which curves and groups a server negotiates: found by elimination, as its suites are."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.tls_ask import Asker, accepted
from scanner.engine.probes.tls_seen import Seen
from scanner.engine.probes.tls_suites import GROUPS, GROUPS_TLS13, name_of
from scanner.engine.probes.tls_wire import OLD
from scanner.engine.probes.together import all_of


async def find_modern_groups(asker: Asker, seen: Seen) -> None:
    """Find the groups of TLS 1.3."""
    if seen.accepts(TlsVersion.TLS13):
        suites = seen.accepted_suites(TlsVersion.TLS13)
        parts = 2 if asker.is_far else 1  # side by side, at the cost of one refusal more
        offers = [list(GROUPS_TLS13[at::parts]) for at in range(parts)]
        await all_of(_eliminate(asker, seen, TlsVersion.TLS13, suites, offer, []) for offer in offers)


async def find_curves(asker: Asker, seen: Seen, among: Sequence[int]) -> None:
    """Find which curves ``among`` these the server takes besides the groups that were found already.

    Asked in the highest version up to 1.2 that negotiates curves; else in TLS 1.3, for those that RFC 8446 section
    4.2.7 forbids there: GnuTLS negotiates whatever it is told to. Servers that keep to it may refuse a hello with any
    of them, which is why they are not asked for together with the others.
    """
    curves = [curve for curve in among if curve not in seen.groups]
    for version in reversed(OLD[1:]):
        suites = [suite for suite in seen.accepted_suites(version) if _negotiates_curve(suite)]
        if suites:
            only_elliptic = all("ECDSA" in name_of(suite) for suite in suites)
            await _eliminate(asker, seen, version, suites, curves, _leaf_curves(seen) if only_elliptic else [])
            return
    suites = seen.accepted_suites(TlsVersion.TLS13)
    if suites:
        await _eliminate(asker, seen, TlsVersion.TLS13, suites, [c for c in curves if c not in GROUPS_TLS13], [])


def _negotiates_curve(suite: int) -> bool:
    return any(exchange in name_of(suite) for exchange in ("ECDHE", "ECDH_anon"))


def _leaf_curves(seen: Seen) -> list[int]:
    """Return the curves of the server's own keys: without them in the list, it may not show its certificate at all
    (RFC 8422 section 5.1)."""
    curves: list[int] = []
    for leaf, *_ in seen.chains:
        with contextlib.suppress(Exception):  # whatever is wrong with a hostile certificate, it has no known curve
            key = x509.load_der_x509_certificate(leaf).public_key()
            if isinstance(key, ec.EllipticCurvePublicKey):
                curves.extend(number for number, (name, _) in GROUPS.items() if name == key.curve.name)
    return curves


async def _eliminate(
    asker: Asker, seen: Seen, version: TlsVersion, suites: list[int], curves: list[int], last: list[int]
) -> None:
    """Offer ``curves``, less what the server picks, until it refuses; ``last`` stays at the end while others remain."""
    remaining = [curve for curve in curves if curve not in last] + last
    while remaining:
        flight = await asker.settle(asker.hello(version, suites, groups=tuple(remaining)))
        if not accepted(flight, version) or not flight.group:
            return
        seen.groups.setdefault(flight.group)
        if flight.group not in remaining:
            return
        remaining.remove(flight.group)
