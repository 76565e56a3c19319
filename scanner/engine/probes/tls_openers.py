"""The hellos with which a sweep begins, and the plainer ones that are sent before a refusal is believed."""

from __future__ import annotations

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.tls_ask import Asker, accepted
from scanner.engine.probes.tls_flight import ALERTS, ServerFlight
from scanner.engine.probes.tls_suites import by_exchange, name_of, offer
from scanner.engine.probes.tls_wire import CLASSIC_SIGNATURES, COMMON_SHARES, Hello

CHUNK = 64
"""Suites in one hello for servers that choke on long lists."""

PLAIN: dict[str, object] = {"deflate": False, "signatures": CLASSIC_SIGNATURES}
"""Fields of a hello that holds nothing a server of 2008 would not know."""

_COMMON_GROUPS = (29, 23, 24, 25, 30, 256)


async def first_answer(asker: Asker) -> tuple[Hello, ServerFlight]:
    """Find one hello that is answered, and return it with its answer. Raises ``ProbeError`` when there is none."""
    silences = 0
    trouble: ProbeError | None = None
    for hello in _openers(asker):
        if silences >= 2 and hello.version is not TlsVersion.SSL2:
            continue  # silent to TLS; only the oldest of hellos may still be understood
        try:
            flight = await (asker.ask(hello) if silences else _ask_twice(asker, hello))
        except HostSilent as error:
            silences, trouble = silences + 1, error
            continue
        except UnexpectedReply as error:
            if trouble is not None and hello.version is not TlsVersion.SSL2:
                raise
            trouble = error
            continue
        if accepted(flight, hello.version):
            return hello, flight
    if asker.alerts:
        names = ", ".join(ALERTS.get(alert, str(alert)) for alert in sorted(asker.alerts))
        raise ConnectionLost(f"The server refused every hello ({names}).")
    raise trouble or ConnectionLost("The server closed the connection after every hello.")


async def _ask_twice(asker: Asker, hello: Hello) -> ServerFlight:
    """Ask, and once more with patience where nothing came. Raises ``ProbeError``."""
    try:
        return await asker.ask(hello)
    except HostSilent:
        return await asker.ask_longer(hello)


def _openers(asker: Asker) -> list[Hello]:
    """Return hellos from the likeliest to the strangest; one of them is answered by every TLS server."""
    modern, classic = offer(TlsVersion.TLS13), offer(TlsVersion.TLS12)
    return [
        asker.hello(TlsVersion.TLS12, classic),
        asker.hello(TlsVersion.TLS13, modern),
        plainer(asker, TlsVersion.TLS13),
        *(
            asker.hello(version, offer(version))
            for version in (TlsVersion.TLS10, TlsVersion.SSL3, TlsVersion.TLS11, TlsVersion.SSL2, TlsVersion.TLCP)
        ),
        *(asker.hello(TlsVersion.TLS12, classic[at : at + CHUNK]) for at in range(0, len(classic), CHUNK)),
        asker.hello(TlsVersion.TLS12, classic[:CHUNK], bare=True),
        *(asker.hello(TlsVersion.TLS12, piece, **PLAIN) for piece in by_exchange(classic)[:4]),
    ]


def plainer(asker: Asker, version: TlsVersion) -> Hello:
    """Return the hello that is asked before a refusal is believed: shorter and plainer than the first."""
    if version is TlsVersion.TLS13:
        return asker.hello(version, offer(version)[:3], groups=_COMMON_GROUPS, shares=COMMON_SHARES)
    suites = offer(version)
    if version is TlsVersion.SSL3:  # it has no extensions, so no way to agree on a curve (RFC 8422 section 4)
        suites = tuple(suite for suite in suites if "_ECDH" not in name_of(suite))
    return asker.hello(version, suites[:CHUNK], **PLAIN)


def is_short(hello: Hello) -> bool:
    """Tell whether an answered opener is one of those for servers that choke on long lists."""
    return hello.version is TlsVersion.TLS12 and len(hello.suites) <= CHUNK
